"""The list of what a backup has: its parts with their hashes, and what is not in it.

Belongs here: the model, writing and reading it. Not here: making a backup (`backup`), reading its parts (`restore`).
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from etl.errors import EtlError
from etl.formats import check_format

FORMAT = 1
FILE = "manifest.json"
DUMP = "dagster.dump"
_CHUNK = 1 << 20


class BackupPart(BaseModel):
    """One file of a backup. `service` is empty for Dagster's database."""

    model_config = ConfigDict(frozen=True)  # a later release may add values in the same format

    file: str = Field(pattern=r"^[^/.][^/]*$")
    service: str = ""
    sha256: str
    bytes: int
    files: int = 1


class BackupManifest(BaseModel):
    """A backup: when it was begun, by which release, of which installation, its parts, and what it does not have."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    begun: datetime
    release: str
    origin: str = ""
    tenants: tuple[str, ...] | None = None
    """The tenants of the project at that time; None if a backup does not say it."""
    parts: tuple[BackupPart, ...]
    elsewhere: tuple[str, ...] = ()
    sha256: str = ""
    """The SHA-256 of the manifest itself, without this value."""


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Write the manifest with its own hash."""
    content = manifest.model_dump(mode="json")
    content["sha256"] = _own_digest(content)
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> BackupManifest:
    """Read the manifest of a backup.

    Raises an error if the folder is no backup, or one of a later release, and if the manifest was changed or is empty.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
        found = BackupManifest.model_validate_json(content)
    except FileNotFoundError:
        raise EtlError(
            f"{folder} is no backup: it has no {FILE}", "name the folder that `etl backup` has printed"
        ) from None
    except ValidationError as error:
        raise EtlError(f"{path} cannot be read: {error.errors()[0]['msg']}", "use another backup") from error
    check_format(found.format, newest=FORMAT, what=f"the backup {folder}")
    if found.sha256 != _own_digest(json.loads(content)):
        raise EtlError(f"{path} has changed since it was written", "use another backup")
    if not found.parts:
        raise EtlError(f"{path} names no part: the backup has nothing", "use another backup")
    return found


def damaged(folder: Path, manifest: BackupManifest) -> list[str]:
    """Return what is missing in the folder, differs from what was written, or is there unnamed, with the reason."""
    named = [FILE, *(each.file for each in manifest.parts)]
    wrong = [f"{each} is named twice" for each in sorted(set(named)) if named.count(each) > 1]
    wrong += [f"{each.name} is not in the manifest" for each in sorted(folder.iterdir()) if each.name not in named]
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


def _own_digest(content: dict[str, object]) -> str:
    """Return the SHA-256 of a manifest's values, with those that only a later release knows."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
