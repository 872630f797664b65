"""Attacks the law of format: what an older release kept is read, what a later one kept is refused and left as it is."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "format_1"


def put(target: Target, name: str, place: str) -> Path:
    path = target.project.data / place
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(FIXTURES / name, path)
    return path


def of_the_future(path: Path) -> bytes:
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA user_version = 7")
    else:
        path.write_text(json.dumps({"format": 7, "what": "nobody knows today"}) + "\n")
    return path.read_bytes()


def test_the_history_of_decisions(target: Target) -> None:
    path = put(target, "quarantine/acme.jsonl", "quarantine/acme.jsonl")
    said = target.etl("quarantine", "history", "acme")
    assert said.code == 0, said.text
    assert all(word in said.out for word in ("replayed", "discarded", "known"))
    before = of_the_future(path)
    refused = target.etl("quarantine", "history", "acme")
    assert refused.code == 2
    assert "format 7" in refused.err
    assert "later release" in refused.err
    assert path.read_bytes() == before


def test_the_log_of_promises(target: Target) -> None:
    target.project.write_pipeline({"sla": {"freshness": {"max_age_hours": 26}}})
    path = put(target, "state_log/sla.sqlite", "sla.sqlite")
    read = target.etl("sla", "report", "--month", "2026-01", "--format", "json")
    assert read.code == 0, read.text
    before = of_the_future(path)
    refused = target.etl("sla", "report", "--month", "2026-01")
    assert refused.code == 2
    assert "format 7" in refused.err
    assert path.read_bytes() == before


@pytest.mark.slow
def test_the_journal_of_a_range(target: Target) -> None:
    """A run that finds a later release's journal does not overwrite it."""
    path = target.project.data / "backfills" / "acme" / f"extract__orders__{DAYS[0]}__{DAYS[-1]}.json"
    path.parent.mkdir(parents=True)
    before = of_the_future(path)
    refused = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[-1])
    assert refused.code == 1
    assert "format 7" in refused.text
    assert path.read_bytes() == before
    assert target.project.published() == []
    path.unlink()
    target.run_days()
