"""Makes the plan of one tenant: what is another than before, and what that will do.

Belongs here: the model of a plan, and putting its parts together. Not here: the parts (`compare`, `destructive`,
`effects`, `backfills`, `columns`, `verdicts`), showing a plan (`show`), applying it (`apply`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa
from dagster import DagsterInstance
from pydantic import BaseModel, ConfigDict

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_models
from etl.errors import EtlError
from etl.lake.lake import Lake
from etl.partitions.keys import Unit
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.pipeline.extract import extract_request
from etl.pipeline.quarantine import rejected_rows
from etl.pipeline.stage import StageRun, lake_of
from etl.planning.applied_state import Begun
from etl.planning.backfills import BackFill, History, PipelineSight, backfills_of, run_published
from etl.planning.columns import ColumnChange, Columns, foresee, refusals
from etl.planning.compare import DefinitionChange, compare, renamed
from etl.planning.description import Description, Thing
from etl.planning.destructive import marked
from etl.planning.effects import Effect, add_unfinished, assets_of, effects, in_order, readers
from etl.planning.verdicts import EXAMINED, Judged, RuleForecast, verdicts
from etl.resources.rdb import rdb_resource
from etl.settings import Settings
from etl.source.reading import planned_schema

FORMAT = 1
"""The format of a plan as JSON."""


class TenantPlan(BaseModel):
    """What differs for one tenant, and what it will do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    tenant: str
    compared_with: str
    """What stands on the other side, in words."""
    is_first: bool = False
    """Nothing was applied before, so everything is new."""
    unfinished: datetime | None = None
    """When an apply was begun that did not end, or not well: what it published may be by other definitions."""
    changes: tuple[DefinitionChange, ...] = ()
    columns: tuple[ColumnChange, ...] = ()
    backfills: tuple[BackFill, ...] = ()
    verdicts: tuple[RuleForecast, ...] = ()
    owners: tuple[str, ...] = ()
    """The owners of what changes, before and after."""
    downstream: tuple[str, ...] = ()
    """What reads from the pipelines whose rows change."""
    hints: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be found out."""

    @property
    def is_empty(self) -> bool:
        """Whether everything is as before."""
        return not self.changes and self.unfinished is None

    @property
    def losses(self) -> tuple[str, ...]:
        """What the plan loses, in words; empty if it is not destructive."""
        said = [f"{each.kind} {each.name}: {loss}" for each in self.changes for loss in each.loses]
        return (*said, *(f"pipeline {each.pipeline}: {each.loses}" for each in self.columns if each.loses))


@dataclass(frozen=True)
class Surroundings:
    """Where a plan looks: the tenant, this installation, Dagster's event log, and how much it examines."""

    config: TenantConfig
    settings: Settings
    instance: DagsterInstance | None
    now: datetime
    examined: int = EXAMINED
    connects: bool = False
    """Ask the source for its columns."""


def make_plan(
    around: Surroundings,
    old: Description | None,
    new: Description,
    compared_with: str,
    *,
    is_first: bool = False,
    begun: Begun | None = None,
) -> TenantPlan:
    """Compare, and find out what the differences do. Nothing is changed by that.

    `begun` is what was begun to be applied and not recorded: the lake and the tables may hold some of it.
    """
    changes = marked(compare(old, new), old, new)
    affected = effects(around.config, changes)
    config = around.config
    for each in begun.descriptions if begun else ():
        add_unfinished(config, affected, compare(each, new))
    affected = {name: affected[name] for name in in_order(config) if name in affected}
    with ExitStack() as stack:
        bucket = stack.enter_context(lake_of(config, around.settings))
        local = stack.enter_context(lake_of(config, around.settings, local=True))
        lakes = {name: bucket if each.save_to_s3 else local for name, each in config.pipelines.items()}
        columns = _columns(around, affected, lakes, changes)
        judged = verdicts(Judged(config, lakes, affected, around.settings, around.now, around.examined), changes)
        about_rules = tuple(_hints_about_rules(config, changes, judged, affected, lakes))
        set_aside = tuple(_hints_about_rows_set_aside(around, changes))
        backfills = tuple(_backfills(around, old, affected, lakes))
    return TenantPlan(
        tenant=config.id,
        compared_with=compared_with,
        is_first=is_first,
        unfinished=begun.at if begun else None,
        changes=changes,
        columns=columns.changes,
        backfills=backfills,
        verdicts=judged,
        owners=tuple(_owners(changes, old, new)),
        downstream=tuple(dict.fromkeys(_downstream(old, new, changes, affected))) if old else (),
        hints=(
            *_hints_about_unfinished(begun, new),
            *_hints(config, old, new, changes),
            *refusals(config, columns.changes),
            *about_rules,
            *set_aside,
            *_hints_where_nothing_is(affected, backfills),
        ),
        unknown=columns.unknown,
    )


