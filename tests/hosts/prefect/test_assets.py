"""Assets: the verdict is metadata of the materialization, also of one that failed."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from prefect import flow
from prefect.cache_policies import INPUTS

from etl.errors import QualityError
from etl.integrations.prefect import quality_checked_asset
from tests.hosts.prefect.reading import Api, timeless

RULES = [{"column": "id", "type": "not_null"}]
Bare = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_verdict_is_metadata_of_the_materialization(
    asynchronous: bool, api: Api, bare: Bare, tmp_path: Any
) -> None:
    frames = {"good": pl.DataFrame({"id": [1, 2]}), "bad": pl.DataFrame({"id": [1, None]})}
    for name, frame in frames.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    wanted = bare(
        {name: {"data": str(tmp_path / f"{name}.parquet"), "rules": RULES, "engine": "truthound"} for name in frames}
    )
    key = f"file:///orders/{'async' if asynchronous else 'sync'}"

    @quality_checked_asset(key, rules=RULES, by="etl")
    def orders(name: str) -> pl.DataFrame:
        return frames[name]

    @quality_checked_asset(key, rules=RULES, by="etl", name="orders")
    async def aorders(name: str) -> pl.DataFrame:
        return frames[name]

    @flow
    def make(name: str) -> int:
        return orders(name).height

    @flow
    async def amake(name: str) -> int:
        return (await aorders(name)).height

    made: Any = amake if asynchronous else make
    for name, outcome in (("good", "succeeded"), ("bad", "failed")):
        state = made(name, return_state=True)
        state = asyncio.run(state) if inspect.iscoroutine(state) else state
        (event,) = api.events(
            f"prefect.asset.materialization.{outcome}", run_id=state.state_details.flow_run_id, resource=key
        )
        assert timeless(event["payload"]["quality"]) == {**timeless(wanted[name]), "subject": "orders"}
        assert state.is_completed() is (name == "good")


def test_an_asset_is_judged_each_time_and_its_verdict_is_not_retried(api: Api) -> None:
    made = []

    @quality_checked_asset("file:///orders/retried", rules=RULES, retries=3)
    def orders() -> pl.DataFrame:
        made.append(1)
        if len(made) == 1:
            raise ConnectionError("the source is down")
        return pl.DataFrame({"id": [1, None]})

    @flow
    def make() -> None:
        orders.with_options(retries=2, retry_delay_seconds=0)()

    state: Any = make(return_state=True)
    assert "DataQualityError" in state.message
    assert len(made) == 2


def test_a_cached_asset_is_refused() -> None:
    with pytest.raises(QualityError, match="a verdict from a cache has not seen the data"):
        quality_checked_asset("file:///x", rules=RULES, cache_policy=INPUTS)(lambda: None)
    made = quality_checked_asset("file:///x", rules=RULES)(lambda: None)
    with pytest.raises(QualityError, match="a verdict from a cache has not seen the data"):
        made.with_options(retries=1).with_options(cache_policy=INPUTS)


def test_what_is_no_data_makes_no_asset(api: Api) -> None:
    @quality_checked_asset("file:///orders/nothing", rules=RULES)
    def orders() -> None:
        return None

    @flow
    def make() -> None:
        orders()

    state: Any = make(return_state=True)
    assert "what `orders` returned cannot be examined" in state.message
    assert api.events("prefect.asset.materialization.failed", run_id=state.state_details.flow_run_id)
