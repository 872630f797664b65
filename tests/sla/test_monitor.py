# ruff: noqa: ARG002  hooks need not use all that they are given
"""Measurements, thresholds at their exact boundaries, monitors, registries and hooks."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from etl.errors import EtlError
from etl.sla.config import AlertLevel, SLAConfig
from etl.sla.hooks import CompositeSLAHook, LoggingSLAHook, MetricsSLAHook, SLAHook
from etl.sla.metrics import SLAMetrics, SLAViolation, SLAViolationType
from etl.sla.monitor import SLAMonitor
from etl.sla.registry import SLARegistry, get_sla_registry

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def test_rates_are_shares_of_what_passed_and_failed() -> None:
    metrics = SLAMetrics(
        passed_count=95, failed_count=5, warning_count=2, execution_time_ms=1500.0, row_count=10000, asset_key="users"
    )
    assert f"{metrics.pass_rate:.2%} {metrics.failure_rate:.2%}" == "95.00% 5.00%"
    assert metrics.execution_time_seconds == 1.5
    assert metrics.total_count == 102


def test_what_could_not_be_evaluated_did_not_pass() -> None:
    metrics = SLAMetrics(passed_count=1, error_count=1)
    assert (metrics.pass_rate, metrics.failure_rate) == (0.5, 0.5)
    assert SLAMonitor(SLAConfig(min_pass_rate=0.95)).check(SLAMetrics(error_count=3))


def test_nothing_checked_is_no_division_by_zero_and_no_violation() -> None:
    metrics = SLAMetrics()
    assert (metrics.pass_rate, metrics.failure_rate) == (0.0, 0.0)
    assert SLAMonitor(SLAConfig(min_pass_rate=1, max_failure_rate=0, min_row_count=5)).check(metrics) == []


def test_metrics_come_from_a_result_or_its_dict() -> None:
    counts = {"passed_count": 3, "failed_count": 1, "warning_count": 2, "error_count": 1, "execution_time_ms": 12.5}

    class Result:
        def to_dict(self) -> dict[str, Any]:
            return counts | {"row_count": 7, "status": "failed"}

    one = SLAMetrics.from_check_result(Result(), asset_key="users", run_id="r")
    two = SLAMetrics.from_check_result(counts, asset_key="users", run_id="r", row_count=7)
    assert one.model_copy(update={"timestamp": two.timestamp}) == two
    assert (one.passed_count, one.failed_count, one.warning_count, one.error_count) == (3, 1, 2, 1)
    assert (one.row_count, one.asset_key, one.run_id, one.execution_time_ms) == (7, "users", "r", 12.5)


def test_rows_of_zero_are_not_taken_for_unknown() -> None:
    counts = {"passed_count": 0, "failed_count": 0, "row_count": 9}
    assert SLAMetrics.from_check_result(counts, row_count=0).row_count == 0


def test_a_result_without_counts_is_refused() -> None:
    with pytest.raises(EtlError, match="no passed_count and no failed_count"):
        SLAMetrics.from_check_result({"status": "passed"})


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValidationError):
        SLAMetrics(passed_count=-1)


T = SLAViolationType
BOUNDARIES = [
    (T.FAILURE_RATE_EXCEEDED, SLAConfig(max_failure_rate=0.05), {"passed_count": 95, "failed_count": 5}, 0),
    (T.FAILURE_RATE_EXCEEDED, SLAConfig(max_failure_rate=0.05), {"passed_count": 949, "failed_count": 51}, 1),
    (T.FAILURE_RATE_EXCEEDED, SLAConfig(max_failure_rate=0), {"passed_count": 9}, 0),
    (T.FAILURE_RATE_EXCEEDED, SLAConfig(max_failure_rate=1), {"failed_count": 9}, 0),
    (T.PASS_RATE_BELOW_MINIMUM, SLAConfig(min_pass_rate=0.95), {"passed_count": 95, "failed_count": 5}, 0),
    (T.PASS_RATE_BELOW_MINIMUM, SLAConfig(min_pass_rate=0.95), {"passed_count": 949, "failed_count": 51}, 1),
    (T.EXECUTION_TIME_EXCEEDED, SLAConfig(max_execution_time_seconds=300), {"execution_time_ms": 300_000}, 0),
    (T.EXECUTION_TIME_EXCEEDED, SLAConfig(max_execution_time_seconds=300), {"execution_time_ms": 300_000.1}, 1),
    (T.ROW_COUNT_BELOW_MINIMUM, SLAConfig(min_row_count=10), {"row_count": 10}, 0),
    (T.ROW_COUNT_BELOW_MINIMUM, SLAConfig(min_row_count=10), {"row_count": 9}, 1),
    (T.ROW_COUNT_BELOW_MINIMUM, SLAConfig(min_row_count=1), {"row_count": 0}, 1),
    (T.ROW_COUNT_ABOVE_MAXIMUM, SLAConfig(max_row_count=10), {"row_count": 10}, 0),
    (T.ROW_COUNT_ABOVE_MAXIMUM, SLAConfig(max_row_count=10), {"row_count": 11}, 1),
    (T.ROW_COUNT_ABOVE_MAXIMUM, SLAConfig(max_row_count=0), {"row_count": 1}, 1),
    (T.CUSTOM, SLAConfig(alert_on_warning=True), {"passed_count": 1}, 0),
    (T.CUSTOM, SLAConfig(alert_on_warning=True), {"warning_count": 1}, 1),
    (T.CUSTOM, SLAConfig(), {"warning_count": 1}, 0),
]


@pytest.mark.parametrize(("kind", "config", "measured", "expected"), BOUNDARIES)
def test_a_value_at_its_threshold_keeps_the_promise(
    kind: SLAViolationType, config: SLAConfig, measured: dict[str, Any], expected: int
) -> None:
    found = SLAMonitor(config).check(SLAMetrics(**measured))
    assert [each.violation_type for each in found] == [kind] * expected


@pytest.mark.parametrize("passed", range(0, 1001, 7))
def test_a_rate_equal_to_its_threshold_is_no_victim_of_rounding(passed: int) -> None:
    failed = 1000 - passed
    config = SLAConfig(max_failure_rate=failed / 1000, min_pass_rate=passed / 1000)
    assert SLAMonitor(config).check(SLAMetrics(passed_count=passed, failed_count=failed)) == []


def test_consecutive_failures_break_the_promise_when_the_limit_is_reached() -> None:
    monitor = SLAMonitor(SLAConfig(max_consecutive_failures=3))
    found = [monitor.record_failure() for _ in range(4)]
    assert [each and each.actual for each in found] == [None, None, 3, 4]
    assert [each.violation_type for each in monitor.check(SLAMetrics())] == [T.CONSECUTIVE_FAILURES]
    monitor.record_success()
    assert monitor.check(SLAMetrics()) == []
    assert monitor.record_failure() is None


def test_a_streak_goes_on_where_another_process_left_it() -> None:
    assert SLAMonitor(SLAConfig(max_consecutive_failures=3), consecutive_failures=2).record_failure()


def test_a_violation_says_what_was_promised_and_what_was() -> None:
    config = SLAConfig(max_failure_rate=0.05, alert_level=AlertLevel.CRITICAL)
    (found,) = SLAMonitor(config, clock=lambda: NOW).check(SLAMetrics(passed_count=9, failed_count=1))
    assert found.to_dict() == {
        "violation_type": "failure_rate_exceeded",
        "message": "failure rate 10.00% exceeds 5.00%",
        "threshold": 0.05,
        "actual": 0.1,
        "alert_level": "critical",
        "timestamp": "2026-01-05T00:00:00Z",
    }


def test_what_is_switched_off_judges_nothing() -> None:
    monitor = SLAMonitor(SLAConfig(max_failure_rate=0, max_consecutive_failures=1, enabled=False))
    assert monitor.check(SLAMetrics(failed_count=1)) == []
    assert monitor.record_failure() is None
    assert monitor.get_summary()["check_count"] == 0


def test_the_summary_counts_and_averages() -> None:
    monitor = SLAMonitor(SLAConfig(max_failure_rate=0.1, max_consecutive_failures=3), "users")
    assert monitor.get_summary()["average_pass_rate"] == 0.0
    monitor.check(SLAMetrics(passed_count=1, failed_count=1, execution_time_ms=1000))
    monitor.check(SLAMetrics(passed_count=1, execution_time_ms=3000))
    monitor.record_failure()
    summary = monitor.get_summary()
    assert {key: summary[key] for key in list(summary)[:-1]} == {
        "name": "users",
        "enabled": True,
        "check_count": 2,
        "violation_count": 1,
        "violations_by_type": {"failure_rate_exceeded": 1},
        "consecutive_failures": 1,
        "average_pass_rate": 0.75,
        "average_failure_rate": 0.25,
        "average_execution_time_seconds": 2.0,
    }
    monitor.reset()
    assert (monitor.get_summary()["check_count"], monitor.history, monitor.violations) == (0, (), ())


def test_the_history_is_bounded_and_the_counts_are_not() -> None:
    monitor = SLAMonitor(SLAConfig(max_failure_rate=0), history_size=3)
    for n in range(10):
        monitor.check(SLAMetrics(failed_count=1, row_count=n))
    assert [each.row_count for each in monitor.history] == [7, 8, 9]
    assert (len(monitor.violations), monitor.get_summary()["violation_count"]) == (3, 10)


def test_many_threads_lose_no_check() -> None:
    counting = MetricsSLAHook()
    monitor = SLAMonitor(SLAConfig(max_failure_rate=0, max_consecutive_failures=4000), hook=counting)

    def work() -> None:
        for _ in range(250):
            monitor.check(SLAMetrics(failed_count=1))
            monitor.record_failure()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.get_summary()["check_count"] == counting.get_stats()["check_count"] == 2000
    assert monitor.consecutive_failures == 2000


def test_a_hook_may_ask_the_monitor_that_calls_it() -> None:
    class Curious(SLAHook):
        def on_check(self, metrics: SLAMetrics, violations: list[SLAViolation], context: Any = None) -> None:
            self.seen: dict[str, Any] = monitor.get_summary() | dict(context)

    hook = Curious()
    monitor = SLAMonitor(SLAConfig(), "m", hook=hook)
    monitor.check(SLAMetrics(run_id="r"))
    assert (hook.seen["check_count"], hook.seen["run_id"]) == (1, "r")


class Failing(SLAHook):
    def on_check(self, metrics: SLAMetrics, violations: list[SLAViolation], context: Any = None) -> None:
        raise RuntimeError("on_check is broken")

    def on_violation(self, violation: SLAViolation, context: Any = None) -> None:
        raise KeyError("on_violation is broken")


def test_a_hook_that_raises_harms_nobody_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    counting = MetricsSLAHook()
    for hook in (Failing(), CompositeSLAHook([Failing(), counting])):
        assert len(SLAMonitor(SLAConfig(max_failure_rate=0), hook=hook).check(SLAMetrics(failed_count=1))) == 1
    assert counting.get_stats()["check_count"] == 1
    assert caplog.text.count("the SLA hook Failing raised") == 4
    assert "on_check is broken" in caplog.text


def test_the_counting_hook_knows_its_success_rate() -> None:
    hook = MetricsSLAHook()
    assert hook.get_stats()["success_rate"] == 1.0
    monitor = SLAMonitor(SLAConfig(max_failure_rate=0, min_pass_rate=1), hook=hook)
    for failed in (0, 1, 0, 0):
        monitor.check(SLAMetrics(passed_count=1, failed_count=failed))
    assert hook.get_stats() == {
        "check_count": 4,
        "violation_count": 2,
        "violations_by_type": {"failure_rate_exceeded": 1, "pass_rate_below_minimum": 1},
        "success_rate": 0.75,
    }
    hook.reset()
    assert hook.get_stats()["check_count"] == 0


def test_the_logging_hook_logs_at_the_level_of_the_violation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "etl.sla")
    for level in AlertLevel:
        config = SLAConfig(max_failure_rate=0, alert_level=level)
        SLAMonitor(config, "users", hook=LoggingSLAHook()).check(SLAMetrics(failed_count=1))
    levels = [each.levelname for each in caplog.records if "exceeds" in each.getMessage()]
    assert levels == ["INFO", "WARNING", "ERROR", "CRITICAL"]
    assert "users: failure rate 100.00% exceeds 0.00%" in caplog.text


def test_a_registry_keeps_monitors_by_name() -> None:
    registry = SLARegistry()
    users = registry.register("users_check", SLAConfig(max_failure_rate=0.05, min_pass_rate=0.95))
    registry.register("orders_check", SLAConfig(max_failure_rate=0.01))
    assert registry.get("users_check") is users
    assert registry.register("users_check", users.config) is users
    bad = SLAMetrics(passed_count=9, failed_count=1)
    found = registry.check_all({"users_check": bad, "orders_check": SLAMetrics(passed_count=1)})
    assert {name: len(each) for name, each in found.items()} == {"users_check": 2, "orders_check": 0}
    assert registry.get_summary_all()["users_check"]["violation_count"] == 2
    registry.unregister("users_check")
    assert registry.names == ("orders_check",)
    registry.reset()
    assert registry.names == ()


def test_a_registry_refuses_two_meanings_of_one_name_and_names_it_does_not_know() -> None:
    registry = SLARegistry()
    registry.register("users_check", SLAConfig(max_failure_rate=0.05))
    with pytest.raises(EtlError, match="registered already, with other thresholds"):
        registry.register("users_check", SLAConfig(max_failure_rate=0.5))
    for ask in (registry.get, registry.unregister):
        with pytest.raises(EtlError, match="did you mean `users_check`"):
            ask("user_check")
    with pytest.raises(EtlError):
        registry.check_all({"users_check": SLAMetrics(), "nobody": SLAMetrics()})
    assert registry.get("users_check").get_summary()["check_count"] == 0, "refused before anything was judged"


def test_a_process_shares_one_registry() -> None:
    assert get_sla_registry() is get_sla_registry()
