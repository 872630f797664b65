"""Explains one pipeline: what happened, why it is late or blocked, who is told, what stands downstream, what to do.

Belongs here: the explanation from what a tick of the sensor knows already: the excerpt of the event log, the verdicts
about promises, the configuration. It opens no connection and reads no file, so that each tick can make it. Not here:
what the lake and the ledger say (`explain_data`), showing it (`etl.cli.explain`).

Nothing known is no good news: a pipeline without any known run is explained as unknown.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from etl.config.tenant_config import TenantConfig
from etl.notify.incidents import Trouble, broken_message, group
from etl.notify.routes import wants
from etl.notify.targets import Event
from etl.partitions.keys import kind_of
from etl.promises.freshness import State
from etl.promises.judge import FROM_BAD_TO_GOOD, PipelineHistory, PipelineRun, PromiseVerdict
from etl.promises.pipeline_facts import Failure
from etl.quality.rules import check_names
from etl.running.explain_models import FailedModels, failed_models
from etl.running.explain_partitions import Unpublished
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import LONGEST_DETAIL

Standing = Literal[
    "healthy", "at risk", "late", "promise broken", "waiting", "blocked", "failed", "missing", "stale", "unknown"
]
WRONG: frozenset[Standing] = frozenset({"late", "promise broken", "waiting", "blocked", "failed", "missing", "stale"})
RUNS_SHOWN = 3
LONGEST = 400
_RAISED_BY = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w+: ")
"""The class of an error, which Dagster writes before its text."""
_FRESHNESS = ("deadline", "max_age")


@dataclass(frozen=True)
class Explanation:
    """How a pipeline stands, why, and what to do next."""

    tenant: str
    pipeline: str
    standing: Standing
    headline: str
    evidence: tuple[str, ...] = ()
    """What is known, line by line."""
    told: tuple[str, ...] = ()
    """Who would get a message about such a trouble: targets of notifications by their kind and place in the file."""
    owners: tuple[str, ...] = ()
    """Who owns the pipeline. An owner gets a message only by a target."""
    downstream: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    """What a person can do, with the commands."""
    link: str | None = None

    def as_text(self) -> str:
        """Return the explanation as a person reads it in a message or in Dagster's UI."""
        lines = [f"{self.standing}: {self.headline}", *(f"- {each}" for each in self.evidence)]
        if self.told:
            lines.append(f"Told: {', '.join(self.told)}.")
        if self.owners:
            is_sent = any(not each.startswith("log ") for each in self.told)
            lines.append(
                f"Owners: {', '.join(self.owners)}{'' if is_sent else '; no target sends a message to anybody'}."
            )
        if self.downstream:
            lines.append(f"Downstream: {', '.join(self.downstream)}.")
        if self.next_steps:
            lines += ["What to do:", *(f"- {each}" for each in self.next_steps)]
        return "\n".join([*lines, *([self.link] if self.link else [])])


@dataclass(frozen=True)
class KnownFacts:
    """What a tick knows of one tenant."""

    config: TenantConfig
    histories: Mapping[str, PipelineHistory]
    failures: Sequence[Failure]
    verdicts: Mapping[str, tuple[PromiseVerdict, ...]]
    unjudged: Mapping[str, str]
    upstream: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """What each pipeline, dbt model and exposure reads."""
    ui_url: str | None = None
    unpublished: Sequence[Unpublished] = ()
    """The partitions of the explained pipeline that failed or were blocked, where somebody has looked for them."""


def explain(known: KnownFacts, pipeline: str, now: datetime, partition: str | None = None) -> Explanation:
    """Return the explanation of one pipeline, or of one partition of it."""
    tenant = known.config.id
    found = _with_unpublished(known, _standing(known, pipeline), partition)
    return replace(
        found,
        evidence=(*found.evidence, *_runs(known, pipeline), *_promises(known, pipeline)),
        told=tuple(_told(known, pipeline, found, now)),
        owners=tuple(_owners(known, pipeline)),
        downstream=tuple(_downstream(known, pipeline)),
        link=asset_link(known, pipeline) if known.ui_url and pipeline in known.config.pipelines else None,
        tenant=tenant,
    )