def removed_tenant(old: Description, compared_with: str) -> TenantPlan:
    """Return the plan of a tenant that is not there any more."""
    changes = marked(compare(old, None), old, None)
    return TenantPlan(
        tenant=old.tenant, compared_with=compared_with, changes=changes, owners=tuple(_owners(changes, old, None))
    )


def _columns(
    around: Surroundings, affected: Mapping[str, Effect], lakes: Mapping[str, Lake], changes: Sequence[DefinitionChange]
) -> Columns:
    rewritten = frozenset(
        each.name
        for each in changes
        if each.kind == "pipeline" and any(each.value(name) for name in ("query", "source_table", "source_schema"))
    )
    asked: dict[str, pa.Schema] = {}
    problems = []
    if around.connects:
        for name, effect in affected.items():
            if effect.since == "extract" or effect.is_new:
                try:
                    asked[name] = _ask_source(around, name)
                except EtlError as error:
                    problems.append(f"{name}: the source does not answer: {error.problem}")
    found = foresee(around.config, affected, lakes, asked, rewritten)
    return found.model_copy(update={"unknown": (*problems, *found.unknown)})


def _ask_source(around: Surroundings, name: str) -> pa.Schema:
    config, settings = around.config, around.settings
    pipeline = config.pipelines[name]
    key = next(reversed(pipeline.scheme.keys(around.now)), None)
    run = StageRun(config=config, pipeline=pipeline, partition=key, run_id="plan", settings=settings)
    url = rdb_resource(config, str(settings.demo_dir / f"{config.id}.sqlite")).url(config)
    return planned_schema(url, extract_request(run))


def _backfills(
    around: Surroundings, old: Description | None, affected: Mapping[str, Effect], lakes: Mapping[str, Lake]
) -> Iterator[BackFill]:
    config = around.config
    models = last_models(config, around.settings)
    history = History(around.instance)
    for name, effect in affected.items():
        before = old.by_key.get(("pipeline", name)) if old else None
        looked = PipelineSight(
            around.config, config.pipelines[name], lakes[name], history, around.now, bool(models.get(name))
        )
        yield from backfills_of(looked, effect, earlier_partitions(before))


def earlier_partitions(pipeline: Thing | None) -> TimeScheme | StaticKeys | None:
    """Return the partitions that a pipeline had according to its description; None if it had none."""
    values = pipeline.values if pipeline else {}
    start, end, by = values.get("partitions.start"), values.get("partitions.end"), values.get("partitions.by", "day")
    keys = values.get("partitions.keys")
    if isinstance(keys, list) and keys:
        return StaticKeys(str(by), tuple(map(str, keys)))
    if not isinstance(start, str):
        return None
    zone = str(values.get("partitions.timezone", "UTC"))
    endless = TimeScheme(cast("Unit", by), start, None, zone)
    if not isinstance(end, str):
        return endless
    return TimeScheme(endless.unit, start, endless.key_at(endless.window(end)[0]), zone)


def _downstream(
    old: Description | None, new: Description, changes: Sequence[DefinitionChange], affected: Mapping[str, Effect]
) -> Iterator[str]:
    """Yield what reads the assets that are made again, or that are gone."""
    for name, effect in affected.items():
        yield from readers(new, assets_of(new, name, effect.since or "extract"), name)
    for change in changes:
        if change.kind == "pipeline" and change.action == "removed" and old is not None:
            yield from readers(old, assets_of(old, change.name), change.name)


