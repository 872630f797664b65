"""Attacks the law of format with damage: a kept file that was cut off or spoiled is named, with what to do about it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attack.target import Target
from tests.attack.test_formats_state import put


def cut_off(path: Path) -> None:
    """As a crash of the machine, or a full disk, leaves a file that was being written: within a Korean character."""
    path.write_bytes(path.read_bytes() + '{"format": 1, "action": "discarded", "why": "이'.encode()[:-1])


def no_object(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"17\n")


@pytest.mark.parametrize("damage", [cut_off, no_object])
def test_the_history_of_decisions(target: Target, damage: Callable[[Path], None]) -> None:
    path = put(target, "quarantine/acme.jsonl", "quarantine/acme.jsonl")
    whole = path.read_bytes()
    damage(path)
    number = whole.count(b"\n") + 1
    refused = target.etl("quarantine", "history", "acme")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    said = " ".join(refused.err.split())
    assert f"line {number} of {path} is no decision" in said
    assert f"sed -i {number}d '{path}'" in said
    assert target.command(["sed", "-i", f"{number}d", str(path)]).code == 0
    assert target.etl("quarantine", "history", "acme").code == 0
    assert path.read_bytes() == whole


def test_a_sqlite_file(target: Target) -> None:
    target.project.write_pipeline({"sla": {"freshness": {"max_age_hours": 26}}})
    path = target.project.data / "sla.sqlite"
    path.write_bytes(b"no database at all, but longer than the head of one" * 100)
    refused = target.etl("sla", "report", "--month", "2026-01")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    said = " ".join(refused.err.split())
    assert f"the log of promises, {path}, is damaged" in said
    assert f"mv '{path}' '{path}.damaged'" in said
