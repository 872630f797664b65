"""Whether the way in which a pipeline is cut into partitions goes together with the rest of it.

Belongs here: what can be known to be wrong from the configuration alone. Not here: single values
(`pipeline_config.Partitions`), other rules between values (`cross_checks`).
"""

from collections.abc import Iterator

from etl.config.findings import Conflict, KeyPath, absent_column
from etl.config.pipeline_config import Partitions, PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.partitions.keys import UNITS, moved
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.query_text import PARTITION
from etl.suggest import nearest

_OF_TIME = ("timezone", "start", "end", "lookback_days", "lookback", "naive_timezone")


def partition_conflicts(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    """What does not go together in `partitions`, and beside it."""
    said = pipeline.partitions
    if said is not None:
        yield from (_by_time if said.by in UNITS else _by_keys)(at, pipeline, said)


def _by_time(at: KeyPath, pipeline: PipelineConfig, said: Partitions) -> Iterator[Conflict]:
    place: KeyPath = (*at, "partitions")
    if pipeline.date_column is None:
        about = frozenset({"date_column"})
        yield Conflict(place, "`partitions` without a `date_column`", "name the `date_column`", about=about)
    if said.keys:
        yield Conflict((*place, "keys"), f"`keys` beside `by: {said.by}`", "`by` a column that holds the keys")
    if said.end is not None and said.end < said.start:
        yield Conflict((*place, "end"), f"the last {said.by} is before the first", f"{said.start} or later")
    if said.by != "day" and said.lookback_days:
        yield Conflict((*place, "lookback_days"), f"`lookback_days` with `by: {said.by}`", "`lookback`")
    elif said.lookback is not None and said.lookback_days:
        yield Conflict((*place, "lookback"), "`lookback` beside `lookback_days`", "one of the two")


def _by_keys(at: KeyPath, pipeline: PipelineConfig, said: Partitions) -> Iterator[Conflict]:
    place: KeyPath = (*at, "partitions")
    if not said.keys:
        close = nearest(said.by, UNITS) or ""
        allowed = f"{', '.join(UNITS)}, or a column with its `keys`"
        yield Conflict((*place, "by"), f"`by: {said.by}` has no `keys`", allowed, close, frozenset({"keys"}))
    if pipeline.date_column is not None and said.keys:
        problem = f"a `date_column` beside partitions by `{said.by}`"
        yield Conflict((*at, "date_column"), problem, f"partitions by {' or '.join(UNITS)}, or no `date_column`")
    for name in _OF_TIME if said.keys else ():
        if name in said.model_fields_set:
            problem = f"`{name}` beside partitions by `{said.by}`, which are no time"
            yield Conflict((*place, name), problem, "`by`, `keys` and `in_flight`")
    seen: set[str] = set()
    for index, key in enumerate(said.keys):
        if key.casefold() in seen:  # a folder is no other one for its capitals everywhere
            allowed = "each key once, whatever its capitals"
            yield Conflict((*place, "keys", index), f"`{key}` stands there twice", allowed)
        seen.add(key.casefold())
    binds = pipeline.query is not None and PARTITION in pipeline.query
    if pipeline.columns and said.by not in pipeline.columns and not binds:
        yield absent_column((*place, "by"), said.by, pipeline.columns, frozenset({"columns", "by"}))


def due_conflicts(at: KeyPath, pipeline: PipelineConfig, config: TenantConfig) -> Iterator[Conflict]:
    """Keys of a list are never due: there is no newest one."""
    sla = pipeline.sla or config.sla
    if pipeline.scheme.kind == "static" and sla and sla.freshness and sla.freshness.deadline is not None:
        yield Conflict(
            (*at, "sla", "freshness", "deadline") if pipeline.sla else (*at, "partitions"),
            f"a `deadline` for partitions by `{pipeline.scheme.word}`, of which none is ever due",
            "`max_age_hours`",
            about=frozenset({"deadline", "partitions"}),
        )


def _lacking(own: TimeScheme, theirs: TimeScheme) -> str | None:
    """A key of the pipeline that its input does not have; None where the input has all."""
    if own.start < theirs.start:
        return own.start
    if theirs.end is not None and (own.end is None or own.end > theirs.end):
        return moved(theirs.end, 1)
    return None if theirs.has(own.start) else own.start  # hours that begin at another minute


def unfit_input(pipeline: PipelineConfig, source: PipelineConfig) -> tuple[str, str] | None:
    """Why a transfer cannot read another pipeline partition by partition, and what would be right.

    A whole table reads all partitions, and every partition reads the same whole table.
    """
    own, theirs = pipeline.scheme, source.scheme
    if isinstance(own, WholeTable) or isinstance(theirs, WholeTable):
        return None
    if isinstance(own, StaticKeys) and isinstance(theirs, StaticKeys):
        lacking = next((key for key in own.values if key not in theirs.values), None)
        span = ", ".join(theirs.values)
    elif isinstance(own, TimeScheme) and isinstance(theirs, TimeScheme) and own.unit == theirs.unit:
        lacking = _lacking(own, theirs)
        span = f"from {theirs.start}{f' to {theirs.end}' if theirs.end else ''}"
    else:
        cut = f"`{source.name}` has partitions by {theirs.word}, `{pipeline.name}` by {own.word}"
        return f"{cut}: none belongs to another", "inputs with the same partitions, or whole tables"
    if lacking is None:
        return None
    word = own.word
    return (
        f"`{source.name}` has no {word} {lacking}, so that this {word} of `{pipeline.name}` could never be made",
        f"partitions within those of `{source.name}`, which are {span}",
    )
