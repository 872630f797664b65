"""One tick of the SLA sensor for a tenant: read events, judge promises, record states, send messages.

Belongs here: the order of a tick, and its results. Not here: the single parts, and when a tick happens
(`sensor_factory`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from dagster import AssetCheckEvaluation, DagsterInstance

from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_assets
from etl.notify.incidents import Incident, Message, Trouble, group
from etl.notify.outbox import Outbox
from etl.notify.send import send
from etl.notify.targets import NotificationConfig
from etl.promises.freshness import AtWork, State
from etl.promises.judge import FROM_BAD_TO_GOOD, PromiseVerdict, judge_pipeline, worst
from etl.promises.pipeline_log import PipelineLog
from etl.promises.state_log import StateLog
from etl.running.sla_history import BUDGET, SlaHistory
from etl.running.sla_result import digest, evaluation, promised
from etl.running.subjects import Location, Subjects
from etl.secrets.scrub import scrub
from etl.secrets.template import interpolate
from etl.settings import Settings

AGAIN_AFTER = timedelta(days=1)  # with an older check, people would think that the promises are no longer watched
CHECKS_A_TICK = 250
Verdicts = dict[str, tuple[PromiseVerdict, ...]]
Unjudged = dict[str, str]
"""For each pipeline that could not be judged, the reason."""


@dataclass
class Tick:
    """The result of one tick."""

    text: str
    checks: list[AssetCheckEvaluation] = field(default_factory=list)
    verdicts: Verdicts = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    judged: bool = True


@dataclass
class SlaWatch:
    """Watches one tenant. Everything that is kept after a tick is in files below the data folder."""

    config: TenantConfig
    settings: Settings
    budget: float = BUDGET
    _at_work: dict[str, tuple[AtWork, ...]] = field(default_factory=dict, init=False)

    def tick(
        self,
        instance: DagsterInstance,
        now: datetime,
        cursor: str | None = None,
        location: Location | None = None,
    ) -> Tick:
        """Do one tick. Problems are returned, not raised, so that the successful parts are not lost.

        With `location`, failures of definitions that were removed from the location are over.
        """
        if not self.read(instance, now):
            return Tick("not all events are read yet, so nothing was judged; the next tick goes on", judged=False)
        if location is not None:
            self._forget_removed(instance, location)
        verdicts, unjudged = self.judge(now)
        StateLog(self.settings.data_dir / "sla.sqlite").record(
            [each for found in verdicts.values() for each in found], now
        )
        sent, incidents, undelivered = self._tell(verdicts, now)
        checks = self._checks(verdicts, now, cursor)
        text = (
            f"{_words(verdicts)}; {incidents} open incident(s), {sent} message(s) sent, {len(checks)} check(s) written"
        )
        return Tick(text, checks, verdicts, (*unjudged.values(), *undelivered))

    def read(self, instance: DagsterInstance, now: datetime) -> bool:
        """Read new events of the event log; False if events are left."""
        learn_tenant(self.config)
        history = SlaHistory(self.subjects, self.log, scrub, self.budget)
        complete = history.read(instance, now)
        self._at_work = history.at_work(instance) if complete else {}
        return complete

    def judge(self, now: datetime) -> tuple[Verdicts, Unjudged]:
        """Judge every promise. If one pipeline cannot be judged, the others are still judged."""
        verdicts: Verdicts = {}
        unjudged: Unjudged = {}
        days = {name: self.subjects.partitions[name] for name in promised(self.config)}
        for name, past in self.log.histories(self.config.id, days).items():
            sla = self.config.sla_of(name)
            history = replace(past, published=replace(past.published, at_work=self._at_work.get(name, ())))
            try:
                verdicts[name] = judge_pipeline(sla, history, now) if sla else ()
            except Exception as error:  # noqa: BLE001  any error belongs to this pipeline and is reported
                unjudged[name] = f"{self.config.id}/{name} cannot be judged: {type(error).__name__}: {error}"
        return verdicts, unjudged

    def judge_now(self, instance: DagsterInstance, now: datetime) -> tuple[Verdicts, Unjudged]:
        """Read and judge without messages. Unjudged pipelines are named, so that they do not look like kept ones."""
        complete = self.read(instance, now)
        verdicts, unjudged = self.judge(now) if complete else ({}, {})
        unread = promised(self.config).keys() - verdicts.keys() - unjudged.keys()
        late = {name: f"{self.config.id}/{name} is not judged yet: its past is still being read" for name in unread}
        return verdicts, late | unjudged

    @cached_property
    def subjects(self) -> Subjects:
        """The tenant's definitions by name."""
        return Subjects(self.config)

    @cached_property
    def log(self) -> PipelineLog:
        """The tenant's excerpt of the event log."""
        return PipelineLog(self.settings.data_dir / "sla" / f"{self.config.id}.sqlite")

    def _forget_removed(self, instance: DagsterInstance, location: Location) -> None:
        """Forget failures of definitions that were removed from this location. Other locations' failures stay."""
        failures = self.log.failures()
        lost = location.lacks(each.subject for each in failures) if failures else set()
        candidates = [each for each in failures if each.subject in lost]
        over = [each for each in candidates if location.started(instance.get_run_by_id(each.run_id))]
        self.log.forget_failures(each.subject for each in over)

    def _incidents(self, troubles: list[Trouble]) -> list[Incident]:
        if not troubles:
            return []
        models = self.subjects.models(last_assets(self.config, self.settings))
        return list(group(troubles, {**self.subjects.upstream, **models}))

    def _tell(self, verdicts: Verdicts, now: datetime) -> tuple[int, int, tuple[str, ...]]:
        outbox, scope = Outbox(self.settings.data_dir / "notify.sqlite"), self.config.id
        incidents = self._incidents(self._troubles(verdicts, now))
        unjudged = set(promised(self.config)) - set(verdicts)
        if unjudged:  # an incident that was not examined is not over
            incidents += [each for each in outbox.open_incidents(scope) if unjudged & set(each.pipelines)]
        outbox.observe(scope, incidents, self.config.notifications, now)
        delivered = outbox.deliver(scope, self.config.notifications, self._deliver, lambda: now)
        return delivered.sent, len({each.key for each in incidents}), delivered.problems

    def _deliver(self, target: NotificationConfig, message: Message) -> None:
        """Send one message. The values of a target's templates are remembered, so that they are scrubbed from texts."""
        values = self.config.namespace()
        clean = message.model_copy(update={"title": scrub(message.title), "text": scrub(message.text)})
        send(target, clean, lambda text: interpolate(text, values))

    def _troubles(self, verdicts: Verdicts, now: datetime) -> list[Trouble]:
        broken = [each for found in verdicts.values() for each in found if each.state is State.BROKEN]
        troubles = [
            Trouble(
                event="sla",
                tenant=each.tenant,
                pipeline=each.pipeline,
                cause=each.cause,
                severity=each.alert_level.value,
                detail=f"{each.promise}: {each.message}",
                since=each.since or now,
                owners=self.subjects.owners(each.pipeline),
            )
            for each in broken
        ]
        return troubles + [
            Trouble(
                event=each.event,
                tenant=self.config.id,
                pipeline=each.pipeline,
                cause=each.cause,
                detail=each.detail,
                since=each.at,
                owners=self.subjects.owners(each.pipeline),
            )
            for each in self.log.failures()
        ]

    def _checks(self, verdicts: Verdicts, now: datetime, cursor: str | None) -> list[AssetCheckEvaluation]:
        """Return the checks with a new state, the worst state first, as many as a tick may write."""
        assets = promised(self.config)
        digests = {name: digest(found) for name, found in verdicts.items()}
        stale = sorted(self.log.stale(digests, now, cursor, AGAIN_AFTER), key=lambda name: _rank(verdicts[name]))
        chosen = stale[:CHECKS_A_TICK]
        self.log.note_told({name: digests[name] for name in chosen}, now, now.isoformat())
        return [evaluation(assets[name], verdicts[name]) for name in chosen]


def _rank(verdicts: tuple[PromiseVerdict, ...]) -> int:
    return FROM_BAD_TO_GOOD.index(worst(verdicts))


def _words(verdicts: Mapping[str, tuple[PromiseVerdict, ...]]) -> str:
    counts = dict.fromkeys(State, 0)
    for found in verdicts.values():
        for each in found:
            counts[each.state] += 1
    total = sum(counts.values())
    states = ", ".join(f"{count} {state.value.replace('_', ' ')}" for state, count in counts.items() if count)
    return f"{total} promise(s) of {len(verdicts)} pipeline(s): {states or 'none judged yet'}"
