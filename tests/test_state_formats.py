"""What today's main kept is read by this release, which goes on with it, says its number, and refuses a later one.

`tests/fixtures/format_1` was written once, by the release that had no format numbers. It is never written again.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from etl.errors import EtlError
from etl.factories.sensor_factory import SensorFactory
from etl.integrations.dagster.sensor import new_failures
from etl.notify.incidents import Message
from etl.notify.outbox import Outbox
from etl.notify.targets import LogTarget, NotificationConfig, WebhookTarget
from etl.partitions.scheme import TimeScheme
from etl.pipeline.backfill import Journal
from etl.pipeline.quarantine import Decision, history, remember
from etl.promises.freshness import State
from etl.promises.judge import PromiseVerdict
from etl.promises.pipeline_facts import Facts
from etl.promises.pipeline_log import PipelineLog
from etl.promises.state_log import StateLog
from etl.settings import Settings
from etl.sla.config import AlertLevel
from tests.running.promised_world import make_config, make_settings

FIXTURES = Path(__file__).parent / "fixtures" / "format_1"
T0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEYS = ("2026-01-01", "2026-01-02", "2026-01-03")
FINGERPRINT = "fingerprint-of-the-config"
JOURNAL = f"extract__orders__{KEYS[0]}__{KEYS[-1]}.json"
TARGETS: list[NotificationConfig] = [LogTarget(type="log"), WebhookTarget(type="webhook", url="${HOOK}")]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy of what was kept, to go on with."""
    shutil.copytree(FIXTURES, tmp_path / "data")
    os.utime(tmp_path / "data" / "journal" / JOURNAL)  # as if the run had died just now
    return tmp_path / "data"


def in_folder(data: Path) -> Settings:
    return Settings(project_dir=data, data_dir=data)


def number_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def set_number(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {number}")


def test_the_fixture_has_no_numbers() -> None:
    assert {number_of(path) for path in FIXTURES.rglob("*.sqlite")} == {0}
    assert not any("format" in path.read_text() for path in FIXTURES.rglob("*.json*"))


def test_the_log_of_promises(kept: Path) -> None:
    path = kept / "state_log" / "sla.sqlite"
    log = StateLog(path)
    span = (T0 - timedelta(days=1), T0 + timedelta(days=1))
    before = [(each.state, each.begin, each.end) for each in log.intervals(*span)]
    assert before == [
        (State.ON_TRACK, T0, T0 + timedelta(minutes=20)),
        (State.BROKEN, T0 + timedelta(minutes=20), T0 + timedelta(minutes=50)),
    ]
    broken = PromiseVerdict(
        "acme", "orders", "deadline", State.BROKEN, "late", AlertLevel.ERROR, T0 + timedelta(minutes=20)
    )
    log.record([broken], T0 + timedelta(minutes=70))
    assert [each.end for each in log.intervals(*span)][-1] == T0 + timedelta(minutes=70), "the breach lasts on"
    assert number_of(path) == 1


def test_the_excerpt_of_the_event_log(kept: Path) -> None:
    path = kept / "pipeline_log" / "acme.sqlite"
    log = PipelineLog(path)
    assert log.cursors() == {"materializations": 7, "failed": 12}
    assert log.begin(["orders"], T0) == (), "its past was read"
    assert log.seen(["run-1", "run-2"]) == {"run-1"}
    (failure,) = log.failures()
    assert (failure.subject, failure.cause, failure.at) == ("acme__load__orders", "disk full", T0)
    past = log.histories("acme", {"orders": TimeScheme("day", "2026-01-01")})["orders"]
    assert [each.partition for each in past.published.publishes] == ["2026-01-04"]
    assert [(each.run_id, each.succeeded) for each in past.runs] == [("run-1", False)]
    assert log.counters()["orders"].values == {"rows": 20.0}
    log.absorb(Facts(cursors={"materializations": 9}), T0)
    assert log.cursors()["materializations"] == 9
    assert number_of(path) == 1


def test_incidents_and_messages(kept: Path) -> None:
    path = kept / "outbox" / "notify.sqlite"
    outbox = Outbox(path)
    (lasting,) = outbox.open_incidents("acme")
    assert (lasting.root, lasting.cause, lasting.owners) == ("orders", "disk full", ("team:shop",))
    sent: list[Message] = []
    delivered = outbox.deliver("acme", TARGETS, lambda _, message: sent.append(message), lambda: T0 + timedelta(days=1))
    assert delivered.pending == 0
    assert [(each.transition, each.pipelines) for each in sent if each.pipelines == ("stock",)].count(
        ("recovered", ("stock",))
    ) == 2, "told to both targets"
    assert outbox.observe("acme", [lasting], TARGETS, T0 + timedelta(days=1)).opened == (), "known already"
    assert number_of(path) == 1


def test_the_journal(kept: Path) -> None:
    journal = Journal.open(kept / "journal", "extract", "orders", KEYS, FINGERPRINT)
    assert [journal.version(key) for key in KEYS] == ["11-22-33", "44-55-66", None]
    journal.record(KEYS[2], "77-88-99")
    again = Journal.open(kept / "journal", "extract", "orders", KEYS, FINGERPRINT)
    assert again.version(KEYS[0]) == "11-22-33"
    assert again.version(KEYS[2]) == "77-88-99"
    assert json.loads((kept / "journal" / JOURNAL).read_text())["format"] == 1


def decision(**changes: object) -> Decision:
    values: dict[str, object] = {"action": "discarded", "tenant": "acme", "pipeline": "orders", "partition": None}
    return Decision.model_validate({**values, "rows_before": 1, "rows_after": 0, "at": T0, "by": "bob", **changes})


def test_the_history_of_decisions(kept: Path) -> None:
    before = history(in_folder(kept), "acme")
    assert [(each.action, each.rows_after, each.why) for each in before] == [
        ("replay begun", 3, ""),
        ("replayed", 1, ""),
        ("discarded", 0, "known"),
    ]
    new = decision(why="one line\u2028and what JSON leaves as it is: 이유")
    remember(in_folder(kept), new)
    assert history(in_folder(kept), "acme") == (*before, new)
    assert json.loads((kept / "quarantine" / "acme.jsonl").read_text().split("\n")[3])["format"] == 1


def test_the_cursor_of_a_quality_sensor() -> None:
    with DagsterInstance.ephemeral() as instance:
        _, cursor = new_failures(instance, [], '{"seen": 5, "pending": {}}')
        assert json.loads(cursor) == {"format": 1, "seen": 5, "pending": {}}
        with pytest.raises(EtlError, match="the cursor of a quality sensor has format 2"):
            new_failures(instance, [], '{"format": 2, "seen": 5, "pending": {}}')


def future_json(path: Path) -> None:
    path.write_text(json.dumps({"format": 2, "something": "else"}) + "\n")


REFUSED: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "state log": (
        "state_log/sla.sqlite",
        lambda path: set_number(path, 2),
        lambda data: StateLog(data / "state_log" / "sla.sqlite"),
    ),
    "pipeline log": (
        "pipeline_log/acme.sqlite",
        lambda path: set_number(path, 2),
        lambda data: PipelineLog(data / "pipeline_log" / "acme.sqlite"),
    ),
    "outbox": (
        "outbox/notify.sqlite",
        lambda path: set_number(path, 2),
        lambda data: Outbox(data / "outbox" / "notify.sqlite"),
    ),
    "journal": (
        f"journal/{JOURNAL}",
        future_json,
        lambda data: Journal.open(data / "journal", "extract", "orders", KEYS, FINGERPRINT),
    ),
    "quarantine, read": ("quarantine/acme.jsonl", future_json, lambda data: history(in_folder(data), "acme")),
    "quarantine, written": (
        "quarantine/acme.jsonl",
        future_json,
        lambda data: remember(in_folder(data), decision()),
    ),
}


