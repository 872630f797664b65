"""Makes a backup: Dagster's database, then the folder of each service.

Belongs here: the order, the folder of a backup, and which backups are kept. Not here: reading the folder of a service
(`archive`), and reading a backup again (`restore`).

Dagster's history comes first: rows that are newer than the history are found and loaded again by the next run, while a
history that is newer than the rows would show as done what is not there.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from etl.deployment import postgres
from etl.deployment.archive import REFUSED, is_empty
from etl.deployment.manifest import DUMP, FILE, BackupManifest, BackupPart, digest_of, read_manifest, write_manifest
from etl.deployment.stored import Kept, Stored, as_its_user
from etl.errors import EtlError, NothingExamined

_UNFINISHED = ".unfinished-"


def make_backup(
    stored: Stored,
    out: Path,
    *,
    password: str,
    elsewhere: tuple[str, ...],
    tell: Callable[[str], None],
    damaged: dict[Path, str] | None = None,
) -> Path:
    """Write a backup into a new folder below `out`, named by the time, and return the folder.

    Runs may be at work. The folder has its name only when the backup is complete. To `damaged` are added the databases
    that cannot be read, with the reason: they are in the backup as they are.
    """
    for each in stored.folders:
        if out.resolve().is_relative_to(each.folder.resolve()):
            raise EtlError(
                f"{out} is in the folder that is backed up, {each.folder}", "name a folder outside it, on another disk"
            )
    if stored.database is None and not any(_has_file(each) for each in stored.folders):
        places = " and ".join(str(each.folder) for each in stored.folders)
        raise NothingExamined(f"there is nothing to back up in {places}", "run something first: `etl run`")
    begun = datetime.now(UTC)
    name = f"{begun:%Y-%m-%dT%H%M%SZ}"
    work = out / f"{_UNFINISHED}{name}"
    out.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(out)
    try:
        work.mkdir(mode=0o700)
    except FileExistsError:
        raise EtlError(f"another backup has begun in this second in {out}", "start this one again") from None
    with being_written(work):
        found = _write(stored, work, begun, password=password, elsewhere=elsewhere, tell=tell)
        if damaged is not None:
            damaged |= found
        return work.rename(out / name)


@contextmanager
def being_written(work: Path) -> Iterator[None]:
    """Hold the folder of a backup, so that another backup does not take it for what a killed one has left."""
    descriptor = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_unfinished(out: Path) -> None:
    """Remove the folders of killed backups. A lock ends with its process, so a held one belongs to a living backup."""
    for each in out.glob(f"{_UNFINISHED}????-??-??T??????Z"):
        with suppress(BlockingIOError), being_written(each):
            shutil.rmtree(each)


def _write(
    stored: Stored,
    work: Path,
    begun: datetime,
    *,
    password: str,
    elsewhere: tuple[str, ...],
    tell: Callable[[str], None],
) -> dict[Path, str]:
    """Write all files of a backup, and see that they survive a loss of power. Return the damaged databases."""
    parts, damaged = [], dict[Path, str]()
    if stored.database is not None:
        tell("Dagster's database")
        postgres.dump(stored.database, password, work / DUMP)
        parts.append(BackupPart(file=DUMP, sha256=digest_of(work / DUMP), bytes=(work / DUMP).stat().st_size))
    for each in stored.folders:
        tell(each.service)
        part, found = _packed(each, work)
        parts.append(part)
        damaged |= {each.folder / name: why for name, why in found.items()}
    manifest = BackupManifest(
        begun=begun,
        release=version("tenant-etl"),
        origin=stored.origin,
        tenants=stored.tenants,
        parts=tuple(parts),
        elsewhere=elsewhere,
    )
    write_manifest(work, manifest)
    for path in (*work.iterdir(), work):
        _sync(path)
    return damaged


def keep_newest(out: Path, count: int, stored: Stored) -> tuple[list[Path], list[Path]]:
    """Remove all complete backups of this installation below `out` but the newest `count`.

    Returns what was removed, and what stays because another installation has made it.
    """
    complete = sorted(each.parent for each in out.glob(f"*/{FILE}") if not each.parent.name.startswith("."))
    own = [each for each in complete if _is_of(stored, each)]
    for each in own[:-count]:
        shutil.rmtree(each)
    return own[:-count], [each for each in complete if each not in own]


def _is_of(stored: Stored, folder: Path) -> bool:
    """Whether this is certainly a backup of this installation: nothing else is removed."""
    try:
        return read_manifest(folder).origin == stored.origin
    except EtlError:
        return False


def _has_file(kept: Kept) -> bool:
    """Whether the folder may have something: the folder of another user is looked at by that user's process."""
    return kept.user is not None or not is_empty(kept.folder, kept.data)


def _packed(kept: Kept, work: Path) -> tuple[BackupPart, dict[str, str]]:
    target = work / f"{kept.service}.tar"
    digest, size = hashlib.sha256(), 0
    options = as_its_user(kept)
    if not kept.folder.is_dir():
        raise EtlError(f"the folder {kept.folder} is missing", f"mount its disk, or make it: {kept.how_to_make}")
    command = [sys.executable, "-P", "-m", "etl.deployment.archive", "pack", str(kept.folder), str(kept.data)]
    with (
        target.open("xb") as out,
        subprocess.Popen(  # noqa: S603  no part of it comes from a tenant
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", **options
        ) as child,
    ):
        while child.stdout is not None and (chunk := child.stdout.read(1 << 20)):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
        said = child.stderr.read().decode(errors="replace") if child.stderr else ""
    if child.returncode == REFUSED:
        wrong = json.loads(said.splitlines()[-1])
        raise EtlError(wrong["problem"], wrong["hint"])
    if child.returncode != 0:
        last = said.strip().splitlines()[-1:] or ["it was killed"]
        raise EtlError(
            f"{kept.folder} could not be read: {last[0]}",
            "mend that; the next backup removes the unfinished one",
        )
    written = json.loads(said.splitlines()[-1])
    part = BackupPart(
        file=target.name, service=kept.service, sha256=digest.hexdigest(), bytes=size, files=written["files"]
    )
    return part, written["damaged"]


def _sync(path: Path) -> None:
    """Make sure that the file survives a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
