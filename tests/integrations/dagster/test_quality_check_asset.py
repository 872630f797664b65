"""`create_quality_check_asset` and its relatives, materialized for real."""
# ruff: noqa: ARG002  Dagster is what is tested

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import (
    AllPartitionMapping,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

from etl.errors import QualityError
from etl.integrations.dagster import (
    DataQualityResource,
    build_quality_assets,
    create_quality_asset,
    create_quality_check_asset,
    create_quality_profile_asset,
)
from etl.quality.engine import Capabilities
from etl.quality.engine_methods import EngineMethods
from etl.quality.rules import RULE_TYPES, RuleError
from tests.integrations.dagster.runs import (
    BAD,
    EMPTY,
    GOOD,
    NULL_AND_DUPLICATE,
    POLARS,
    RULES,
    evaluations,
    failure_text,
    instance_in,
    materialized,
    metadata_of,
    plain,
    run,
    skipped,
)


class Broken(EngineMethods):
    """An engine of one's own that raises."""

    name = "broken"
    capabilities = Capabilities(rules=frozenset(RULE_TYPES))

    def judge(self, data: Any, rules: Any, context: Any) -> Any:
        raise ZeroDivisionError("inside the engine")


def chain(frame: pl.DataFrame, rules: Any = RULES, **options: Any) -> list[AssetsDefinition]:
    @asset
    def raw() -> pl.DataFrame:
        return frame

    @asset
    def mart(checked: Any) -> Any:
        return checked

    return [raw, create_quality_check_asset(name="checked", upstream_asset="raw", rules=rules, **options), mart]


CASES = {
    "good": (GOOD, RULES, "passed", 0, 0),
    "bad": (BAD, RULES, "failed", 1, 0),
    "null and duplicate": (NULL_AND_DUPLICATE, RULES, "failed", 2, 0),
    "empty": (EMPTY, RULES, "passed", 0, 0),
    "misspelt column": (GOOD, [*RULES, {"column": "qyt", "type": "not_null"}], "error", 0, 1),
}


@pytest.mark.parametrize("engine", ["polars", "truthound"])
@pytest.mark.parametrize("fails", [True, False], ids=["blocking", "not blocking"])
@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "unpartitioned"])
@pytest.mark.parametrize("case", CASES)
def test_the_verdict_decides_what_is_materialized_and_what_runs_downstream(
    case: str, fails: bool, partitioned: bool, engine: str
) -> None:
    frame, rules, status, failed, errors = CASES[case]
    days = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05") if partitioned else None
    key = "2026-01-02" if partitioned else None

    @asset(partitions_def=days)
    def raw() -> pl.DataFrame:
        return frame

    @asset(partitions_def=days)
    def mart(checked: Any) -> Any:
        return checked

    checked = create_quality_check_asset(
        name="checked", upstream_asset="raw", rules=rules, fail_on_error=fails, partitions_def=days
    )
    with DagsterInstance.ephemeral() as instance:
        resource = DataQualityResource(engine=engine)
        result = run([raw, checked, mart], resource, instance=instance, partition_key=key)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [AssetCheckKey(AssetKey("checked"), "quality")]
        )[AssetCheckKey(AssetKey("checked"), "quality")]
    stops = fails and status in ("failed", "error")
    assert result.success is not stops
    assert materialized(result) == ({"raw"} if stops else {"raw", "checked", "mart"})
    assert skipped(result) == ({"mart"} if stops else set())

    evaluation = record.evaluation
    assert record.partition == key
    assert evaluation.passed is (status == "passed")
    numbers = plain(evaluation.metadata)
    assert numbers["quality_status"] == status
    assert (numbers["passed_checks"], numbers["failed_checks"]) == (len(rules) - failed - errors, failed)
    assert numbers["error_checks"] == errors
    assert numbers["pass_rate"] == (len(rules) - failed - errors) / len(rules)
    assert numbers["rules_count"] == len(rules)
    assert numbers["input_asset"] == "raw"
    assert len(numbers["failures"]) == failed + errors
    assert ("nothing was materialized" in failure_text(result)) is stops
    if not stops:
        assert metadata_of(result, "checked")["quality_status"] == status
        assert result.output_for_node("checked").equals(frame)
        assert evaluation.target_materialization_data.run_id == result.run_id
    else:
        assert evaluation.target_materialization_data is None
        assert evaluation.severity is AssetCheckSeverity.ERROR
    if not fails and status != "passed":
        assert evaluation.severity is (AssetCheckSeverity.WARN if status == "failed" else AssetCheckSeverity.ERROR)


