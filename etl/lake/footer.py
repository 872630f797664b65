"""Verifies, stamps and reads the footer of a Parquet file, and computes the version of the file's data.

Belongs here: the last bytes of a file, and the hash of the rest. Not here: where the file is stored (`lake`).

The writer of a file for the lake puts `PLACEHOLDER_FOOTER` among the file's key-values. When the file is published, the
provenance is written over the placeholder. Both have the same length, so no offset moves and no row is rewritten.
"""

import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from etl.errors import LakeError
from etl.formats import check_format
from etl.lake.objects import FORMAT, WITH_ERASED, Provenance

KEY = "etl"
WIDTH = 4096
_TOKEN = "etl-provenance-placeholder-9d1c0b6e"  # noqa: S105  a marker to be found again, not a secret
_PLACEHOLDER = _TOKEN.ljust(WIDTH)
PLACEHOLDER_FOOTER: dict[str, str] = {KEY: _PLACEHOLDER}

_MAGIC = b"PAR1"
TRAILER = 8
"""A Parquet file ends with the footer's length in four bytes and the magic."""
_BLOCK = 1 << 20


_AGAIN = "run its partition again: a new file takes its place"


class DamagedError(LakeError):
    """The file is not a complete Parquet file. No reader can read it, so nothing is lost when a run replaces it."""


@dataclass(frozen=True)
class Stamp:
    """The content of a published object's footer."""

    provenance: Provenance
    version: str


@dataclass(frozen=True)
class Footer:
    """The last bytes of one Parquet file, decoded."""

    rows: int
    schema: pa.Schema
    length: int
    key_values: dict[bytes, bytes]

    def stamp(self, name: str) -> Stamp:
        """Return the provenance; `name` is the object's name, for an error."""
        raw = self.key_values.get(KEY.encode(), b"").strip()
        try:
            content = json.loads(raw)
            version, found = content.pop("version"), content.pop("format", None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LakeError(
                f"{name} has no provenance: it was not published by this product",
                "move the file away and materialize the partition again",
            ) from error
        number = check_format(found, newest=FORMAT, what=f"the footer of {name}")
        if number == 1:
            content |= {"inputs": None}
        try:
            return Stamp(version=version, provenance=Provenance(**content, format=number))
        except (TypeError, ValidationError) as error:
            raise LakeError(
                f"the footer of {name} is not one of format {number}: {_first(error)}",
                "it was changed by hand or is damaged: move the file away and materialize the partition again",
            ) from None


def _absent(provenance: Provenance) -> set[str]:
    """Return the keys that the format of this footer does not have, so that the release before can read it."""
    return {"erased"} if provenance.format < WITH_ERASED else set()


def _first(error: TypeError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        told = error.errors(include_url=False, include_input=False)[0]
        return f"`{'.'.join(map(str, told['loc']))}`: {told['msg']}"
    return str(error)


def decode(tail: bytes, name: str) -> Footer:
    """Decode a file's last bytes, which must hold at least the whole footer."""
    try:
        parquet = pq.ParquetFile(io.BytesIO(tail))
        return Footer(
            rows=parquet.metadata.num_rows,
            schema=parquet.schema_arrow,
            length=footer_length(tail, name),
            key_values=dict(parquet.metadata.metadata or {}),
        )
    except pa.ArrowNotImplementedError as error:
        raise LakeError(
            f"{name} has a column whose type other readers cannot read: {error}",
            "cast it in the transform: a 128-bit integer to Int64 or Decimal",
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{name} is not a complete Parquet file: {error}", _AGAIN) from None


def footer_length(tail: bytes, name: str) -> int:
    """Return the footer's length, which is written in the trailer."""
    if len(tail) < TRAILER or tail[-4:] != _MAGIC:
        raise DamagedError(f"{name} is not a complete Parquet file", _AGAIN)
    return int.from_bytes(tail[-TRAILER:-4], "little")


def read_footer(path: Path, name: str) -> Footer:
    """Decode the footer of a local file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER))
        length = footer_length(file.read(), name)
        if length + TRAILER > size:
            raise DamagedError(f"{name} is not a complete Parquet file", _AGAIN)
        file.seek(size - TRAILER - length)
        return decode(file.read(), name)


def data_version(path: Path, footer: Footer) -> str:
    """Return the sha256 of the bytes of the rows in the file, and of the columns' names and types.

    Parquet keeps names and types only in the footer. Without them, a file with a renamed column, or a file without rows
    but with other columns, would have the same version.
    """
    digest = hashlib.sha256()
    for field in footer.schema:
        digest.update(f"{field.name}\0{field.type}\0".encode())
    with path.open("rb") as file:
        left = path.stat().st_size - TRAILER - footer.length
        while left > 0:
            block = file.read(min(_BLOCK, left))
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def write_stamp(path: Path, stamp: Stamp, footer: Footer, name: str) -> None:
    """Write the provenance over the placeholder and make the file durable."""
    _write(path, stamp, footer, name, _PLACEHOLDER.encode())


def replace_stamp(path: Path, stamp: Stamp, footer: Footer, name: str) -> None:
    """Write another provenance over the one of a finished file. No row and no offset changes."""
    _write(path, stamp, footer, name, footer.key_values[KEY.encode()])


def _write(path: Path, stamp: Stamp, footer: Footer, name: str, before: bytes) -> None:
    content = stamp.provenance.model_dump(mode="json", exclude=_absent(stamp.provenance)) | {"version": stamp.version}
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    if len(text) > WIDTH:
        raise LakeError(
            f"the provenance of {name} takes {len(text)} bytes of {WIDTH}", "shorten the audit's verdict or the run id"
        )
    with path.open("r+b") as file:
        start = file.seek(-TRAILER - footer.length, os.SEEK_END)
        tail = file.read(footer.length)
        at = tail.find(before)
        if at < 0 or tail.count(before) != 1 or len(before) != WIDTH:
            raise LakeError(
                f"the draft of {name} has no place for its provenance",
                "write it with the key-values of etl.lake.lake.PLACEHOLDER_FOOTER, and publish it once only",
            )
        file.seek(start + at)
        file.write(text.ljust(WIDTH))
        file.flush()
        os.fsync(file.fileno())
