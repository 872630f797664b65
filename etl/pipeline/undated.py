"""Counts rows of the source that belong to no partition: their date is missing, not a date, or outside of all days.

Belongs here: whether such rows can be counted, and counting them. Not here: the effect of their number
(`etl.running.step`, `etl.pipeline.verify`).

No extract reads such a row. One statement counts these rows for all days, and it can use an index of the column.
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
    """Whether the pipeline has partitions, counts rows in no partition, and has no `query` that selects by a window.

    A `query` that binds `:window_start` or `:partition` knows no rows outside of a window.
    """
    if pipeline.partitions is None or pipeline.undated == "ignore":
        return False
    return pipeline.query is None or not binds_itself(pipeline.query)


@dataclass(frozen=True)
class Undated:
    """The number of rows that belong to no partition; `rows` is None if they could not be counted."""

    rows: int | None
    description: str
    remedy: str = ""


def look_for_undated(run: StageRun, url: str) -> Undated:
    """Count these rows and describe them. A count that fails is reported and does not pass."""
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
    """Count the rows of the source that belong to no partition; only for pipelines with `counts_undated`."""
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
