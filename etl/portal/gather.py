"""Gathers what the page of each tenant says: from its configuration, the lake, the event log and the log of promises.

Belongs here: the order of the questions, and joining the answers. Not here: each subject (`completeness`, `promised`,
`checked`, `rejected`, `changed`, `lineage`), the verdict over all of them (`verdict`), pages as files (`folder`).

No warehouse and no source is connected to, so a page can be made at any moment and delays no run. The event log is
read once for all tenants. A tenant that cannot be loaded has a page too, which says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dagster import AssetKey, DagsterInstance

from etl.config.pipeline_config import PipelineConfig
from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_assets
from etl.errors import EtlError
from etl.health.dagster_home import sensor_daemon
from etl.partitions.scheme import TimeScheme
from etl.pipeline.quarantine import history as decisions_of
from etl.pipeline.stage import StageRun
from etl.portal.broken import broken_page, problem_of
from etl.portal.changed import SINCE, decisions, failed_runs, failures, newest_changes, publishes, states
from etl.portal.checked import Records, checks_of, compared_of, records_of
from etl.portal.completeness import COUNTED, KnownData, completeness, shown_keys
from etl.portal.lineage import last_built, lineage_of
from etl.portal.made import Loads, Made, Order, loads_of, made_since, newest_made, order_of
from etl.portal.objects import StageObjects, objects_of
from etl.portal.page import ChangeEntry, Completeness, Lineage, Page, PipelinePage, Problem, RunCounts
from etl.portal.promised import history_begins, promises_of, unjudged
from etl.portal.published import (
    StageKeys,
    checks_of_what_is_there,
    compared_with_what_is_there,
    promises_of_what_is_there,
    published_once,
)
from etl.portal.quotas import quota_uses
from etl.portal.rejected import rejections_of
from etl.portal.verdict import JudgedPipeline, judged_page, level_of_pipeline, standing_of, standing_on_page, told_of
from etl.portal.words import visible
from etl.promises.judge import PipelineHistory
from etl.promises.state_log import StateInterval, StateLog
from etl.running.naming import Stage, asset_key
from etl.running.sla_history import SlaHistory
from etl.running.sla_watch import SlaWatch
from etl.secrets.scrub import scrub
from etl.settings import Settings
from etl.trial.trouble import TenantTrouble

READING = 20.0
"""Seconds for reading the event log for all tenants. What was not read is unknown on the page."""


@dataclass
class Gathering:
    """One look at some tenants."""

    settings: Settings
    instance: DagsterInstance
    now: datetime
    configs: Mapping[str, TenantConfig | None]
    """The configuration that each tenant has or is served with; None if there is none."""
    troubles: Mapping[str, TenantTrouble] = field(default_factory=dict)
    """Why a tenant's present files cannot be built. A tenant without a configuration has one."""
    valid_for: timedelta = timedelta(hours=1)
    tenants: Sequence[str] = ()
    """All tenants of the project, whose names no text of another tenant's page may have."""
    budget: float = READING
    patience: float = 60.0
    """The number of seconds for which another process may hold a tenant's excerpt of the event log."""

    errors: dict[str, str] = field(default_factory=dict, init=False)
    """What went wrong while a page was gathered. It may name machines and values, so no page has it."""

    def pages(self) -> Iterator[Page]:
        """Yield the page of each tenant. A tenant about which nothing can be gathered has a page that says so."""
        watches = {
            name: SlaWatch(each, self.settings, patience=self.patience)
            for name, each in self.configs.items()
            if each is not None
        }
        complete = self._read(watches)
        is_alive, seen = sensor_daemon(self.instance, self.now)
        watching = "" if is_alive else f"the process that watches promises does not run ({seen})"
        for name, config in self.configs.items():
            if config is None:
                yield self._broken(name, self.trouble(name), watching)
                continue
            try:
                yield _Tenant(self, config, watches[name], is_read=name in complete).page(watching)
            except Exception as error:  # noqa: BLE001  any error belongs to this tenant, whose page says so
                self.errors[name] = scrub(f"{type(error).__name__}: {error}")
                yield self._broken(name, Problem(what="page", lines=(type(error).__name__,)), watching)

    def trouble(self, name: str) -> Problem | None:
        """Return why the present files of a tenant cannot be built, for the tenant's people; None if they can."""
        trouble = self.troubles.get(name)
        return problem_of(trouble, self.others(name), self.settings) if trouble is not None else None

    def _broken(self, name: str, problem: Problem | None, watching: str) -> Page:
        problem = problem or Problem(what="page", lines=("it has no configuration",))
        return broken_page(self.settings, self.instance, name, problem, self.now, self.valid_for, watching)

    def others(self, name: str) -> list[str]:
        """Return the names of the other tenants, which no text of this tenant's page may have."""
        return [each for each in {*self.configs, *self.tenants} if each != name]

    def _read(self, watches: Mapping[str, SlaWatch]) -> set[str]:
        """Read the event log for all tenants at once, and return the tenants of which nothing is left to read."""
        for each in watches.values():
            learn_tenant(each.config)
        history = SlaHistory([each.reader for each in watches.values()], scrub, self.budget)
        complete = history.read(self.instance, self.now)
        at_work = history.at_work(self.instance)
        for name in complete:
            watches[name].at_work = at_work.get(name, {})
        return complete


