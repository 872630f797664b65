"""All promises of one pipeline, from its past."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from etl.partitions.scheme import TimeScheme
from etl.promises.freshness import Publish, PublishedKeys, State
from etl.promises.judge import PipelineHistory, PipelineRun, PromiseVerdict, judge_pipeline, worst
from etl.sla.config import AlertLevel, FreshnessPromise, PipelineSLA
from etl.sla.metrics import SLAMetrics
from tests.effort import calls

MOST_CALLS = 850  # of a pipeline with thirty runs and five promises

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def run(number: int, *, day: int | None = None, ok: bool = True, **measured: Any) -> PipelineRun:
    """The run of the morning `number`, by default of the day before it."""
    partition = str(date(2026, 1, 1) + (number - 1 if day is None else day) * DAY)
    metrics = SLAMetrics(**measured) if measured else None
    return PipelineRun(f"r{number}", START + number * DAY, ok, partition, metrics)


def judge(sla: PipelineSLA, *runs: PipelineRun, now: datetime = START + 30 * DAY) -> dict[str, PromiseVerdict]:
    history = PipelineHistory("project_01", "lot_history", PublishedKeys(), runs)
    return {each.promise: each for each in judge_pipeline(sla, history, now)}


def test_every_promise_has_exactly_one_verdict() -> None:
    sla = PipelineSLA(
        max_failure_rate=0.05,
        min_pass_rate=0.95,
        max_execution_time_seconds=10,
        min_row_count=1,
        max_row_count=9,
        max_consecutive_failures=3,
        alert_on_warning=True,
        freshness=FreshnessPromise(deadline="0 9 * * *", max_age_hours=26),
    )
    found = judge(sla)
    assert list(found) == [
        "deadline",
        "max_age",
        "failure_rate",
        "pass_rate",
        "execution_time",
        "min_row_count",
        "max_row_count",
        "warnings",
        "consecutive_failures",
    ]
    assert judge(PipelineSLA()) == {}
    assert judge(sla.with_enabled(False)) == {}


def test_each_threshold_is_broken_by_its_own_measurement() -> None:
    sla = PipelineSLA(
        max_failure_rate=0.05,
        min_pass_rate=0.95,
        max_execution_time_seconds=10,
        min_row_count=2,
        max_row_count=9,
        alert_on_warning=True,
        alert_level=AlertLevel.CRITICAL,
    )
    fine: dict[str, Any] = {"passed_count": 10, "execution_time_ms": 1000, "row_count": 5}
    cases = {
        "failure_rate pass_rate": {"failed_count": 1},
        "execution_time": {"execution_time_ms": 10_001},
        "min_row_count": {"row_count": 1},
        "max_row_count": {"row_count": 10},
        "warnings": {"warning_count": 1},
    }
    for broken, measured in cases.items():
        found = judge(sla, run(1, **fine), run(2, **(fine | measured)))
        assert [name for name, each in found.items() if each.state is State.BROKEN] == broken.split()
        healed = judge(sla, run(1, **(fine | measured)), run(2, **fine))
        assert [name for name, each in healed.items() if each.state is State.RECOVERED] == broken.split()
        for name in broken.split():
            expected = AlertLevel.WARNING if name == "warnings" else AlertLevel.CRITICAL
            assert (found[name].alert_level, found[name].since) == (expected, START + 2 * DAY)
            assert (found[name].runs, found[name].partition) == (("r2",), "2026-01-02")


def test_a_breach_begins_with_the_first_of_its_runs() -> None:
    runs = [run(n, row_count=0 if n > 3 else 5) for n in range(1, 7)]
    found = judge(PipelineSLA(min_row_count=1), *runs)["min_row_count"]
    assert (found.state, found.since, found.runs) == (State.BROKEN, START + 4 * DAY, ("r4", "r5", "r6"))
    assert (found.actual, found.threshold) == (0.0, 1.0)


def test_filling_old_partitions_neither_breaks_nor_heals() -> None:
    sla = PipelineSLA(min_row_count=1, max_consecutive_failures=2)
    good = [run(5, row_count=5)]
    old = [run(6, day=1, row_count=0), run(7, day=2, ok=False), run(8, day=3, ok=False)]
    assert {each.state for each in judge(sla, *good, *old).values()} == {State.ON_TRACK}
    bad = [run(4, row_count=0), run(5, ok=False), run(6, ok=False)]
    healed = judge(sla, *bad, run(7, day=1, row_count=5))
    assert {each.state for each in healed.values()} == {State.BROKEN}


def test_the_due_partition_run_again_heals() -> None:
    sla = PipelineSLA(min_row_count=1)
    assert judge(sla, run(5, row_count=0), run(6, day=4, row_count=5))["min_row_count"].state is State.RECOVERED


def test_rows_and_seconds_of_a_failed_run_say_nothing() -> None:
    sla = PipelineSLA(min_row_count=1, max_execution_time_seconds=10)
    slow = run(1, row_count=0, execution_time_ms=99_000)
    quick_failure = run(2, ok=False, row_count=5, execution_time_ms=5)
    assert {each.state for each in judge(sla, slow, quick_failure).values()} == {State.BROKEN}


def test_checks_of_a_refused_run_count() -> None:
    sla = PipelineSLA(max_failure_rate=0.05)
    found = judge(sla, run(1, passed_count=9), run(2, ok=False, passed_count=5, failed_count=5))
    assert found["failure_rate"].state is State.BROKEN


EVERYTHING = PipelineSLA(
    max_failure_rate=0.05,
    min_pass_rate=0.95,
    max_execution_time_seconds=10,
    min_row_count=1,
    max_row_count=100,
    max_consecutive_failures=3,
    alert_on_warning=True,
    freshness=FreshnessPromise(deadline="0 9 * * *", max_age_hours=26),
)


def test_a_promise_about_which_nothing_is_known_is_not_on_track() -> None:
    published = PublishedKeys((), TimeScheme("day", "2026-01-01"), known_since=START + 2 * DAY)
    history = PipelineHistory("project_01", "lot_history", published)
    found = judge_pipeline(EVERYTHING, history, START + 2 * DAY + timedelta(minutes=1))
    assert len(found) == 9
    assert {each.promise: each.state for each in found} == {each.promise: State.UNMEASURED for each in found}


def test_a_run_without_counts_measures_no_counts() -> None:
    found = judge(EVERYTHING, run(1, row_count=None, execution_time_ms=5))
    assert found["min_row_count"].state is found["max_row_count"].state is State.UNMEASURED
    assert found["failure_rate"].state is found["pass_rate"].state is State.UNMEASURED
    assert found["execution_time"].state is found["consecutive_failures"].state is State.ON_TRACK


def test_a_streak_breaks_when_it_reaches_its_limit_and_ends_with_a_success() -> None:
    sla = PipelineSLA(max_consecutive_failures=3)
    failed = [run(n, ok=False) for n in range(1, 6)]
    states = [judge(sla, *failed[:n])["consecutive_failures"].state for n in range(5)]
    assert states == [State.UNMEASURED] + [State.ON_TRACK] * 2 + [State.BROKEN] * 2
    broken = judge(sla, *failed)["consecutive_failures"]
    assert (broken.since, broken.actual, broken.runs) == (START + 3 * DAY, 5.0, ("r1", "r2", "r3", "r4", "r5"))
    assert judge(sla, *failed, run(6))["consecutive_failures"].state is State.RECOVERED
    assert judge(sla, *failed, run(6), run(7))["consecutive_failures"].state is State.ON_TRACK
    assert judge(sla, *failed[:2], run(6))["consecutive_failures"].state is State.ON_TRACK


def test_runs_that_end_later_are_not_seen_yet() -> None:
    sla = PipelineSLA(max_consecutive_failures=1)
    assert judge(sla, run(5, ok=False), now=START + 4 * DAY)["consecutive_failures"].state is State.UNMEASURED


def test_a_missed_deadline_names_the_runs_of_its_partition() -> None:
    sla = PipelineSLA(freshness=FreshnessPromise(deadline="0 9 * * *", max_age_hours=26))
    published = PublishedKeys((Publish(START + DAY, "2026-01-01"),), TimeScheme("day", "2026-01-01"))
    history = PipelineHistory("project_01", "lot_history", published, (run(1), run(2, ok=False)))
    deadline, age = judge_pipeline(sla, history, START + 2 * DAY + timedelta(hours=3))
    assert (deadline.state, deadline.partition, deadline.runs) == (State.BROKEN, "2026-01-02", ("r2",))
    assert deadline.cause == age.cause == "lot_history: freshness"
    assert deadline.key == "project_01/lot_history/deadline"
    assert json.loads(json.dumps(deadline.to_dict()))["state"] == "broken"


def test_past_durations_say_that_the_deadline_will_be_missed() -> None:
    sla = PipelineSLA(freshness=FreshnessPromise(deadline="0 9 * * *"))
    published = PublishedKeys((Publish(START + DAY, "2026-01-01"),), TimeScheme("day", "2026-01-01"))
    runs = (run(1, execution_time_ms=3_600_000), run(2, ok=False, execution_time_ms=1))
    history = PipelineHistory("project_01", "lot_history", published, runs)
    (verdict,) = judge_pipeline(sla, history, START + 2 * DAY + timedelta(hours=2, minutes=1))
    assert verdict.state is State.AT_RISK
    assert worst([verdict]) is State.AT_RISK
    assert worst([]) is State.UNMEASURED


def test_judging_costs_the_same_for_each_pipeline_and_little_for_each_run() -> None:
    sla = PipelineSLA(
        max_failure_rate=0.05,
        min_row_count=1,
        max_execution_time_seconds=300,
        max_consecutive_failures=3,
        freshness=FreshnessPromise(deadline="0 9 * * *", timezone="Asia/Seoul", max_age_hours=26),
    )
    days = TimeScheme("day", "2026-01-01", None, "Asia/Seoul")

    def effort(count: int) -> int:
        runs = tuple(run(n, passed_count=5, row_count=9, execution_time_ms=5000) for n in range(1, count + 1))
        publishes = tuple(Publish(each.ended, each.partition) for each in runs)
        history = PipelineHistory("t", "p", PublishedKeys(publishes, days), runs)
        return calls(lambda: judge_pipeline(sla, history, START + (count + 1) * DAY))

    effort(1)
    fifteen, thirty = effort(15), effort(30)
    assert thirty < MOST_CALLS
    assert thirty < 2.2 * fifteen
