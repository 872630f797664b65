"""Packs the folder of one service into a stream, and unpacks it again: a process of its own, with the service's user.

Belongs here: in which order files are read while runs are at work, and what belongs to processes. Not here: which files
there are (`walk`), which services there are, and where the streams are kept (`backup`, `restore`).

The process has the user of the service, so that it can read and lock what the service can, and nothing else: a symbolic
link in the folder leads to nothing that the service could not read itself.

Warehouses come first, then the lake, then everything else, so that nothing in the copy says more than the files before
it: a copied warehouse has loaded no object that the copied lake lacks. A DuckDB file is read under its lock. Objects of
the lake that have changed in the meantime are read again under the lock of publishing, so that they fit together.
"""

import io
import json
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from etl.deployment.restore_mark import MARK, marked_backup, refuse_half_restored, write_mark
from etl.deployment.walk import files_in, stays_link
from etl.errors import EtlError
from etl.locks import exclusive

_LEFT_OUT = ("staging", "locks")
"""Folders of the data folder that belong to processes: drafts and locks."""
_RUN_LOCKS = ("dagster/run_workers", "run_workers")
"""Locks of runs: in the data folder's own home of Dagster, and in a home that is a folder of its own."""
_REMOVED = ".removed.json"
"""The last file of a stream: names of objects that were removed while the stream was written."""
REFUSED = 2
"""The exit code of this process if it says on stderr, as JSON, what is wrong and what to do."""
_SQLITE = b"SQLite format 3\0"
_DUCKDB = b"DUCK"  # from the ninth byte on
_DATABASES = (".db", ".sqlite", ".duckdb")
"""How the names of databases end, Dagster's, the product's and the warehouses'."""
_Stamp = tuple[int, int, int]


@dataclass
class PackedFiles:
    """What was written to a stream."""

    files: int = 0
    bytes: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    """Databases that cannot be read, each with the reason. They are in the stream as they are."""


def pack(folder: Path, data: Path, out: BinaryIO) -> PackedFiles:
    """Write the files of a folder to a stream, and return what was written.

    `data` is the ETL_DATA_DIR in the folder, or the folder itself.
    """
    refuse_half_restored(data)
    written = PackedFiles()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for warehouse in sorted(data.glob("warehouse/*.duckdb")):
            lock = data / "locks" / f"{warehouse.stem}.warehouse"
            with exclusive(lock, what=f"the warehouse {warehouse.name}", limit_seconds=3600, error=EtlError):
                _add_warehouse(archive, folder, warehouse, written)
        seen = _stamps(folder, data / "lake")
        _add(archive, folder, seen, written)
        with ExitStack() as stack:
            for tenant in sorted(data.glob("lake/*")):
                lock = data / "locks" / f"{tenant.name}.publish"
                stack.enter_context(exclusive(lock, what="the lake", limit_seconds=3600, error=EtlError))
            now = _stamps(folder, data / "lake")
            _add(archive, folder, [each for each in now if seen.get(each) != now[each]], written)
        _add(archive, folder, _others(folder, data), written)
        removed = [str(each.relative_to(folder)) for each in seen if each not in now]
        text = json.dumps(removed).encode()
        note = tarfile.TarInfo(_REMOVED)
        note.size = len(text)
        archive.addfile(note, io.BytesIO(text))
    return written


def is_empty(folder: Path, data: Path) -> bool:
    """Whether there is nothing to back up."""
    left_out = _left_out(folder, data)
    return next(files_in(folder, folder, passed_over=left_out.__contains__), None) is None


def clear(folder: Path, data: Path) -> None:
    """Remove the files of a restore that has not ended, but not the mark, nor folders, which have rights of their own.

    Nothing is removed where there is no mark.
    """
    if marked_backup(data) is None:
        return
    for at, folders, names in os.walk(folder):
        links = [each for each in folders if Path(at, each).is_symlink()]
        for each in (Path(at, name) for name in (*links, *names)):
            if each != data / MARK:
                each.unlink()


def unpack(folder: Path, source: BinaryIO) -> None:
    """Write the files of a stream into an empty folder."""
    with tarfile.open(fileobj=source, mode="r|") as archive:
        archive.extractall(folder, filter="tar")
    note = folder / _REMOVED
    for each in json.loads(note.read_text(encoding="utf-8")):
        (folder / each).unlink(missing_ok=True)
    note.unlink()


