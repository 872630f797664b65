"""Folders for unfinished files: private to one process, gone with it.

Belongs here: making, holding and sweeping them. Does not: what is written into them.

A folder holds a lock file that its process keeps locked. A folder whose lock is free belongs to a process that has
died, and the next run removes it; a folder in use is never touched.
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
        """Sweep what dead processes left below `tenant_dir`, then make a folder in `tenant_dir/group`."""
        self._tenant_dir = tenant_dir
        self._lock_file = lock_dir / f"{tenant_dir.name}.staging"
        with self._alone():
            _sweep(tenant_dir)
            self.path = tenant_dir / group / f"{label}.{os.getpid()}.{secrets.token_hex(4)}"
            self.path.mkdir(parents=True)
            self._held = locks.hold(self.path / _ALIVE)

    def remove(self) -> None:
        """Remove the folder, and its parents where they are empty."""
        with self._alone():
            _remove(self.path, self._tenant_dir)
            os.close(self._held)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locks.exclusive(self._lock_file, what="the staging area", limit_seconds=60, error=LakeError):
            yield


def _sweep(folder: Path) -> None:
    """Remove everything that no living process holds; do not look into what is held."""
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
