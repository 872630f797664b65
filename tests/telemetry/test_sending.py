"""Ended runs at a real receiver: each once, in order, none lost, whatever the receiver or the process does."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance

from etl.telemetry import ended_runs
from etl.telemetry.ended_runs import EndedRun, ends
from etl.telemetry.sending import Receiver, Report, send_ended_runs
from tests.running.promised_world import make_instance
from tests.telemetry.conftest import World
from tests.telemetry.receiver import Received


def bodies(run: EndedRun) -> Iterable[bytes]:
    yield run.run.run_id.encode()


def to(received: Received) -> Receiver:
    return Receiver("traces", f"{received.url}/x", {"X-Key": "k"}, "text/plain", bodies)


def send(world: World, receiver: Receiver, **options: object) -> Report:
    return send_ended_runs(world.instance, world.data, receiver, **options)  # type: ignore[arg-type]


def got(received: Received) -> list[str]:
    return [each.decode() for each in received.bodies]


def test_each_ended_run_is_sent_once_in_the_order_of_the_ends(world: World, receiver: Received) -> None:
    first = [world.run(), world.failed(), world.canceled()]
    assert send(world, to(receiver)).sent == 3
    assert got(receiver) == first
    assert send(world, to(receiver)).sent == 0
    later = world.failed()
    assert send(world, to(receiver)).sent == 1
    assert got(receiver) == [*first, later]
    assert receiver.requests[0][1]["x-key"] == "k"


def test_a_run_that_has_not_ended_is_not_sent(world: World, receiver: Received) -> None:
    from tests.telemetry.conftest import JOBS

    run = world.instance.create_run_for_job(JOBS.resolve_job_def("acme_broken"))
    world.instance.report_run_canceling(run)
    assert send(world, to(receiver)).sent == 0
    world.instance.report_run_canceled(run)
    assert send(world, to(receiver)).sent == 1


@pytest.mark.parametrize("answer", [500, 503, 429, 401, 404])
def test_a_receiver_that_is_away_gets_the_rest_next_time(world: World, receiver: Received, answer: int) -> None:
    runs = [world.canceled("umbrella") for _ in range(3)]
    receiver.answers = [200, answer]
    report = send(world, to(receiver))
    assert (report.sent, got(receiver)) == (1, runs[:1])
    assert report.away is not None
    assert str(answer) in report.away.problem
    assert send(world, to(receiver)).sent == 2
    assert got(receiver) == runs


def test_nobody_listens_and_nothing_is_lost(world: World, receiver: Received) -> None:
    run = world.canceled("umbrella")
    nowhere = replace(to(receiver), url="http://user:hunter2@127.0.0.1:1/x?key=hunter2")
    report = send(world, nowhere)
    assert report.away is not None
    assert report.sent == 0
    assert "hunter2" not in str(report.away)
    assert send(world, nowhere).sent == 0
    assert send(world, to(receiver)).sent == 1
    assert got(receiver) == [run]


def test_a_slow_receiver_is_given_up(world: World, receiver: Received) -> None:
    world.canceled("umbrella")
    receiver.slow = 1.0
    report = send(world, replace(to(receiver), timeout=0.1))
    assert report.away is not None
    receiver.slow = 0.0
    assert send(world, to(receiver)).sent == 1


def test_a_refused_run_is_named_and_holds_up_no_other(world: World, receiver: Received) -> None:
    runs = [world.canceled("umbrella") for _ in range(3)]
    receiver.answers = [200, 400]
    report = send(world, to(receiver))
    assert report.sent == 2
    assert list(report.refused) == [runs[1]]
    assert "answers 400" in report.refused[runs[1]]
    assert send(world, to(receiver)).sent == 0
    assert got(receiver) == [runs[0], runs[2]]


def test_a_process_that_dies_after_the_answer_sends_the_same_again_and_loses_nothing(
    world: World, receiver: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [world.canceled("umbrella") for _ in range(3)]
    monkeypatch.setenv("ETL_FAULT", "telemetry.accepted=raise")
    with pytest.raises(OSError, match="fault injected"):
        send(world, to(receiver))
    monkeypatch.delenv("ETL_FAULT")
    assert send(world, to(receiver)).sent == 3
    assert got(receiver) == [runs[0], *runs]


def test_another_receiver_and_another_tenant_have_memories_of_their_own(world: World, receiver: Received) -> None:
    ours, theirs = world.canceled(), world.canceled("umbrella")
    assert send(world, to(receiver), tenant="umbrella").sent == 1
    assert got(receiver) == [theirs]
    assert send(world, replace(to(receiver), kind="lineage")).sent == 2
    assert Counter(got(receiver)) == {theirs: 2, ours: 1}


def test_the_first_call_begins_with_the_last_day_and_later_calls_where_the_last_one_ended(
    world: World, receiver: Received
) -> None:
    world.canceled("umbrella")
    assert send(world, to(receiver), since=-1.0).sent == 0  # all runs are older than that
    run = world.canceled("umbrella")
    assert send(world, to(receiver)).sent == 2
    assert send(world, to(receiver), since=-1.0).sent == 0
    later = world.canceled("umbrella")
    assert send(world, to(receiver), since=-1.0).sent == 1
    assert got(receiver)[-2:] == [run, later]


def test_a_deleted_run_holds_up_no_other(world: World, receiver: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = world.canceled("umbrella"), world.canceled("umbrella")
    read = world.instance.get_run_by_id
    monkeypatch.setattr(world.instance, "get_run_by_id", lambda run_id: None if run_id == gone else read(run_id))
    assert send(world, to(receiver)).sent == 1
    assert got(receiver) == [kept]


def test_more_ends_than_a_page_come_each_once_and_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [world.canceled() if n % 3 == 0 else (world.canceled("umbrella") if n % 3 == 1 else world.failed()) for n in range(9)]  # fmt: skip
    for page in (1, 2, 4, 100):
        monkeypatch.setattr(ended_runs, "PAGE", page)
        assert [each.run_id for each in ends(world.instance, {})] == runs, page
    every = list(ends(world.instance, {}))
    monkeypatch.setattr(ended_runs, "LOOK_BACK", 0)
    positions = {stream: max(each.position for each in every[:4]) for stream in ended_runs.STREAMS}
    assert [each.run_id for each in ends(world.instance, positions)] == runs[4:]


KILLED = """
import sys
from pathlib import Path
from dagster import DagsterInstance
from etl.telemetry.sending import Receiver, send_ended_runs

