"""The operator's page: every tenant in one table, the worst first, with the age of its page judged.

Belongs here: its rows, its HTML and its JSON. Not here: the page of one tenant. It names all tenants, so it is in a
folder of its own that no tenant is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from etl.portal.folder import Summary
from etl.portal.page import FROM_BAD_TO_GOOD, Level
from etl.portal.render import render
from etl.portal.words import iso, span

_SHOWN = 3
"""So many commands are shown for a tenant."""


@dataclass(frozen=True)
class Row:
    """One tenant."""

    tenant: str
    name: str
    level: Level
    answer: str
    detail: str
    made_at: datetime | None
    is_stale: bool
    age: str
    commands: tuple[str, ...] = ()
    """What an operator can ask to learn more."""


def rows_of(found: Iterable[Summary], tenants: Sequence[str], now: datetime) -> list[Row]:
    """Return a row for each tenant, the worst first. A page that no longer holds is unknown, whatever it says."""
    by_tenant = {each.tenant: each for each in found}
    rows = [_row(each, by_tenant.get(each), now) for each in tenants]
    return sorted(rows, key=lambda each: (FROM_BAD_TO_GOOD.index(each.level), each.tenant))


def operator_html(rows: Sequence[Row], now: datetime) -> str:
    """Return the page."""
    counts: dict[Level, int] = {level: sum(each.level == level for each in rows) for level in FROM_BAD_TO_GOOD}
    level: Level = next((each for each in FROM_BAD_TO_GOOD if counts[each]), "unknown")
    return render("operator.html", rows=rows, now=now, counts=counts, level=level if rows else "unknown")


def operator_json(rows: Sequence[Row], now: datetime) -> dict[str, Any]:
    """Return the same for machines."""
    plain = [{**asdict(each), "made_at": iso(each.made_at) if each.made_at else None} for each in rows]
    return {"made_at": iso(now), "tenants": plain}


def _row(tenant: str, page: Summary | None, now: datetime) -> Row:
    if page is None:
        return Row(tenant, tenant, "unknown", "It has no page", "", None, is_stale=True, age="")
    is_stale = now > page.holds_until
    level: Level = next((each for each in FROM_BAD_TO_GOOD if each == page.level), "unknown")
    return Row(
        tenant=tenant,
        name=page.name,
        level="unknown" if is_stale and level != "bad" else level,
        answer=page.answer,
        detail=page.detail,
        made_at=page.made_at,
        is_stale=is_stale,
        age=span(max(now - page.made_at, now - now)),
        commands=_commands(page),
    )


def _commands(page: Summary) -> tuple[str, ...]:
    if page.is_broken:
        return (f"etl check {page.tenant}",)
    return tuple(f"etl explain {page.tenant}/{each}" for each in page.troubled[:_SHOWN])
