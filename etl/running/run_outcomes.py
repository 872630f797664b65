"""Reads from the events of one finished run how it ended for each pipeline of a tenant.

Belongs here: from the events of a run to outcomes, failures and recoveries. Not here: which runs there are
(`sla_history`), storing the outcomes (`etl.promises.pipeline_log`).

The unit is the step: if one pipeline of a job fails, the other pipelines have still succeeded. If a run dies as a
whole, or never starts because its code server is away, it fails for every pipeline that it was planned to make. A
cancelled run has no outcome.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
)

from etl.notify.incidents import cause_of
from etl.partitions.keys import kind_of
from etl.partitions.zones import moment
from etl.promises.judge import PipelineRun
from etl.promises.pipeline_facts import Failure, FinishedRun
from etl.running.compat import ASSET_PARTITION_RANGE_END_TAG, PARTITION_NAME_TAG, JobFailureData
from etl.running.error_words import words_of
from etl.running.naming import SLA_CHECK, STANDING_CHECKS
from etl.running.subjects import Subjects, job_subject
from etl.sla.metrics import SLAMetrics

TYPES = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_START,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_FAILURE,
}
LONGEST_DETAIL = 300
ROWS = ("dagster/partition_row_count", "dagster/row_count")


@dataclass
class _Checks:
    passed: int = 0
    failed: int = 0
    warned: int = 0
    errored: int = 0
    empty: int = 0
    """Rules that were judged and examined no row."""

    @property
    def any(self) -> bool:
        return bool(self.passed + self.failed + self.warned + self.errored)


@dataclass
class _RunEvents:
    """The events of one run, by subject."""

    planned: set[str] = field(default_factory=set)
    started: dict[str, float] = field(default_factory=dict)
    succeeded: dict[str, float] = field(default_factory=dict)
    failed: dict[str, tuple[float, str]] = field(default_factory=dict)
    checks: dict[str, _Checks] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""


def finished_run(
    instance: DagsterInstance, run: DagsterRun, ended: float, subjects: Subjects, scrub: Callable[[str], str]
) -> FinishedRun:
    """Read the events of a run once. `scrub` removes secrets from an error's text."""
    day = newest_key(run.tags)
    seen = _RunEvents()
    for record in instance.get_records_for_run(run.run_id, of_type=TYPES).records:
        _note(seen, record.event_log_entry, subjects, day)
    if run.status is DagsterRunStatus.FAILURE and not (seen.started or seen.failed):
        seen.error = _why_not_started(instance, run.run_id) or seen.error
    failures: list[Failure] = []
    if run.status is DagsterRunStatus.FAILURE:
        failures = _failures(seen, run, ended, subjects, scrub, lambda: steps_of(instance, run))
    healed = [*seen.succeeded]
    if run.status is DagsterRunStatus.SUCCESS and not run.asset_selection:
        healed.append(job_subject(run.job_name))
    many = ASSET_PARTITION_RANGE_END_TAG in run.tags
    died = ended if failures and not seen.failed else None
    runs = _runs(seen, subjects, run.run_id, day, many=many, died=died)
    return FinishedRun(run.run_id, moment(ended), tuple(runs), tuple(failures), tuple(healed))


def failed_run(
    instance: DagsterInstance, run: DagsterRun, entry: EventLogEntry, subjects: Subjects, scrub: Callable[[str], str]
) -> FinishedRun:
    """Read the first failure from the last event of a failed run only; used when very many runs fail at once."""
    event, seen = entry.get_dagster_event(), _RunEvents()
    _note(seen, entry, subjects, None)
    data = event.event_specific_data  # None for a run that the daemon drops from its queue
    first = data.first_step_failure_event if isinstance(data, JobFailureData) else None
    if first is not None and first.step_key:
        seen.failed[first.step_key] = (entry.timestamp, words_of(first.step_failure_data.error))
    failures = _failures(seen, run, entry.timestamp, subjects, scrub, lambda: steps_of(instance, run))
    runs = _runs(seen, subjects, run.run_id, newest_key(run.tags), many=False, died=None)
    return FinishedRun(run.run_id, moment(entry.timestamp), tuple(runs), tuple(failures))


