"""What the partitions of a range share when they are extracted: connections, statements that read many, one listing.

Belongs here: which partitions one statement reads, and what happens if it fails. Not here: the statement and its files
(`etl.source`), and what becomes of a partition's rows (`extract`).

A statement reads the rows of partitions that follow each other, and a file of its own is written for each of them. The
files are only the rows: each partition is audited and published by itself, when its turn comes. Rows are used only if
nobody has published the partition since before the statement began; otherwise the partition is read again, alone.

If the statement fails because of what it read (a value, the time, the disk), each partition is read by a statement of
its own: the error is then that of the partition that has it, and those before it are published. A database that cannot
be reached is not asked again.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from etl.errors import SourceError, SourceGoneError
from etl.lake.lake import PLACEHOLDER_FOOTER
from etl.lake.staging import StagingFolder
from etl.pipeline.schema_guard import ExtractedKeys
from etl.pipeline.stage import StageRun
from etl.source.kept import KeptConnections
from etl.source.reading import (
    ExtractReport,
    ExtractRequest,
    TooWideError,
    Window,
    default_schema,
    extract_to_parquet,
    extract_windows,
    reads_windows,
    sql_of,
    table_size,
)

logger = logging.getLogger(__name__)

MOST = 64
"""How many partitions one statement reads at most."""
SLICE_BYTES = 4 << 30
"""About how many bytes of a table one statement reads: what it reads waits on the disk until its turn comes."""
_GROWTH = 8
"""Where the size of a table is not known, a statement reads so many times the partitions of the one before it."""
_IN_SOURCE = 8
"""About how many bytes in the source one byte of a published file was."""


@dataclass(frozen=True)
class _Part:
    """The rows of one partition, from a statement that read several."""

    path: Path
    report: ExtractReport
    seen: str | None
    """The tag of the object that was published before the statement began."""


class SourceRange(AbstractContextManager["SourceRange"]):
    """The source of the partitions that a step extracts. They may ask at the same time; the end removes its files."""

    def __init__(self, url: str, runs: Sequence[StageRun]) -> None:
        """`runs` are the partitions of the range that will be read, in order."""
        self.published = ExtractedKeys()
        self._url = url
        self._runs = {run.partition: position for position, run in enumerate(runs)}
        self._in_order = runs
        self._lock = Lock()
        self._kept = KeptConnections()
        self._parts: dict[str | None, _Part] = {}
        self._folders: list[StagingFolder] = []
        self._size: int | None = None
        self._most = MOST
        self._last = 0  # how many partitions the statement before this one read
        self._bytes = 0  # of the largest file so far

    def __exit__(self, *_: object) -> None:
        """Remove the rows that nobody asked for, and close the connections."""
        self._kept.__exit__()
        self._parts.clear()
        while self._folders:
            self._folders.pop().remove()

    @property
    def sql(self) -> str:
        """Sqlglot's name of the SQL that the database speaks."""
        return sql_of(self._url)

    @property
    def default_schema(self) -> str | None:
        """The schema of tables that are named without one, if it is known."""
        return default_schema(self._url)

    def read(self, run: StageRun, request: ExtractRequest, draft: Path) -> ExtractReport:
        """Write the rows of one partition into its draft."""
        with self._lock:
            if run.partition not in self._parts:
                self._read_several(run, request)
            part = self._parts.pop(run.partition, None)
        if part is not None and part.seen == run.lake.seen(draft):
            part.path.replace(draft)
            report = part.report
        else:
            report = self._read_one(request, draft)
        self._bytes = max(self._bytes, draft.stat().st_size)
        return report

    def _read_one(self, request: ExtractRequest, draft: Path) -> ExtractReport:
        if len(self._runs) == 1:  # an engine that is kept takes memory while its rows are audited
            return extract_to_parquet(self._url, request, draft, footer=PLACEHOLDER_FOOTER)
        with self._kept.in_use():
            return extract_to_parquet(self._url, request, draft, footer=PLACEHOLDER_FOOTER)

    def _read_several(self, run: StageRun, request: ExtractRequest) -> None:
        """Read this partition and those that follow it, if one statement can and there are several."""
        runs = self._following(run, request)
        while len(runs) > 1:
            windows = [window for each in runs if (window := each.window())]
            seen = [run.lake.tag(each.ref("extract")) for each in runs]
            logger.info(
                "%s extract: one statement reads %d partitions, up to %s", run.label, len(runs), runs[-1].partition
            )
            folder = run.lake.scratch(run.ref("extract"), run.run_id)
            self._folders.append(folder)
            try:  # etl: allow retry-loop (each turn asks for fewer partitions; a database that is gone is not asked)
                files = extract_windows(self._url, request, windows, folder.path / "windows", footer=PLACEHOLDER_FOOTER)
            except TooWideError as error:
                self._most = max(1, error.most)
                runs = runs[: self._most]
            except SourceGoneError:
                raise  # nothing is asked again of a database that is in trouble
            except SourceError as error:
                self._most = 1
                logger.warning(
                    "%s extract: %d partitions could not be read by one statement, each is read by its own: %s",
                    run.label,
                    len(runs),
                    error.problem,
                )
                return
            else:
                self._last = len(runs)
                for each, (path, report), tag in zip(runs, files, seen, strict=True):
                    self._parts[each.partition] = _Part(path, report, tag)
                return
        self._last = max(1, self._last)

    def _following(self, run: StageRun, request: ExtractRequest) -> Sequence[StageRun]:
        """The partitions from this one on whose windows follow each other without a gap, as many as one may read."""
        start = self._runs.get(run.partition)
        if start is None or self._most == 1 or not reads_windows(self._url, request):
            return ()
        last, stop = run.window(), start + 1
        end = min(len(self._in_order), start + self._most)
        while stop < end and self._follows(last, after := self._in_order[stop]):
            last, stop = after.window(), stop + 1
        if stop == start + 1:
            return ()
        return self._in_order[start : min(stop, start + self._limit(request))]

    def _follows(self, last: Window | None, run: StageRun) -> bool:
        window = run.window()
        return last is not None and window is not None and last.end == window.start and run.partition not in self._parts

    def _limit(self, request: ExtractRequest) -> int:
        """How many partitions to read, so that their rows do not take too much of the disk."""
        if self._size is None:
            self._size = table_size(self._url, request)
        if 0 < self._size <= SLICE_BYTES:
            return self._most
        by_bytes = SLICE_BYTES // (_IN_SOURCE * self._bytes) if self._bytes else self._most
        return max(1, min(self._most, self._last * _GROWTH, by_bytes))
