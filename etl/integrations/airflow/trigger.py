"""Waiting for data without a worker.

Belongs here: `DataArrivalTrigger`, and looking whether data is there. Not here: judging, which the worker does: the
triggerer's one loop serves every waiting task, and would stand still while rows are read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from glob import glob
from hashlib import sha256
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from etl.errors import QualityError

REMOTE = "remote"
"""The version of everything in an object store, since looking at an object does not tell its version."""


class DataArrivalTrigger(BaseTrigger):
    """Waits until there are files at a place, and until they are others than those that were judged already."""

    def __init__(
        self,
        data_path: str,
        poke_interval: float,
        judged: str | None = None,
        data_quality_conn_id: str | None = None,
    ) -> None:
        """`judged` is the version that must not be reported again; None: any version will do."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.data_path = data_path
        self.poke_interval = poke_interval
        self.judged = judged
        self.data_quality_conn_id = data_quality_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again in the triggerer."""
        fields = ("data_path", "poke_interval", "judged", "data_quality_conn_id")
        return f"{__name__}.{type(self).__name__}", {name: getattr(self, name) for name in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; report the version that is there."""
        options = await self._storage_options()
        if self.judged == REMOTE:
            await asyncio.sleep(self.poke_interval)
        while True:
            version = await asyncio.to_thread(version_of, self.data_path, options)
            if version is not None and (version != self.judged or version == REMOTE):
                yield TriggerEvent(version)  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poke_interval)

    async def _storage_options(self) -> dict[str, Any]:
        if self.data_quality_conn_id is None or "://" not in self.data_path:
            return {}
        from etl.integrations.airflow.hook import read_settings  # noqa: PLC0415  it imports Polars

        return dict(read_settings(await BaseHook.aget_connection(self.data_quality_conn_id)).storage_options)


def version_of(place: str, storage_options: Mapping[str, Any]) -> str | None:
    """Return what tells the files at a place from later ones, or None if there is no file."""
    if "://" in place:
        return REMOTE if _is_reachable(place, storage_options) else None
    path = Path(place)
    matching: Iterable[Path] = [path]
    if path.is_dir():
        matching = path.rglob("*")
    elif not path.is_file():
        matching = map(Path, glob(place, recursive=True))  # noqa: PTH207  the pattern may be absolute
    files = sorted(each for each in matching if each.is_file())
    seen = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return sha256(repr(seen).encode()).hexdigest() if seen else None


def _is_reachable(address: str, storage_options: Mapping[str, Any]) -> bool:
    from etl.quality.data import open_data  # noqa: PLC0415  Polars is needed for object stores only
    from etl.quality.files import read_schema  # noqa: PLC0415  as above

    try:
        read_schema(open_data(address, storage_options=storage_options))
    except QualityError:
        return False
    return True
