"""Writes pages into a folder: one folder for each tenant, and one for the operator that no tenant is given.

Belongs here: files, and which of them this product may replace or remove. Not here: what stands in them (`render`).

A file appears whole or not at all. A folder is ours if its `page.json` has our mark: only such a folder is written
again, and only from such a folder are files removed when its tenant is gone. Two builders at once do no harm: a page
that was made earlier never replaces one that was made later.
"""

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from etl.errors import EtlError
from etl.locks import wait_until
from etl.portal.page import FORMAT, MADE_BY, Page
from etl.portal.render import html_of, json_of
from etl.quality.whole_file import write_whole

HTML, JSON = "index.html", "page.json"
OPERATOR = "_operator"
"""The folder of the operator's page. No tenant's id begins with `_`."""
_WAIT = 60.0
"""Seconds for which another builder may hold the folder; a page is written in a few hundredths of one."""
_DRAFT_SECONDS = 3600.0
"""A draft that is older was left by a process that was killed."""


@dataclass(frozen=True)
class Summary:
    """What the JSON of a page says of it in short."""

    tenant: str
    name: str
    level: str
    answer: str
    detail: str
    made_at: datetime
    holds_until: datetime
    troubled: tuple[str, ...] = ()
    """The pipelines that are bad or unknown."""
    is_broken: bool = False
    """Whether the tenant cannot be loaded."""


def write_page(folder: Path, page: Page) -> bool:
    """Write the page of a tenant. Returns False if a newer page is there already."""
    own = folder / page.tenant
    _may_write(own)
    html, content = html_of(page), json_of(page)
    with alone(folder), _errors(own):
        before = read_summary(own)
        if before is not None and before.made_at > page.made_at:
            return False
        own.mkdir(parents=True, exist_ok=True)
        write_whole(own / HTML, html)
        write_whole(own / JSON, content)
        _remove_drafts(own)
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let no other builder on this machine write into the folder of the pages meanwhile.

    Otherwise an older page could replace a newer one, or stand beside the other one's JSON. The folder itself is
    locked, so no file is left in it.
    """
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        wait_until(lambda: _is_locked(descriptor), f"the folder {folder}", lambda: "another builder", _WAIT, EtlError)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Whether we hold the folder; also where the file system cannot lock folders, as NFS."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def write_operator(folder: Path, html: str, content: dict[str, Any]) -> Path:
    """Write the operator's page and return its path."""
    own = folder / OPERATOR
    _may_write(own)
    with _errors(own):
        own.mkdir(parents=True, exist_ok=True)
        write_whole(own / HTML, html)
        write_whole(own / JSON, json.dumps({"made_by": MADE_BY, "format": FORMAT, **content}, indent=1) + "\n")
        _remove_drafts(own)
    return own / HTML


def remove_gone(folder: Path, tenants: Collection[str]) -> tuple[list[str], list[str]]:
    """Remove the pages of tenants that are gone. Returns whose pages were removed, and which folders were kept.

    A folder that is not ours is not looked at. One that has other files too loses only ours, and is named as kept.
    """
    removed, kept = list[str](), list[str]()
    for own in sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()):
        if own.name in tenants or own.name == OPERATOR or not is_ours(own):
            continue
        (removed if remove_page(own) else kept).append(own.name)
    return removed, kept


def remove_page(own: Path) -> bool:
    """Remove the files of a page. Returns whether its folder is gone: it stays if a person has other files in it."""
    with _errors(own):
        (own / HTML).unlink(missing_ok=True)
        _remove_drafts(own)
        (own / JSON).unlink(missing_ok=True)  # last: it is the mark by which the folder is known
        try:
            own.rmdir()
        except OSError:
            return False
    return True


def is_ours(own: Path) -> bool:
    """Whether this product made the folder's page."""
    return (content := _content(own)) is not None and content.get("made_by") == MADE_BY


def read_summary(own: Path) -> Summary | None:
    """Return what the page in a folder says in short; None if there is no page that this release can read."""
    content = _content(own)
    if content is None or content.get("made_by") != MADE_BY or content.get("format") != FORMAT:
        return None
    try:
        return Summary(
            tenant=str(content["tenant"]),
            name=str(content["name"]),
            level=str(content["level"]),
            answer=str(content["answer"]),
            detail=str(content["detail"]),
            made_at=datetime.fromisoformat(content["made_at"]),
            holds_until=datetime.fromisoformat(content["holds_until"]),
            troubled=tuple(str(each["name"]) for each in content["pipelines"] if each["level"] in ("bad", "unknown")),
            is_broken=content["problem"] is not None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def summaries(folder: Path) -> list[Summary]:
    """Return the pages of all tenants that are in a folder."""
    if not folder.is_dir():
        return []
    found = (read_summary(each) for each in sorted(folder.iterdir()) if each.is_dir() and each.name != OPERATOR)
    return [each for each in found if each is not None]


def _content(own: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((own / JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _may_write(own: Path) -> None:
    """Refuse a folder in which somebody else's page is."""
    if own.is_symlink() or (own.exists() and not own.is_dir()):
        raise EtlError(f"{own} is not a folder", "name another folder with --out, or move it away")
    if own.is_dir() and not is_ours(own) and ((own / HTML).exists() or (own / JSON).exists()):
        raise EtlError(
            f"{own} has an {HTML} that `etl portal` did not make; it was not changed",
            "name another folder with --out, or move that file away",
        )


def _remove_drafts(own: Path) -> None:
    """Remove drafts that a killed process left."""
    for name in (HTML, JSON):
        for draft in own.glob(f".{name}.*"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                    draft.unlink()


@contextmanager
def _errors(own: Path) -> Iterator[None]:
    """Turn an error of the operating system into one that names the folder and what to do."""
    try:
        yield
    except OSError as error:
        raise EtlError(
            f"{own} cannot be written: {error.strerror or error}",
            "name a folder that may be written with --out, on a disk that is not full",
        ) from error
