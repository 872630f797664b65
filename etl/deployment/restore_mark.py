"""The mark of a restore that has not ended: a file in each data folder, written first and removed last.

Belongs here: the file, and refusing to work while it is there. Not here: the restore (`restore`).
"""

import os
from contextlib import suppress
from pathlib import Path

from etl.errors import EtlError

MARK = ".restore-unfinished"


def write_mark(data: Path, backup: str) -> None:
    """Write down that the backup with this hash is being restored into the data folder."""
    data.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (data / MARK).open("x", encoding="ascii") as mark:
        mark.write(backup)
        mark.flush()
        os.fsync(mark.fileno())


def marked_backup(data: Path) -> str | None:
    """Return the hash of the backup whose restore has not ended; None if there is no mark.

    The hash is empty if the process was killed while it wrote the mark. Then nothing was restored yet.
    """
    try:
        return (data / MARK).read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None


def refuse_half_restored(data: Path) -> None:
    """Raise an error if a restore into this data folder has not ended."""
    if marked_backup(data) is not None:
        raise half_restored(data)


def half_restored(data: Path) -> EtlError:
    """Return the error that names the mark and the remedy."""
    return EtlError(
        f"a restore into {data} has not ended: {data / MARK}",
        "run `etl restore` with the same backup again: it goes on. Until then the folder has only a part of the backup",
    )
