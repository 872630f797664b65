"""Examines the data folder: drafts of dead processes, data of tenants that are gone, locks that are held.

Belongs here: files that nobody will use again, and files in use for long. Not here: the formats of files (`formats`).
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from etl import locks
from etl.config.config_loader import list_tenants
from etl.deployment.restore_mark import half_restored, marked_backup
from etl.health.finding import Condition, Examined, good, size
from etl.lake.staging import dead_folders, sweep_dead
from etl.pipeline.life import STAGE
from etl.settings import Settings

LONG_SECONDS = 3600.0


def examine_leftovers(settings: Settings) -> Iterator[Examined]:
    """Yield what is left over in the data folder."""
    if marked_backup(settings.data_dir) is not None:
        wrong = half_restored(settings.data_dir)
        yield Examined("data", "restore", Condition.BAD, wrong.problem, wrong.hint)
    yield _drafts(settings)
    yield _locks(settings)
    yield _of_nobody(settings)


def _drafts(settings: Settings) -> Examined:
    """Drafts of killed runs: the next run of the tenant removes them, and so does the fix."""
    dead = dead_folders(settings.staging_dir)
    if not dead:
        return good("data", "drafts", "no draft of a process that has ended")
    total = sum(_bytes(each) for each in dead)
    return Examined(
        "data",
        "drafts",
        Condition.WARNING,
        f"{len(dead)} folders of processes that have ended, {size(total)}, in {settings.staging_dir}",
        "the next run of the tenant removes them",
        lambda: f"removed {sweep_dead(settings.staging_dir, settings.data_dir / 'locks')} folders",
    )


def _locks(settings: Settings) -> Examined:
    """Locks end with their process, so a lock that is held for long belongs to a process that still works or hangs."""
    long = []
    for path in sorted((settings.data_dir / "locks").glob("*")):
        held_for = time.time() - path.stat().st_mtime
        if path.is_file() and held_for > LONG_SECONDS and locks.is_held(path):
            long.append(f"{path.name} for {held_for / 3600:.1f} hours by process {_holder(path)}")
    if long:
        return Examined(
            "data",
            "locks",
            Condition.WARNING,
            f"held: {'; '.join(long)}",
            "look what that process does; other writers of the same tenant wait for it",
        )
    return good("data", "locks", "none is held for long")


def _holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def _of_nobody(settings: Settings) -> Examined:
    """Data of tenants whose folder is gone is kept: nobody has said that it may be deleted."""
    tenants = set(list_tenants(settings))
    folders = [each for each in settings.lake_dir.glob("*") if each.is_dir()] if settings.lake_dir.is_dir() else []
    lake = [each.name for each in folders if {inner.name for inner in each.iterdir()} != {STAGE}]  # not what was erased
    files = [each.stem for each in settings.warehouse_dir.glob("*.duckdb")]
    strangers = sorted({*lake, *files} - tenants)
    if strangers:
        return Examined(
            "data",
            "tenants",
            Condition.WARNING,
            f"data of {', '.join(strangers)}, which is no tenant of this project",
            "bring the folder back for `etl tenant erase`, which needs its config.yaml; or delete the data yourself"
            f" in {settings.lake_dir} and {settings.warehouse_dir}",
        )
    return good("data", "tenants", "no data of a tenant that is gone")


def _bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
