"""The loads of a range of partitions: one lock and one connection for many of them, given up every few seconds.

Belongs here: how long a table stays locked between two loads. Not here: the lock and the connection (`duckdb`,
`postgres`), a load and its transaction (`transaction`).

Each partition is still one transaction, and its published object is looked up under the lock. Other loads, dbt and
readers of a DuckDB file wait only until the lock is given up.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from etl import locks
from etl.warehouse.contract import Loader, Warehouse

HOLD_SECONDS = 2.0
"""After so long, the load that is at work is the last one before the lock is given up."""
_PAUSE_SECONDS = 3 * locks.PAUSE_SECONDS
"""How long nobody holds the lock then: long enough for every process that waits to look at it."""


class LoadSeries(AbstractContextManager["LoadSeries"]):
    """A warehouse for loads of one table that follow each other; the end of the block gives up the lock."""

    def __init__(self, warehouse: Warehouse, *, hold_seconds: float = HOLD_SECONDS) -> None:
        self._warehouse = warehouse
        self._hold_seconds = hold_seconds
        self._held = ExitStack()
        self._loader: Loader | None = None
        self._since = 0.0
        self._free_until = 0.0

    def __exit__(self, *_: object) -> None:
        """Give up the lock and the connection."""
        self._give_up()

    @contextmanager
    def writing(self, schema: str, table: str, run_id: str) -> Iterator[Loader]:
        """Lock a table as `Warehouse.writing` does, or go on with the lock of the load before. One table for a series.

        After an error, the next load begins with a new connection.
        """
        if self._loader is None:
            time.sleep(max(0.0, self._free_until - time.monotonic()))
            self._loader = self._held.enter_context(self._warehouse.writing(schema, table, run_id))
            self._since = time.monotonic()
        try:
            yield self._loader
        except BaseException:
            self._give_up()
            raise
        if time.monotonic() - self._since >= self._hold_seconds:
            self._give_up()
            self._free_until = time.monotonic() + _PAUSE_SECONDS

    def _give_up(self) -> None:
        self._loader = None
        self._held.close()
