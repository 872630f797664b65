"""One tick of the SLA sensor for a tenant: read events, judge promises, record states, send messages.

Belongs here: the order of a tick, and its results. Not here: the single parts, and when a tick happens
(`sensor_factory`).
"""

from collections.abc import Iterable, Mapping, Sequence
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
from etl.promises.judge import FROM_BAD_TO_GOOD, PipelineHistory, PromiseVerdict, judge_pipeline, worst
from etl.promises.pipeline_log import PipelineLog, stale
from etl.promises.state_log import StateLog
from etl.running.earlier_failures import successors
from etl.running.explain import Explanation, KnownFacts, explain
from etl.running.explain_partitions import unpublished
from etl.running.promised_data import with_data_there
from etl.running.quota_watch import quota_troubles, room_for_messages
from etl.running.sla_history import BUDGET, SlaHistory
from etl.running.sla_reader import Reader
from etl.running.sla_result import digest, evaluation, promised
from etl.running.subjects import Location, Subjects
from etl.secrets.scrub import scrub
from etl.secrets.template import interpolate
from etl.settings import Settings

AGAIN_AFTER = timedelta(days=1)  # with an older check, people would think that the promises are no longer watched
CHECKS_A_TICK = 250
UNREAD = "not all events are read yet, so nothing was judged; the next tick goes on"
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
class Looked:
    """What a look at a tenant found: how its promises stand, and everything that is wrong."""

    verdicts: Verdicts
    unjudged: Unjudged
    troubles: list[Trouble]


