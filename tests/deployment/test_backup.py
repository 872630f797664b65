"""Backup and restore of a data folder: what is in it, in what order it is read, and when nothing is written."""

import io
import json
import sqlite3
import tarfile
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from etl import locks
from etl.deployment import archive
from etl.deployment.archive import pack, unpack
from etl.deployment.backup import being_written, keep_newest, make_backup
from etl.deployment.manifest import FILE, read_manifest
from etl.deployment.restore import examined_backup, restore_backup
from etl.deployment.stored import Kept, Stored
from etl.errors import EtlError


def service(folder: Path) -> Path:
    """A folder of a service with one of each kind of file."""
    for name, content in {
        "data/lake/acme/extract/orders/data.parquet": "old",
        "data/lake/acme/extract/gone/data.parquet": "gone",
        "data/warehouse/acme.duckdb": "warehouse",
        "data/warehouse/acme.duckdb.wal": "its log",
        "data/staging/acme/draft": "draft",
        "data/locks/acme.publish": "",
        "data/quarantine/acme.jsonl": "{}",
        "dagster/run_workers/1.lock": "",
        "logs/run/out": "printed",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with closing(sqlite3.connect(folder / "data" / "sla.sqlite")) as db, db:
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (1)")
    return folder


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    pack(folder, folder / "data", out)
    return out.getvalue()


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as found:
        return found.getnames()


def test_warehouses_come_first_then_the_lake_and_what_belongs_to_processes_is_left_out(tmp_path: Path) -> None:
    assert names(packed(service(tmp_path))) == [
        "data/warehouse/acme.duckdb",
        "data/warehouse/acme.duckdb.wal",
        "data/lake/acme/extract/gone/data.parquet",
        "data/lake/acme/extract/orders/data.parquet",
        "data/sla.sqlite",
        "data/quarantine/acme.jsonl",
        "logs/run/out",
        ".removed.json",
    ] or sorted(names(packed(tmp_path))[4:7]) == ["data/quarantine/acme.jsonl", "data/sla.sqlite", "logs/run/out"]


def test_objects_that_change_while_the_lake_is_read_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = service(tmp_path / "from")
    lake, before = folder / "data" / "lake" / "acme" / "extract", archive._stamps

    def replaced_between(top: Path, place: Path) -> dict[Path, tuple[int, int, int]]:
        found = before(top, place)
        if (lake / "gone" / "data.parquet").exists():  # after the first look at the lake
            draft = lake / "draft"
            draft.write_text("new")
            draft.replace(lake / "orders" / "data.parquet")
            (lake / "gone" / "data.parquet").unlink()
        return found

    monkeypatch.setattr(archive, "_stamps", replaced_between)
    content = packed(folder)
    into = tmp_path / "to"
    into.mkdir()
    unpack(into, io.BytesIO(content))
    assert [each.read_text() for each in (into / "data" / "lake").rglob("*.parquet")] == ["new"]


def test_an_object_that_a_first_copy_has_and_the_lake_no_longer_has_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = service(tmp_path / "from")
    looks, before = [], archive._stamps

    def removed_after_copying(top: Path, place: Path) -> dict[Path, tuple[int, int, int]]:
        looks.append(place)
        if len(looks) == 2:
            (folder / "data/lake/acme/extract/gone/data.parquet").unlink()
        return before(top, place)

    monkeypatch.setattr(archive, "_stamps", removed_after_copying)
    content = packed(folder)
    assert "data/lake/acme/extract/gone/data.parquet" in names(content)
    (tmp_path / "to").mkdir()
    unpack(tmp_path / "to", io.BytesIO(content))
    assert not (tmp_path / "to/data/lake/acme/extract/gone/data.parquet").exists()
    assert not (tmp_path / "to/.removed.json").exists()


def test_a_warehouse_is_read_under_its_lock(tmp_path: Path) -> None:
    folder = service(tmp_path)
    lock = folder / "data" / "locks" / "acme.warehouse"
    done: list[bytes] = []
    reader = threading.Thread(target=lambda: done.append(packed(folder)))
    with locks.exclusive(lock, what="the warehouse", error=EtlError):
        reader.start()
        time.sleep(0.3)
        assert done == []
        (folder / "data" / "warehouse" / "acme.duckdb").write_text("written under the lock")
    reader.join(30)
    with tarfile.open(fileobj=io.BytesIO(done[0])) as found:
        member = found.extractfile("data/warehouse/acme.duckdb")
        assert member is not None
        assert member.read() == b"written under the lock"


def test_a_database_in_use_is_copied_by_sqlite(tmp_path: Path) -> None:
    folder = service(tmp_path / "from")
    with closing(sqlite3.connect(folder / "data" / "sla.sqlite")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("INSERT INTO t VALUES (2)")
        db.commit()  # it stands in the log beside the file only
        content = packed(folder)
    assert not [each for each in names(content) if each.endswith(("-wal", "-shm"))]
    (tmp_path / "to").mkdir()
    unpack(tmp_path / "to", io.BytesIO(content))
    with closing(sqlite3.connect(tmp_path / "to" / "data" / "sla.sqlite")) as db:
        assert db.execute("SELECT x FROM t ORDER BY x").fetchall() == [(1,), (2,)]


def test_a_file_that_cannot_be_copied_fails_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = service(tmp_path)

    def no_place(**_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")  # as `tempfile` says it

    monkeypatch.setattr("tempfile.TemporaryDirectory", no_place)
    with pytest.raises(FileNotFoundError, match="No usable temporary directory"):
        packed(folder)


def test_a_file_that_becomes_shorter_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, whole = service(tmp_path), tarfile.TarFile.gettarinfo

    def shortened_then(archive: tarfile.TarFile, **options: Any) -> tarfile.TarInfo:
        found = whole(archive, **options)
        if found.name == "logs/run/out":
            (folder / "logs" / "run" / "out").write_text("")
        return found

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", shortened_then)
    with pytest.raises(EtlError, match="logs/run/out became shorter while it was read") as raised:
        packed(folder)
    assert raised.value.hint == "start the backup again"


def test_a_link_is_kept_as_a_link(tmp_path: Path) -> None:
    folder = service(tmp_path / "from")
    (folder / "data" / "link").symlink_to("sla.sqlite")
    with tarfile.open(fileobj=io.BytesIO(packed(folder))) as found:
        assert found.getmember("data/link").issym()


@pytest.fixture
def made(tmp_path: Path) -> tuple[Stored, Path]:
    """A backup of a folder, and the folder."""
    folder = service(tmp_path / "service")
    stored = Stored((Kept("project", folder, folder / "data", None),), None)
    backup = make_backup(stored, tmp_path / "backups", password="", elsewhere=(), tell=lambda _: None)
    return stored, backup


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_what_is_restored_is_what_was_there(made: tuple[Stored, Path], tmp_path: Path) -> None:
    stored, backup = made
    (kept,) = stored.folders
    before = {
        name: content
        for name, content in contents(kept.folder).items()
        if not name.startswith(("data/staging", "data/locks", "dagster"))
    }
    with pytest.raises(EtlError, match="is not empty: it has"):
        examined_backup(backup, stored, "")
    kept.folder.rename(tmp_path / "before")
    with pytest.raises(EtlError, match="is missing"):
        examined_backup(backup, stored, "")
    kept.folder.mkdir()
    manifest = examined_backup(backup, stored, "")
    restore_backup(backup, manifest, stored, password="", tell=lambda _: None)
    after = contents(kept.folder)
    assert after.pop("data/sla.sqlite")[:16] == before.pop("data/sla.sqlite")[:16]  # its rows: the test above
    assert after == before


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_damaged_backup_is_refused_before_anything_is_written(made: tuple[Stored, Path], damage: str) -> None:
    stored, backup = made
    part = backup / "project.tar"
    if damage == "missing":
        part.unlink()
    else:
        content = part.read_bytes()
        part.write_bytes(content[:-512] if damage == "cut" else content.replace(b"warehouse", b"warehousf"))
    with pytest.raises(EtlError, match=r"is damaged: project\.tar"):
        examined_backup(backup, stored, "")


def test_a_backup_of_a_later_release_is_refused(made: tuple[Stored, Path]) -> None:
    stored, backup = made
    found = json.loads((backup / FILE).read_text())
    (backup / FILE).write_text(json.dumps({**found, "format": 2, "new": True}))
    with pytest.raises(EtlError, match="has format 2"):
        examined_backup(backup, stored, "")
    with pytest.raises(EtlError, match="is no backup"):
        read_manifest(backup.parent)


def test_a_backup_of_other_services_is_refused(made: tuple[Stored, Path], tmp_path: Path) -> None:
    _, backup = made
    other = Stored((Kept("code-b", tmp_path / "b", tmp_path / "b", None),), None)
    with pytest.raises(EtlError, match="has services that this installation lacks: project"):
        examined_backup(backup, other, "")


def test_an_unfinished_backup_has_no_name_and_is_never_removed_as_an_old_one(tmp_path: Path) -> None:
    stored = Stored((Kept("project", tmp_path / "absent", tmp_path / "absent", "nobody-at-all"),), None)
    with pytest.raises(EtlError, match="no user nobody-at-all"):
        make_backup(stored, tmp_path / "out", password="", elsewhere=(), tell=lambda _: None)
    (left,) = (tmp_path / "out").iterdir()
    assert left.name.startswith(".unfinished-")
    assert keep_newest(tmp_path / "out", 1, stored) == ([], [])


def test_a_second_backup_in_the_same_second_is_told_so(
    made: tuple[Stored, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, backup = made

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr("etl.deployment.backup.datetime", Clock)
    held = backup.parent / ".unfinished-2026-01-01T000000Z"
    held.mkdir()
    with being_written(held), pytest.raises(EtlError, match="another backup has begun in this second"):
        make_backup(stored, backup.parent, password="", elsewhere=(), tell=print)


def test_only_the_newest_backups_are_kept(made: tuple[Stored, Path]) -> None:
    stored, backup = made
    for day in ("2020-01-01", "2020-01-02"):
        older = backup.parent / f"{day}T000000Z"
        older.mkdir()
        (older / FILE).write_text((backup / FILE).read_text())
    (backup.parent / "a folder of somebody").mkdir()
    removed, left_alone = keep_newest(backup.parent, 2, stored)
    assert ([each.name for each in removed], left_alone) == (["2020-01-01T000000Z"], [])
    assert sorted(each.name for each in backup.parent.iterdir()) == [
        "2020-01-02T000000Z",
        backup.name,
        "a folder of somebody",
    ]


@pytest.mark.parametrize("name", ["data/dagster/index.db", "data/sla.sqlite", "data/warehouse/acme.duckdb"])
def test_a_database_that_cannot_be_read_is_named_and_copied_as_it_is(tmp_path: Path, name: str) -> None:
    folder = service(tmp_path / "service")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 4096)
    damaged: dict[Path, str] = {}
    stored = Stored((Kept("project", folder, folder / "data", None),), None)
    backup = make_backup(stored, tmp_path / "backups", password="", elsewhere=(), tell=lambda _: None, damaged=damaged)
    assert damaged[path] == "it is no database"
    with tarfile.open(backup / "project.tar") as archive:
        member = archive.extractfile(name)
        assert member is not None
        assert member.read() == b"x" * 4096


def test_a_database_with_damaged_pages_is_named(tmp_path: Path) -> None:
    folder = service(tmp_path)
    path = folder / "data" / "big.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x TEXT)")
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,) for _ in range(200)])
        db.commit()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * 4096 + content[8192:])
    assert pack(folder, folder / "data", io.BytesIO()).damaged.keys() >= {"data/big.sqlite"}
    path.write_bytes(content)
    assert "data/big.sqlite" not in pack(folder, folder / "data", io.BytesIO()).damaged
