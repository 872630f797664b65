"""Makes the HTML of a page: one file that loads nothing else, runs no script, and may load nothing else.

Belongs here: the template's environment, the policy that the browser enforces, and the JSON. Not here: what the page
says (`gather`), where it is written (`folder`).

Jinja escapes every value. Texts of people lose control characters and marks that turn the direction of text around
them before that. The style sheet is named in the policy by its hash, so that no other style and no script can be used.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from etl.plural import counted
from etl.portal import lineage_picture, pictures, words
from etl.portal.page import ChangeEntry, Level, Page, PartitionCell, PartState, Reason, RejectedPart
from etl.portal.promised import HISTORY

_TEMPLATES = Path(__file__).parent / "templates"
_ICONS: dict[Level, tuple[str, str]] = {
    "good": ("#3c9f69", "M9 16.5l5 5 9-10"),
    "notice": ("#c98a12", "M16 8v10M16 23v.01"),
    "bad": ("#d5463c", "M10 10l12 12M22 10l-12 12"),
    "unknown": ("#75808d", "M11.500 12a4.500 4.500 0 1 1 6.500 4c-1.500 1-2 1.800-2 3.200M16 24v.01"),
    "none": ("#75808d", "M9 16h14"),
}
_PROBLEMS = {
    "configuration": (
        "What is wrong with the configuration",
        "The file that says what is extracted, checked and loaded cannot be read. This is what was found in it:",
    ),
    "code": (
        "What is wrong with the tenant's own code",
        "The tenant's Python cannot be loaded. Until it is corrected, nothing of it runs.",
    ),
    "page": ("What went wrong with this page", "It could not be gathered what this page has to say:"),
}


def html_of(page: Page) -> str:
    """Return the page of a tenant."""
    title, said = _PROBLEMS[page.problem.what] if page.problem else ("", "")
    due = any(each.due == page.holds_until for one in page.pipelines for each in one.promises)
    return render(
        "page.html",
        page=page,
        problem_title=title,
        problem_words=said,
        until=", when the next data is due" if due else "",
        history_days=HISTORY.days,
        level=page.level,
    )


def render(name: str, level: Level, **values: object) -> str:
    """Return a template filled in; `level` is shown by the icon in the browser's tab."""
    return _template(name).render(favicon=_favicon(level), level=level, **values)


def json_of(page: Page) -> str:
    """Return the same as JSON."""
    return page.model_dump_json(indent=1) + "\n"


def style() -> str:
    """Return the style sheet."""
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


def policy(sheet: str) -> str:
    """Return what a browser may do with the page: use this one style sheet and the icon, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    sheet = style()
    environment.globals.update(
        style=sheet,
        policy=policy(sheet),
        calendar=pictures.calendar,
        bars=pictures.bars,
        strip=pictures.strip,
        run_strip=pictures.run_strip,
        meter=pictures.meter,
        tally=pictures.tally,
        states=pictures.STATES,
        sign=_sign,
        lineage=lineage_picture.draw,
    )
    environment.filters.update(
        iso=words.iso,
        clock=words.clock,
        short_moment=words.short_moment,
        long_moment=words.long_moment,
        partition=words.partition,
        number=words.number,
        number_or=_number_or,
        percent=words.percent,
        level_word=lineage_picture.LEVEL_WORDS.__getitem__,
        sentence=_sentence,
        by_day=_by_day,
        by_reason=_by_reason,
        count=counted,
        later_moment=words.later_moment,
    )
    return environment.get_template(name)


def _visible(value: Any) -> Any:  # noqa: ANN401  whatever a template prints
    return words.visible(value) if type(value) is str else value


def _number_or(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else words.number(value)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def _by_day(changes: Iterable[ChangeEntry], zone: str) -> list[tuple[str, list[ChangeEntry]]]:
    def day(change: ChangeEntry) -> datetime:
        return change.at.astimezone(ZoneInfo(zone))

    return [(words.long_day(each), list(found)) for each, found in groupby(changes, key=lambda one: day(one).date())]


def _by_reason(parts: Iterable[RejectedPart]) -> list[Reason]:
    """Return how many rows each rule rejected in all partitions, the most first."""
    rows: dict[str, int] = {}
    for each in (reason for part in parts for reason in part.reasons):
        rows[each.rule] = rows.get(each.rule, 0) + each.rows
    return [Reason(rule=rule, rows=found) for rule, found in sorted(rows.items(), key=lambda each: (-each[1], each[0]))]


def _sign(state: PartState, rejected: int = 0) -> str:
    """Return a cell for a legend."""
    part = PartitionCell(key="", state=state, rejected=rejected)
    drawn = pictures.cell(0, 0, 14, part, "UTC")
    return f'<svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">{drawn}</svg>'


def _favicon(level: Level) -> str:
    colour, path = _ICONS[level]
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="{colour}"/>'
        f'<path d="{path}" fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/></svg>'
    )
    return f"data:image/svg+xml,{quote(drawn)}"
