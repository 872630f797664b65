"""The quality core inside an event loop: the work happens in a thread, and the loop goes on.

    result = await acheck("orders.parquet", rules)

Belongs here: the asynchronous twins. Not here: judging. Polars gives the interpreter free while it works, so other
coroutines run meanwhile. A caller that is cancelled gets no verdict; the thread ends when its work has ended.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from etl.quality.checking import check
from etl.quality.data import Readable
from etl.quality.results import CheckResult
from etl.quality.rules import AnyRule


async def acheck(
    data: Readable,
    rules: Sequence[AnyRule | Mapping[str, Any]] = (),
    **arguments: Any,  # noqa: ANN401  the keyword arguments of check()
) -> CheckResult:
    """Judge rules as `check` does, without stopping the event loop."""
    return await asyncio.to_thread(check, data, rules, **arguments)
