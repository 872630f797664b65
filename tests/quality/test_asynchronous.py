"""Checks inside an event loop: the loop goes on, and what a check raises is raised where it is awaited."""

import asyncio
import threading
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import AsyncEngine, acheck
from etl.quality.engines.polars import PolarsEngine

UNIQUE = [{"column": "a", "type": "unique"}]


def test_the_event_loop_goes_on_while_a_check_works() -> None:
    """The check waits for a coroutine of the same loop: it could not end if it stopped the loop."""
    ready = threading.Event()

    class Waiting(PolarsEngine):
        def judge(self, *given: Any) -> Any:
            assert ready.wait(30)
            return super().judge(*given)

    async def main() -> Any:
        judging = asyncio.create_task(acheck(pl.DataFrame({"a": [1, 1]}), UNIQUE, engine=Waiting()))
        await asyncio.sleep(0)
        ready.set()
        return await judging

    assert asyncio.run(main()).results[0].failed_count == 2


def test_what_a_check_raises_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(QualityError, match="no rules"):
        asyncio.run(acheck(pl.DataFrame({"a": [1]}), []))


def test_any_engine_has_an_asynchronous_view() -> None:
    frame = pl.DataFrame({"a": [1, 1, None]})
    entered: list[str] = []

    class Entered(PolarsEngine):
        def __enter__(self) -> Any:
            entered.append("in")
            return self

        def __exit__(self, *_: object) -> None:
            entered.append("out")

    async def main() -> None:
        async with AsyncEngine(Entered()) as engine:
            assert engine.name == "polars"
            assert (await engine.check(frame, UNIQUE)).results[0].failed_count == 2
            assert (await engine.profile(frame)).columns["a"].null_count == 1
            assert (await engine.learn(frame)).row_count == 3
        async with AsyncEngine() as other:
            assert (await other.check(frame, UNIQUE)).engine == "truthound"

    asyncio.run(main())
    assert entered == ["in", "out"]
    with pytest.raises(QualityError, match="no quality engine"):
        AsyncEngine("nothing")
