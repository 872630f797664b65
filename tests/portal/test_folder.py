"""Pages as files: whole or not at all, and only ours are replaced or removed."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import EtlError
from etl.portal import folder as folder_module
from etl.portal.folder import read_summary, remove_gone, write_page
from etl.portal.page import Page

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def page(tenant: str = "alice", at: datetime = NOW, answer: str = "Complete") -> Page:
    return Page(
        tenant=tenant, name=tenant, made_at=at, holds_until=at + timedelta(hours=1), level="good", answer=answer
    )


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def test_a_page_is_two_files_and_no_draft_stays(tmp_path: Path) -> None:
    assert write_page(tmp_path / "out", page())
    assert names(tmp_path / "out") == ["alice/index.html", "alice/page.json"]
    found = read_summary(tmp_path / "out" / "alice")
    assert found is not None
    assert (found.answer, found.made_at) == ("Complete", NOW)


def test_a_write_that_fails_leaves_the_page_from_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page(tmp_path, page())
    before = (tmp_path / "alice" / "index.html").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EtlError, match="alice cannot be written: No space left") as raised:
        write_page(tmp_path, page(at=NOW + timedelta(hours=1), answer="other"))
    assert "on a disk that is not full" in raised.value.hint
    assert (tmp_path / "alice" / "index.html").read_bytes() == before
    assert names(tmp_path) == ["alice/index.html", "alice/page.json"]


def test_a_page_that_was_made_earlier_replaces_no_later_one(tmp_path: Path) -> None:
    write_page(tmp_path, page(answer="later"))
    assert not write_page(tmp_path, page(at=NOW - timedelta(seconds=1), answer="earlier"))
    assert write_page(tmp_path, page(answer="the same moment"))


def test_a_page_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "index.html").write_text("mine")
    with pytest.raises(EtlError, match="that `etl portal` did not make; it was not changed"):
        write_page(tmp_path, page())
    assert (tmp_path / "alice" / "index.html").read_text() == "mine"
    (tmp_path / "bob").symlink_to(tmp_path / "alice")
    with pytest.raises(EtlError, match="is not a folder"):
        write_page(tmp_path, page("bob"))


def test_only_our_pages_of_tenants_that_are_gone_are_removed(tmp_path: Path) -> None:
    for tenant in ("alice", "bob", "carol"):
        write_page(tmp_path, page(tenant))
    (tmp_path / "carol" / "logo.png").write_text("of a person")
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "index.html").write_text("of a person")
    (tmp_path / "blog" / "page.json").write_text('{"made_by": "somebody"}')
    (tmp_path / "readme").write_text("a file")
    assert remove_gone(tmp_path, ["alice"]) == (["bob"], ["carol"])
    assert names(tmp_path) == [
        "alice/index.html", "alice/page.json", "blog/index.html", "blog/page.json", "carol/logo.png", "readme",
    ]  # fmt: skip


def test_drafts_of_a_killed_process_are_removed_when_they_are_old(tmp_path: Path) -> None:
    write_page(tmp_path, page())
    old, new = tmp_path / "alice" / ".index.html.aa", tmp_path / "alice" / ".page.json.bb"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    write_page(tmp_path, page())
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"made_by": folder_module.MADE_BY, "format": 99})])
def test_a_json_that_cannot_be_read_is_no_page(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.json").write_text(text)
    assert read_summary(tmp_path) is None


def test_two_builders_at_once_leave_the_later_page_and_its_own_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one has looked already, and stands before its first write, when the later one begins."""
    stands, goes = threading.Event(), threading.Event()
    write = folder_module.write_whole

    def slow(path: Path, text: str) -> None:
        if "earlier" in text:
            stands.set()
            goes.wait(0.3)
        write(path, text)

    monkeypatch.setattr(folder_module, "write_whole", slow)
    earlier = threading.Thread(target=write_page, args=(tmp_path, page(answer="earlier")))
    earlier.start()
    assert stands.wait(10)
    assert write_page(tmp_path, page(at=NOW + timedelta(seconds=1), answer="later"))
    goes.set()
    earlier.join()
    for name in ("index.html", "page.json"):
        assert "later" in (tmp_path / "alice" / name).read_text()
    assert names(tmp_path) == ["alice/index.html", "alice/page.json"]