@dataclass
class _Tenant:
    """Gathers the page of one tenant."""

    of: Gathering
    config: TenantConfig
    watch: SlaWatch
    is_read: bool
    unknown: list[str] = field(default_factory=list)
    orders: dict[AssetKey, Order] = field(default_factory=dict)

    def page(self, watching: str) -> Page:
        """Return the page."""
        config, now = self.config, self.of.now
        verdicts, late = self.watch.judge(now) if self.is_read else ({}, {})
        if not self.is_read:
            problem = self.watch.reader.problem
            if problem is not None:
                self.of.errors[config.id] = scrub(f"{type(problem).__name__}: {problem}")
            why = f": {type(problem).__name__}" if problem is not None else ", there was too little time"
            self.unknown.append(f"The event log could not be read to its end{why}.")
        state = self.watch.reader.current(now) if self.watch.reader.problem is None else None
        histories = state.histories if state else {}
        zone = zone_of(config)
        intervals = StateLog(self.of.settings.data_dir / "sla.sqlite").intervals(
            history_begins(now, zone), now, config.id
        )
        records = records_of(self.of.instance, config)
        changes: list[ChangeEntry] = [
            *states(intervals, now - SINCE),
            *decisions(decisions_of(self.of.settings, config.id), config.pipelines, now - SINCE, zone),
        ]
        if state:
            others = [each for each in state.failures if each.pipeline not in config.pipelines]
            changes += failures(others, config.pipelines, now - SINCE)
        pipelines = []
        for name, pipeline in config.pipelines.items():
            judged = JudgedPipeline(
                verdicts.get(name, ()),
                scrub(late.get(name, "")) or ("" if self.is_read else "the event log could not be read to its end"),
                self.watch.explained(name, verdicts, late, now) if state else None,
            )
            pipelines.append(self._pipeline(pipeline, judged, histories.get(name), intervals, records, changes))
        return judged_page(
            config,
            now=now,
            valid_for=self.of.valid_for,
            zone=zone,
            pipelines=tuple(pipelines),
            changes=newest_changes(changes),
            lineage=self._lineage({each.name: each.data for each in pipelines}, zone),
            quotas=quota_uses(config, self.of.settings, now),
            watching=watching,
            problem=self.of.trouble(config.id),
            unknown=tuple(self.unknown),
            due=[each.due for found in verdicts.values() for each in found if each.due and each.due > now],
        )

    def _pipeline(
        self,
        pipeline: PipelineConfig,
        judged: JudgedPipeline,
        history: PipelineHistory | None,
        intervals: Sequence[StateInterval],
        records: Records,
        changes: list[ChangeEntry],
    ) -> PipelinePage:
        name, config, now = pipeline.name, self.config, self.of.now
        zone = pipeline.partitions.timezone if pipeline.partitions else zone_of(config)
        made = made_since(self.of.instance, asset_key(config.id, pipeline.published_stage, name), now - SINCE)
        published = self._published(pipeline, history)
        data = self._completeness(pipeline, zone, judged, history, made, published[pipeline.published_stage])
        changes += publishes(name, made, history, zone)
        changes += failed_runs(name, history, now - SINCE, zone)
        promises = promises_of(name, config.sla_of(name), judged.verdicts, intervals, now, zone)
        sla = config.sla_of(name)
        if judged.unjudged and sla is not None and sla.says_something:
            promises = (unjudged(name, judged.unjudged),)
        page = PipelinePage(
            name=name,
            description=visible(pipeline.description),
            level="unknown",
            standing=standing_of(judged.explanation, data),
            headline="",
            data=data,
            compared=compared_with_what_is_there(
                compared_of(config, pipeline, records, zone), published[pipeline.published_stage]
            ),
            promises=promises_of_what_is_there(promises, published[pipeline.published_stage]),
            checks=checks_of_what_is_there(checks_of(config, pipeline, records), published),
            rejections=rejections_of(
                config,
                self.of.settings,
                name,
                [each.key for each in data.parts if each.rejected],
                is_there=data.there > 0,
            ),
            runs=_runs(history),
        )
        page = page.model_copy(update={"level": level_of_pipeline(page), "headline": told_of(page, judged)})
        return page.model_copy(update={"standing": standing_on_page(page)})

    def _completeness(
        self,
        pipeline: PipelineConfig,
        zone: str,
        judged: JudgedPipeline,
        history: PipelineHistory | None,
        made: Sequence[Made],
        seen: StageKeys,
    ) -> Completeness:
        instance, scheme = self.of.instance, pipeline.scheme
        order, loads = self._order(pipeline, pipeline.published_stage), Loads()
        output = pipeline.trino_output if pipeline.save_to_trino else None
        if output is not None and seen.keys:
            table = f"{output.target_schema}.{output.target_table}"
            loads = loads_of(instance, seen.keys, order, self._order(pipeline, "load"), table)
        known = KnownData(
            scheme=scheme,
            zone=zone,
            now=self.of.now,
            published=seen.keys,
            made=newest_made(instance, order, shown_keys(scheme, self.of.now)[-COUNTED:], made),
            loads=loads,
            history=history,
            verdicts=judged.verdicts,
            gone=seen.gone,
            damaged=seen.damaged,
        )
        return completeness(known)

    def _order(self, pipeline: PipelineConfig, stage: Stage) -> Order:
        asset = asset_key(self.config.id, stage, pipeline.name)
        if asset not in self.orders:
            self.orders[asset] = order_of(self.of.instance, asset, is_whole=pipeline.scheme.kind == "whole")
        return self.orders[asset]

    def _published(self, pipeline: PipelineConfig, history: PipelineHistory | None) -> dict[str, StageKeys]:
        """Return for each stage with objects what readers of the lake see of it."""
        found: dict[str, StageKeys] = {}
        scheme = pipeline.scheme
        for stage in pipeline.stages:
            if stage != "load":
                last = history if stage == pipeline.published_stage else None
                once = published_once(scheme, self._order(pipeline, stage).ids, last)
                seen = self._in_lake(pipeline, stage)
                keys, damaged = (seen.keys, seen.damaged) if seen else (None, frozenset())
                found[stage] = StageKeys(keys, once, damaged, is_by_time=isinstance(scheme, TimeScheme))
        return found

    def _in_lake(self, pipeline: PipelineConfig, stage: Stage) -> StageObjects | None:
        """Return what readers of the lake see of a stage; None if it cannot be read."""
        run = StageRun(config=self.config, pipeline=pipeline, partition=None, run_id="", settings=self.of.settings)
        try:
            with closing(run):
                return objects_of(run, stage)
        except (EtlError, OSError) as error:
            self.of.errors[self.config.id] = scrub(str(error))
            said = f"The lake of `{pipeline.name}` could not be read."
            self.unknown += [said] if said not in self.unknown else []
            return None

    def _lineage(self, data: Mapping[str, Completeness], zone: str) -> Lineage:
        models = last_assets(self.config, self.of.settings)
        built = last_built(self.of.instance, models)
        return lineage_of(self.config, models, {name: each.level for name, each in data.items()}, built, zone)


def zone_of(config: TenantConfig) -> str:
    """Return the time zone of most pipelines; UTC if none has one."""
    zones = [each.partitions.timezone for each in config.pipelines.values() if each.partitions]
    return max(sorted(set(zones)), key=zones.count, default="UTC")


def _runs(history: PipelineHistory | None) -> tuple[RunCounts, ...]:
    return tuple(
        RunCounts(
            run=each.run_id[:8],
            partition=each.partition or "",
            ended=each.ended,
            succeeded=each.succeeded,
            passed=each.metrics.passed_count,
            failed=each.metrics.failed_count,
            warned=each.metrics.warning_count,
            errored=each.metrics.error_count,
            rows=each.metrics.row_count,
        )
        for each in (history.runs if history else ())
        if each.metrics is not None
    )
