"""Writes the files of an installation into a folder, and never over what a person has changed there.

Belongs here: comparing and writing. Not here: the content of the files (`compose`, `helm`, `systemd`).

The folder keeps a list of what was written, with digests. A file that differs from its digest was changed by a person.
"""

import hashlib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import ConfigError, EtlError

WRITTEN = ".written.json"
_HINT = "remove the folder's list of written files, and write the files again with --overwrite"


class FileChange(Enum):
    """What happens to one file."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "as it was"
    REMOVED = "removed"
    KEPT = "left: it was changed by hand, and is no longer needed"


class Written(BaseModel):
    """The list of what was written: the digest of each file by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    files: dict[str, str] = {}


def changes(folder: Path, files: Mapping[str, str], *, overwrite: bool = False) -> dict[str, FileChange]:
    """Return what writing would do to each file. Raises EtlError if a person has changed one, unless `overwrite`."""
    before = _written(folder)
    found: dict[str, FileChange] = {}
    by_hand = []
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            found[name] = FileChange.NEW
        elif (content := path.read_bytes()) == text.encode():
            found[name] = FileChange.SAME
        else:
            found[name] = FileChange.CHANGED
            by_hand += [] if _digest(content) == before.files.get(name) else [name]
    for name in sorted(before.files.keys() - files.keys()):
        path = folder / name
        if path.is_file():
            found[name] = FileChange.REMOVED if _digest(path.read_bytes()) == before.files[name] else FileChange.KEPT
    if by_hand and not overwrite:
        raise EtlError(
            f"{', '.join(by_hand)} in {folder} was changed by hand, or is not this command's: nothing was written",
            "put own settings into a file of their own, or give --overwrite",
        )
    return found


def write(folder: Path, files: Mapping[str, str], *, overwrite: bool = False) -> dict[str, FileChange]:
    """Write the files, and remove those that an earlier writing has left. Return what happened to each."""
    found = changes(folder, files, overwrite=overwrite)
    try:
        for name, change in found.items():
            path = folder / name
            if change in (FileChange.NEW, FileChange.CHANGED):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(files[name], encoding="utf-8")
            elif change is FileChange.REMOVED:
                path.unlink()
        written = Written(files={name: _digest(text.encode()) for name, text in sorted(files.items())})
        (folder / WRITTEN).write_text(written.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise EtlError(f"{folder} cannot be written to: {error}", "name a folder that you may write to") from error
    return found


def _written(folder: Path) -> Written:
    path = folder / WRITTEN
    if not path.is_file():
        return Written()
    try:
        return Written.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{path} cannot be read: {error.errors()[0]['msg']}", _HINT) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
