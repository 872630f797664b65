"""Flows made by decorators and factories, sync and async; what is not data is an error, and rows stay out of Prefect."""

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Failed

from etl.errors import QualityError
from etl.integrations.prefect import (
    DataQualityBlock,
    DataQualityError,
    create_pipeline_flow,
    create_quality_flow,
    create_validation_flow,
    profiled_flow,
    quality_checked_flow,
    validated_flow,
)
from tests.hosts.prefect.reading import Api, table

GOOD = pl.DataFrame({"id": [1, 2, 3], "amount": [1.0, 2.0, 3.0]})
BAD = pl.DataFrame({"id": [1, None, 3], "amount": [1.0, -2.0, 3.0]})
RULES = [{"column": "id", "type": "not_null"}]
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def function(asynchronous: bool, returned: Callable[[], Any]) -> Callable[..., Any]:
    """A function with a parameter that returns what is wanted."""

    def load(number: int = 0) -> Any:
        return returned()

    async def aload(number: int = 0) -> Any:
        await asyncio.sleep(0)
        return returned()

    return aload if asynchronous else load


def state_of(made: Any, *args: Any, **kwargs: Any) -> State[Any]:
    state = made(*args, return_state=True, **kwargs)
    found: State[Any] = asyncio.run(state) if inspect.iscoroutine(state) else state
    return found


def run_of(state: State[Any]) -> object:
    return state.state_details.flow_run_id


@both
def test_a_checked_flow_returns_what_passed_and_fails_for_what_did_not(asynchronous: bool, api: Api) -> None:
    made = quality_checked_flow(RULES, key="checked", name="load orders")
    good = state_of(made(function(asynchronous, lambda: GOOD)), number=7)
    assert good.result().equals(GOOD)
    run = api.flow_run(run_of(good))
    assert (run["parameters"], run["state"]["type"]) == ({"number": 7}, "COMPLETED")
    assert api.artifacts(run["id"])["checked"]["description"].startswith("load orders: passed: 1 of 1")

    bad = state_of(made(function(asynchronous, lambda: BAD)))
    with pytest.raises(DataQualityError, match="load orders: failed: 0 of 1 rules passed over 3 rows"):
        bad.result()
    assert "FAILED" in api.artifacts(run_of(bad))["checked"]["data"]

    allowed = state_of(quality_checked_flow(RULES, fail_on_error=False)(function(asynchronous, lambda: BAD)))
    assert allowed.result().equals(BAD)


@both
@pytest.mark.parametrize(
    "returned", [None, 5, {"rows": 3}, object(), iter([GOOD])], ids=lambda each: type(each).__name__
)
def test_what_is_no_data_is_an_error_by_name(returned: object, asynchronous: bool) -> None:
    state = state_of(validated_flow(RULES, name="load orders")(function(asynchronous, lambda: returned)))
    assert state.is_failed()
    assert "what `load orders` returned cannot be examined" in str(state.message)
    assert state_of(profiled_flow(function(asynchronous, lambda: returned))).is_failed()


@both
@pytest.mark.parametrize(
    "returned",
    [GOOD.lazy, GOOD.to_dicts],
    ids=["lazy", "dicts"],
)
def test_data_of_other_kinds_is_judged(returned: Callable[[], Any], asynchronous: bool) -> None:
    made = validated_flow([{"type": "row_count", "exact": 3}, *RULES])(function(asynchronous, returned))
    assert state_of(made).is_completed()


def test_a_path_is_judged(tmp_path: Path) -> None:
    BAD.write_parquet(tmp_path / "orders.parquet")
    state = state_of(validated_flow(RULES)(function(False, lambda: tmp_path / "orders.parquet")))
    assert "orders.parquet: failed" in str(state.message)


@both
def test_an_empty_frame_is_judged_by_its_row_count(asynchronous: bool) -> None:
    rules = [*RULES, {"type": "row_count", "min": 1}]
    state = state_of(validated_flow(rules)(function(asynchronous, GOOD.clear)))
    assert "row_count" in str(state.message)
    assert state.is_failed()


@both
def test_a_plan_that_computes_is_computed_once(asynchronous: bool) -> None:
    computed = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        computed.append(1)
        return frame

    made = validated_flow(RULES)(function(asynchronous, lambda: GOOD.lazy().map_batches(count)))
    result = state_of(made).result()
    assert isinstance(result, pl.LazyFrame)
    assert result.collect().equals(GOOD)
    assert computed == [1]


