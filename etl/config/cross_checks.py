"""Rules that need more than one value of a tenant.

Belongs here: mistakes that the configuration alone shows. Not here: single values (the models), and mistakes that only
the database or a run can show.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from etl.config.effect_checks import effect_conflicts, empty_promise, given_tags
from etl.config.findings import Conflict, KeyPath, absent_column
from etl.config.identifiers import keeper_of
from etl.config.partition_checks import due_conflicts, partition_conflicts, unfit_input
from etl.config.pipeline_config import PipelineConfig
from etl.config.query_checks import query_conflicts
from etl.config.rule_checks import rule_conflicts
from etl.config.selection_checks import selection_conflicts
from etl.config.tenant_config import TenantConfig
from etl.secrets.ownership import owner_of, prefix_of
from etl.suggest import nearest

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
OTHERS = "*"  # the key of `column_lineage` for all columns that have no key of their own
JOB_OF_ALL = "all"  # the job that every tenant has


def conflicts(config: TenantConfig, groups: tuple[str, ...] = ()) -> Iterator[Conflict]:
    """Yield values of `config` that contradict each other. `groups` are the allowed groups; empty allows any group."""
    if config.group is not None and groups and config.group not in groups:
        yield Conflict(
            ("group",),
            f"unknown group `{config.group}`",
            f"{', '.join(groups)} (pyproject.toml, [tool.etl.conventions] groups)",
            nearest(config.group, groups) or "",
        )
    pipelines = config.assets.pipelines
    for name, pipeline in pipelines.items():
        at: KeyPath = ("assets", "pipelines", name)
        if pipeline.name != name:
            yield Conflict((*at, "name"), "`name` differs from the pipeline's key", f"{name}, or no `name` at all")
        yield from _source(at, pipeline)
        yield from query_conflicts(at, pipeline)
        yield from partition_conflicts(at, pipeline)
        yield from _columns(at, pipeline)
        yield from rule_conflicts(at, pipeline, pipelines)
        yield from due_conflicts(at, pipeline, config)
        yield from _output(at, pipeline)
        yield from _schema(at, pipeline, config)
        yield from effect_conflicts(at, pipeline)
        yield from _inputs(at, pipeline, config)
        yield from _lineage(at, pipeline)
        if pipeline.has_dbt_transform and not config.dbt.enabled:
            yield Conflict(
                (*at, "has_dbt_transform"),
                "the tenant has no dbt project",
                "dbt: {enabled: true}",
                about=_keys("dbt", "enabled"),
            )
    yield from dbt_conflicts(config)
    yield from given_tags((), config.tags)
    for name, job in config.jobs.items():
        yield from given_tags(("jobs", name), job.tags, ("tenant",))
    yield from empty_promise(("sla",), config.sla) if config.sla is not None else ()
    yield from selection_conflicts(config)
    yield from _targets(pipelines)
    yield from _job_names(config)
    yield from _idle_jobs(config)
    yield from _cycles(config)
    yield from _notified(config)


def _keys(*names: str) -> frozenset[str]:
    return frozenset(names)


def _source(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    about = _keys("source_table", "query")
    if pipeline.source_table is None and pipeline.query is None:
        remedy = "write `source_table: ...`, or `query: SELECT ...`"
        yield Conflict(at, "the pipeline has neither `source_table` nor `query`", about=about, remedy=remedy)
    yield from _qualified(at, pipeline)
    if pipeline.source_table is not None and pipeline.query is not None:
        yield Conflict(
            (*at, "query"), "the pipeline has both `source_table` and `query`", "one of the two", about=about
        )
    if pipeline.query is not None and pipeline.source_schema is not None:
        yield Conflict((*at, "source_schema"), "`source_schema` has no effect on a `query`", "with `source_table` only")
    if pipeline.query is not None and pipeline.query.strip().rstrip(";").count(";"):
        yield Conflict((*at, "query"), "`query` holds more than one statement", "one SELECT", about=about)


def _qualified(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    """Refuse a table's name with its schema. A table whose name has a dot is believed beside a `source_schema`."""
    schema, dot, table = (pipeline.source_table or "").rpartition(".")
    if dot and schema and table and pipeline.source_schema is None and "source_schema" not in pipeline.model_fields_set:
        problem = f"`{pipeline.source_table}` is a schema and a table"
        remedy = f"write source_schema: {schema} and source_table: {table}"
        yield Conflict((*at, "source_table"), problem, remedy=remedy)