def _with_unpublished(known: KnownFacts, found: Explanation, partition: str | None) -> Explanation:
    """Add the partitions that failed or were blocked and were not published since: a later one mends none of them."""
    wrong = [each for each in known.unpublished if partition in (None, each.partition)]
    if not wrong:
        others = ", ".join(each.partition for each in known.unpublished)
        return replace(found, evidence=(*found.evidence, f"not published: {others}")) if others else found
    told = "\n".join([found.headline, *found.next_steps])
    named = {each.partition for each in wrong if each.partition in told}
    evidence = tuple(
        f"{each.partition} is not published: its run {each.run_id[:8]} {_ended(each)}, {each.at:%Y-%m-%d %H:%M} UTC"
        for each in wrong
    )
    names = " ".join(name for each in wrong for name in each.rules)
    steps = [*found.next_steps]
    steps += [each for each in _rules_named(known, found.pipeline, names) if each not in steps]
    for each in wrong:
        if each.partition not in named:
            steps.append(_behind(steps, "then", f"run it again: {_command(known, found.pipeline, each.partition)}"))
    more = replace(found, evidence=(*found.evidence, *evidence), next_steps=tuple(steps))
    if found.standing in ("blocked", "failed") and (partition is None or partition in named):
        return more
    days = ", ".join(each.partition for each in wrong)
    standing: Standing = "blocked" if any(each.rules for each in wrong) else "failed"
    headline = f"the newest run of {days} {_ended(wrong[-1])}, and nothing of it was published since"
    return replace(more, standing=standing, headline=headline)


def _ended(each: Unpublished) -> str:
    return f"was blocked by {', '.join(dict.fromkeys(each.rules))}" if each.rules else "failed"


def asset_link(known: KnownFacts, pipeline: str) -> str:
    """Return the address of the pipeline's last asset in Dagster's UI."""
    stage = known.config.pipelines[pipeline].stages[-1]
    return f"{known.ui_url}/assets/{known.config.id}/{stage}/{pipeline}"


def _standing(known: KnownFacts, pipeline: str) -> Explanation:
    """The worst thing that is known of the pipeline."""
    blank = Explanation(known.config.id, pipeline, "unknown", "")
    own = [each for each in known.failures if each.pipeline == pipeline]
    if own:
        return _of_failure(known, blank, own[-1])
    above = sorted(_failing_above(known, pipeline))
    verdicts = known.verdicts.get(pipeline, ())
    worst = min(verdicts, key=lambda each: FROM_BAD_TO_GOOD.index(each.state), default=None)
    if above and (worst is None or worst.state in (State.BROKEN, State.AT_RISK)):
        headline = f"it reads {_quoted(above)}, which failed and has not succeeded since"
        return replace(
            blank, standing="waiting", headline=headline, next_steps=(f"`etl explain {blank.tenant}/{above[0]}`",)
        )
    if worst is not None and worst.state in (State.BROKEN, State.AT_RISK):
        return _of_promise(known, blank, worst)
    history = known.histories.get(pipeline)
    if pipeline in known.unjudged:
        return replace(blank, headline=known.unjudged[pipeline])
    if history is None or not (history.runs or history.published.publishes):
        why = "nothing is known: Dagster's event log has no run of it"
        return replace(blank, headline=why, next_steps=(_command(known, pipeline, None),))
    if worst is not None and worst.state is State.UNMEASURED:
        return replace(blank, headline=f"the promise {worst.promise} is unmeasured: {worst.message}")
    last = history.runs[-1] if history.runs else None
    if last is not None and not last.succeeded:  # its failure is over: the definitions were removed or renamed
        return replace(blank, headline=f"the last known run, {last.run_id[:8]}, did not succeed")
    models = failed_models(known.failures, _downstream(known, pipeline), [name for _, name in known.upstream])
    if models is not None:
        return _of_models(blank, models)
    kept = f"{len(verdicts)} promise(s) are kept" if verdicts else "nothing is promised about it"
    return replace(blank, standing="healthy", headline=f"the last known run succeeded, and {kept}")


