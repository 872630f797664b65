"""What happened to a tenant's data in the last days, newest first.

Belongs here: publishes, corrections, failures, changed states of promises, and decisions about rejected rows, as short
sentences. Not here: how things stand now (`completeness`, `promised`).

The error of a run is not told: its text may hold values of rows or names of machines. The run's id leads to it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from etl.pipeline.quarantine import Decision
from etl.plural import counted
from etl.portal.made import MOST_EVENTS, Made
from etl.portal.page import ChangeEntry
from etl.portal.promised import LEVELS
from etl.portal.words import number, partition
from etl.promises.freshness import State
from etl.promises.judge import PipelineHistory
from etl.promises.pipeline_facts import Failure
from etl.promises.state_log import StateInterval

SINCE = timedelta(days=14)
MOST = 40
_PROMISES = {
    "deadline": "to be on time",
    "max_age": "about its age",
    "failure_rate": "about failed checks",
    "pass_rate": "about passed checks",
    "execution_time": "about the duration",
    "min_row_count": "about the fewest rows",
    "max_row_count": "about the most rows",
    "warnings": "about warnings",
    "consecutive_failures": "about failed runs",
}


def newest_changes(changes: Iterable[ChangeEntry]) -> tuple[ChangeEntry, ...]:
    """Return the newest changes of all pipelines."""
    return tuple(sorted(changes, key=lambda each: each.at, reverse=True)[:MOST])


def publishes(pipeline: str, made: Sequence[Made], history: PipelineHistory | None, zone: str) -> Iterator[ChangeEntry]:
    """Yield one change for each run that published, and one for each partition that it corrected."""
    first = {each.partition or "": each.at for each in history.published.publishes} if history else {}
    seen: dict[str, Made] = {}
    runs: dict[str, list[Made]] = {}
    for each in reversed(made):  # oldest first
        before = seen.get(each.partition)
        seen[each.partition] = each
        if not each.partition:
            if before is None or before.version != each.version:
                yield _publish(pipeline, [each], zone)
            continue
        earlier = before is not None or first.get(each.partition, each.at) < each.at - timedelta(minutes=1)
        if not earlier:
            runs.setdefault(each.run_id, []).append(each)
        elif before is None or before.version != each.version:
            yield _correction(pipeline, before, each, zone)
    is_cut = len(made) >= MOST_EVENTS
    for number_of_run, together in enumerate(runs.values()):  # of the oldest run, events may be left out
        yield _publish(pipeline, together, zone, at_least="at least " if is_cut and number_of_run == 0 else "")


def _publish(pipeline: str, made: Sequence[Made], zone: str, at_least: str = "") -> ChangeEntry:
    keys = sorted(each.partition for each in made)
    rows = sum(each.rows or 0 for each in made)
    rejected = sum(each.rejected for each in made)
    if not keys[0]:
        what = "The table was published"
    elif len(keys) == 1:
        what = f"{partition(keys[0], zone)} was published"
    else:
        what = f"{partition(keys[0], zone)} to {partition(keys[-1], zone)} were published ({at_least}{len(keys)})"
    known = all(each.rows is not None for each in made)
    words = f"{what}: {at_least}{number(rows)} rows" if known else what
    words += f", {number(rejected)} rejected" if rejected else ""
    at = max(each.at for each in made)
    return ChangeEntry(at=at, pipeline=pipeline, level="good", kind="published", words=f"{words}.")


def _correction(pipeline: str, before: Made | None, now: Made, zone: str) -> ChangeEntry:
    rows = f"{number(now.rows)} rows" if now.rows is not None else "its rows are not counted"
    if before is not None and before.rows is not None and before.rows != now.rows:
        rows += f", before {number(before.rows)}"
    words = f"{partition(now.partition, zone)} was published again with other rows: {rows}."
    return ChangeEntry(at=now.at, pipeline=pipeline, level="notice", kind="corrected", words=words)


def failures(found: Iterable[Failure], known: Iterable[str], since: datetime) -> Iterator[ChangeEntry]:
    """Yield the failures that are not over."""
    names = set(known)
    for each in found:
        if each.at < since:
            continue
        why = "rules of quality blocked it" if each.event == "quality" else "it could not be done"
        subject = each.pipeline if each.pipeline in names else "another step"
        words = f"Run {each.run_id[:8]} failed ({why}) and has not succeeded since."
        yield ChangeEntry(at=each.at, pipeline=subject, level="bad", kind="failed", words=words)


def failed_runs(pipeline: str, history: PipelineHistory | None, since: datetime, zone: str) -> Iterator[ChangeEntry]:
    """Yield the runs that failed, also those that have succeeded since."""
    for each in history.runs if history else ():
        if not each.succeeded and each.ended >= since:
            about = f" of {partition(each.partition, zone)}" if each.partition else ""
            words = f"Run {each.run_id[:8]}{about} failed; nothing of it was published."
            yield ChangeEntry(at=each.ended, pipeline=pipeline, level="bad", kind="failed", words=words)


def states(intervals: Sequence[StateInterval], since: datetime) -> Iterator[ChangeEntry]:
    """Yield when a promise was broken, and when it was kept again."""
    last: dict[tuple[str, str], State] = {}
    for each in sorted(intervals, key=lambda each: each.begin):
        key = (each.pipeline, each.promise)
        before, last[key] = last.get(key), each.state
        if each.begin < since or before == each.state:
            continue
        about = _PROMISES.get(each.promise, each.promise)
        if each.state is State.BROKEN:
            words = f"The promise {about} was broken."
        elif before is State.BROKEN:
            words = f"The promise {about} is kept again."
        else:
            continue
        yield ChangeEntry(at=each.begin, pipeline=each.pipeline, level=LEVELS[each.state], kind="promise", words=words)


def decisions(found: Iterable[Decision], known: Iterable[str], since: datetime, zone: str) -> Iterator[ChangeEntry]:
    """Yield what people decided about rejected rows. Who decided, and why, stays in the history of decisions."""
    names = set(known)
    for each in found:
        if each.at < since or each.action == "replay begun" or each.pipeline not in names:
            continue
        about = partition(each.partition or "", zone)
        rows = counted(each.rows_before, "rejected row")
        match each.action:
            case "discarded":
                words = f"{rows} of {about} were discarded."
            case "replayed":
                words = f"{rows} of {about} were tried again; {number(each.rows_after)} are still rejected."
            case _:
                words = f"{rows} of {about} were tried again, and the run failed."
        yield ChangeEntry(at=each.at, pipeline=each.pipeline, level="notice", kind="decision", words=words)
