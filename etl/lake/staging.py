"""Private folders for the unfinished files of one process.

Belongs here: making, holding and sweeping the folders. Not here: what is written into them.

A folder has a lock file that its process keeps locked. If the lock is free, the process has died, and the next run
removes the folder; a folder in use is never changed.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl import locks
from etl.errors import LakeError

_ALIVE = "alive.lock"


class StagingFolder:
    """A private folder; remove it with `remove`, or let the next run sweep it."""

    def __init__(self, tenant_dir: Path, group: str, label: str, lock_dir: Path) -> None:
        """Remove folders of dead processes below `tenant_dir`, then make a folder in `tenant_dir/group`."""
        self._tenant_dir = tenant_dir
        self._lock_file = lock_dir / f"{tenant_dir.name}.staging"
        with self._alone():
            _sweep(tenant_dir)
            self.path = tenant_dir / group / f"{label}.{os.getpid()}.{secrets.token_hex(4)}"
            self.path.mkdir(parents=True)
            self._held = locks.hold(self.path / _ALIVE)

    def remove(self) -> None:
        """Remove the folder, and its parent folders if they are empty."""
        with self._alone():
            _remove(self.path, self._tenant_dir)
            os.close(self._held)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locks.exclusive(self._lock_file, what="the staging area", limit_seconds=60, error=LakeError):
            yield


def dead_folders(staging_dir: Path) -> list[Path]:
    """Return the private folders whose process has ended, of all tenants."""
    return sorted(each.parent for each in staging_dir.rglob(_ALIVE) if not locks.is_held(each))


def sweep_dead(staging_dir: Path, lock_dir: Path) -> int:
    """Remove the private folders whose process has ended, of all tenants. Return their number."""
    count = 0
    for tenant_dir in sorted(each for each in staging_dir.glob("*") if each.is_dir()):
        lock = lock_dir / f"{tenant_dir.name}.staging"
        with locks.exclusive(lock, what="the staging area", limit_seconds=60, error=LakeError):
            count += len(dead_folders(tenant_dir))
            _sweep(tenant_dir)
    return count


def _sweep(folder: Path) -> None:
    """Remove all folders that no living process holds. A folder that is held is not opened."""
    lock = folder / _ALIVE
    if not folder.exists() or (lock.exists() and locks.is_held(lock)):
        return
    for child in folder.iterdir():
        if child.is_dir():
            _sweep(child)
        else:
            child.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _remove(folder: Path, tenant_dir: Path) -> None:
    shutil.rmtree(folder)
    for parent in folder.parents:
        if any(parent.iterdir()):
            return
        parent.rmdir()
        if parent == tenant_dir:
            return