def _of_failure(known: KnownFacts, blank: Explanation, failure: Failure) -> Explanation:
    problem, hint = _parts(failure.detail)
    run = _run(known, failure)
    partition = run.partition if run else None
    about = f" of {partition}" if partition else ""
    where = f"the run {failure.run_id[:8]}{about} stopped at {failure.at:%Y-%m-%d %H:%M} UTC"
    blocked = failure.event == "quality"
    steps = [*_rules_named(known, blank.pipeline, failure.detail)] if blocked else []
    steps += [_short(hint)] if hint.strip() else []
    said = known.config.pipelines.get(blank.pipeline)
    if blocked and said is not None and said.quality.on_failure == "quarantine":
        steps.append(f"see rows that were set aside before: `etl quarantine show {blank.tenant} {blank.pipeline}`")
    elif not blocked:
        steps.append(f"see whether everything answers: `etl check {blank.tenant} --connect`")
    steps.append(_behind(steps, "then", f"run it again: {_command(known, blank.pipeline, partition)}"))
    evidence = [where]
    if known.ui_url:
        evidence.append(f"its events: {known.ui_url}/runs/{failure.run_id}")
    if blocked:
        evidence.append("the rows that were judged were not published: readers still see those from before")
    return replace(
        blank,
        standing="blocked" if blocked else "failed",
        headline=_short(problem) or failure.cause,
        evidence=tuple(evidence),
        next_steps=tuple(steps),
    )


def _of_models(blank: Explanation, models: FailedModels) -> Explanation:
    run, at = models.failure.run_id[:8], models.failure.at
    evidence = (f"the run {run} of dbt stopped at {at:%Y-%m-%d %H:%M} UTC: {_short(_parts(models.failure.detail)[0])}",)
    if models.names:
        standing: Standing = "stale"
        headline = f"its rows are published, but dbt failed for what is made from them: {', '.join(models.names)}"
    else:
        standing = "unknown"
        headline = "its rows are published, but dbt failed, and it is not known for which models"
    step = f"mend what dbt names, then run the models again: `etl run {blank.tenant} --stage dbt`"
    return replace(blank, standing=standing, headline=headline, evidence=evidence, next_steps=(step,))


def _of_promise(known: KnownFacts, blank: Explanation, worst: PromiseVerdict) -> Explanation:
    late = worst.promise in _FRESHNESS
    standing: Standing = "at risk" if worst.state is State.AT_RISK else "late" if late else "promise broken"
    steps: list[str] = []
    history = known.histories.get(blank.pipeline)
    at_work = history.published.at_work if history else ()
    evidence = [f"a run is at work since {each.since:%Y-%m-%d %H:%M} UTC" for each in at_work]
    if late and not at_work:
        partition = worst.partition
        runs = [each for each in history.runs if each.partition == partition] if history and partition else []
        if not runs:
            evidence.append(f"no run of {partition or 'it'} is known since then: nothing has started one")
            steps.append("see that its schedule is on and the daemon runs: `etl sla status`")
        steps.append(_command(known, blank.pipeline, partition))
    if not late:
        steps += [f"look at its run {each[:8]}" for each in worst.runs[-1:]]
        place = known.config.place_of("assets", "pipelines", blank.pipeline, "sla")
        steps.append(_behind(steps, "or", f"change the promise at {place}"))
    return replace(
        blank,
        standing=standing,
        headline=f"{worst.promise}: {worst.message}",
        evidence=tuple(evidence),
        next_steps=tuple(steps),
    )


def _behind(steps: Sequence[str], word: str, step: str) -> str:
    """Return the next step, with the word that joins it to the steps before; the first step has nothing before it."""
    return f"{word} {step}" if steps else step


def _parts(detail: str) -> tuple[str, str]:
    """Return the problem and the remedy of an error's text; a text that was cut off has no whole remedy."""
    problem, _, hint = _RAISED_BY.sub("", detail).partition("\n  -> ")
    return problem, hint if len(detail) < LONGEST_DETAIL else ""


def _run(known: KnownFacts, failure: Failure) -> PipelineRun | None:
    history = known.histories.get(failure.pipeline)
    runs = history.runs if history else ()
    return next((each for each in runs if each.run_id == failure.run_id), None)


def _rules_named(known: KnownFacts, pipeline: str, detail: str) -> Iterator[str]:
    """Yield where each rule stands that the failure names."""
    rules = known.config.pipelines[pipeline].quality.rules if pipeline in known.config.pipelines else ()
    for number, name in enumerate(check_names([each.rule for each in rules])):
        if name in detail:
            place = known.config.place_of("assets", "pipelines", pipeline, "quality", "rules", number)
            yield f"mend the data in the source, or the rule `{name}` at {place}"


