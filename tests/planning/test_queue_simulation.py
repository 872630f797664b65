"""A day of Dagster's real queue: two tenants at their limits beside one that is not, and whose promises must hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
import pytest

from etl.planning.queue_simulation import LOOK, Played, SimulatedRun, play, simulated_instance
from etl.running.queue_order import DUE, placed

DAY = datetime(2026, 11, 30, tzinfo=UTC)
OURS = {"module": "etl.resources.run_queue", "class": "TenantRunCoordinator"}
DAGSTERS = {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}
PROMISED = timedelta(minutes=15)


@pytest.fixture
def quotas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETL_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("ETL_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "tenants" / "quotas.yaml"
    for name in ("noisy", "busy", "calm"):
        (path.parent / name).mkdir(parents=True)
        (path.parent / name / "config.yaml").touch()
    return path


def day_of(*, bursts: int, backfills: int, usual: int, calm: int) -> list[SimulatedRun]:
    """`noisy` fills back, `busy` runs much by hand, `calm` has a promise for each of its runs."""
    runs = []
    for burst in range(bursts):
        at = DAY + timedelta(days=1) * burst / bursts
        runs += [SimulatedRun("noisy", "all", at, 240, {"dagster/backfill": f"b{burst}"})] * backfills
        runs += [SimulatedRun("busy", "all", at + timedelta(minutes=3), 200)] * usual
    for number in range(calm):
        at = DAY + timedelta(days=1) * number / calm
        due = at + PROMISED
        runs.append(SimulatedRun("calm", "daily", at, 60, {DUE: due.isoformat()}, due))
    return runs


def played(runs: list[SimulatedRun], coordinator: dict[str, Any], places: int = 4) -> list[Played]:
    with simulated_instance({"runs": {"max_concurrent_runs": places}}, coordinator) as instance:
        return play(runs, DAY + timedelta(days=1, hours=1), instance)


def waits(found: list[Played], tenant: str) -> list[timedelta]:
    return [each.wait for each in found if each.run.tenant == tenant and each.wait is not None]


def most_at_once(found: list[Played], tenant: str) -> int:
    moments = [(each.began, 1) for each in found if each.run.tenant == tenant and each.began]
    moments += [(each.ended, -1) for each in found if each.run.tenant == tenant and each.ended]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_tenants_at_their_limits_break_no_promise_of_the_third_in_a_day_of_a_thousand_runs(quotas: Path) -> None:
    # The limits of the two together are all places, so only the order of the queue makes room for the third.
    quotas.write_text("defaults: {concurrent_runs: 2}\ntenants: {noisy: {backfill_runs: 2}}")
    runs = day_of(bursts=12, backfills=27, usual=40, calm=196)
    assert len(runs) == 1000
    found = played(runs, OURS)
    assert len(found) == 1000
    calm = waits(found, "calm")
    assert len(calm) == 196
    assert [each for each in found if each.run.tenant == "calm" and each.is_late] == []
    assert most_at_once(found, "noisy") == most_at_once(found, "busy") == 2
    fairness = max(calm) / max(median(calm), LOOK)
    print(  # noqa: T201  the figure
        f"calm waits at most {max(calm)}, median {median(calm)}: fairness {fairness:.1f};"
        f" noisy {max(waits(found, 'noisy'))}, busy {max(waits(found, 'busy'))}"
    )
    assert max(calm) <= timedelta(seconds=240) + LOOK, "it waits for one place, not for the queue"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dagsters_own_queue_breaks_promises_of_the_third_on_such_a_day(quotas: Path) -> None:
    """The day is hard enough to show a difference: without the order and the limits, promises are broken."""
    quotas.write_text("defaults: {concurrent_runs: 2}\ntenants: {noisy: {backfill_runs: 2}}")
    runs = day_of(bursts=2, backfills=24, usual=14, calm=40)
    assert sum(each.is_late for each in played(runs, DAGSTERS)) >= 2


def test_tenants_take_turns_however_much_one_of_them_queues(quotas: Path) -> None:
    quotas.write_text("defaults: {concurrent_runs: 1}")
    runs = [SimulatedRun("noisy", "all", DAY, 60)] * 8
    runs += [SimulatedRun("busy", "all", DAY + timedelta(seconds=5), 60)] * 2
    runs += [SimulatedRun("calm", "all", DAY + timedelta(seconds=10), 60)]
    found = played(runs, OURS, places=1)
    order = [each.run.tenant for each in sorted(found, key=lambda each: each.began or DAY)]
    assert order.index("calm") <= 3, "it waits for a run of each other tenant, not for eight"
    assert "busy" in order[:3]
    assert order[-4:] == ["noisy"] * 4


def test_of_a_tenants_own_runs_the_one_that_is_due_first_goes_first(quotas: Path) -> None:
    quotas.write_text("defaults: {concurrent_runs: 1}")
    hours = (9, 7, 8, 6)
    runs = [SimulatedRun("calm", "first", DAY, 600)]
    runs += [
        SimulatedRun("calm", f"due {hour}", DAY + timedelta(seconds=5 * place), 60, {DUE: due.isoformat()}, due)
        for place, hour in enumerate(hours, start=1)
        for due in (DAY + timedelta(hours=hour),)
    ]
    found = played(runs, OURS, places=1)
    order = [each.run.what for each in sorted(found, key=lambda each: each.began or DAY)]
    assert order == ["first", "due 6", "due 7", "due 8", "due 9"]


def test_a_tenant_cannot_give_itself_a_better_place(quotas: Path) -> None:
    quotas.write_text("defaults: {concurrent_runs: 1}")
    runs = [SimulatedRun("noisy", "first", DAY, 60)]
    runs += [SimulatedRun("noisy", "loud", DAY + timedelta(seconds=1), 60, {"dagster/priority": "999999999"})] * 3
    runs += [SimulatedRun("calm", "quiet", DAY + timedelta(seconds=2), 60)]
    found = played(runs, OURS, places=1)
    order = [each.run.what for each in sorted(found, key=lambda each: each.began or DAY)]
    assert order.index("quiet") <= 2
    assert order[-1] == "loud"


def test_turns_are_counted_anew_before_they_are_too_large_for_a_pool(
    quotas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import etl.resources.run_queue

    monkeypatch.setattr(etl.resources.run_queue, "REBASE", 3)
    quotas.write_text("defaults: {concurrent_runs: 1}")
    runs = [SimulatedRun("noisy", "all", DAY + timedelta(seconds=50 * n), 60) for n in range(16)]
    runs += [SimulatedRun("calm", "all", DAY + timedelta(seconds=600), 60)]
    with simulated_instance({"runs": {"max_concurrent_runs": 1}}, OURS) as instance:
        found = play(runs, DAY + timedelta(hours=2), instance)
        tags = [each.tags for each in instance.get_runs()]
    assert {each.wait for each in found if each.run.tenant == "calm"} <= {
        timedelta(seconds=s) for s in range(0, 125, 5)
    }
    assert max(int(each["etl/turn"]) for each in tags) < 16
    assert all(abs(int(each["dagster/priority"])) < 2**31 for each in tags)


@pytest.mark.parametrize("band", [{}, {"dagster/backfill": "b"}, {DUE: "2026-11-30T09:00+00:00"}])
@pytest.mark.parametrize("turn", [1, 9_999, 10**9])
def test_a_priority_has_32_bits_as_pools_ask_for(band: dict[str, str], turn: int) -> None:
    run = dg.DagsterRun(job_name="all", run_id="1", tags={"tenant": "calm", **band})
    (tags,) = placed(run, [], turn).values()
    assert -(2**31) <= int(tags["dagster/priority"]) < 2**31


def test_a_file_that_cannot_be_read_keeps_the_limits_and_stops_no_run(quotas: Path) -> None:
    quotas.write_text("defaults: {concurrent_runs: 1}")
    with simulated_instance({"runs": {"max_concurrent_runs": 4}}, OURS) as instance:
        before = instance.get_concurrency_config().run_queue_config
        quotas.write_text("defaults: {concurrent_rums: 1}")
        after = instance.get_concurrency_config().run_queue_config
        assert before is not None
        assert before == after
        found = play([SimulatedRun("calm", "all", DAY, 60)] * 2, DAY + timedelta(hours=1), instance)
        assert sorted(each.wait or timedelta() for each in found) == [timedelta(0), timedelta(seconds=60)]


def test_a_mistake_in_the_entry_of_one_tenant_leaves_the_limits_of_the_others(
    quotas: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quotas.write_text(
        "defaults: {concurrent_runs: 4}\ntenants:\n  noisy: {concurrent_rums: 1}\n  busy: {concurrent_runs: 1}\n"
    )
    with simulated_instance({"runs": {"max_concurrent_runs": 4}}, OURS) as instance:
        for _ in range(3):
            instance.get_concurrency_config()
        found = play([SimulatedRun("busy", "all", DAY, 60)] * 4, DAY + timedelta(hours=1), instance)
    assert most_at_once(found, "busy") == 1, "also if the file had the mistake from the beginning"
    assert "concurrent_rums" in caplog.text
    assert caplog.text.count("concurrent_rums") == 1, "it is told once, not at each look"


def test_null_takes_the_limit_of_all_away_from_one_tenant(quotas: Path) -> None:
    quotas.write_text("defaults: {concurrent_runs: 1}\ntenants:\n  noisy: {concurrent_runs: null}\n")
    with simulated_instance({"runs": {"max_concurrent_runs": 4}}, OURS) as instance:
        runs = [SimulatedRun(name, "all", DAY, 60) for name in ("noisy", "calm") for _ in range(4)]
        found = play(runs, DAY + timedelta(hours=1), instance)
    assert most_at_once(found, "calm") == 1
    assert most_at_once(found, "noisy") >= 3


def test_without_a_file_half_of_the_places_are_left_for_whoever_comes_next(quotas: Path) -> None:
    assert not quotas.exists()
    found = played([SimulatedRun("noisy", "all", DAY, 60)] * 3, OURS, places=4)
    assert most_at_once(found, "noisy") == 2
    backfills = [SimulatedRun(f"tenant_{n}", "all", DAY, 60, {"dagster/backfill": "b"}) for n in (0, 0, 1, 2)]
    found = played(backfills, OURS, places=4)
    assert {most_at_once(found, f"tenant_{n}") for n in range(3)} == {1}
    together = [each.began for each in found]
    assert max(together.count(each) for each in together) == 2, "back-fills of all tenants together get half"
