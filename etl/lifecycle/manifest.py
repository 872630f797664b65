"""The manifest of an exported tenant: every file with its SHA-256, every table with its columns and rows.

Belongs here: its model, writing it, and checking an export against it. Not here: exporting (`export`), importing
(`importing`).

The manifest is written last, so a folder without it is no export. An export holds exactly the files of its manifest.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from etl.config.identifiers import TenantId
from etl.errors import EtlError
from etl.formats import check_format
from etl.warehouse.contents import OwnTable

FORMAT = 1
FILE = "manifest.json"
_BLOCK = 1 << 20
Kind = Literal["object", "table", "ledger", "contract", "tenant", "dbt", "decisions", "text"]


class ExportedFile(BaseModel):
    """One file of an export."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Relative to the folder of the export."""
    kind: Kind
    bytes: int
    sha256: str
    in_bucket: bool = False
    """For an object: whether it was in the tenant's bucket and not in the local lake."""


class ExportedTable(BaseModel):
    """One table or view, and the file with its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: OwnTable
    path: str


class Manifest(BaseModel):
    """What an export holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    tenant: TenantId
    made: datetime
    product: str
    warehouse: str
    """The kind of the warehouse: tables and ledger can be imported into the same kind."""
    has_warehouse: bool
    entries: int
    """The number of the ledger's entries."""
    files: tuple[ExportedFile, ...]
    tables: tuple[ExportedTable, ...]
    not_exported: tuple[str, ...]
    """What the tenant has and an export does not hold."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def listed(folder: Path, path: Path, kind: Kind, *, in_bucket: bool = False) -> ExportedFile:
    """Return the manifest's line about a file of the folder."""
    return ExportedFile(
        path=path.relative_to(folder).as_posix(),
        kind=kind,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        in_bucket=in_bucket,
    )


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest into the folder. Returns its SHA-256."""
    path = folder / FILE
    path.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return sha256_of(path)


def checked_manifest(folder: Path, expected: str | None) -> Manifest:
    """Return the manifest of an export whose files are all there and as they were written. Otherwise raise an error.

    `expected` is the manifest's SHA-256 that the export has told: with it, a manifest that was changed together with
    its files is refused too.
    """
    path = folder / FILE
    if not path.is_file():
        raise EtlError(
            f"{folder} is no complete export: there is no {FILE}", "name the folder that `etl tenant export` has made"
        )
    if expected is not None and (found := sha256_of(path)) != expected.strip().lower():
        raise EtlError(
            f"{path} is not the manifest that was expected: its SHA-256 is {found}", "get the export again, unchanged"
        )
    try:
        manifest = Manifest.model_validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        check_format(_format(path), newest=FORMAT, what=str(path))
        raise EtlError(
            f"{path} is no manifest of an export: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            "get the export again, unchanged",
        ) from None
    check_format(manifest.format, newest=FORMAT, what=str(path))
    problems = list(_differences(folder, manifest))
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""  # noqa: PLR2004  enough to see the kind
        raise EtlError(
            f"{folder} is not as it was exported: {'; '.join(problems[:5])}{more}",
            "nothing was imported; get the export again, unchanged",
        )
    return manifest


def _format(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())["format"]
    except (ValueError, TypeError, KeyError):
        return None


def _differences(folder: Path, manifest: Manifest) -> list[str]:
    named = {each.path: each for each in manifest.files}
    found = []
    for name, each in named.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts or path.is_symlink():
            found.append(f"{name} leads out of the folder")
        elif not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size != each.bytes or sha256_of(path) != each.sha256:
            found.append(f"{name} was changed")
    there = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file() or each.is_symlink()}
    found += [f"{each} does not belong to it" for each in sorted(there - named.keys() - {FILE})]
    found += [f"{each.path} has no line" for each in manifest.tables if each.path not in named]
    return found