def test_a_blocked_run_leaves_the_last_good_materialization(tmp_path: Path) -> None:
    with instance_in(tmp_path / "dagster") as instance:
        good = run(chain(GOOD), instance=instance)
        bad = run(chain(BAD), instance=instance)
        latest = instance.get_latest_materialization_event(AssetKey("checked"))
        assert (good.success, bad.success) == (True, False)
        assert latest.run_id == good.run_id
        stored = list((tmp_path / "dagster").rglob("checked"))
        assert [pickle.loads(each.read_bytes()).equals(GOOD) for each in stored] == [True]


def test_an_engine_that_raises_is_an_error_and_never_a_pass() -> None:
    blocked = run(chain(GOOD), DataQualityResource.with_engine(Broken()))
    assert materialized(blocked) == {"raw"}
    assert plain(evaluations(blocked)[0].metadata)["quality_status"] == "error"
    assert "ZeroDivisionError" in evaluations(blocked)[0].description
    let_through = run(chain(GOOD, fail_on_error=False), DataQualityResource.with_engine(Broken()))
    assert materialized(let_through) == {"raw", "checked", "mart"}
    assert [each.passed for each in evaluations(let_through)] == [False]


def test_a_misspelt_rule_is_refused_when_the_asset_is_defined_and_its_position_is_named() -> None:
    with pytest.raises(RuleError) as refused:
        create_quality_check_asset(
            name="checked", upstream_asset="raw", rules=[RULES[0], {"column": "id", "type": "uniqe"}]
        )
    assert "asset checked" in str(refused.value)
    assert "2" in str(refused.value)
    assert "unique" in str(refused.value)


def test_no_rules_are_refused() -> None:
    with pytest.raises(QualityError, match="nothing would be checked"):
        create_quality_check_asset(name="checked", upstream_asset="raw", rules=[])


def test_an_unknown_output_type_is_refused() -> None:
    with pytest.raises(QualityError, match="output_type"):
        create_quality_check_asset(name="checked", upstream_asset="raw", rules=RULES, output_type="resutl")


def test_the_result_can_be_the_asset() -> None:
    result = run(chain(BAD, output_type="result", fail_on_error=False))
    value = result.output_for_node("checked")
    assert value["status"] == "failed"
    assert value["failed_count"] == 1
    assert value["failures"][0]["rule_name"] == "in_range__qty"


def test_a_failing_warning_is_materialized_and_yellow() -> None:
    result = run(chain(BAD, rules=[{**RULES[2], "severity": "warning"}]))
    (evaluation,) = evaluations(result)
    assert result.success
    assert (evaluation.passed, evaluation.severity) == (False, AssetCheckSeverity.WARN)


def test_the_failures_shown_are_ten_at_most() -> None:
    rules = [{"column": "qty", "type": "in_range", "max": -10 - n} for n in range(12)]
    (evaluation,) = evaluations(run(chain(GOOD, rules=rules, fail_on_error=False)))
    numbers = plain(evaluation.metadata)
    assert numbers["failed_checks"] == 12
    assert len(numbers["failures"]) == 10
    assert set(numbers["failures"][0]) >= {"rule", "column", "message"}


def test_a_sample_is_visible_as_one() -> None:
    frame = pl.DataFrame({"id": range(1000), "qty": range(1000)})
    (evaluation,) = evaluations(run(chain(frame, sample_size=10)))
    numbers = plain(evaluation.metadata)
    assert (numbers["row_count"], numbers["sampled_from_rows"]) == (10, 1000)
    assert "sample of 10 of 1000 rows" in evaluation.description


def test_defaults_description_tags_group_and_keys() -> None:
    made = create_quality_check_asset(
        name="checked", upstream_asset="raw/orders", rules=RULES, group_name="staging", tags={"team": "x"}
    )
    spec = made.get_asset_spec()
    assert spec.description == "Quality checked raw/orders"
    assert spec.group_name == "staging"
    assert spec.tags == {"data_quality": "quality_check", "team": "x"}
    assert [dep.asset_key for dep in spec.deps] == [AssetKey(["raw", "orders"])]
    assert made.op.retry_policy is None
    (check,) = made.check_specs
    assert (check.name, check.blocking) == ("quality", True)


def test_upstream_can_be_an_asset_and_the_key_can_have_a_prefix() -> None:
    @asset(key_prefix="lake")
    def raw() -> pl.DataFrame:
        return GOOD

    checked = create_quality_check_asset(name="checked", upstream_asset=raw, rules=RULES, key_prefix=["a", "b"])
    result = run([raw, checked])
    assert materialized(result) == {"lake/raw", "a/b/checked"}
    assert evaluations(result)[0].asset_key == AssetKey(["a", "b", "checked"])


