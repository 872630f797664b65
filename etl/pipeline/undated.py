"""Rows of the source that belong to no partition: their date is missing, is no date, or is outside of all days.

Belongs here: whether they can be counted, and counting them. Does not: what is made of the number
(`etl.running.step`, `etl.pipeline.verify`).

No extract ever reads such a row. They are counted by one statement for all days, which can use an index of the column.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from etl.config.pipeline_config import PipelineConfig
from etl.errors import SourceError
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.pipeline.extract import extract_request
from etl.pipeline.stage import StageRun
from etl.query_text import binds_itself
from etl.source.reading import Part, Window, count_rows

_FAR = datetime(9999, 12, 30, tzinfo=UTC)


def counts_undated(pipeline: PipelineConfig) -> bool:
    """Whether the pipeline has partitions, counts what is in none, and does not choose its rows by itself.

    A `query` that binds `:window_start` or `:partition` knows no rows outside of a window.
    """
    if pipeline.partitions is None or pipeline.undated == "ignore":
        return False
    return pipeline.query is None or not binds_itself(pipeline.query)


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
    scheme = run.pipeline.scheme
    if not rows:
        return Undated(rows, "every row of the source belongs to a partition")
    column = scheme.by if isinstance(scheme, StaticKeys) else run.pipeline.date_column
    why, remedy = f"is null or none of the {scheme.word}s", "give these rows a key, add theirs to `partitions.keys`"
    if isinstance(scheme, TimeScheme):
        end = f", or is after the last {scheme.word}, {scheme.end}" if scheme.end else ""
        why = f"is null, is no date, or is before the first {scheme.word}, {scheme.start}{end}"
        also = " or `partitions.end`" if scheme.end else ""
        remedy = f"give these rows a date, move `partitions.start`{also}"
    text = f"{rows} rows of the source belong to no partition and are never extracted: their `{column}` {why}"
    return Undated(rows, text, remedy)


def count_undated(run: StageRun, url: str) -> int:
    """How many rows of the source belong to no partition; only where `counts_undated`."""
    scheme = run.pipeline.scheme
    outside: dict[str, Part | Window | None]
    if isinstance(scheme, StaticKeys):
        part = run.model_copy(update={"partition": scheme.first}).part()
        outside = {"part": part.model_copy(update={"outside": True}) if part else None}
    elif isinstance(scheme, TimeScheme) and (window := run.model_copy(update={"partition": scheme.start}).window()):
        end = scheme.window(scheme.end)[1] if scheme.end else _FAR
        outside = {"window": window.model_copy(update={"end": end, "outside": True})}
    else:
        return 0
    return count_rows(url, extract_request(run).model_copy(update=outside))