def _why_not_started(instance: DagsterInstance, run_id: str) -> str:
    """Return the reason that the launcher or the queue recorded, if a run ended before its first step.

    The event that ends such a run says only that the run was marked as failed from outside.
    """
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False).records
    for record in records:
        event = record.event_log_entry.get_dagster_event()
        if (error := event.engine_event_data.error) is not None:
            return f"the run never started: {event.message or ''}: {words_of(error)}"
    return ""


def planned_assets(instance: DagsterInstance, run: DagsterRun) -> set[AssetKey]:
    """The assets that a run is planned to make."""
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    keys = (each.event_log_entry.get_dagster_event().asset_key for each in records)
    return {key for key in keys if key is not None}


def newest_key(tags: Mapping[str, str]) -> str | None:
    """The newest partition by time that a run is about; None if it names none."""
    text = tags.get(ASSET_PARTITION_RANGE_END_TAG) or tags.get(PARTITION_NAME_TAG) or ""
    return text if kind_of(text) not in (None, "static") else None


def _note(seen: _RunEvents, entry: EventLogEntry, subjects: Subjects, day: str | None) -> None:
    event, at, step = entry.get_dagster_event(), entry.timestamp, entry.step_key or ""
    match event.event_type:
        case DagsterEventType.STEP_START:
            seen.started[step] = at
        case DagsterEventType.STEP_SUCCESS:
            seen.succeeded[step] = at
        case DagsterEventType.STEP_FAILURE:
            seen.failed[step] = (at, words_of(event.step_failure_data.error))
        case DagsterEventType.RUN_FAILURE:
            seen.error = words_of(getattr(event.event_specific_data, "error", None)) or event.message or ""
        case DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            if event.asset_key is not None and event.asset_key in subjects.pipeline_of_asset:
                seen.planned.add(subjects.pipeline_of_asset[event.asset_key])
        case DagsterEventType.ASSET_MATERIALIZATION:
            _note_materialization(seen, event.step_materialization_data.materialization, subjects, day)
        case DagsterEventType.ASSET_CHECK_EVALUATION:
            _note_check(seen, event.asset_check_evaluation_data, subjects, day)


def _note_materialization(seen: _RunEvents, made: AssetMaterialization, subjects: Subjects, day: str | None) -> None:
    key, partition, metadata = made.asset_key, made.partition, made.metadata
    pipeline = subjects.pipeline_of_asset.get(key)
    if pipeline is None or (day is not None and partition not in (None, day)):
        return
    seconds = number(metadata, "seconds")
    if seconds is not None:
        seen.seconds[pipeline] = seen.seconds.get(pipeline, 0.0) + seconds
    rows = next((found for name in ROWS if (found := number(metadata, name)) is not None), None)
    if rows is not None and key in subjects.promised_assets:
        seen.rows[pipeline] = int(rows)


def _note_check(seen: _RunEvents, evaluation: AssetCheckEvaluation, subjects: Subjects, day: str | None) -> None:
    key, name = evaluation.asset_key, evaluation.check_name
    pipeline = subjects.pipeline_of_asset.get(key)
    if pipeline is None or name == SLA_CHECK:
        return
    passed, severity = evaluation.passed, evaluation.severity
    if not passed and severity is AssetCheckSeverity.ERROR:
        seen.blocked.add(pipeline)
    if name in STANDING_CHECKS or (day is not None and evaluation.partition not in (None, day)):
        return
    default = "error" if severity is AssetCheckSeverity.ERROR else "warning"
    status = evaluation.metadata.get("status")
    counts = seen.checks.setdefault(pipeline, _Checks())
    total = number(evaluation.metadata, "total")
    if passed and total == 0:  # nothing was checked, so a promise about rules is neither kept nor broken
        counts.empty += 1
    elif passed:
        counts.passed += 1
    elif status is not None and status.value == "error":
        counts.errored += 1
    elif subjects.severities.get((key, name), default) == "error":
        counts.failed += 1
    else:
        counts.warned += 1


