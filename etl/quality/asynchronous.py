"""The quality core inside an event loop: the work happens in a thread, and the loop goes on.

    result = await acheck("orders.parquet", rules)

Belongs here: the asynchronous twins of `check` and of an engine's methods. Not here: judging. Polars gives the
interpreter free while it works, so other coroutines run meanwhile. A caller that is cancelled gets no verdict; the
thread ends when its work has ended.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from etl.quality.checking import check
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine, Strictness, get_engine
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import AnyRule


async def acheck(
    data: Readable,
    rules: Sequence[AnyRule | Mapping[str, Any]] = (),
    **arguments: Any,  # noqa: ANN401  the keyword arguments of check()
) -> CheckResult:
    """Judge rules as `check` does, without stopping the event loop."""
    return await asyncio.to_thread(check, data, rules, **arguments)


class AsyncEngine:
    """An engine for coroutines: the same methods, to be awaited. `async with` enters and leaves the engine too."""

    def __init__(self, engine: str | DataQualityEngine = "truthound") -> None:
        """Take an engine by its name, or as an object."""
        self.engine = get_engine(engine)

    @property
    def name(self) -> str:
        """The engine's name, as results show it."""
        return self.engine.name

    async def check(
        self,
        data: Readable,
        rules: Sequence[AnyRule | Mapping[str, Any]] = (),
        **options: Any,  # noqa: ANN401  the keyword arguments of check()
    ) -> CheckResult:
        """Judge rules with this engine."""
        return await acheck(data, rules, engine=self.engine, **options)

    async def profile(self, data: Readable, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns."""
        return await asyncio.to_thread(self.engine.profile, data, columns)

    async def learn(self, data: Readable, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""
        return await asyncio.to_thread(self.engine.learn, data, strictness)

    async def __aenter__(self) -> Self:
        """Enter the engine, if it is one that is entered."""
        enter = getattr(self.engine, "__enter__", None)
        if enter is not None:
            await asyncio.to_thread(enter)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the engine."""
        leave = getattr(self.engine, "__exit__", None)
        if leave is not None:
            await asyncio.to_thread(leave, kind, raised, traceback)