@pytest.mark.parametrize("store", REFUSED)
def test_a_store_of_a_later_release_is_refused_and_left_as_it_is(kept: Path, store: str) -> None:
    name, make_future, use = REFUSED[store]
    path = kept / name
    make_future(path)
    before = path.read_bytes()
    with pytest.raises(EtlError, match=r"has format 2; this release reads formats 1 to 1") as refused:
        use(kept)
    assert str(path) in refused.value.problem
    assert "later release" in refused.value.hint
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name], "nothing is left beside it"


@pytest.mark.parametrize("file", ["sla.sqlite", "sla/acme.sqlite", "notify.sqlite"])
def test_a_sensors_tick_is_an_error_not_silence(tmp_path: Path, file: str) -> None:
    settings = make_settings(tmp_path)
    sla = {"orders": {"sla": {"freshness": {"max_age_hours": 26}}}}
    config = make_config("acme", sla, notifications=[{"type": "log"}])
    path = settings.data_dir / file
    path.parent.mkdir(parents=True)
    set_number(path, 2)
    with DagsterInstance.ephemeral() as instance:
        watch = SensorFactory(config, settings)._watch()
        with pytest.raises(EtlError, match="has format 2"):
            watch.tick(instance, T0)


def test_a_history_that_is_cut_off_anywhere_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "quarantine" / "acme.jsonl"
    path.parent.mkdir()
    whole = (FIXTURES / "quarantine" / "acme.jsonl").read_bytes().rstrip(b"\n")
    start, lines = whole.rfind(b"\n") + 1, whole.count(b"\n") + 1
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(EtlError, match=f"line {lines} of ") as refused:
            history(in_folder(tmp_path), "acme")
        assert "sed -i" in refused.value.hint
    path.write_bytes(whole)
    assert history(in_folder(tmp_path), "acme")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"format": 1}', '{"format": 1, "versions": 3}'])
def test_a_damaged_journal_begins_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / JOURNAL
    path.write_text(content)
    journal = Journal.open(tmp_path, "extract", "orders", KEYS, FINGERPRINT)
    assert journal.version(KEYS[0]) is None
    journal.record(KEYS[0], "v")
    assert Journal.open(tmp_path, "extract", "orders", KEYS, FINGERPRINT).version(KEYS[0]) == "v"


@pytest.mark.parametrize("cursor", ["{", "[]", "7", '{"format": 1}', '{"seen": 1, "pending": 2}'])
def test_a_damaged_cursor_is_refused_with_its_remedy(cursor: str) -> None:
    with DagsterInstance.ephemeral() as instance, pytest.raises(EtlError, match="cannot be read") as refused:
        new_failures(instance, [], cursor)
    assert "clear it" in refused.value.hint
