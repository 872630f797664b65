"""The machine's state: a disk that is nearly full, a clock that was set back, drafts on another filesystem."""

import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from etl.health.dagster_home import examine_dagster
from etl.health.finding import Condition
from etl.health.machine import examine_machine
from etl.settings import Settings, load_settings
from tests.running.promised_world import make_instance
from tests.tiny_project import TinyProject


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def settings(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(project.data / "dagster"))
    return load_settings(project.environ)


def states(settings: Settings) -> dict[str, Condition]:
    return {each.what: each.state for each in examine_machine(settings)}


def test_a_machine_with_room_is_good(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 50 << 30, 50 << 30))
    assert set(states(settings).values()) == {Condition.GOOD}


@pytest.mark.parametrize(("free", "state"), [(1 << 30, Condition.WARNING), (100 << 20, Condition.BAD)])
def test_a_disk_that_is_nearly_full_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: Condition
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, free))
    assert states(settings)[f"disk of {settings.data_dir.name}"] is state


def test_a_file_of_the_future_shows_a_clock_that_was_set_back(settings: Settings) -> None:
    path = settings.data_dir / "sla.sqlite"
    path.touch()
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    (clock,) = [each for each in examine_machine(settings) if each.what == "clock"]
    assert clock.state is Condition.BAD
    assert "in the future" in clock.said


def test_drafts_on_another_filesystem_are_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(each for each in (Path("/dev/shm"), Path("/proc")) if _device(each) != _device(settings.data_dir))
    settings.lake_dir.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(Settings, "staging_dir", property(lambda _: other))
    assert states(settings)["drafts and lake"] is Condition.BAD


def _device(path: Path) -> int:
    return path.stat().st_dev


def test_an_event_log_that_cannot_be_read_is_bad(tmp_path: Path) -> None:
    with make_instance(tmp_path) as instance:
        found = {each.what: each for each in examine_dagster(instance)}
        assert found["event log"].state is Condition.GOOD
        assert "can be read" in found["event log"].said
    (tmp_path / "history" / "runs" / "index.db").write_bytes(b"x" * 4096)
    with make_instance(tmp_path) as instance:
        found = {each.what: each for each in examine_dagster(instance)}
        assert found["event log"].state is Condition.BAD
        assert "file is not a database" in found["event log"].said
        assert "restore" in found["event log"].remedy
