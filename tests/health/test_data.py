"""The data folder's state: drafts of the dead, locks that are held, data of nobody, files of a later release."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from etl import locks
from etl.config.config_loader import load_tenant
from etl.errors import LakeError
from etl.health.finding import Condition, Examined
from etl.health.formats import examine_objects, examine_state_files
from etl.health.leftovers import examine_leftovers
from etl.promises.state_log import StateLog
from etl.settings import Settings, load_settings
from tests.tiny_project import TinyProject

DRAFT = """
import os, pathlib, signal, sys
from etl.lake.staging import StagingFolder
data = pathlib.Path(sys.argv[1])
folder = StagingFolder(data / "staging" / "acme", "extract", "orders", data / "locks")
(folder.path / "rows.parquet").write_bytes(b"x" * 5000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(project: TinyProject) -> Settings:
    return load_settings(project.environ)


def found(settings: Settings, what: str) -> Examined:
    (finding,) = [each for each in examine_leftovers(settings) if each.what == what]
    return finding


def test_a_folder_without_data_is_good(settings: Settings) -> None:
    assert {each.state for each in examine_leftovers(settings)} == {Condition.GOOD}
    assert {each.state for each in examine_state_files(settings)} == {Condition.GOOD}


def test_drafts_of_a_killed_process_are_counted_and_removed(settings: Settings, project: TinyProject) -> None:
    subprocess.run([sys.executable, "-c", DRAFT, str(project.data)], check=False, timeout=60)
    finding = found(settings, "drafts")
    assert finding.state is Condition.WARNING
    assert "1 folders" in finding.said
    assert "5.0 kB" in finding.said
    assert finding.fix is not None
    assert finding.fix() == "removed 1 folders"
    assert found(settings, "drafts").state is Condition.GOOD
    assert project.leftovers() == []


def test_a_lock_that_is_held_for_hours_is_told_with_its_process(settings: Settings) -> None:
    path = settings.data_dir / "locks" / "acme.warehouse"
    with locks.exclusive(path, what="the warehouse", error=LakeError):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
        finding = found(settings, "locks")
    assert finding.state is Condition.WARNING
    assert f"acme.warehouse for 2.0 hours by process {os.getpid()}" in finding.said
    assert found(settings, "locks").state is Condition.GOOD


def test_data_of_a_tenant_that_is_gone_is_told_and_kept(settings: Settings) -> None:
    stray = settings.lake_dir / "old_customer"
    stray.mkdir(parents=True)
    finding = found(settings, "tenants")
    assert finding.state is Condition.WARNING
    assert "old_customer" in finding.said
    assert finding.fix is None
    assert stray.is_dir()


def test_a_state_file_of_a_later_release_or_with_damage_is_told(settings: Settings) -> None:
    path = settings.data_dir / "sla.sqlite"
    StateLog(path)
    assert {each.state for each in examine_state_files(settings)} == {Condition.GOOD}
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    (late,) = examine_state_files(settings)
    assert late.state is Condition.BAD
    assert "later release" in late.remedy
    path.write_bytes(b"no database" * 100)
    (damaged,) = examine_state_files(settings)
    assert damaged.state is Condition.BAD
    assert "cannot be read" in damaged.said


def test_an_object_that_cannot_be_read_is_told(settings: Settings, project: TinyProject) -> None:
    config = load_tenant("acme", settings, project.environ)
    place: Path = settings.lake_dir / "acme" / "extract" / "orders" / "dt=2026-01-01"
    place.mkdir(parents=True)
    (place / "data.parquet").write_bytes(b"PAR1 but nothing else")
    (finding,) = examine_objects(config, settings)
    assert finding.state is Condition.BAD
    assert finding.place == "acme"