@dataclass
class SlaWatch:
    """Watches one tenant. Everything that is kept after a tick is in files below the data folder.

    `patience` is the number of seconds for which another process may hold these files.
    """

    config: TenantConfig
    settings: Settings
    budget: float = BUDGET
    patience: float = 60
    at_work: Mapping[str, tuple[AtWork, ...]] = field(default_factory=dict, init=False)
    """The runs that were at work when the event log was read last, by pipeline."""

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
            return Tick(UNREAD, judged=False)
        looked = self.look(instance, now, location)
        record_states(self.settings, [looked], now)
        sent, incidents, undelivered = self.tell(looked, now)
        stale = self.stale_checks(looked.verdicts, now, cursor)
        checks = self.write_checks(stale[:CHECKS_A_TICK], looked.verdicts, now)
        text = tick_text(looked.verdicts, incidents, sent, len(checks))
        return Tick(text, checks, looked.verdicts, (*looked.unjudged.values(), *undelivered))

    def read(self, instance: DagsterInstance, now: datetime) -> bool:
        """Read new events of the event log; False if events are left."""
        learn_tenant(self.config)
        history = SlaHistory([self.reader], scrub, self.budget)
        complete = self.config.id in history.read(instance, now)
        if self.reader.problem is not None:
            raise self.reader.problem
        self.at_work = history.at_work(instance).get(self.config.id, {}) if complete else {}
        return complete

    def confirm_told(self) -> None:
        """Record that the checks of all ticks were written."""
        self.log.confirm_told()

    def look(self, instance: DagsterInstance, now: datetime, location: Location | None) -> Looked:
        """Judge the promises after the events were read, and collect what is wrong."""
        self._mend_failures(instance, now, location)
        verdicts, unjudged = self.judge(now)
        verdicts = self._with_data_there(verdicts, now, buckets=False)
        troubles = [*self._troubles(verdicts, unjudged, now), *quota_troubles(self.config, self.settings, now)]
        return Looked(verdicts, unjudged, troubles)

    def judge(self, now: datetime) -> tuple[Verdicts, Unjudged]:
        """Judge every promise. If one pipeline cannot be judged, the others are still judged."""
        verdicts: Verdicts = {}
        unjudged: Unjudged = {}
        histories = self.reader.current(now).histories
        for name in promised(self.config):
            sla, past = self.config.sla_of(name), histories.get(name)
            if past is None:
                continue
            try:
                verdicts[name] = judge_pipeline(sla, self._at_work(name, past), now) if sla else ()
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

    def judge_with_data(self, instance: DagsterInstance, now: datetime) -> tuple[Verdicts, Unjudged]:
        """Do as `judge_now`, and look into the lake: a promise about data that is gone is not known to be kept."""
        verdicts, unjudged = self.judge_now(instance, now)
        return self._with_data_there(verdicts, now), unjudged

    def explained(
        self,
        name: str,
        verdicts: Verdicts,
        unjudged: Unjudged,
        now: datetime,
        instance: DagsterInstance | None = None,
        partition: str | None = None,
    ) -> Explanation:
        """Return the explanation of one pipeline, from what is known after `judge` or `judge_now`.

        With an instance, its event log is also asked about each partition that failed.
        """
        known = self._known(verdicts, unjudged, now)
        if instance is not None:
            found = unpublished(instance, self.config, name, known.histories.get(name))
            known = replace(known, unpublished=found)
        return explain(known, name, now, partition)

    def published(self, name: str, now: datetime) -> set[str]:
        """Return the partitions of a pipeline that are known to have been published; of a table, an empty text."""
        past = self.reader.current(now).histories.get(name)
        return {each.partition or "" for each in past.published.publishes} if past is not None else set()

    def _with_data_there(self, verdicts: Verdicts, now: datetime, *, buckets: bool = True) -> Verdicts:
        published = {name: self.published(name, now) for name in verdicts}
        return with_data_there(verdicts, self.config, self.settings, published, buckets=buckets)

    def _known(self, verdicts: Verdicts, unjudged: Unjudged, now: datetime) -> KnownFacts:
        state = self.reader.current(now)
        return KnownFacts(
            config=self.config,
            histories={name: self._at_work(name, each) for name, each in state.histories.items()},
            failures=state.failures,
            verdicts=verdicts,
            unjudged=unjudged,
            upstream=self._reads,
            ui_url=self.settings.ui_url,
        )

    def _at_work(self, name: str, past: PipelineHistory) -> PipelineHistory:
        return replace(past, published=replace(past.published, at_work=self.at_work.get(name, ())))

    @property
    def _reads(self) -> dict[tuple[str, str], frozenset[str]]:
        """What each pipeline, dbt model and exposure reads."""
        return {**self.subjects.upstream, **self.subjects.models(last_assets(self.config, self.settings))}

    @cached_property
    def subjects(self) -> Subjects:
        """The tenant's definitions by name."""
        return Subjects(self.config)

    @cached_property
    def log(self) -> PipelineLog:
        """The tenant's excerpt of the event log."""
        return PipelineLog(self.settings.data_dir / "sla" / f"{self.config.id}.sqlite", patience=self.patience)

    @cached_property
    def reader(self) -> Reader:
        """The reader of the excerpt, which remembers how far it was read."""
        return Reader(self.subjects, self.log)

    def _mend_failures(self, instance: DagsterInstance, now: datetime, location: Location | None) -> None:
        """Forget failures of definitions that were removed from this location. Other locations' failures stay.

        A failure of a job that release 0.2 made by itself becomes one of its steps, which can succeed.
        """
        failures = self.reader.current(now).failures
        lost = location.lacks(each.subject for each in failures) if location and failures else set()
        over: list[str] = []
        for each in failures:
            if each.subject not in lost and not each.subject.startswith("job "):
                continue
            run = instance.get_run_by_id(each.run_id)
            others = successors(instance, each, run, self.subjects, is_lost=each.subject in lost)
            if others:
                self.log.rename_failure(each.subject, others)
                self.reader.state = None
            elif each.subject in lost and location is not None and location.started(run):
                over.append(each.subject)
        if over:
            self.log.forget_failures(over)
            self.reader.state = None

    def _incidents(self, troubles: list[Trouble]) -> list[Incident]:
        if not troubles:
            return []
        return list(group(troubles, self._reads))

    def tell(self, looked: Looked, now: datetime) -> tuple[int, int, tuple[str, ...]]:
        """Record incidents and send messages. Return how many messages were sent, the incidents, and what failed."""
        outbox, scope = self.outbox, self.config.id
        incidents = self._incidents(looked.troubles)
        unjudged, unmeasured = set(promised(self.config)) - set(looked.verdicts), unmeasured_causes(looked.verdicts)
        if unjudged or unmeasured:  # an incident that was not examined is not over
            incidents += [
                each
                for each in outbox.open_incidents(scope)
                if unjudged & set(each.pipelines) or unmeasured & set(each.covers)
            ]
        outbox.observe(scope, incidents, self.config.notifications, now)
        room = room_for_messages(self.config, self.settings, now)
        delivered = outbox.deliver(scope, self.config.notifications, self._deliver, lambda: now, room=room)
        return delivered.sent, len({each.key for each in incidents}), delivered.problems

    @cached_property
    def outbox(self) -> Outbox:
        """The messages of all tenants."""
        return Outbox(self.settings.data_dir / "notify.sqlite")

    def _deliver(self, target: NotificationConfig, message: Message) -> None:
        """Send one message. The values of a target's templates are remembered, so that they are scrubbed from texts."""
        values = self.config.namespace()
        clean = message.model_copy(update={"title": scrub(message.title), "text": scrub(message.text)})
        send(target, clean, lambda text: interpolate(text, values))

    def _troubles(self, verdicts: Verdicts, unjudged: Unjudged, now: datetime) -> list[Trouble]:
        broken = [each for found in verdicts.values() for each in found if each.state is State.BROKEN]
        failures = self.reader.current(now).failures
        if not (broken or failures):
            return []
        known = self._known(verdicts, unjudged, now)

        def advice(pipeline: str) -> tuple[str, ...]:
            found = explain(known, pipeline, now)
            return (*found.next_steps, *([found.link] if found.link else []))

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
                advice=advice(each.pipeline),
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
                advice=advice(each.pipeline),
            )
            for each in failures
        ]

    def stale_checks(self, verdicts: Verdicts, now: datetime, cursor: str | None) -> list[str]:
        """Return the pipelines whose check has a new state, or is old, the worst state first."""
        digests = {name: digest(found) for name, found in verdicts.items()}
        found = stale(self.reader.current(now).told, digests, now, cursor, AGAIN_AFTER)
        return sorted(found, key=lambda name: rank(verdicts[name]))

    def write_checks(self, names: Sequence[str], verdicts: Verdicts, now: datetime) -> list[AssetCheckEvaluation]:
        """Return the checks of these pipelines, and record that this tick reports them."""
        if not names:
            return []
        assets = promised(self.config)
        known = self._known(verdicts, {}, now)
        self.log.note_told({name: digest(verdicts[name]) for name in names}, now, now.isoformat())
        self.reader.state = None
        return [evaluation(assets[name], verdicts[name], explain(known, name, now)) for name in names]