def _failures(
    seen: _RunEvents,
    run: DagsterRun,
    ended: float,
    subjects: Subjects,
    scrub: Callable[[str], str],
    steps: Callable[[], Sequence[str]],
) -> list[Failure]:
    """The steps that failed. If no step failed, the run's job, or its `steps` if only some assets were selected."""
    found = []
    for step, (at, words) in seen.failed.items():
        pipeline = subjects.pipeline_of_step.get(step, step)
        detail = scrub(words)[:LONGEST_DETAIL]
        quality = pipeline in seen.blocked
        cause = f"{pipeline}: quality" if quality else cause_of(detail)
        event = "quality" if quality else "failure"
        found.append(Failure(step, pipeline, event, run.run_id, moment(at), cause, detail))
    if not found:
        detail = scrub(seen.error or "the run failed before any step said why")[:LONGEST_DETAIL]
        for subject in _subjects_of(run, seen, steps()):
            pipeline = subjects.pipeline_of_step.get(subject, subject)
            found.append(Failure(subject, pipeline, "failure", run.run_id, moment(ended), cause_of(detail), detail))
    return found


def _subjects_of(run: DagsterRun, seen: _RunEvents, steps: Iterable[str]) -> list[str]:
    """The subjects of a run that failed as a whole: its job, or the steps that it did not do if some were selected.

    A run of some assets is not mended when another run of the same job succeeds, which may be a run of other assets.
    """
    selected = set(steps) if run.asset_selection else set[str]()
    return sorted(selected - seen.succeeded.keys() or selected) or [job_subject(run.job_name)]


def steps_of(instance: DagsterInstance, run: DagsterRun) -> Sequence[str]:
    """The steps that a run of some assets has; empty if they are not known."""
    stored = run.execution_plan_snapshot_id if run.asset_selection else None
    return instance.get_execution_plan_snapshot(stored).step_keys_to_execute if stored else ()


def _runs(
    seen: _RunEvents, subjects: Subjects, run_id: str, day: str | None, *, many: bool, died: float | None
) -> Iterable[tuple[str, PipelineRun]]:
    """Yield one outcome for each pipeline for which this run succeeded or failed."""
    ends: dict[str, list[float]] = {}
    spent: dict[str, float] = {}
    for step, at in [*seen.succeeded.items(), *((step, at) for step, (at, _) in seen.failed.items())]:
        pipeline = subjects.pipeline_of_step.get(step)
        if pipeline is not None:
            ends.setdefault(pipeline, []).append(at)
            spent[pipeline] = spent.get(pipeline, 0.0) + max(0.0, at - seen.started.get(step, at))
    broken = {subjects.pipeline_of_step.get(step) for step in seen.failed}
    done = {name for name, step in subjects.last_steps.items() if step in seen.succeeded}
    if died is not None:
        broken |= seen.planned - done
        for pipeline in seen.planned - done:
            ends.setdefault(pipeline, []).append(died)
    for pipeline, times in ends.items():
        checks = seen.checks.get(pipeline, _Checks())
        succeeded, complete = pipeline not in broken, pipeline in done or pipeline in broken
        examined_nothing = checks.empty > 0 and not checks.any
        if not (complete or checks.any or examined_nothing):
            continue
        metrics = SLAMetrics(
            passed_count=checks.passed,
            failed_count=checks.failed,
            warning_count=checks.warned,
            error_count=checks.errored,
            execution_time_ms=1000 * (seen.seconds.get(pipeline, 0.0) if many else spent.get(pipeline, 0.0)),
            row_count=seen.rows.get(pipeline),
            run_id=run_id,
        )
        ended = moment(max(times))
        yield (
            pipeline,
            PipelineRun(run_id, ended, succeeded, day, metrics, complete=complete, examined_nothing=examined_nothing),
        )


def number(metadata: Mapping[str, object], name: str) -> float | None:
    """Return a number from an event's metadata."""
    value = getattr(metadata.get(name), "value", None)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
