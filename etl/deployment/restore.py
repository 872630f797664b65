"""Reads a backup into an empty installation, or goes on with a restore that was killed.

Belongs here: what must be true before anything is written, and the order. Not here: making backups (`backup`), writing
the folder of a service (`archive`), runs that were at work when the backup was made (`etl.resources.run_worker`).
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from etl.deployment import postgres
from etl.deployment.manifest import DUMP, BackupManifest, BackupPart, damaged, read_manifest
from etl.deployment.restore_mark import MARK, marked_backup
from etl.deployment.stored import Kept, Stored, as_its_user
from etl.errors import EtlError


def examined_backup(folder: Path, stored: Stored, password: str) -> BackupManifest:
    """Return the manifest if the backup is whole, and this installation is empty, stopped, and has the same services.

    What an unfinished restore of the same backup has written is no obstacle. Raises an error that names what is wrong.
    Nothing is changed.
    """
    manifest = read_manifest(folder)
    if wrong := damaged(folder, manifest):
        raise EtlError(f"the backup {folder} is damaged: {', '.join(wrong)}", "use another backup")
    services = {each.service for each in manifest.parts if each.service}
    here = {each.service for each in stored.folders}
    if missing := sorted(services - here):
        raise EtlError(
            f"the backup has services that this installation lacks: {', '.join(missing)}",
            "install the same services first: `etl deploy` with the tenants of that time",
        )
    if missing := sorted(here - services):
        raise EtlError(
            f"the backup lacks services that this installation has: {', '.join(missing)}",
            "install the services of that time first, and those that are new after the restore: `etl deploy`",
        )
    _check_tenants(stored, manifest)
    goes_on = _check_folders(stored, manifest)
    if any(each.file == DUMP for each in manifest.parts) != (stored.database is not None):
        raise EtlError(
            "Dagster's storage is PostgreSQL on one side and SQLite files on the other",
            "restore into an installation of the same kind",
        )
    if stored.database is not None:
        _check_database(stored, password, goes_on=goes_on)
    return manifest


def restore_backup(
    folder: Path,
    manifest: BackupManifest,
    stored: Stored,
    *,
    password: str,
    tell: Callable[[str], None],
    then: Callable[[], None] = lambda: None,
) -> None:
    """Read the parts of an examined backup: Dagster's database, which is all or nothing, then the folders.

    A mark in each data folder is written first, and removed last, after `then`.
    """
    for each in stored.folders:
        _by_its_user(each, "mark", str(each.data), manifest.sha256, failed=f"{each.data} could not be written")
    database = stored.database
    if database is not None and not postgres.tables(database, password):  # else this restore has done it before
        tell("Dagster's database")
        postgres.restore(database, password, folder / DUMP)
    kept = {each.service: each for each in stored.folders}
    for part in manifest.parts:
        if part.service:
            tell(part.service)
            _unpacked(folder, part, kept[part.service])
    then()
    for each in stored.folders:
        (each.data / MARK).unlink()


def _check_tenants(stored: Stored, manifest: BackupManifest) -> None:
    """Raise an error if the project has other tenants than the backup, which may be one of another project."""
    if manifest.tenants is None:
        return
    then, now = {*manifest.tenants}, {*stored.tenants}
    differ = [f"{each} is in the backup, and not in this project" for each in sorted(then - now)]
    differ += [f"{each} is in this project, and not in the backup" for each in sorted(now - then)]
    if differ:
        raise EtlError(
            f"the backup of {manifest.origin} is one of other tenants: {'; '.join(differ)}",
            "if it is the right one, check out the tenants' files of that time, and those of today after the restore",
        )


def _check_folders(stored: Stored, manifest: BackupManifest) -> bool:
    """Raise an error if a folder is neither empty nor of an unfinished restore; return whether there is such a one."""
    goes_on = False
    for each in stored.folders:
        if not each.folder.is_dir():
            raise EtlError(f"the folder {each.folder} is missing", each.how_to_make)
        marked = marked_backup(each.data)
        if marked not in {None, "", manifest.sha256}:
            raise EtlError(
                f"a restore of another backup into {each.folder} has not ended",
                f"go on with that backup, or move the folder away and make an empty one: {each.how_to_make}",
            )
        if marked == manifest.sha256:
            goes_on = True
            continue
        inside = (path for path in each.folder.rglob("*") if not path.is_dir() and path != each.data / MARK)
        if (first := next(inside, None)) is not None:
            raise EtlError(
                f"{each.folder} is not empty: it has {first.relative_to(each.folder)}",
                "a backup is restored into empty folders only, so that nothing is overwritten: move the folder away"
                f" and make an empty one: {each.how_to_make}",
            )
    return goes_on


def _check_database(stored: Stored, password: str, *, goes_on: bool) -> None:
    database = stored.database
    if database is None:
        return
    if count := postgres.connections(database, password):
        raise EtlError(
            f"{count} connections to the database {database.name} are open: something is still running",
            "stop everything first: systemctl stop etl.target 'etl-*.service', and end runs that are left",
        )
    if not goes_on and (count := postgres.tables(database, password)):
        raise EtlError(
            f"the database {database.name} is not empty: it has {count} tables",
            f"rename it (ALTER DATABASE {database.name} RENAME TO ...) and make an empty one",
        )


def _unpacked(folder: Path, part: BackupPart, kept: Kept) -> None:
    failed = f"{part.file} could not be written to {kept.folder}"
    with (folder / part.file).open("rb") as source:
        _by_its_user(kept, "unpack", str(kept.folder), str(kept.data), source=source, failed=failed)


def _by_its_user(kept: Kept, *arguments: str, failed: str, source: BinaryIO | None = None) -> None:
    """Run a command of `archive` in a process of the service's user."""
    done = subprocess.run(  # noqa: S603  no part of it comes from a tenant
        [sys.executable, "-P", "-m", "etl.deployment.archive", *arguments],
        stdin=source or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **as_its_user(kept),
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it was killed"]
        raise EtlError(f"{failed}: {last[0]}", "mend that, and run the same command again: it goes on")
