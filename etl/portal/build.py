"""Builds the pages of tenants into a folder, and the operator's page over all of them.

Belongs here: the order of a build, and what came of it. Not here: gathering (`gather`), files (`folder`).

A page that cannot be written is named, and the others are written. A tenant's page is written as soon as it is
gathered, so that a build that is killed leaves whole pages, older and newer ones.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from etl.errors import EtlError
from etl.portal.folder import alone, remove_gone, summaries, write_operator, write_page
from etl.portal.gather import Gathering
from etl.portal.operator_page import operator_html, operator_json, rows_of
from etl.portal.page import Level, Page
from etl.secrets.scrub import scrub


@dataclass
class Built:
    """What a build did."""

    pages: dict[str, Level] = field(default_factory=dict)
    """Each page that was written, with its level."""
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The answer of each page, and its detail."""
    newer: list[str] = field(default_factory=list)
    """Tenants of which another builder has written a newer page meanwhile."""
    unknown: list[str] = field(default_factory=list)
    """Tenants of which nothing could be gathered. Their pages say so."""
    left: list[str] = field(default_factory=list)
    """Tenants for which there was no time."""
    problems: dict[str, EtlError] = field(default_factory=dict)
    """Tenants whose page could not be written."""


def build_pages(gathering: Gathering, folder: Path, seconds: float | None = None) -> Built:
    """Gather and write the page of each tenant. With `seconds`, no further page is begun after them."""
    built, began = Built(), time.monotonic()
    for page in gathering.pages():
        _write(folder, page, built)
        if seconds is not None and time.monotonic() - began > seconds:
            break
    done = {*built.pages, *built.newer, *built.problems}
    built.left = [each for each in gathering.configs if each not in done]
    return built


def build_operator(folder: Path, tenants: Sequence[str], now: datetime) -> Path:
    """Write the operator's page over the pages that are in the folder, also those of other builders."""
    with alone(folder):
        rows = rows_of(summaries(folder), tenants, now)
        return write_operator(folder, operator_html(rows, now), operator_json(rows, now))


def remove_pages(folder: Path, tenants: Sequence[str]) -> tuple[list[str], list[str]]:
    """Remove the pages of tenants that are gone, if we made them. Returns those, and folders with other files."""
    return remove_gone(folder, tenants) if folder.is_dir() else ([], [])


def _write(folder: Path, page: Page, built: Built) -> None:
    try:
        is_newest = write_page(folder, page)
    except EtlError as error:
        built.problems[page.tenant] = error
        return
    except Exception as error:  # noqa: BLE001  any error belongs to this page, and the others are written
        built.problems[page.tenant] = EtlError(f"its page cannot be made: {type(error).__name__}: {scrub(str(error))}")
        return
    if not is_newest:
        built.newer.append(page.tenant)
        return
    built.pages[page.tenant] = page.level
    if page.problem is not None and page.problem.what == "page":
        built.unknown.append(page.tenant)
    built.answers[page.tenant] = (page.answer, page.detail)
