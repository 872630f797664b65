"""The certificate of an erasure: what was removed, what stays, and what could not be removed from here.

Belongs here: its model, its JSON and its readable text. Not here: erasing (`erase`, `subject`).

A certificate holds numbers and hashes, and no value of the data. The names of objects are only hashed, because the key
of a partition may be a value.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from etl.errors import EtlError
from etl.lifecycle.item import Amount

FORMAT = 2


class LeftError(EtlError):
    """An erasure came to its end, and something is still there."""


class NotErased(BaseModel):
    """Something that holds or may hold data of the erased, and that this product cannot or may not remove."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    why: str
    do: str


class Certificate(BaseModel):
    """What an erasure has done. `remaining` was counted at the end, in the same places, and is 0 for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["tenant", "subject"]
    id: str
    tenant: str
    subject: str = ""
    """For one person: the names of the key columns, never their values."""
    asked_by: str
    host: str
    begun: datetime
    ended: datetime
    interruptions: int = 0
    """How often the erasure was interrupted and went on."""
    product: str
    removed: tuple[Amount, ...]
    remaining: tuple[Amount, ...]
    changed: tuple[str, ...] = ()
    """For one person: which objects and tables were written again, with the versions before and after."""
    scanned: str = ""
    kept: tuple[str, ...]
    not_erased: tuple[NotErased, ...]
    not_examined: tuple[NotErased, ...] = ()
    """Places that may hold something, and into which this erasure could not look."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left in any place that was examined."""
        return not any(each.count for each in self.remaining)


def write_certificate(certificate: Certificate, path: Path) -> str:
    """Write the JSON file and a readable text beside it. Returns the SHA-256 of the JSON file."""
    content = (json.dumps(certificate.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()
    digest = hashlib.sha256(content).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, written in ((path, content), (path.with_suffix(".txt"), readable(certificate, digest).encode())):
        new = target.with_name(f".{target.name}.new")
        new.write_bytes(written)
        new.replace(target)
    return digest


def readable(certificate: Certificate, digest: str) -> str:
    """Return the certificate as a text for people."""
    of = f"a person ({certificate.subject}) of tenant {certificate.tenant}" if certificate.subject else (
        f"tenant {certificate.tenant}"
    )  # fmt: skip
    lines = [
        f"Certificate of the erasure of {of}",
        "",
        f"id            {certificate.id}",
        f"begun         {certificate.begun:%Y-%m-%d %H:%M:%S} UTC",
        f"ended         {certificate.ended:%Y-%m-%d %H:%M:%S} UTC",
        f"asked by      {certificate.asked_by} on {certificate.host}",
        f"interrupted   {certificate.interruptions} times" if certificate.interruptions else "interrupted   never",
        f"product       {certificate.product}",
        f"JSON, SHA-256 {digest}",
        "",
        "Removed",
    ]
    for each in certificate.removed:
        rows = f", {each.rows} rows" if each.rows else ""
        lines.append(f"  {each.count:>7} {each.title}{rows}, {each.bytes} bytes (names: SHA-256 {each.names[:16]}...)")
    left = [each for each in certificate.remaining if each.count]
    lines += ["", "Counted again at the end"]
    lines += [f"  {each.count:>7} {each.title} ARE STILL THERE" for each in left] or [
        "  nothing is left in these places"
    ]
    lines += [f"          {each.what}: NOT EXAMINED" for each in certificate.not_examined]
    if certificate.scanned:
        lines += [f"  {certificate.scanned}"]
    if certificate.changed:
        lines += ["", "Written again", *(f"  {each}" for each in certificate.changed)]
    lines += ["", "Kept, without data", *(f"  {each}" for each in certificate.kept)]
    lines += ["", "Not erased, because it cannot be done from here"]
    lines += _listed(certificate.not_erased)
    if certificate.not_examined:
        lines += ["", "NOT EXAMINED: nothing is known about these", *_listed(certificate.not_examined)]
    return "\n".join([*lines, ""])


def _listed(others: Sequence[NotErased]) -> Iterator[str]:
    for each in others:
        yield from (f"  - {each.what}", f"    why:  {each.why}", f"    do:   {each.do}")


def product() -> str:
    """Return the product's name and release."""
    from importlib.metadata import version  # noqa: PLC0415  only here

    return f"tenant-etl {version('tenant-etl')}, Python {platform.python_version()}"
