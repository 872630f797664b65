"""Checks quality rules against their pipeline: the engine, the stage, the columns and other pipelines.

Belongs here: mistakes in a rule that the configuration alone shows. Not here: single values of a rule
(`etl.quality.rules`), and mistakes that only the data's types show (the preflight of a check).
"""

from collections.abc import Generator, Iterator, Mapping
from functools import cache
from importlib.util import find_spec

from etl.config.findings import Conflict, KeyPath, absent_column
from etl.config.pipeline_config import PipelineConfig
from etl.errors import EtlError
from etl.extras import install
from etl.quality.engine import Capabilities, engine_names, get_engine
from etl.quality.engines.limits import CAPABILITIES
from etl.quality.rules import AnyRule, ForeignKey
from etl.suggest import nearest

_LIBRARIES = {"great_expectations": "great_expectations", "pandera": "pandera", "truthound": "truthound"}


def rule_conflicts(
    at: KeyPath, pipeline: PipelineConfig, pipelines: Mapping[str, PipelineConfig]
) -> Iterator[Conflict]:
    """Yield all conflicts between the rules of one pipeline and the rest of the configuration."""
    capabilities = yield from _engine(at, pipeline)
    if pipeline.pii == "scan" and not _installed("truthound"):
        yield Conflict((*at, "pii"), "the library Truthound is not installed", f"{install('truthound')}, or `pii: off`")
    for index, staged in enumerate(pipeline.quality.rules):
        place = (*at, "quality", "rules", index)
        yield from _stage(place, pipeline, index)
        yield from _columns(place, pipeline, index)
        if isinstance(staged.rule, ForeignKey):
            yield from _other_table(place, staged.rule, pipelines)
        if capabilities is not None:
            yield from _judge(place, pipeline.quality.engine, capabilities, staged.rule)


def _engine(at: KeyPath, pipeline: PipelineConfig) -> Generator[Conflict, None, Capabilities | None]:
    """Yield problems with the engine; return what the engine can judge if this is known."""
    engine = pipeline.quality.engine
    place = (*at, "quality", "engine")
    if engine not in CAPABILITIES and engine not in (known := engine_names()):
        yield Conflict(place, f"unknown engine `{engine}`", ", ".join(known), nearest(engine, known) or "")
        return None
    if not pipeline.quality.rules:
        return None  # no rule needs an engine, so no engine is imported
    if engine not in CAPABILITIES:
        try:
            return get_engine(engine).capabilities
        except EtlError as error:
            yield Conflict(place, error.problem, error.hint)
            return None
    if not _installed(engine):
        remedy = f"{install(engine.replace('_', '-'))}, or write `engine: polars`"
        yield Conflict(place, f"the library of the engine `{engine}` is not installed", remedy)
        return None
    return CAPABILITIES[engine]


@cache
def _installed(engine: str) -> bool:
    """Whether the library of a built-in engine is installed. The library is not imported."""
    return engine not in _LIBRARIES or find_spec(_LIBRARIES[engine]) is not None


def _judge(place: KeyPath, engine: str, capabilities: Capabilities, rule: AnyRule) -> Iterator[Conflict]:
    """Refuse a rule that the engine cannot judge on any data."""
    try:
        refused = capabilities.refusal(rule)
    except EtlError as error:
        refused = error.problem
    if refused is None:
        return
    others = [] if rule.type == "truthound" else [name for name, each in CAPABILITIES.items() if not each.refusal(rule)]
    allowed = f"engine: {', '.join(others)}" if others else ""
    if rule.type == "truthound" and engine != "truthound":
        allowed = "engine: truthound"
    about = frozenset({"engine", "rules", "quality"})
    yield Conflict(place, f"the engine {engine} cannot judge this rule: {refused}", allowed, about=about)


def _stage(place: KeyPath, pipeline: PipelineConfig, index: int) -> Iterator[Conflict]:
    stage = pipeline.quality.rules[index].stage or pipeline.published_stage
    if stage == "transfer" and not pipeline.has_transfer:
        about = frozenset({"has_transfer"})
        yield Conflict((*place, "stage"), "the pipeline has no transfer stage", "extract, load", about=about)
    if stage == "load" and not pipeline.save_to_trino:
        about = frozenset({"save_to_trino"})
        yield Conflict((*place, "stage"), "the pipeline has no load stage", "save_to_trino: true", about=about)


def _columns(place: KeyPath, pipeline: PipelineConfig, index: int) -> Iterator[Conflict]:
    """Refuse a rule whose column is not among `columns`, except after a transform, because it may add columns."""
    staged = pipeline.quality.rules[index]
    extracted = not pipeline.has_transfer or (staged.stage or pipeline.published_stage) == "extract"
    if extracted and pipeline.columns and staged.rule.type != "column_exists":
        for column in staged.rule.columns_needed:
            if column not in pipeline.columns:
                yield absent_column(place, column, pipeline.columns, frozenset({"columns", "rules"}))


def _other_table(place: KeyPath, rule: ForeignKey, pipelines: Mapping[str, PipelineConfig]) -> Iterator[Conflict]:
    """Check a foreign key, which refers by name to another pipeline of the tenant, and its published columns."""
    other = pipelines.get(rule.to)
    if other is None:
        close = nearest(rule.to, pipelines) or ""
        about = frozenset({"name", rule.to})
        yield Conflict((*place, "to"), f"there is no pipeline `{rule.to}`", ", ".join(sorted(pipelines)), close, about)
    elif other.columns and not other.has_transfer:
        for column in rule.referenced_columns:
            if column not in other.columns:
                problem = f"the pipeline `{rule.to}` has no column `{column}`"
                close = nearest(column, other.columns) or ""
                yield Conflict(place, problem, ", ".join(other.columns), close, frozenset({"columns"}))