def _owners(changes: Sequence[DefinitionChange], old: Description | None, new: Description | None) -> Iterator[str]:
    """Yield the owners of the changed pipelines, and of the tenant for what belongs to no pipeline."""
    found: dict[str, None] = {}
    for change in changes:
        for side in (old, new):
            if side is not None and not change.follows:
                found |= dict.fromkeys(_owned_by(side, change.pipeline))
    yield from sorted(found)


def _owned_by(side: Description, pipeline: str | None) -> Iterator[str]:
    """Yield the owners of a pipeline, or else those of the tenant."""
    thing = side.by_key.get(("pipeline", pipeline)) if pipeline else None
    for each in (thing, side.by_key.get(("tenant", side.tenant))):
        owners = each.values.get("owners") if each else None
        if isinstance(owners, list) and owners:
            yield from map(str, owners)
            return


def _hints(
    config: TenantConfig, old: Description | None, new: Description, changes: Sequence[DefinitionChange]
) -> Iterator[str]:
    if any(
        each.kind == "connection" and each.name == "source_database" and each.action == "changed" for each in changes
    ):
        yield (
            "the source is another one, or is opened in another way. What is published stays:"
            f" `etl verify {config.id}` compares it with the source"
        )
    for before, after in renamed(old, new).items():
        yield (
            f"`{after}` is `{before}` but for its name. A pipeline with another name is another pipeline: its objects,"
            f" its history and its promises begin anew, and those of `{before}` stay where they are"
        )


def _hints_about_unfinished(begun: Begun | None, new: Description) -> Iterator[str]:
    if begun is None:
        return
    yield (
        f"an apply that was begun at {begun.at:%Y-%m-%d %H:%M} UTC did not end, or not all of it succeeded. What it may"
        " have published by other definitions is made again"
    )
    made = {name for each in begun.descriptions for kind, name in each.by_key if kind == "pipeline"}
    for name in sorted(each for each in made if ("pipeline", each) not in new.by_key):
        yield f"it may have made objects and a table of `{name}`, which nothing defines any more"


def _hints_about_rules(
    config: TenantConfig,
    changes: Sequence[DefinitionChange],
    judged: Sequence[RuleForecast],
    affected: Mapping[str, Effect],
    lakes: Mapping[str, Lake],
) -> Iterator[str]:
    """Tell what becomes of partitions that are published: a rule alone makes none of them again."""
    again = {name for name, effect in affected.items() if effect.since in ("extract", "transfer")}
    failing = dict.fromkeys(each.pipeline for each in judged if each.status == "failed")
    for name in [each for each in failing if each not in again]:
        yield (
            f"the published partitions of `{name}` stay as they are; a run of theirs judges them by the new rules:"
            f" `{run_published(config, config.pipelines[name], lakes[name])}`"
        )
    for name, pipeline in config.pipelines.items():
        weaker = [each for each in changes if each.pipeline == name and each.kind == "check" and each.action != "added"]
        if weaker and pipeline.quality.on_failure == "quarantine":
            yield (
                f"rows of `{name}` that were set aside stay so until somebody replays them:"
                f" `etl quarantine replay {config.id} {name}`"
            )


def _hints_about_rows_set_aside(around: Surroundings, changes: Sequence[DefinitionChange]) -> Iterator[str]:
    """Tell how many rows are set aside where no row will be from now on."""
    for change in changes:
        value = change.value("quality.on_failure") if change.kind == "pipeline" else None
        if value is None or value.old != "quarantine":
            continue
        found = [*rejected_rows(around.config, around.settings, change.name)]
        rows, partitions = sum(each.rows for each in found), len(found)
        what = "would publish nothing of such a partition" if value.new == "block" else "would publish them too"
        yield f"{rows:,} rows of `{change.name}` are set aside now, of {partitions:,} partitions; a run {what}"


def _hints_where_nothing_is(affected: Mapping[str, Effect], backfills: Sequence[BackFill]) -> Iterator[str]:
    """Tell of pipelines that a change would make again if there were anything of them, as in an empty lake."""
    found = {each.pipeline for each in backfills}
    for name, effect in affected.items():
        if effect.since is not None and name not in found:
            yield (
                f"nothing of `{name}` is published in this lake, so nothing is made again. Where it is published, it is"
                f" made again from the stage {effect.since} on, because {', '.join(effect.reasons)}"
            )
