"""One message when it begins, one when it is over: across restarts, processes and crashes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from etl.errors import NotifyError
from etl.notify.incidents import Message, cause_of, group
from etl.notify.outbox import CLAIM, KEPT, Outbox
from etl.notify.send import send
from etl.notify.targets import NotificationConfig
from tests.notify.samples import NOW, incident, trouble
from tests.notify.servers import Web, web_server

TARGET: TypeAdapter[NotificationConfig] = TypeAdapter(NotificationConfig)
HOUR = timedelta(hours=1)
SLACK = TARGET.validate_python({"type": "slack", "url": "${SLACK}"})
HOOK = TARGET.validate_python({"type": "webhook", "url": "${HOOK}", "severity": "critical"})


class Sink:
    """Takes messages, or refuses as many as it is told to."""

    def __init__(self, refuse: int = 0) -> None:
        self.got: list[str] = []
        self.refuse = refuse

    def __call__(self, target: NotificationConfig, message: Message) -> None:
        if self.refuse:
            self.refuse -= 1
            raise NotifyError("the slack notification was not delivered: the server answered 503")
        self.got.append(f"{target.type} {message.transition} {','.join(message.pipelines)}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "notify.sqlite"


def test_an_incident_is_told_once_however_often_it_is_seen(path: Path) -> None:
    sink = Sink()
    for n in range(5):
        outbox = Outbox(path)  # as after a restart
        outbox.observe("s", [incident(detail=f"seen {n} times")], [SLACK], NOW + n * HOUR)
        outbox.deliver("s", [SLACK], sink)
    assert sink.got == ["slack broken lot_history"]
    for n in range(5):
        outbox = Outbox(path)
        outbox.observe("s", [], [SLACK], NOW + (9 + n) * HOUR)
        outbox.deliver("s", [SLACK], sink)
    assert sink.got == ["slack broken lot_history", "slack recovered lot_history"]
    outbox.observe("s", [incident()], [SLACK], NOW + 20 * HOUR)
    outbox.deliver("s", [SLACK], sink)
    assert sink.got[2:] == ["slack broken lot_history"], "the next time is another incident"


def test_one_scope_says_nothing_about_another(path: Path) -> None:
    outbox = Outbox(path)
    outbox.observe("a", [incident()], [SLACK], NOW)
    assert outbox.observe("b", [], [SLACK], NOW).closed == ()
    assert len(outbox.open_incidents("a")) == 1
    assert outbox.pending("b") == 0


def test_only_who_was_told_the_beginning_is_told_the_end(path: Path) -> None:
    outbox, sink = Outbox(path), Sink()
    outbox.observe("s", [incident(severity="error")], [SLACK, HOOK], NOW)
    outbox.observe("s", [], [SLACK, HOOK], NOW + HOUR)
    outbox.deliver("s", [SLACK, HOOK], sink)
    assert sink.got == ["slack broken lot_history", "slack recovered lot_history"]


def test_a_target_that_is_down_gets_the_message_with_the_next_tick_and_keeps_nobody_waiting(path: Path) -> None:
    outbox, sink = Outbox(path), Sink(refuse=1)
    log = TARGET.validate_python({"type": "log"})
    outbox.observe("s", [incident(), incident(pipeline="b", cause="b")], [SLACK, log], NOW)
    first = outbox.deliver("s", [SLACK, log], sink)
    assert (first.sent, first.pending, len(first.problems)) == (2, 2, 1)
    assert "503" in first.problems[0]
    assert sink.got == ["log broken lot_history", "log broken b"]
    second = outbox.deliver("s", [SLACK, log], sink)
    assert (second.sent, second.pending, second.problems) == (2, 0, ())


def test_the_end_waits_for_its_beginning(path: Path) -> None:
    outbox, sink = Outbox(path), Sink(refuse=1)
    outbox.observe("s", [incident()], [SLACK], NOW)
    outbox.observe("s", [], [SLACK], NOW + HOUR)
    outbox.deliver("s", [SLACK], sink)
    assert sink.got == []
    outbox.deliver("s", [SLACK], sink)
    assert sink.got == ["slack broken lot_history", "slack recovered lot_history"]


def test_a_message_that_a_target_never_takes_does_not_block_the_others(path: Path) -> None:
    outbox = Outbox(path)
    got: list[str] = []

    def picky(_: NotificationConfig, message: Message) -> None:
        if message.pipelines == ("poison",):
            raise NotifyError("the slack notification was not delivered: the server answered 400")
        got.extend(message.pipelines)

    every = [incident(pipeline="poison", cause="x")]
    for n in range(4):
        every.append(incident(pipeline=f"p{n}", cause=f"c{n}"))
        outbox.observe("s", every, [SLACK], NOW)
        outbox.deliver("s", [SLACK], picky)
    outbox.deliver("s", [SLACK], picky)
    assert got == ["p0", "p1", "p2", "p3"]


def test_a_slow_target_holds_up_neither_the_caller_nor_the_other_targets(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.notify.outbox.SECONDS", -1.0)  # as if each message took all the time there is
    other = TARGET.validate_python({"type": "webhook", "url": "${HOOK}"})
    sink, outbox = Sink(), Outbox(path)
    every = [incident(pipeline=name, cause=name) for name in ("a", "b", "c")]
    outbox.observe("s", every, [SLACK, other], NOW)
    first = outbox.deliver("s", [SLACK, other], sink)
    assert (first.sent, first.pending, first.problems) == (2, 4, ())
    assert {each.split()[0] for each in sink.got} == {"slack", "webhook"}
    for _ in range(2):
        outbox.deliver("s", [SLACK, other], sink)
    assert (len(sink.got), outbox.pending("s")) == (6, 0)


def test_what_joins_an_incident_is_part_of_it_until_all_of_it_is_over(path: Path) -> None:
    outbox = Outbox(path)
    upstream = {("project_01", "b"): ["a"]}
    a, b = trouble(pipeline="a", cause="a"), trouble(pipeline="b", cause="b")
    assert len(outbox.observe("s", group([a]), [SLACK], NOW).opened) == 1
    assert outbox.observe("s", group([a, b], upstream), [SLACK], NOW + HOUR).opened == ()
    alone = outbox.observe("s", group([b], upstream), [SLACK], NOW + 2 * HOUR)
    assert (alone.opened, alone.closed) == ((), ()), "b was told with a, so it is no news"
    assert len(outbox.observe("s", [], [SLACK], NOW + 3 * HOUR).closed) == 1


def test_an_incident_that_turns_out_to_have_a_deeper_cause_does_not_recover(path: Path) -> None:
    outbox = Outbox(path)
    upstream = {("project_01", "b"): ["a"]}
    a, b = trouble(pipeline="a", cause="a"), trouble(pipeline="b", cause="b")
    outbox.observe("s", group([b], upstream), [SLACK], NOW)
    deeper = outbox.observe("s", group([a, b], upstream), [SLACK], NOW + HOUR)
    assert (len(deeper.opened), deeper.closed) == (1, ())
    assert len(outbox.observe("s", [], [SLACK], NOW + 2 * HOUR).closed) == 2


def test_a_partial_view_closes_nothing_until_it_is_resolved(path: Path) -> None:
    outbox, sink = Outbox(path), Sink()
    one = incident()
    outbox.observe("s", [one], [SLACK], NOW, complete=False)
    assert outbox.observe("s", [], [SLACK], NOW, complete=False).closed == ()
    outbox.resolve("s", [one.key, "unknown"], NOW + HOUR)
    outbox.resolve("s", [one.key], NOW + HOUR)
    outbox.deliver("s", [SLACK], sink)
    assert sink.got == ["slack broken lot_history", "slack recovered lot_history"]


def test_messages_for_a_target_that_was_removed_are_dropped(path: Path) -> None:
    outbox = Outbox(path)
    outbox.observe("s", [incident()], [SLACK], NOW)
    assert outbox.deliver("s", [TARGET.validate_python({"type": "log"})], Sink()).pending == 0


def test_what_was_over_long_ago_is_forgotten(path: Path) -> None:
    outbox = Outbox(path)
    outbox.observe("s", [incident()], [SLACK], NOW)
    outbox.observe("s", [], [SLACK], NOW)
    assert outbox.pending("s") == 2
    outbox.observe("s", [], [SLACK], NOW + KEPT + HOUR)
    assert outbox.pending("s") == 0


def test_two_thousand_failures_within_a_minute_are_one_message_per_cause(path: Path) -> None:
    outbox, sink = Outbox(path), Sink()
    errors = ["no connection to host {}", "{} nulls in `qty`", "the disk is full"]
    troubles = []
    for n in range(2000):
        text = errors[n % 3].format(n)
        at = NOW + timedelta(seconds=n * 0.03)
        troubles.append(trouble(event="failure", pipeline=f"p{n}", cause=cause_of(text), detail=text, since=at))
        if n % 100 == 99:  # a tick every three seconds
            outbox.observe("s", group(troubles), [SLACK], at)
            outbox.deliver("s", [SLACK], sink)
    assert len(sink.got) == 3
    outbox.observe("s", [], [SLACK], NOW + HOUR)
    outbox.deliver("s", [SLACK], sink)
    assert len(sink.got) == 6


def test_threads_that_observe_and_deliver_at_once_send_each_message_once(path: Path) -> None:
    sink = Sink()
    problems: list[Exception] = []

    def work() -> None:
        try:
            outbox = Outbox(path)
            for step in range(6):
                seen = [incident(pipeline=f"p{n}", cause=f"c{n}") for n in range(5)] if step < 3 else []
                outbox.observe("s", seen, [SLACK], NOW + step * HOUR, complete=step in (0, 5))
                outbox.deliver("s", [SLACK], sink)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            problems.append(error)

    Outbox(path).observe("s", [incident(pipeline=f"p{n}", cause=f"c{n}") for n in range(5)], [SLACK], NOW)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    Outbox(path).deliver("s", [SLACK], sink)
    opened = [each for each in sink.got if "broken" in each]
    assert len(opened) >= 5
    assert len(opened) == len(sink.got) - len(opened), "as many ends as beginnings"


PROCESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pydantic import TypeAdapter
from etl.notify.incidents import Trouble, group
from etl.notify.outbox import Outbox
from etl.notify.send import send
from etl.notify.targets import NotificationConfig
target = TypeAdapter(NotificationConfig).validate_python({"type": "webhook", "url": sys.argv[2]})
now = datetime(2026, 1, 5, tzinfo=UTC)
outbox = Outbox(Path(sys.argv[1]))
troubles = [Trouble(event="sla", tenant="t", pipeline=f"p{n}", cause=f"c{n}", since=now) for n in range(20)]
outbox.observe("s", group(troubles), [target], now)
outbox.deliver("s", [target], lambda target, message: send(target, message, str))
"""


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def start(path: Path, web: Web, fault: str = "") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", PROCESS, str(path), web.url]
    return subprocess.Popen(command, env=os.environ | {"ETL_FAULT": fault}, cwd=Path(__file__).parents[2])