def _columns(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    for key in ("columns", "sort_by", "pii_columns"):
        yield from _repeated((*at, key), getattr(pipeline, key))
    if not pipeline.columns:
        return
    about = _keys("columns", "date_column", "sort_by")
    if pipeline.date_column is not None and pipeline.date_column not in pipeline.columns:
        yield absent_column((*at, "date_column"), pipeline.date_column, pipeline.columns, about)
    for index, column in enumerate(pipeline.sort_by):
        if column not in pipeline.columns:
            yield absent_column((*at, "sort_by", index), column, pipeline.columns, about)


def _output(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    output = pipeline.trino_output
    if output is None:
        return
    place = (*at, "trino_output")
    if output.mode == "upsert" and not output.key_columns:
        yield Conflict(
            (*place, "mode"), "`upsert` without `key_columns`", "name the `key_columns`", about=_keys("key_columns")
        )
    cut = pipeline.date_column is not None or pipeline.scheme.kind == "static"
    if output.mode == "replace_partition" and not cut:
        yield Conflict(
            (*place, "mode"),
            "`replace_partition` without a `date_column`",
            "name the `date_column`, or mode: replace, upsert, append",
            about=_keys("date_column"),
        )
    if output.mode == "replace" and cut:
        yield Conflict(
            (*place, "mode"),
            f"`replace` with partitions would leave only the last {pipeline.scheme.word} loaded",
            "replace_partition, upsert, append",
            about=_keys("date_column"),
        )
    yield from _repeated((*place, "key_columns"), output.key_columns)
    if pipeline.columns and not pipeline.has_transfer:
        named = [((*place, "key_columns", index), column) for index, column in enumerate(output.key_columns)]
        named += [((*place, "order_column"), output.order_column)] if output.order_column else []
        for path, column in named:
            if column not in pipeline.columns:
                yield absent_column(path, column, pipeline.columns, _keys("columns", "has_transfer"))


def _schema(at: KeyPath, pipeline: PipelineConfig, config: TenantConfig) -> Iterator[Conflict]:
    """Refuse schemas that the product or the database reserves."""
    output = pipeline.trino_output
    if output is None:
        return
    whose = keeper_of(output.target_schema, config.warehouse.type)
    if whose:
        yield Conflict(
            (*at, "trino_output", "target_schema"),
            f"the schema `{output.target_schema}` belongs to {whose}",
            "a schema of the tenant's own (default: the tenant's id)",
            about=_keys("target_schema"),
        )


def _inputs(at: KeyPath, pipeline: PipelineConfig, config: TenantConfig) -> Iterator[Conflict]:
    pipelines = config.assets.pipelines
    if pipeline.transfer_inputs and not pipeline.has_transfer:
        yield Conflict(
            (*at, "transfer_inputs"),
            "`transfer_inputs` without a transfer",
            "has_transfer: true",
            about=_keys("has_transfer"),
        )
    yield from _repeated((*at, "transfer_inputs"), pipeline.transfer_inputs)
    for index, name in enumerate(pipeline.transfer_inputs):
        place = (*at, "transfer_inputs", index)
        if name not in pipelines:
            close = nearest(name, pipelines) or ""
            yield Conflict(place, f"there is no pipeline `{name}`", ", ".join(sorted(pipelines)), close, _keys("name"))
        elif pipeline.enabled and not pipelines[name].enabled:
            yield Conflict(
                place, f"the pipeline `{name}` is switched off", "an enabled pipeline", about=_keys("enabled")
            )
        elif (unfit := unfit_input(pipeline, pipelines[name])) is not None:
            yield Conflict(place, *unfit, about=_keys("partitions"))


def _lineage(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    """Refuse a declared origin that is no column of an input."""
    inputs = pipeline.transfer_inputs
    about = _keys("has_transfer", "transfer_inputs")
    if pipeline.column_lineage and not pipeline.has_transfer:
        problem = "`column_lineage` without a transfer: the lineage of an extract and of a load is known"
        yield Conflict((*at, "column_lineage"), problem, "has_transfer: true, or no `column_lineage`", about=about)
        return
    for column, words in pipeline.origins.items():
        for text in words:
            place = (*at, "column_lineage", column)
            named = text if column == OTHERS else text.partition(".")[0]
            if column == OTHERS and text not in inputs:
                close = nearest(text, inputs) or ""
                yield Conflict(place, f"`{text}` is no input of the transform", ", ".join(inputs), close, about)
            elif column != OTHERS and len(inputs) > 1 and named not in inputs:
                problem = f"`{text}` does not say of which input: the transform has several"
                yield Conflict(place, problem, f"{inputs[0]}.{text.rpartition('.')[2]}", about=about)


def _targets(pipelines: dict[str, PipelineConfig]) -> Iterator[Conflict]:
    """Refuse two pipelines that load the same table. Letter case is ignored, because databases ignore it."""
    loading: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, pipeline in pipelines.items():
        if pipeline.enabled and pipeline.save_to_trino and (output := pipeline.trino_output):
            loading[output.target_schema.lower(), output.target_table.lower()].append(name)
    for (schema, table), names in loading.items():
        for name in names[1:]:
            yield Conflict(
                ("assets", "pipelines", name, "trino_output"),
                f"`{name}` and `{names[0]}` load the same table {schema}.{table}",
                "a table of its own for each pipeline",
                about=_keys("target_table", "target_schema", "trino_output"),
            )


def _job_names(config: TenantConfig) -> Iterator[Conflict]:
    """Refuse two jobs with the same name, because the second job would silently replace the first."""
    taken = {JOB_OF_ALL: "the job that every tenant has"}
    for name in config.jobs:
        short = name.removeprefix(f"{config.id}_")
        if short in taken:
            problem = f"the job `{name}` would have the name of {taken[short]}: {config.id}_{short}"
            yield Conflict(("jobs", name), problem, f"a name of its own, not {JOB_OF_ALL}")
        taken[short] = f"the job `{name}`"


def _idle_jobs(config: TenantConfig) -> Iterator[Conflict]:
    """Refuse a job that has nothing to run, because the job and its schedule would be silently missing."""
    if config.enabled and not config.dbt.enabled and not config.assets.pipelines:
        for name in config.jobs:
            yield Conflict(
                ("jobs", name),
                f"job `{name}` has nothing to run: the tenant has no pipeline and no dbt",
                "a pipeline below `assets: {pipelines: ...}`, or no job",
                about=_keys("pipelines", "assets", "dbt", "enabled"),
            )


def _cycles(config: TenantConfig) -> Iterator[Conflict]:
    """Refuse transfers that wait for each other. A pipeline's own extract as an input is not a cycle."""
    pipelines = config.assets.pipelines
    needs = {
        name: [each for each in pipeline.transfer_inputs if each != name and each in pipelines]
        for name, pipeline in pipelines.items()
        if pipeline.has_transfer
    }
    settled: set[str] = set()
    for start, first in needs.items():
        trail: list[str] = []
        stack = [(start, iter(first))] if start not in settled else []
        trail += [start] if stack else []
        while stack:
            following = next(stack[-1][1], None)
            if following is None:
                settled.add(stack.pop()[0])
                trail.pop()
            elif following in trail:
                circle = " -> ".join([*trail[trail.index(following) :], following])
                place = ("assets", "pipelines", trail[-1], "transfer_inputs")
                yield Conflict(place, f"the transfers wait for each other: {circle}", "no circle")
            elif following in needs and following not in settled:
                trail.append(following)
                stack.append((following, iter(needs[following])))


def _notified(config: TenantConfig) -> Iterator[Conflict]:
    """Refuse a target that would never get a message: no pipeline has its names, or its address cannot be used."""
    pipelines = config.assets.pipelines
    owners = {*config.owners, *(each for pipeline in pipelines.values() for each in pipeline.owners)}
    for index, target in enumerate(config.notifications):
        if target in config.notifications[:index]:
            problem = "this target stands there twice, so that each message would be sent twice"
            yield Conflict(("notifications", index), problem, remedy="leave one of the two out")
        for position, name in enumerate(target.pipelines):
            if "$" in name or any(fnmatchcase(each, name) for each in pipelines):
                continue
            path = ("notifications", index, "pipelines", position)
            pattern = any(mark in name for mark in "*?[")
            problem = f"no pipeline is called like `{name}`" if pattern else f"there is no pipeline `{name}`"
            close = "" if pattern else nearest(name, pipelines) or ""
            yield Conflict(path, problem, ", ".join(sorted(pipelines)) or "no `pipelines`", close, _keys("pipelines"))
        for position, owner in enumerate(target.owners):
            if "$" not in owner and owner not in owners:
                path = ("notifications", index, "owners", position)
                problem = f"no pipeline is owned by `{owner}`, so that this target never gets a message"
                remedy = "write one of the `owners` of the tenant or of a pipeline, or leave `owners` out"
                yield Conflict(path, problem, "", nearest(owner, owners) or "", _keys("owners"), remedy)
        url = getattr(target, "url", "")
        if url and not url.startswith("${") and not _ADDRESS.match(url):
            yield Conflict(
                ("notifications", index, "url"),
                "nothing can be sent to this address",
                "one that begins with https:// or http://",
            )


def _repeated(path: KeyPath, names: Iterable[str]) -> Iterator[Conflict]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Conflict((*path, index), f"`{name}` stands there twice", "each name once")
        seen.add(name)


_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
OWN_VARIABLES = ("tenant", "schema", "partition_start", "partition_end")
"""The dbt variables that the product gives: a file that gave them could read another tenant's lake."""


def dbt_conflicts(config: TenantConfig) -> Iterator[Conflict]:
    """Variables that are the product's to give, and a schema that is nobody's."""
    for name in config.dbt.variables:
        if name in OWN_VARIABLES:
            instead = "`dbt: {schema: ...}`" if name == "schema" else "a variable of another name"
            yield Conflict(("dbt", "vars", name), f"the dbt variable `{name}` is given by the product", instead)
    for name in config.dbt.env:
        own = owner_of(name, {*config.origin.tenants, config.id}) == config.id or name.startswith("DBT_ENV_SECRET_")
        if not own or not _VARIABLE.fullmatch(name):
            yield Conflict(
                ("dbt", "env", name),
                f"the variable `{name}` is not the tenant's own",
                f"a name that begins with {prefix_of(config.id)}, or with DBT_ENV_SECRET_",
            )
    schema = config.dbt.target_schema
    database = "postgres" if "postgres" in (config.dbt.target, config.warehouse.type) else "duckdb"
    if schema is not None and (keeper := keeper_of(schema, database)):
        yield Conflict(
            ("dbt", "schema"),
            f"the schema `{schema}` belongs to {keeper}",
            "a schema of the tenant's own, or no `schema` for the default",
        )