@both
def test_retries_of_the_flow_repeat_what_is_down_and_no_verdict(asynchronous: bool) -> None:
    begun = []

    def returned() -> pl.DataFrame:
        begun.append(1)
        if len(begun) == 1:
            raise ConnectionError("the source is down")
        return BAD

    state = state_of(validated_flow(RULES, retries=3)(function(asynchronous, returned)))
    assert "DataQualityError" in str(state.message)
    assert len(begun) == 2


def test_a_function_that_says_that_it_failed_is_not_judged() -> None:
    state = state_of(validated_flow(RULES)(function(False, lambda: Failed(message="no delivery today"))))
    assert (state.type.value, state.message) == ("FAILED", "no delivery today")


def test_a_future_is_waited_for() -> None:
    @task
    def load() -> pl.DataFrame:
        return BAD

    assert state_of(validated_flow(RULES)(function(False, load.submit))).is_failed()


@both
def test_a_profiled_flow_shows_counts_and_no_values(asynchronous: bool, api: Api) -> None:
    frame = pl.DataFrame({"name": ["SECRET-VALUE", None, "b"], "amount": [123456.789, 2.0, 3.0]})
    state = state_of(profiled_flow(key="people", name="people")(function(asynchronous, lambda: frame)))
    assert state.result().equals(frame)
    artifacts = api.artifacts(run_of(state))
    assert table(artifacts["people-columns"]) == [
        {"Column": "name", "Type": "String", "Nulls": "1", "Null share": "33.3%", "Distinct": "2"},
        {"Column": "amount", "Type": "Float64", "Nulls": "0", "Null share": "0.0%", "Distinct": "3"},
    ]
    assert "SECRET-VALUE" not in str(artifacts)
    assert "123456" not in str(artifacts)


# Factories


@both
def test_a_quality_flow_returns_the_result(asynchronous: bool, api: Api) -> None:
    made = create_quality_flow("orders quality", RULES, fail_on_error=False, key="orders", asynchronous=asynchronous)
    state = state_of(made, GOOD)
    assert state.result().status == "passed"
    assert state_of(made, BAD).result().status == "failed"
    assert state_of(create_quality_flow("strict", RULES, asynchronous=asynchronous), data=BAD).is_failed()
    assert "orders" in api.artifacts(run_of(state))


def test_a_quality_flow_asks_again_for_data_that_is_not_there_and_for_no_verdict(tmp_path: Path, api: Api) -> None:
    made = create_quality_flow("retried", RULES, retries=1)
    missing, bad = state_of(made, str(tmp_path / "no.parquet")), state_of(made, BAD)
    assert [each["run_count"] for each in api.task_runs(run_of(missing))] == [2]
    assert [each["run_count"] for each in api.task_runs(run_of(bad))] == [1]
    assert "there is no file" in str(missing.message)


@both
def test_a_validation_flow_returns_the_data(asynchronous: bool) -> None:
    made = create_validation_flow("orders", RULES, asynchronous=asynchronous)
    assert state_of(made, GOOD).result().equals(GOOD)
    assert state_of(made, BAD).is_failed()


@both
def test_a_pipeline_flow_checks_before_and_after(asynchronous: bool, api: Api) -> None:
    decorate = create_pipeline_flow(
        "pipeline",
        pre_check_rules=RULES,
        post_check_rules=[{"column": "amount", "type": "positive"}],
        key="orders",
    )
    transformed = []

    def negate(data: pl.DataFrame) -> pl.DataFrame:
        transformed.append(1)
        return data.with_columns(pl.col("amount") * -1)

    async def anegate(data: pl.DataFrame) -> pl.DataFrame:
        return negate(data)

    made = decorate(anegate if asynchronous else negate)
    assert state_of(made, BAD).is_failed()
    assert not transformed  # bad data does not reach the transform
    after = state_of(made, GOOD)
    assert "positive__amount" in str(after.message)
    assert {"orders-before", "orders-after"} <= set(api.artifacts(run_of(after)))
    good = state_of(made, GOOD.with_columns(pl.col("amount") * -1))
    assert good.result().equals(GOOD)
    nothing = create_pipeline_flow("nothing", post_check_rules=RULES)(lambda _data: None)
    assert "what `nothing` returned cannot be examined" in str(state_of(nothing, GOOD).message)