def test_processes_that_run_at_once_send_each_message_once(path: Path, web: Web) -> None:
    running = [start(path, web) for _ in range(3)]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert len({body for _, _, body in web.requests}) == len(web.requests) == 20


def test_a_process_killed_between_sending_and_noting_repeats_that_one_message_after_its_claim(
    path: Path, web: Web
) -> None:
    target = TARGET.validate_python({"type": "webhook", "url": web.url})
    assert start(path, web, "notify.sent@3=kill").wait() == -signal.SIGKILL
    assert len(web.requests) == 3
    assert start(path, web).wait() == 0
    assert len(web.requests) == 20, "the claimed one is left alone, as its sender may still be at it"

    def deliver(at: datetime) -> int:
        outbox = Outbox(path)
        return outbox.deliver("s", [target], lambda to, what: send(to, what, str), lambda: at).sent

    assert deliver(datetime.now(UTC) + CLAIM / 2) == 0
    assert deliver(datetime.now(UTC) + CLAIM) == 1
    assert deliver(datetime.now(UTC) + 2 * CLAIM) == 0
    assert len({body for _, _, body in web.requests}) == 20
    assert len(web.requests) == 21


def test_messages_beyond_the_room_wait_for_the_next_day_and_critical_ones_do_not(path: Path) -> None:
    sink, outbox = Sink(), Outbox(path)
    quiet = [incident(pipeline=f"p{number}", cause=f"cause {letter}") for number, letter in enumerate("abc")]
    loud = incident(pipeline="loud", cause="cause z", severity="critical")
    outbox.observe("s", [*quiet, loud], [SLACK], NOW)
    outbox.deliver("s", [SLACK], sink, lambda: NOW, room=1)
    assert sink.got == ["slack broken p0", "slack broken loud"]
    assert (outbox.sent_since("s", NOW), outbox.sent_since("s", NOW + HOUR), outbox.pending("s")) == (2, 0, 2)
    outbox.deliver("s", [SLACK], sink, lambda: NOW + 24 * HOUR, room=None)
    assert sink.got[2:] == ["slack broken p1", "slack broken p2"], "none is lost"