def _runs(known: KnownFacts, pipeline: str) -> Iterator[str]:
    history = known.histories.get(pipeline)
    if history is None:
        return
    for run in reversed(history.runs[-RUNS_SHOWN:]):
        parts = [
            f"{run.ended:%Y-%m-%d %H:%M} UTC: run {run.run_id[:8]}{f' of {run.partition}' if run.partition else ''}"
        ]
        parts[0] += " succeeded" if run.succeeded else " failed"
        metrics = run.metrics
        if metrics is not None and metrics.row_count is not None:
            parts.append(f"{metrics.row_count:,} rows")
        if metrics is not None and metrics.total_count:
            bad = metrics.total_count - metrics.passed_count
            words = "found bad rows, and the run went on" if run.succeeded else "failed"
            parts.append(f"{bad} of {metrics.total_count} checks {words}" if bad else "every check passed")
        if run.examined_nothing:
            parts.append("no rule examined a row")
        yield ", ".join(parts)
    publishes = sorted(history.published.publishes, key=lambda each: (each.partition or "", each.at))
    if publishes:
        newest = publishes[-1]
        yield f"newest publish: {newest.partition or 'the table'}, at {newest.at:%Y-%m-%d %H:%M} UTC"


def _promises(known: KnownFacts, pipeline: str) -> Iterator[str]:
    for each in known.verdicts.get(pipeline, ()):
        yield f"promise {each.promise}: {each.state.value.replace('_', ' ')}, {_short(each.message)}"


def _told(known: KnownFacts, pipeline: str, found: Explanation, now: datetime) -> Iterator[str]:
    """Yield the targets that get a message about such a trouble. Addresses are not named."""
    owners = _owners(known, pipeline)
    kinds: Mapping[Standing, Event] = {"blocked": "quality", "failed": "failure"}
    trouble = Trouble(
        event=kinds.get(found.standing, "sla"),
        tenant=known.config.id,
        pipeline=pipeline,
        cause=pipeline,
        severity=_severity(known, pipeline, found.standing),
        since=now,
        owners=owners,
    )
    (incident,) = group([trouble])
    message = broken_message(incident, now)
    for number, target in enumerate(known.config.notifications, start=1):
        if wants(target, message):
            where = " of the process that judges" if target.type == "log" else ""
            yield f"{target.type}{where} (notification {number})"


def _owners(known: KnownFacts, pipeline: str) -> tuple[str, ...]:
    said = known.config.assets.pipelines.get(pipeline)
    return tuple(map(str, (said.owners if said else ()) or known.config.owners))


def _severity(known: KnownFacts, pipeline: str, standing: Standing) -> Literal["info", "warning", "error", "critical"]:
    if standing in ("blocked", "failed"):
        return "error"
    sla = known.config.sla_of(pipeline) if pipeline in known.config.assets.pipelines else None
    return sla.alert_level.value if sla is not None else "error"


def _failing_above(known: KnownFacts, pipeline: str) -> set[str]:
    """The pipelines that it reads, directly or through others, and that have failed."""
    failed = {each.pipeline for each in known.failures}
    seen, new = {pipeline}, {pipeline}
    while new:
        new = {name for one in new for name in known.upstream.get((known.config.id, one), ())} - seen
        seen |= new
    return (seen - {pipeline}) & failed


def _downstream(known: KnownFacts, pipeline: str) -> list[str]:
    seen, new = {pipeline}, {pipeline}
    while new:
        new = {name for (_, name), reads in known.upstream.items() if reads & new} - seen
        seen |= new
    return sorted(seen - {pipeline})


def _command(known: KnownFacts, pipeline: str, partition: str | None) -> str:
    words = f"etl run {known.config.id} --pipeline {pipeline}"
    if pipeline not in known.config.pipelines:  # a step of dbt models, of the tenant's own code, or a whole job
        words = f"etl run {known.config.id}" + (" --stage dbt" if AssetAddress.of_step(pipeline).stage == "dbt" else "")
    if partition is None:
        return f"`{words}`"
    option = "--partition" if kind_of(partition) == "static" else "--from"
    return f"`{words} {option} {shlex.quote(partition)}`"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
