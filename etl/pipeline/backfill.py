"""A range of partitions as one run: a bounded number in flight, and a journal from which a crashed run goes on.

Belongs here: order, concurrency and resumption over partitions. Not here: what is done for one (`extract`, `transfer`,
`load`).
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from etl.errors import EtlError
from etl.formats import check_format
from etl.pipeline.audit import Blocked
from etl.pipeline.stage import StageResult

# An older journal is not used, because the source has changed since.
KEEP = timedelta(hours=24)
# The journal of a range that waits for the next day's quota: its run is continued then, not begun again.
KEEP_WAITING = timedelta(days=3)


# The format of the journal. Journals without a number have the same format.
FORMAT = 1


class Journal:
    """The published partitions of a range, on disk, so that a crash loses only partitions in flight."""

    def __init__(self, path: Path, keys: Sequence[str | None], fingerprint: str, versions: dict[str, str]) -> None:
        """Use `open`."""
        self._is_waiting = False
        self._path = path
        self._keys = {each or "" for each in keys}
        self._fingerprint = fingerprint
        self._versions = versions

    @classmethod
    def open(cls, folder: Path, stage: str, pipeline: str, keys: Sequence[str | None], fingerprint: str) -> Self:
        """Open the journal of this range; it is empty unless a run of this range and configuration died recently."""
        path = folder / f"{stage}__{pipeline}__{keys[0]}__{keys[-1]}.json"
        if not path.is_file():
            return cls(path, keys, fingerprint, {})
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            check_format(found.get("format"), newest=FORMAT, what=f"the journal {path}")
            versions = dict(found["versions"])
        except (
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
        ):  # damaged: every partition is done again; none is lost
            return cls(path, keys, fingerprint, {})
        if found.get("fingerprint") != fingerprint or _is_old(path, waits=found.get("waits_for_room") is True):
            return cls(path, keys, fingerprint, {})
        return cls(path, keys, fingerprint, versions)

    def version(self, partition: str | None) -> str | None:
        """The version that the interrupted run published, if it published this partition."""
        return self._versions.get(partition or "")

    def record(self, partition: str | None, version: str) -> None:
        """Record that this partition is published."""
        self._versions[partition or ""] = version
        self._write()

    def wait_for_room(self) -> None:
        """Keep the journal of a range whose day's quota is used up, so that the next day's run continues here."""
        if self._versions:
            self._is_waiting = True
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(f".{os.getpid()}.tmp")
        content: dict[str, Any] = {"format": FORMAT, "fingerprint": self._fingerprint, "versions": self._versions}
        if self._is_waiting:
            content["waits_for_room"] = True
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(self._path)

    def finish(self) -> None:
        """Remove the journal of the finished range, and journals of interrupted runs of ranges within it."""
        self._path.unlink(missing_ok=True)
        of = self._path.stem.rsplit("__", 2)[0]
        for path in self._path.parent.glob(f"{of}__*.json"):
            other, begin, end = path.stem.rsplit("__", 2)
            if (other == of and {begin, end} <= self._keys) or _is_old(path, waits=_waits(path)):
                path.unlink(missing_ok=True)


def _waits(path: Path) -> bool:
    """Whether the journal is of a range that waits for the next day's quota."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("waits_for_room"))
    except (OSError, ValueError, AttributeError):  # damaged, or another run has finished the range
        return False


def _is_old(path: Path, *, waits: bool = False) -> bool:
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:  # another run has finished the range
        return True
    return datetime.now(UTC) - written > (KEEP_WAITING if waits else KEEP)


Outcome = StageResult | Blocked | EtlError


def each_partition(
    keys: Sequence[str | None], do: Callable[[str | None], StageResult], in_flight: int
) -> Iterator[tuple[str | None, Outcome]]:
    """Yield the outcome of each partition, in order. After a failure that is not a verdict, no partition is begun."""
    if in_flight == 1 or len(keys) == 1:
        for key in keys:
            outcome = _attempt(do, key)
            yield key, outcome
            if isinstance(outcome, EtlError) and not isinstance(outcome, Blocked):
                return
        return
    with ThreadPoolExecutor(max_workers=in_flight) as pool:
        for start in range(0, len(keys), in_flight):
            batch = keys[start : start + in_flight]
            outcomes = list(pool.map(lambda key: _attempt(do, key), batch))
            yield from zip(batch, outcomes, strict=True)
            if any(isinstance(each, EtlError) and not isinstance(each, Blocked) for each in outcomes):
                return


def _attempt(do: Callable[[str | None], StageResult], key: str | None) -> Outcome:
    try:
        return do(key)
    except EtlError as error:
        return error