def test_all_partitions_of_an_upstream_asset_are_checked_together(tmp_path: Path) -> None:
    days = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-03")

    @asset(partitions_def=days)
    def raw(context: AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"id": [1], "qty": [1]})

    checked = create_quality_check_asset(name="checked", upstream_asset="raw", rules=RULES)
    with instance_in(tmp_path / "dagster") as instance:
        for day in ("2026-01-01", "2026-01-02"):
            assert run([raw], instance=instance, partition_key=day).success
        result = run([raw, checked], instance=instance, selection=[checked])
    assert not result.success
    assert "unique__id" in failure_text(result)


def test_many_assets_from_plain_data_with_a_default_group() -> None:
    made = build_quality_assets(
        [
            {"name": "a", "upstream": "raw", "rules": RULES},
            {
                "name": "b",
                "upstream": "raw",
                "rules": RULES,
                "group": "other",
                "fail_on_error": False,
                "tags": {"k": "v"},
            },
        ],
        default_group="staging",
    )
    assert [each.get_asset_spec().group_name for each in made] == ["staging", "other"]
    assert [next(iter(each.check_specs)).blocking for each in made] == [True, False]
    assert made[1].get_asset_spec().tags["k"] == "v"


def test_plain_data_that_is_wrong_is_refused_with_everything_that_is_wrong() -> None:
    with pytest.raises(RuleError) as refused:
        build_quality_assets(
            [
                {"name": "a", "upstream": "raw", "rules": RULES, "fail_on_eror": False},
                {"name": "b", "rules": RULES},
                {"name": "c", "upstream": "raw", "rules": [{"column": "id", "type": "not_nul"}]},
            ]
        )
    text = str(refused.value)
    assert "fail_on_error" in text
    assert "`upstream` is missing" in text
    assert "asset c" in text
    assert "not_null" in text


def test_a_loader_with_a_context_becomes_a_checked_asset() -> None:
    def load(context: AssetExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
        context.log.info("loading")
        return raw

    @asset
    def raw() -> pl.DataFrame:
        return GOOD

    result = run([raw, create_quality_asset("loaded", load, RULES, group_name="staging")])
    assert materialized(result) == {"raw", "loaded"}
    assert result.output_for_node("loaded").equals(GOOD)


def test_a_profile_is_an_asset_of_its_own() -> None:
    @asset
    def raw() -> pl.DataFrame:
        return GOOD.with_columns(at=datetime(2026, 1, 1, tzinfo=UTC))

    made = create_quality_profile_asset("profile_of_raw", "raw", tags={"team": "x"})
    result = run([raw, made])
    assert result.success
    numbers = metadata_of(result, "profile_of_raw")
    assert (numbers["row_count"], numbers["column_count"]) == (3, 3)
    assert set(numbers["profile_summary"]["id"]) == {"dtype", "null_count", "unique_count"}
    assert numbers["input_asset"] == "raw"
    value = result.output_for_node("profile_of_raw")
    assert value["id"]["null_count"] == 0
    assert made.get_asset_spec().tags == {"data_quality": "profile", "team": "x"}
    assert [each.check_name for each in evaluations(result)] == ["profile"]


def test_assets_are_part_of_definitions_with_the_resource() -> None:
    defs = Definitions(assets=chain(GOOD), resources={"data_quality": POLARS})
    Definitions.validate_loadable(defs)
    assert materialize(chain(GOOD), resources={"data_quality": POLARS}).success


def test_several_lazy_partitions_of_the_upstream_are_judged_together(tmp_path: Path) -> None:
    @asset(partitions_def=StaticPartitionsDefinition(["x", "y"]))
    def parts(context: AssetExecutionContext) -> pl.LazyFrame:
        return pl.LazyFrame({"id": [1], "part": [context.partition_key]})

    rules = [{"column": "id", "type": "unique"}]
    whole = create_quality_check_asset("whole", "parts", rules, partition_mapping=AllPartitionMapping())
    with instance_in(tmp_path / "dagster") as instance:
        for key in ("x", "y"):
            assert run([parts], instance=instance, partition_key=key).success
        (verdict,) = evaluations(run([parts, whole], instance=instance, selection=[whole]))
    assert not verdict.passed
    assert plain(verdict.metadata)["failures"][0]["failed_count"] == 2
