"""The list of what a backup has: its parts with their hashes, and what is not in it.

Belongs here: the model, and reading it. Not here: making a backup (`backup`), reading its parts (`restore`).
"""

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import EtlError
from etl.formats import check_format

FORMAT = 1
FILE = "manifest.json"
DUMP = "dagster.dump"
_CHUNK = 1 << 20


class BackupPart(BaseModel):
    """One file of a backup. `service` is empty for Dagster's database."""

    model_config = ConfigDict(frozen=True)  # a later release may add values in the same format

    file: str
    service: str = ""
    sha256: str
    bytes: int
    files: int = 1


class BackupManifest(BaseModel):
    """A backup: when it was begun, by which release, its parts, and what it does not have."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    begun: datetime
    release: str
    parts: tuple[BackupPart, ...]
    elsewhere: tuple[str, ...] = ()


def read_manifest(folder: Path) -> BackupManifest:
    """Read the manifest of a backup. Raises an error if the folder is no backup, or one of a later release."""
    path = folder / FILE
    try:
        found = BackupManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise EtlError(
            f"{folder} is no backup: it has no {FILE}", "name the folder that `etl backup` has printed"
        ) from None
    except ValidationError as error:
        raise EtlError(f"{path} cannot be read: {error.errors()[0]['msg']}", "use another backup") from error
    check_format(found.format, newest=FORMAT, what=f"the backup {folder}")
    return found


def damaged(folder: Path, manifest: BackupManifest) -> list[str]:
    """Return the parts that are missing or differ from what was written, with the reason."""
    wrong = []
    for each in manifest.parts:
        path = folder / each.file
        if not path.is_file():
            wrong.append(f"{each.file} is missing")
        elif digest_of(path) != each.sha256:
            wrong.append(f"{each.file} has changed since it was written")
    return wrong


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
