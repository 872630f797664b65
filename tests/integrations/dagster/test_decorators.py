"""`@quality_checked_asset` and `@profiled_asset` over every shape of function that Dagster takes."""
# ruff: noqa: ANN001, ANN201, ARG002, ARG005  Dagster is what is tested, with functions that say little

import asyncio
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    BackfillPolicy,
    Config,
    ConfigurableResource,
    DagsterInstance,
    DailyPartitionsDefinition,
    IOManager,
    MaterializeResult,
    OpExecutionContext,
    Output,
    ResourceParam,
    RetryPolicy,
    asset,
    load_assets_from_modules,
)

from etl.errors import QualityError
from etl.integrations.dagster import DataQualityResource, QualityAssetConfig, profiled_asset, quality_checked_asset
from etl.quality.rules import RuleError
from tests.integrations.dagster import future_functions
from tests.integrations.dagster.runs import (
    BAD,
    GOOD,
    RULES,
    evaluations,
    failure_text,
    materialized,
    metadata_of,
    plain,
    run,
)

DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05")


class Scale(ConfigurableResource):
    factor: int = 1


class Wanted(Config):
    rows: int = 3


@asset(partitions_def=DAYS)
def raw() -> pl.DataFrame:
    return GOOD


def plain_function(raw):
    return raw


def typed(raw: pl.DataFrame) -> pl.DataFrame:
    return raw


def with_untyped_context(context, raw):
    assert context.has_partition_key
    return raw


