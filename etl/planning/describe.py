"""Describes what a tenant defines, from its configuration and from the Dagster definitions that were built from it.

Belongs here: which values of a definition two revisions are compared by. Not here: the models (`description`), things
that belong to one pipeline (`describe_pipeline`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from dagster import AssetKey, Definitions, JobDefinition
from pydantic import BaseModel, JsonValue

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_assets
from etl.notify.routes import target_name
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.planning.describe_pipeline import pipeline_things
from etl.planning.description import Description, Kind, Thing, ordered
from etl.running import naming
from etl.running.naming import STANDING_CHECKS, AssetAddress
from etl.running.partition_definitions import Scheme, scheme_of
from etl.settings import Settings

_KIND_TAG = "dagster/kind/"


def describe(config: TenantConfig, definitions: Definitions, settings: Settings) -> Description:
    """Return everything that the tenant defines."""
    things = [
        *_of_tenant(config),
        *(thing for pipeline in config.pipelines.values() for thing in pipeline_things(config, pipeline)),
        *_assets(config, definitions, settings),
        *_jobs(config, definitions),
        *_schedules(config, definitions),
        *_sensors(definitions),
    ]
    return Description(tenant=config.id, environment=config.origin.environment, things=ordered(things))


def _of_tenant(config: TenantConfig) -> Iterator[Thing]:
    values: dict[str, JsonValue] = {
        "description": config.description,
        "enabled": config.enabled,
        "group": config.group,
        "name": config.name,
        "owners": list(config.owners),
        "tags": {**dict(sorted(config.tags.items()))},
    }
    yield _thing(config, "tenant", config.id, values, ())
    connections: dict[str, BaseModel | None] = {
        "source_database": config.source_database,
        "storage": config.storage,
        "warehouse": config.warehouse,
        "dbt": config.dbt if config.dbt.enabled else None,
    }
    for name, model in connections.items():
        if model is not None:
            yield _thing(config, "connection", name, plain(model), (name,))
    kinds: Counter[str] = Counter()
    for number, target in enumerate(config.notifications):
        kinds[target.type] += 1
        said: dict[str, JsonValue] = {
            "mailbox": target_name(target),
            "on": list(target.on),
            "owners": list(target.owners),
            "pipelines": list(target.pipelines),
            "severity": target.severity,
        }
        yield _thing(config, "notification", f"{target.type} {kinds[target.type]}", said, ("notifications", number))


def plain(model: BaseModel) -> dict[str, JsonValue]:
    """Return the values of a model that say something, as JSON; templates stay templates."""
    found: dict[str, JsonValue] = model.model_dump(mode="json", exclude_none=True)
    return {key: value for key, value in sorted(found.items()) if value not in ("", [], {})}


def _thing(
    config: TenantConfig, kind: Kind, name: str, values: Mapping[str, JsonValue], place: tuple[str | int, ...]
) -> Thing:
    own = {"": config.line_of(*place)}
    lines = {key: config.line_of(*place, key) for key in values}
    return Thing(kind=kind, name=name, values=dict(values), lines=own | lines)


def _assets(config: TenantConfig, definitions: Definitions, settings: Settings) -> Iterator[Thing]:
    graph = definitions.resolve_asset_graph()
    made_by_dbt = {AssetKey(list(each.key)): each for each in last_assets(config, settings)}
    rules = {each.name for each in _rule_checks(config)}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        model = made_by_dbt.get(key)
        kind: Kind = "asset" if model is None else "exposure" if model.resource == "exposure" else "model"
        pipeline = node.tags.get("pipeline")
        pipeline = pipeline if pipeline in config.pipelines else None
        tags = {name: said for name, said in sorted(node.tags.items()) if not name.startswith(_KIND_TAG)}
        address = AssetAddress.of(key)
        in_lake = pipeline is not None and address.stage in ("extract", "transfer")
        yield Thing(
            kind=kind,
            name=key.to_user_string(),
            pipeline=pipeline,
            values={
                "code_version": node.code_version if model is None else model.code_version,
                "description": node.description or "",
                "group": node.group_name,
                "kinds": sorted(node.kinds),
                "lake": lake_path(config, pipeline, address.stage) if in_lake and pipeline else None,
                "owners": list(node.owners),
                "partitions": partitions_in_words(scheme_of(node.partitions_def)),
                "reads": sorted(each.to_user_string() for each in node.parent_keys),
                "tags": tags,
            },
        )
        for check in sorted(each.name for each in node.check_keys):
            name = f"{key.to_user_string()}:{check}"
            if name not in rules:
                told: dict[str, JsonValue] = {"standing": check in STANDING_CHECKS}
                yield Thing(kind="check", name=name, pipeline=pipeline, values=told)


def _rule_checks(config: TenantConfig) -> Iterator[Thing]:
    for pipeline in config.pipelines.values():
        yield from (each for each in pipeline_things(config, pipeline) if each.kind == "check")


def lake_path(config: TenantConfig, pipeline: str, stage: str) -> str:
    """Return where a stage's objects are, relative to the tenant's lake."""
    said = config.pipelines[pipeline]
    place = f"{config.id}/{stage}/{pipeline}"
    match said.scheme:
        case WholeTable():
            return f"{place}/data.parquet"
        case StaticKeys(by=by):
            return f"{place}/{by}=.../data.parquet"
        case _:
            return f"{place}/dt=.../data.parquet"


def partitions_in_words(scheme: Scheme | None) -> str:
    """Return how an asset is cut, as one line."""
    match scheme:
        case None:
            return "of its own code"
        case WholeTable():
            return "whole table"
        case StaticKeys(by=by, values=values):
            return f"{by}: {', '.join(values)}"
        case TimeScheme(unit=unit, start=start, end=end, timezone=timezone):
            return f"{unit}s from {start}{f' to {end}' if end else ''} ({timezone})"


def _jobs(config: TenantConfig, definitions: Definitions) -> Iterator[Thing]:
    said = {naming.job_name(config.id, name): (name, job) for name, job in config.jobs.items()}
    for job in sorted(definitions.resolve_all_job_defs(), key=lambda each: each.name):
        if job.name.startswith("__"):
            continue
        written = said.get(job.name)
        values: dict[str, JsonValue] = {
            "assets": _assets_of(job),
            "description": job.description or "",
            "selection": written[1].selection if written else "*",
            "tags": {name: value for name, value in sorted(job.tags.items()) if not name.startswith("dagster/")},
        }
        if written is None:
            yield Thing(kind="job", name=job.name, values=values)
        else:
            yield _thing(config, "job", job.name, values, ("jobs", written[0]))


def _assets_of(job: JobDefinition) -> list[JsonValue]:
    return [*sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)]


def _schedules(config: TenantConfig, definitions: Definitions) -> Iterator[Thing]:
    places = {naming.schedule_name(config.id, name): ("jobs", name, "schedule") for name in config.jobs}
    for each in definitions.schedules or ():
        # One that Dagster makes of a partitioned job has its times only when the location is served.
        one: Any = each if hasattr(each, "cron_schedule") else definitions.resolve_schedule_def(each.name)
        values: dict[str, JsonValue] = {
            "cron": one.cron_schedule if isinstance(one.cron_schedule, str) else list(one.cron_schedule),
            "job": one.job_name,
            "starts_by_itself": one.default_status.value == "RUNNING",
            "timezone": one.execution_timezone,
        }
        place = places.get(one.name)
        if place is None:
            yield Thing(kind="schedule", name=one.name, values=values)
        else:
            yield _thing(config, "schedule", one.name, values, place)


def _sensors(definitions: Definitions) -> Iterator[Thing]:
    for each in definitions.sensors or ():
        values: dict[str, JsonValue] = {
            "interval_seconds": each.minimum_interval_seconds,
            "starts_by_itself": each.default_status.value == "RUNNING",
        }
        yield Thing(kind="sensor", name=each.name, values=values)
