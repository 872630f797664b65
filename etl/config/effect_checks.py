"""Keys that would have no effect, and names that are given twice: accepted in silence, they would deceive.

Belongs here: keys of a pipeline whose switch is not on. Not here: other rules between values (`cross_checks`).

A switch that is written is believed, also if it says `false`; so is one that any environment writes.
"""

from collections.abc import Iterator, Mapping

from etl.config.findings import Conflict, KeyPath, absent_column
from etl.config.pipeline_config import PipelineConfig
from etl.quality.rules import CompareColumns, Regex
from etl.sla.config import PipelineSLA

_GIVEN_TAGS = ("tenant", "pipeline", "data_tier")


def effect_conflicts(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    """Yield what stands in a pipeline and does nothing."""
    for key, switch in (("trino_output", "save_to_trino"), ("dbt_transform", "has_dbt_transform")):
        if getattr(pipeline, key) is not None and not getattr(pipeline, switch) and not _says(pipeline, switch):
            problem = f"`{key}` has no effect without `{switch}`"
            yield Conflict((*at, key), problem, remedy=f"write `{switch}: true`, or `false` to keep it for later")
    output = pipeline.trino_output
    if output is not None and output.order_column is not None and output.mode != "upsert":
        problem = f"`order_column` has no effect with `mode: {output.mode}`"
        yield Conflict((*at, "trino_output", "order_column"), problem, remedy="write `mode: upsert`, or leave it out")
    quality = pipeline.quality
    if (
        quality.max_quarantine_rate is not None
        and quality.on_failure != "quarantine"
        and not _changes(pipeline, "quality")
    ):
        problem = f"`max_quarantine_rate` has no effect with `on_failure: {quality.on_failure}`"
        remedy = "write `on_failure: quarantine`, or leave it out"
        yield Conflict((*at, "quality", "max_quarantine_rate"), problem, remedy=remedy)
    yield from given_tags(at, pipeline.tags)
    yield from _hidden_columns(at, pipeline)
    yield from _rules_twice(at, pipeline)
    if pipeline.sla is not None:
        yield from empty_promise((*at, "sla"), pipeline.sla)


def given_tags(at: KeyPath, tags: Mapping[str, str], given: tuple[str, ...] = _GIVEN_TAGS) -> Iterator[Conflict]:
    """Yield tags that the product sets itself: the value of the file would be lost."""
    for key in tags:
        if key in given:
            problem = f"the tag `{key}` is set by the product"
            yield Conflict((*at, "tags", key), problem, remedy="give the tag another name, or leave it out")


def empty_promise(at: KeyPath, sla: PipelineSLA) -> Iterator[Conflict]:
    """Yield a block of promises that promises nothing."""
    if sla.enabled and not sla.says_something:
        remedy = "write `freshness`, `min_row_count`, `max_failure_rate`, ..., or `enabled: false`"
        yield Conflict(at, "`sla` promises nothing", remedy=remedy)


def _hidden_columns(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    lists = ((("pii_columns",), pipeline.pii_columns), (("quality", "safe_columns"), pipeline.quality.safe_columns))
    for path, names in lists:
        for index, column in enumerate(names):
            if pipeline.columns and not pipeline.has_transfer and column not in pipeline.columns:
                about = frozenset({"columns", "has_transfer"})
                yield absent_column((*at, *path, index), column, pipeline.columns, about)
    for index, column in enumerate(pipeline.quality.safe_columns):
        if column in pipeline.pii_columns:
            problem = f"the safe column `{column}` is among `pii_columns` too, whose values are never shown"
            yield Conflict((*at, "quality", "safe_columns", index), problem, "one of the two")


def _rules_twice(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    seen: list[object] = []
    names: set[str] = set()
    for index, staged in enumerate(pipeline.quality.rules):
        place = (*at, "quality", "rules", index)
        if isinstance(staged.rule, CompareColumns) and staged.rule.left == staged.rule.right:
            yield Conflict(place, "this rule compares a column with itself", remedy="write the other column")
        if isinstance(staged.rule, Regex) and staged.rule.pattern.startswith("/^"):
            remedy = "write the pattern without `/` around it"
            yield Conflict((*place, "pattern"), "the `/` around the pattern would be part of it", remedy=remedy)
        if staged in seen:
            yield Conflict(place, "this rule stands there twice", "each rule once", remedy="was another column meant?")
        elif staged.rule.name is not None and staged.rule.name in names:
            yield Conflict(
                (*place, "name"), f"the name `{staged.rule.name}` is taken by another rule", "a name of its own"
            )
        seen.append(staged)
        names |= {staged.rule.name} if staged.rule.name is not None else set()


def _says(pipeline: PipelineConfig, key: str) -> bool:
    return key in pipeline.model_fields_set or _changes(pipeline, key)


def _changes(pipeline: PipelineConfig, key: str) -> bool:
    """Whether the values of any environment have the key."""
    return any(key in values for values in pipeline.environments.values())