def with_context(context: AssetExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
    assert context.partition_key == "2026-01-02"
    return raw


def with_op_context(context: OpExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
    assert isinstance(context, OpExecutionContext)
    return raw


def unused_context(_context, raw):
    return raw


async def asynchronous(raw: pl.DataFrame) -> pl.DataFrame:
    await asyncio.sleep(0)
    return raw


async def asynchronous_with_context(context: AssetExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
    await asyncio.sleep(0)
    context.log.info("done")
    return raw


def with_data_quality(raw: pl.DataFrame, data_quality: DataQualityResource) -> pl.DataFrame:
    assert data_quality.check(raw, RULES, fail_on_error=False).total_count == 3
    return raw


def with_untyped_data_quality(data_quality, raw: pl.DataFrame) -> pl.DataFrame:
    assert isinstance(data_quality, DataQualityResource)
    return raw


def with_everything(
    context: AssetExecutionContext, config: Wanted, raw: pl.DataFrame, scale: Scale, other: ResourceParam[int]
) -> pl.DataFrame:
    assert (config.rows, scale.factor, other) == (3, 1, 7)
    return raw


def returns_output(raw) -> Output[pl.DataFrame]:
    return Output(raw, metadata={"mine": 1})


def returns_materialize_result(raw) -> MaterializeResult[pl.DataFrame]:
    return MaterializeResult(value=raw, metadata={"mine": 1})


def returns_lazy(raw: pl.DataFrame) -> pl.LazyFrame:
    return raw.lazy()


def first_rows(rows: int) -> pl.DataFrame:
    return GOOD.head(rows)


SHAPES = [
    plain_function,
    typed,
    with_untyped_context,
    with_context,
    with_op_context,
    unused_context,
    asynchronous,
    asynchronous_with_context,
    with_data_quality,
    with_untyped_data_quality,
    with_everything,
    returns_output,
    returns_materialize_result,
    returns_lazy,
    future_functions.with_context,
    future_functions.without_context,
    future_functions.asynchronous,
    future_functions.with_everything,
]
RESOURCES = {"scale": Scale(), "other": 7}


@pytest.mark.parametrize(
    "decorate", [quality_checked_asset(RULES, partitions_def=DAYS), profiled_asset(partitions_def=DAYS)]
)
@pytest.mark.parametrize("function", SHAPES, ids=lambda each: f"{each.__module__.rsplit('.', 1)[1]}.{each.__name__}")
def test_any_shape_of_function_becomes_an_asset_with_a_check_of_its_partition(
    function: Callable[..., Any], decorate: Any
) -> None:
    if function is future_functions.with_everything:
        function.__globals__["Scale"] = Scale
    made = decorate(function)
    with DagsterInstance.ephemeral() as instance:
        result = run([raw, made], instance=instance, partition_key="2026-01-02", resources=RESOURCES)
        assert result.success, failure_text(result)
        key = made.key
        (check,) = made.check_keys
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert record.evaluation.passed
    assert record.partition == "2026-01-02"
    assert materialized(result) == {"raw", function.__name__}
    value = result.output_for_node(key.path[-1])
    assert isinstance(value, pl.LazyFrame if function is returns_lazy else pl.DataFrame)
    assert value.lazy().collect().equals(GOOD)
    metadata = metadata_of(result, function.__name__)
    assert metadata["row_count"] == 3
    if function in (returns_output, returns_materialize_result):
        assert metadata["mine"] == 1


@pytest.mark.parametrize("function", [plain_function, asynchronous, returns_output, returns_lazy])
@pytest.mark.parametrize("partitioned", [True, False])
def test_bad_data_is_stopped_whatever_the_shape(function: Callable[..., Any], partitioned: bool) -> None:
    days = DAYS if partitioned else None

    @asset(name="raw", partitions_def=days)
    def bad() -> pl.DataFrame:
        return BAD

    made = quality_checked_asset(RULES, partitions_def=days)(function)
    result = run([bad, made], partition_key="2026-01-02" if partitioned else None)
    assert not result.success
    assert materialized(result) == {"raw"}
    assert [each.passed for each in evaluations(result)] == [False]
    assert evaluations(result)[0].partition == ("2026-01-02" if partitioned else None)
    assert "in_range__qty" in failure_text(result)


def test_nothing_is_run_again_even_if_the_asset_says_so() -> None:
    calls = []

    @quality_checked_asset(RULES, retry_policy=RetryPolicy(max_retries=3))
    def orders() -> pl.DataFrame:
        calls.append(1)
        return BAD

    assert not run([orders]).success
    assert len(calls) == 1
    assert quality_checked_asset(RULES)(typed).op.retry_policy is None


def test_what_the_function_raises_is_what_fails_the_step() -> None:
    @quality_checked_asset(RULES)
    def orders() -> pl.DataFrame:
        raise ValueError("no such file")

    result = run([orders])
    assert "no such file" in failure_text(result)
    assert evaluations(result) == []


def test_options_of_the_asset_reach_it() -> None:
    @quality_checked_asset(
        RULES,
        key_prefix=["lake", "bronze"],
        group_name="raw",
        tags={"team": "x"},
        owners=["team:data"],
        kinds={"polars"},
        check_specs=[AssetCheckSpec("mine", asset=AssetKey(["lake", "bronze", "orders"]))],
        required_resource_keys={"other"},
    )
    def orders(context: AssetExecutionContext) -> MaterializeResult[pl.DataFrame]:
        """Orders of the day."""
        return MaterializeResult(
            value=GOOD.with_columns(other=pl.lit(context.resources.other)),
            check_results=[AssetCheckResult(check_name="mine", passed=True)],
        )

    result = run([orders], resources=RESOURCES)
    assert result.success, failure_text(result)
    spec = orders.get_asset_spec()
    assert spec.key == AssetKey(["lake", "bronze", "orders"])
    assert (spec.group_name, spec.description, list(spec.owners)) == ("raw", "Orders of the day.", ["team:data"])
    assert spec.tags["data_quality"] == "quality_check"
    assert spec.tags["team"] == "x"
    assert {each.check_name for each in evaluations(result)} == {"mine", "quality"}


def test_a_key_and_a_name_of_ones_own() -> None:
    assert quality_checked_asset(RULES, key=["a", "b"])(typed).check_keys.pop().asset_key == AssetKey(["a", "b"])
    assert quality_checked_asset(RULES, name="c", check_name="rules")(typed).check_keys.pop().name == "rules"
    named = quality_checked_asset(RULES, name="part")(partial(first_rows, rows=2))
    assert list(named.get_asset_spec().deps) == []
    assert materialized(run([named])) == {"part"}


@pytest.mark.parametrize("frame", [GOOD, BAD], ids=["good", "bad"])
def test_the_key_can_be_prefixed_afterwards(frame: pl.DataFrame) -> None:
    @quality_checked_asset(RULES)
    def orders() -> pl.DataFrame:
        return frame

    module = ModuleType("some_assets")
    module.orders = orders
    result = run(load_assets_from_modules([module], key_prefix="moved"))
    assert result.success is (frame is GOOD)
    assert [each.asset_key for each in evaluations(result)] == [AssetKey(["moved", "orders"])]


def test_a_lazy_frame_is_computed_once_and_what_was_judged_is_what_is_published() -> None:
    computed = []

    def note(frame: pl.DataFrame) -> pl.DataFrame:
        computed.append(1)
        return frame

    @quality_checked_asset(RULES)
    def orders() -> pl.LazyFrame:
        return GOOD.lazy().map_batches(note)

    result = run([orders])
    assert result.output_for_node("orders").collect().equals(GOOD)
    assert len(computed) == 1


@pytest.mark.parametrize("value", [None, [1, 2], "orders", {"a": 1}])
def test_something_else_than_a_frame_is_refused(value: Any) -> None:
    @quality_checked_asset(RULES)
    def orders() -> Any:
        return value

    result = run([orders])
    assert materialized(result) == set()
    assert "cannot be checked" in failure_text(result)


def test_mistakes_are_refused_when_the_asset_is_defined() -> None:
    with pytest.raises(QualityError, match="needs rules"):
        quality_checked_asset(typed)
    with pytest.raises(QualityError, match="leave @asset out"):
        quality_checked_asset(RULES)(raw)
    with pytest.raises(QualityError, match="yields"):
        quality_checked_asset(RULES)(lambda: (yield GOOD))
    with pytest.raises(QualityError, match="name each input"):
        quality_checked_asset(RULES)(lambda **kwargs: GOOD)
    with pytest.raises(RuleError, match=r"asset orders: .*2"):
        quality_checked_asset([RULES[0], {"type": "not_null", "colunm": "id"}], name="orders")(typed)
    with pytest.raises(QualityError, match="cannot be read"):
        quality_checked_asset(RULES)(future_functions.unreadable)


def test_a_return_annotation_for_type_checkers_only_is_no_obstacle() -> None:
    assert run(
        [raw, quality_checked_asset(RULES, partitions_def=DAYS)(future_functions.unreadable_result)],
        partition_key="2026-01-02",
    ).success


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # our own use of backfill_policy
def test_a_range_of_partitions_in_one_run_is_judged_as_one() -> None:
    @quality_checked_asset(
        RULES, partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run(), io_manager_key="nowhere"
    )
    def orders(context: AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"id": range(len(context.partition_keys)), "qty": 1})

    class Nowhere(IOManager):
        def handle_output(self, context: Any, obj: Any) -> Any:
            assert obj.height == 2

        def load_input(self, context: Any) -> Any:
            raise NotImplementedError

    tags = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-02"}
    result = run([orders], tags=tags, resources={"nowhere": Nowhere()})
    assert result.success, failure_text(result)
    assert plain(evaluations(result)[0].metadata)["row_count"] == 2


def test_configuration_as_an_object_and_its_builders() -> None:
    config = QualityAssetConfig(rules=RULES)
    assert (config.fail_on_error, config.timeout, config.sample_size, config.output_type, config.check_name) == (
        True,
        None,
        None,
        "validated",
        "quality",
    )
    changed = config.with_fail_on_error(False).with_timeout(60).with_sample_size(2).with_rules(RULES[:1])
    assert (changed.fail_on_error, changed.timeout, changed.sample_size, len(changed.rules)) == (False, 60, 2, 1)
    assert config == QualityAssetConfig(rules=RULES)
    for wrong in (
        {"timeout": 0},
        {"timeout": 3601},
        {"sample_size": 0},
        {"rules": []},
        {"check_name": "a b"},
        {"fail": 1},
    ):
        with pytest.raises(ValueError):
            QualityAssetConfig(**{"rules": RULES, **wrong})
    with pytest.raises(RuleError):
        config.with_rules([{"type": "nul"}])

    @asset(name="raw")
    def bad() -> pl.DataFrame:
        return BAD

    result = run([bad, quality_checked_asset(changed.with_rules(RULES))(typed)])
    assert result.success
    assert "sample" in evaluations(result)[0].description


def test_a_profile_leaves_out_what_is_not_asked_for() -> None:
    @profiled_asset
    def orders() -> pl.DataFrame:
        return GOOD

    @profiled_asset(columns=["id"], sample_size=2)
    def some() -> pl.DataFrame:
        return GOOD

    result = run([orders, some])
    assert (metadata_of(result, "orders")["column_count"], metadata_of(result, "some")["column_count"]) == (2, 1)
    assert metadata_of(result, "some")["sampled_from_rows"] == 3
    assert orders.get_asset_spec().tags == {"data_quality": "profile"}
