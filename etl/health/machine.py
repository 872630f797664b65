"""Examines the machine: free disk, the clock, time zones, and whether drafts and lake are on one filesystem.

Belongs here: what the machine gives to the product. Not here: the files of the product (`leftovers`).
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.health.finding import Condition, Examined, good, size
from etl.settings import Settings

LITTLE_BYTES, NO_BYTES = 5 << 30, 500 << 20
FEW_INODES = 10_000
SECONDS_AHEAD = 60


def examine_machine(settings: Settings) -> Iterator[Examined]:
    """Yield the state of the machine."""
    yield from _disks(settings)
    yield _one_filesystem(settings)
    yield _clock(settings)
    try:
        ZoneInfo("Asia/Seoul")
        yield good("machine", "time zones", "the database of time zones is there")
    except ZoneInfoNotFoundError:
        yield Examined(
            "machine", "time zones", Condition.BAD, "there is no database of time zones", "install the package tzdata"
        )


def _disks(settings: Settings) -> Iterator[Examined]:
    """Yield the free space of each filesystem that the product writes to."""
    seen: set[int] = set()
    home = os.environ.get("DAGSTER_HOME")
    places = [settings.data_dir, *([Path(home)] if home else []), Path(os.environ.get("TMPDIR") or "/tmp")]  # noqa: S108  only its free space is read
    for path in places:
        folder = next(each for each in (path, *path.absolute().parents) if each.exists())
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        usage, nodes = shutil.disk_usage(folder), os.statvfs(folder)
        said = f"{size(usage.free)} of {size(usage.total)} free at {folder}"
        what = f"disk of {path.name}"
        remedy = "free space, or move it: ETL_DATA_DIR names the data, DAGSTER_HOME Dagster's storage"
        if usage.free < NO_BYTES or (nodes.f_files and nodes.f_favail < FEW_INODES):
            yield Examined("machine", what, Condition.BAD, f"{said}, {nodes.f_favail:,} more files", remedy)
        elif usage.free < LITTLE_BYTES:
            yield Examined("machine", what, Condition.WARNING, said, remedy)
        else:
            yield good("machine", what, said)
        if not os.access(folder, os.W_OK):
            yield Examined(
                "machine", what, Condition.BAD, f"{folder} cannot be written", "give this user the right to write there"
            )


def _one_filesystem(settings: Settings) -> Examined:
    """Publishing is one rename only if drafts and lake are on one filesystem."""
    devices = {each.stat().st_dev for each in (settings.staging_dir, settings.lake_dir) if each.exists()}
    if len(devices) > 1:
        return Examined(
            "machine",
            "drafts and lake",
            Condition.BAD,
            f"{settings.staging_dir} and {settings.lake_dir} are two filesystems: publishing is no single step",
            "mount one filesystem at the data folder, above both",
        )
    return good("machine", "drafts and lake", "on one filesystem")


def _clock(settings: Settings) -> Examined:
    """A file that was written in the future shows that the clock has been set back."""
    folders = [settings.data_dir, Path(os.environ.get("DAGSTER_HOME") or settings.data_dir)]
    files = [each for folder in folders if folder.is_dir() for each in (folder, *folder.iterdir())]
    ahead = max((each.stat().st_mtime for each in files), default=0.0) - time.time()
    if ahead > SECONDS_AHEAD:
        return Examined(
            "machine",
            "clock",
            Condition.BAD,
            f"files were written {ahead:,.0f} seconds in the future, so this clock is late or was set back",
            "let a time service set the clock, then look whether partitions and promises were judged meanwhile",
        )
    return good("machine", "clock", f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, not before known files")