def record_states(settings: Settings, looked: Iterable[Looked], now: datetime) -> None:
    """Record how the promises of some tenants stand."""
    states = [each for one in looked for found in one.verdicts.values() for each in found]
    StateLog(settings.data_dir / "sla.sqlite").record(states, now)


def unmeasured_causes(verdicts: Verdicts) -> set[str]:
    """Return the causes of which no promise is known to be kept or broken. Two promises can have one cause."""
    every = [each for found in verdicts.values() for each in found]
    measured = {each.cause for each in every if each.state is not State.UNMEASURED}
    return {each.cause for each in every} - measured


def tick_text(verdicts: Verdicts, incidents: int, sent: int, checks: int) -> str:
    """The summary of a tick, which Dagster shows."""
    return f"{_words(verdicts)}; {incidents} open incident(s), {sent} message(s) sent, {checks} check(s) written"


def rank(verdicts: tuple[PromiseVerdict, ...]) -> int:
    """The order in which checks are written: the worst state first."""
    return FROM_BAD_TO_GOOD.index(worst(verdicts))


def _words(verdicts: Mapping[str, tuple[PromiseVerdict, ...]]) -> str:
    counts = dict.fromkeys(State, 0)
    for found in verdicts.values():
        for each in found:
            counts[each.state] += 1
    total = sum(counts.values())
    states = ", ".join(f"{count} {state.value.replace('_', ' ')}" for state, count in counts.items() if count)
    return f"{total} promise(s) of {len(verdicts)} pipeline(s): {states or 'none judged yet'}"
