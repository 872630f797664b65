"""Rows of the source that belong to no partition: their date is missing, is no date, or is outside of all days.

Belongs here: whether they can be counted, and counting them. Does not: what is made of the number
(`etl.running.step`, `etl.pipeline.verify`).

No extract ever reads such a row. They are counted by one statement for all days, which can use an index of the column.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from etl.config.pipeline_config import PipelineConfig
from etl.errors import SourceError
from etl.pipeline.extract import extract_request
from etl.pipeline.stage import StageRun
from etl.source.query import binds_window
from etl.source.reading import Window, count_rows

_FAR = datetime(9999, 12, 30, tzinfo=UTC)


def counts_undated(pipeline: PipelineConfig) -> bool:
    """Whether the pipeline has partitions, counts what is in none, and does not choose its rows by itself.

    A `query` that binds `:window_start` knows no rows outside of a window.
    """
    if pipeline.date_column is None or pipeline.partitions is None or pipeline.undated == "ignore":
        return False
    return pipeline.query is None or not binds_window(pipeline.query)


@dataclass(frozen=True)
class Undated:
    """How many rows belong to no partition; `rows` is None where they could not be counted."""

    rows: int | None
    description: str
    remedy: str = ""


def look_for_undated(run: StageRun, url: str) -> Undated:
    """Count these rows and say what they are. A count that fails is told, and is no pass."""
    try:
        rows = count_undated(run, url)
    except SourceError as error:
        return Undated(None, f"the rows that belong to no partition could not be counted: {error.problem}", error.hint)
    partitions = run.pipeline.partitions
    if not rows or partitions is None:
        return Undated(rows, "every row of the source belongs to a partition")
    end = f", or is after the last day, {partitions.end}" if partitions.end else ""
    text = (
        f"{rows} rows of the source belong to no partition and are never extracted: their `{run.pipeline.date_column}`"
        f" is null, is no date, or is before the first day, {partitions.start}{end}"
    )
    remedy = f"give these rows a date, move `partitions.start`{' or `partitions.end`' if partitions.end else ''}"
    return Undated(rows, text, remedy)


def count_undated(run: StageRun, url: str) -> int:
    """How many rows of the source belong to no partition; only where `counts_undated`."""
    partitions = run.pipeline.partitions
    first = _window_of(run, partitions.start) if partitions else None
    last = _window_of(run, partitions.end) if partitions and partitions.end else None
    if first is None:
        return 0
    outside = first.model_copy(update={"end": last.end if last else _FAR, "outside": True})
    return count_rows(url, extract_request(run).model_copy(update={"window": outside}))


def _window_of(run: StageRun, day: date) -> Window | None:
    return run.model_copy(update={"partition": day.isoformat()}).window()