def _stamps(folder: Path, lake: Path) -> dict[Path, _Stamp]:
    """Return every object with what changes when it is replaced. An object is never changed in its place."""
    found: dict[Path, _Stamp] = {}
    for each in files_in(folder, lake):
        try:
            stat = each.lstat() if stays_link(folder, each) else each.stat()
        except FileNotFoundError:
            continue
        found[each] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def _others(folder: Path, data: Path) -> Iterator[Path]:
    """Yield what is neither a warehouse nor in the lake, and no process's own."""
    left_out = {data / "lake", *_left_out(folder, data)}

    def is_written_elsewhere(path: Path) -> bool:
        is_warehouse = path.parent == data / "warehouse" and path.name.endswith((".duckdb", ".duckdb.wal"))
        return is_warehouse or path in left_out

    return files_in(folder, folder, passed_over=is_written_elsewhere)


def _left_out(folder: Path, data: Path) -> set[Path]:
    return {*(data / each for each in _LEFT_OUT), *(folder / each for each in _RUN_LOCKS)}


def _add_warehouse(archive: tarfile.TarFile, folder: Path, warehouse: Path, written: PackedFiles) -> None:
    """Add a DuckDB file and its log. A link is followed always, because other files are not read under the lock."""
    real = warehouse.resolve()
    for suffix in ("", ".wal"):
        beside = warehouse.with_name(f"{warehouse.name}{suffix}")
        path = beside if beside.exists() else real.with_name(f"{real.name}{suffix}")
        _add_one(archive, path, beside.relative_to(folder).as_posix(), written)


def _add(archive: tarfile.TarFile, folder: Path, paths: Iterable[Path], written: PackedFiles) -> None:
    """Add files. What SQLite keeps beside a file is in the copy of that file."""
    for path in paths:
        name = path.relative_to(folder).as_posix()
        beside = path.name.endswith(("-wal", "-shm", "-journal"))
        if beside and _is_sqlite(path.with_name(path.name[: path.name.rindex("-")])):
            continue
        if stays_link(folder, path):
            link = tarfile.TarInfo(name)
            link.type = tarfile.SYMTYPE
            link.linkname = os.path.relpath(path.resolve().relative_to(folder.resolve()), Path(name).parent)
            archive.addfile(link)
            written.files += 1
        else:
            _add_one(archive, path, name, written)


def _add_one(archive: tarfile.TarFile, path: Path, name: str, written: PackedFiles) -> None:
    """Add a file. One that is gone by now was replaced or removed."""
    try:
        content = path.open("rb")
    except FileNotFoundError:
        return
    with content:
        info, why = _add_file(archive, path, name, content)
    written.bytes += info.size
    if why:
        written.damaged[name] = why
    written.files += 1


def _add_file(archive: tarfile.TarFile, path: Path, name: str, content: BinaryIO) -> tuple[tarfile.TarInfo, str]:
    """Add an open file. Return what was added, and for a database that cannot be read the reason."""
    info = archive.gettarinfo(arcname=name, fileobj=content)
    start = content.read(len(_SQLITE))
    why = ""
    if start == _SQLITE:
        try:
            return info, _add_database(archive, path, info)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # it is in use, or the disk is full
                raise
            why = str(error)
    elif info.size and path.suffix in _DATABASES and start[8 : 8 + len(_DUCKDB)] != _DUCKDB:
        why = "it is no database"
    content.seek(0)
    _add_content(archive, path, info, content)
    return info, why


def _add_content(archive: tarfile.TarFile, path: Path, info: tarfile.TarInfo, content: BinaryIO) -> None:
    """Add a file as it is."""
    try:
        archive.addfile(info, content)
    except OSError as error:
        if os.fstat(content.fileno()).st_size < info.size:
            raise EtlError(f"{path} became shorter while it was read: {error}", "start the backup again") from error
        raise


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as content:
            return content.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _add_database(archive: tarfile.TarFile, path: Path, info: tarfile.TarInfo) -> str:
    """Add a copy that SQLite makes, because another process may write the file. Return what is wrong with the copy."""
    with tempfile.TemporaryDirectory(prefix="etl-backup-") as scratch:
        copy = Path(scratch, "copy")
        with closing(sqlite3.connect(path, timeout=60)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            found = str(target.execute("PRAGMA quick_check(1)").fetchone()[0])
        info.size = copy.stat().st_size
        with copy.open("rb") as content:
            archive.addfile(info, content)
    return "" if found == "ok" else found


def main(arguments: list[str]) -> None:
    """Do what this process is started for: `pack FOLDER DATA`, `mark DATA BACKUP`, or `unpack FOLDER DATA`."""
    match arguments:
        case ["pack", folder, data]:
            sys.stderr.write(json.dumps(asdict(pack(Path(folder), Path(data), sys.stdout.buffer))))
        case ["mark", data, backup]:
            write_mark(Path(data), backup)
        case ["unpack", folder, data]:
            clear(Path(folder), Path(data))
            unpack(Path(folder), sys.stdin.buffer)
        case _:
            sys.exit(f"{arguments} is no command of this module")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EtlError as error:
        sys.stderr.write(json.dumps({"problem": error.problem, "hint": error.hint}))
        sys.exit(REFUSED)