# Rows stay out of Prefect's database


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (pl.DataFrame({"id": ["SECRET-VALUE", "b"]}), "<polars DataFrame>"),  # Prefect alone would store these two rows
        (pl.DataFrame({"id": ["SECRET-VALUE", "b"]}).lazy(), "<polars LazyFrame>"),
        ([{"id": "SECRET-VALUE"}], "<list of 1 rows>"),
    ],
    ids=["frame", "lazy", "dicts"],
)
def test_rows_are_not_stored_as_parameters(data: Any, shown: str, api: Api) -> None:
    @flow
    def plain(data: Any) -> None:
        """As Prefect does it alone."""

    for made in (create_quality_flow("q", RULES), create_quality_flow("q", RULES).with_options(name="renamed")):
        assert api.flow_run(run_of(state_of(made, data)))["parameters"] == {"data": shown}
    if not isinstance(data, pl.LazyFrame):
        assert "SECRET-VALUE" in str(api.flow_run(run_of(state_of(plain, data)))["parameters"])


def test_a_path_is_stored_as_it_is(tmp_path: Path, api: Api) -> None:
    GOOD.write_parquet(tmp_path / "orders.parquet")
    path = str(tmp_path / "orders.parquet")
    assert api.flow_run(run_of(state_of(create_quality_flow("q", RULES), path)))["parameters"] == {"data": path}


# Mistakes are found when a flow is defined


@pytest.mark.parametrize(
    ("define", "problem"),
    [
        (quality_checked_flow, "there are no rules"),
        (lambda: quality_checked_flow([]), "there are no rules"),
        (lambda: quality_checked_flow(block=DataQualityBlock()), "there are no rules"),
        (lambda: quality_checked_flow(lambda: GOOD), "needs rules"),
        (lambda: quality_checked_flow([{"column": "id", "type": "not_nul"}]), "not_nul"),
        (lambda: quality_checked_flow(RULES, auto_schema=True), "can never fail"),
        (lambda: quality_checked_flow(RULES, key="A B"), "cannot be the key"),
        (lambda: validated_flow(RULES)(flow(lambda: GOOD)), "is a flow already"),
        (lambda: validated_flow(RULES)(lambda: (yield GOOD)), "yields"),
        (lambda: validated_flow(RULES)(GOOD), "not for a DataFrame"),
        (lambda: create_quality_flow("q", []), "there are no rules"),
        (lambda: create_validation_flow("q"), "there are no rules"),
        (lambda: create_pipeline_flow("q"), "would check nothing"),
        (lambda: create_pipeline_flow("q", pre_check_rules=[]), "there are no rules"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_mistake_is_found_when_the_flow_is_defined(define: Callable[[], Any], problem: str) -> None:
    with pytest.raises(QualityError, match=problem):
        define()


def test_a_block_has_the_rules_of_a_flow() -> None:
    block = DataQualityBlock(default_rules=RULES, fail_on_error=False)
    assert state_of(quality_checked_flow(block=block)(function(False, lambda: BAD))).is_completed()
    assert state_of(quality_checked_flow(block=block, fail_on_error=True)(function(False, lambda: BAD))).is_failed()


def test_rows_in_any_shape_are_not_stored_as_parameters(api: Api) -> None:
    @validated_flow(rules=[{"column": "id", "type": "not_null"}])
    def takes(**given: Any) -> pl.DataFrame:
        return pl.DataFrame({"id": [1]})

    shapes: dict[str, Any] = {
        "rows": [{"id": "CANARY"}],
        "deep": {"orders": [{"id": "CANARY"}], "limit": 5},
        "columns": {"id": ["CANARY"], "name": ["CANARY"]},
        "tuples": [("CANARY", 1)],
        "frame": {"orders": pl.DataFrame({"id": ["CANARY"]})},
        "limit": 7,
    }
    state = takes(**shapes, return_state=True)
    stored = api.flow_run(state.state_details.flow_run_id)["parameters"]
    assert "CANARY" not in json.dumps(stored)
    assert stored["given"]["limit"] == 7


def test_a_validated_flow_takes_no_tolerance() -> None:
    with pytest.raises(QualityError, match="always fails"):
        validated_flow([{"column": "id", "type": "not_null"}], fail_on_error=False)


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_path_is_not_the_working_directory(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    rules = [{"column": "id", "type": "not_null"}]
    for judge in (create_quality_flow("empty-path", rules), validated_flow(rules)(lambda data: data)):
        state = judge(data=empty, return_state=True)
        assert state.is_failed()
        assert "path of the data is empty" in state.message