with DagsterInstance.from_config(sys.argv[1]) as instance:
    receiver = Receiver("traces", sys.argv[2], {}, "text/plain", lambda run: [run.run.run_id.encode()])
    send_ended_runs(instance, Path(sys.argv[3]), receiver)
"""


@pytest.mark.slow
def test_a_killed_process_loses_no_run_and_repeats_only_the_one_in_hand(tmp_path: Path, receiver: Received) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with DagsterInstance.from_config(str(home)) as instance:
        runs = [World(instance, data).canceled("umbrella") for _ in range(4)]
    command = [sys.executable, "-c", KILLED, str(home), f"{receiver.url}/x", str(data)]
    environ = {**os.environ, "PYTHONWARNINGS": "ignore"}
    killed = subprocess.run(command, check=False, env={**environ, "ETL_FAULT": "telemetry.accepted@2=kill"})
    assert killed.returncode == -9
    assert got(receiver) == runs[:2]
    for _ in range(2):
        subprocess.run(command, check=True, env=environ)
        assert got(receiver) == [*runs[:2], *runs[1:]]


@pytest.mark.parametrize("runs", [1, 5])
def test_the_runs_of_another_event_log_are_sent(
    world: World, receiver: Received, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    """Its ids are smaller, or they have passed those of the log that was read before."""
    for module in ("ended_runs", "sent"):
        monkeypatch.setattr(f"etl.telemetry.{module}.LOOK_BACK", 0)
    for _ in range(3):
        world.canceled("umbrella")
    assert send(world, to(receiver)).sent == 3
    with make_instance(tmp_path / "another", consolidated=True) as another:
        anew = replace(world, instance=another)
        ended = [anew.canceled("umbrella") for _ in range(runs)]
        assert send(anew, to(receiver)).sent == runs
        assert got(receiver)[3:] == ended
        assert send(anew, to(receiver)).sent == 0
