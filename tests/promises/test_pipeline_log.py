"""The excerpt of the event log: bounded, repeatable, and not misled by old days."""

import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl.partitions.scheme import TimeScheme
from etl.promises.freshness import Publish, State
from etl.promises.judge import PipelineHistory, PipelineRun, judge_pipeline
from etl.promises.pipeline_facts import Facts, Failure, FinishedRun, Numbers
from etl.promises.pipeline_log import PipelineLog, Told, stale
from etl.sla.config import PipelineSLA
from etl.sla.metrics import SLAMetrics

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = TimeScheme("day", "2026-01-01")


@pytest.fixture
def log(tmp_path: Path) -> PipelineLog:
    made = PipelineLog(tmp_path / "sla" / "acme.sqlite")
    made.begin(["orders"], NOW)
    made.absorb(Facts(known_since={"orders": None}), NOW)
    return made


def told(log: PipelineLog) -> Mapping[str, Told]:
    return log.state("acme", {"orders": DAYS}, NOW).told


def history(log: PipelineLog) -> PipelineHistory:
    return log.histories("acme", {"orders": DAYS})["orders"]


def run(run_id: str, at: datetime, day: str | None = None, *, succeeded: bool = True, rows: int = 10) -> FinishedRun:
    metrics = SLAMetrics(passed_count=1, execution_time_ms=1000, row_count=rows, run_id=run_id)
    return FinishedRun(run_id, at, (("orders", PipelineRun(run_id, at, succeeded, day, metrics)),))


def failure(at: datetime, subject: str = "acme__extract__orders") -> Failure:
    return Failure(subject, "orders", "failure", "r", at, "gone", "the source is gone")


def test_facts_come_back_as_they_were_noted(log: PipelineLog) -> None:
    log.absorb(Facts(publishes=[("orders", Publish(NOW, "2026-02-28"))], finished=[run("a", NOW)]), NOW)
    found = history(log)
    assert found.published.publishes == (Publish(NOW, "2026-02-28"),)
    assert found.runs[0].metrics is not None
    assert (found.runs[0].run_id, found.runs[0].metrics.row_count) == ("a", 10)


def test_noting_a_fact_twice_changes_nothing(log: PipelineLog) -> None:
    facts = Facts(
        publishes=[("orders", Publish(NOW, "2026-02-28"))],
        finished=[run("a", NOW, succeeded=False)],
        numbers=[Numbers("orders", "2026-02-28", NOW, {"rows": 10})],
        cursors={"materializations": 7},
    )
    log.absorb(facts, NOW)
    before = history(log), log.counters(), log.cursors()
    log.absorb(facts, NOW)
    assert (history(log), log.counters(), log.cursors()) == before
    assert log.counters()["orders"].failures == 1


def test_the_first_publish_of_a_day_counts_in_whatever_order_they_are_read(log: PipelineLog) -> None:
    for at in (NOW, NOW - HOUR, NOW + HOUR):
        log.absorb(Facts(publishes=[("orders", Publish(at, "2026-02-28"))]), NOW)
    assert [each.at for each in history(log).published.publishes] == [NOW - HOUR]


def test_a_cursor_never_goes_back(log: PipelineLog) -> None:
    for position in (7, 3):
        log.absorb(Facts(cursors={"successes": position}), NOW)
    assert log.cursors() == {"successes": 7}


def test_any_number_of_back_fills_pushes_out_no_run_that_counts(log: PipelineLog) -> None:
    log.absorb(Facts(finished=[run("late", NOW, "2026-02-28", rows=1)]), NOW)
    old = [run(f"old-{n}", NOW + n * HOUR, str(date(2026, 1, 1) + n * DAY)) for n in range(1, 40)]
    log.absorb(Facts(finished=old), NOW + 40 * HOUR)
    (verdict,) = judge_pipeline(PipelineSLA(min_row_count=5), history(log), NOW + 40 * HOUR)
    assert verdict.state is State.BROKEN
    assert log.counters()["orders"].runs == 40


def test_a_failure_lasts_from_the_first_to_the_next_success(log: PipelineLog) -> None:
    for number in range(3):
        at = NOW + number * HOUR
        log.absorb(Facts(finished=[FinishedRun(f"f{number}", at, failures=(failure(at),))]), NOW)
    assert [each.at for each in log.failures()] == [NOW]
    log.absorb(Facts(finished=[FinishedRun("s", NOW + 4 * HOUR, healed=("acme__extract__orders",))]), NOW)
    assert log.failures() == ()


def test_an_earlier_success_heals_no_later_failure(log: PipelineLog) -> None:
    log.absorb(Facts(finished=[FinishedRun("f", NOW, failures=(failure(NOW),))]), NOW)
    log.absorb(Facts(finished=[FinishedRun("s", NOW - HOUR, healed=("acme__extract__orders",))]), NOW)
    assert len(log.failures()) == 1


def test_a_pipeline_that_is_gone_is_forgotten_and_a_new_one_is_to_be_read(log: PipelineLog) -> None:
    log.absorb(Facts(finished=[FinishedRun("f", NOW, failures=(failure(NOW),))]), NOW)
    assert log.begin(["items"], NOW) == ("items",)
    assert log.failures() == ()
    assert log.begin(["items", "orders"], NOW) == ("items", "orders")


def test_the_failures_of_some_subjects_are_forgotten_and_no_others(log: PipelineLog) -> None:
    failures = (failure(NOW), failure(NOW, "job acme_nightly"), failure(NOW, "acme__dbt"))
    log.absorb(Facts(finished=[FinishedRun("f", NOW, failures=failures)]), NOW)
    log.forget_failures(["job acme_nightly", "never heard of"])
    assert {each.subject for each in log.failures()} == {"acme__extract__orders", "acme__dbt"}


def test_numbers_are_those_of_the_newest_day(log: PipelineLog) -> None:
    for day, rows in (("2026-02-28", 10), ("2026-01-05", 99)):
        log.absorb(Facts(numbers=[Numbers("orders", day, NOW, {"rows": rows})]), NOW)
    assert log.counters()["orders"].values == {"rows": 10}


def test_what_was_told_is_told_again_if_the_tick_did_not_end_or_after_a_day(log: PipelineLog) -> None:
    digests = {"orders": "x"}
    assert stale(told(log), digests, NOW, None, DAY) == ("orders",)
    log.note_told(digests, NOW, "1")
    assert stale(told(log), digests, NOW, "1", DAY) == ()
    assert stale(told(log), {"orders": "y"}, NOW, "1", DAY) == ("orders",)
    assert stale(told(log), digests, NOW + DAY, "1", DAY) == ("orders",)
    assert stale(told(log), digests, NOW, "0", DAY) == ("orders",)


def test_several_processes_may_note_the_same_at_once(log: PipelineLog) -> None:
    facts = [Facts(finished=[run(f"r{n}", NOW + n * HOUR)], cursors={"successes": n}) for n in range(15)]
    threads = [threading.Thread(target=lambda: [log.absorb(each, NOW) for each in facts]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert log.counters()["orders"].runs == 15
    assert log.cursors() == {"successes": 14}
