"""Chooses the column by whose date the rows of a table are divided, and says why.

Belongs here: created or updated, and what speaks against the other columns. Not here: how late rows come (`lateness`),
how long a partition is (`cutting`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from etl.onboarding.moments import DateColumn, epoch_unit
from etl.onboarding.sampling import TableSample
from etl.plural import counted

_CREATED = re.compile(
    r"creat|insert|added|order|placed|regist|log|event|occur|record|book|post|invoice|rental|payment|transact|trade"
    r"|sale|purchas|visit|start|begin|entry|entered|receiv|issued|measured|timestamp|^(?:date|time|ts|dt|day|when)$|_ts$",
    re.IGNORECASE,
)
_UPDATED = re.compile(r"updat|modif|chang|touched|edited|mtime|revis", re.IGNORECASE)
_LATER = re.compile(
    r"birth|dob|hire|requir|due|expir|valid|until|end|delet|ship|deliver|return|schedul|plan|next|deadline|clos|cancel"
    r"|complet|paid|finish|releas|effectiv|retir|terminat",
    re.IGNORECASE,
)
_FEW = 0.001
_MANY_IN_FUTURE = 0.01
_FEWEST_DAYS = 3
_SAME_MS = 1000


@dataclass(frozen=True)
class DateChoice:
    """The chosen column, or why there is none."""

    column: DateColumn | None
    why: str
    moves: bool = False
    """Whether a row moves to a later partition when it changes: the column has the time of the last change."""
    created: DateColumn | None = None
    """The column with the time at which a row came, if the chosen one has the time of the last change."""


def choose_date(
    sample: TableSample, dates: Mapping[str, DateColumn], key: tuple[str, ...], *, first_rows: bool = False
) -> DateChoice:
    """Return the column that says when a row came or changed, as far as the sample and the names show it.

    `first_rows`: the sample has only the first rows of a large table, which may all be of one day.
    """
    against = {name: _against(each, fewest=1 if first_rows else _FEWEST_DAYS) for name, each in dates.items()}
    usable = [each for name, each in dates.items() if not against[name]]
    updated = [each for each in usable if _UPDATED.search(each.name)]
    created = [each for each in usable if each not in updated]
    if not usable:
        return DateChoice(None, _no_column(sample, against))
    indexed = {index.columns[0] for index in sample.table.indexes if index.columns}
    created.sort(key=lambda each: (-_liking(each.name, indexed), list(dates).index(each.name)))
    first = next((each for each in created if not _LATER.search(each.name) or _CREATED.search(each.name)), None)
    last = max(updated, key=lambda each: each.days, default=None)
    if last is not None and key:
        share = _changed(first, last) if first else 1.0
        if first is None or (share > _FEW and last.days * 10 >= first.days):
            if first is None:
                why = "it has the time of the last change, and no other column says when a row came"
            else:
                why = f"it differs from `{first.name}` in {share:.0%} of the rows: rows change after they came"
            return DateChoice(last, why, moves=True, created=first)
    if first is None:
        names = ", ".join(f"`{each.name}`" for each in usable)
        return DateChoice(None, f"none of the dates ({names}) says when a row came")
    why = "by its name it says when a row came" if _CREATED.search(first.name) else "a guess: the only column of dates"
    if last is not None and not key:
        why += f"; `{last.name}` is of no use without a key"
    elif last is not None and _changed(first, last) > _FEW:
        why += f"; `{last.name}` has only {last.days} different days, so it tells of no changes"
    elif last is not None:
        why += f"; `{last.name}` tells no changes"
    refused = "; ".join(against[each] for each in dates if against[each] and _UPDATED.search(each))
    if refused:
        why += f"; no column of changes is used: {refused}"
    return DateChoice(first, f"{why}, and no row is without it")


def _liking(name: str, indexed: set[str]) -> int:
    liking = 2 * bool(re.search(r"creat|insert", name, re.IGNORECASE)) + 2 * bool(_CREATED.search(name))
    return liking - 3 * bool(_LATER.search(name)) + (name in indexed)


def _against(date: DateColumn, *, fewest: int) -> str:
    """Return what speaks against a column; empty if nothing does."""
    if date.empty:
        rows = f"{date.moments.null_count():,} of {len(date.moments):,} rows"
        return f"`{date.name}` is empty in {rows}, which would belong to no partition"
    if date.future > _MANY_IN_FUTURE:
        return f"`{date.name}` lies in the future in {date.future:.0%} of the rows"
    if date.days < fewest:
        return f"`{date.name}` has only {counted(date.days, 'different day')}"
    if re.search(r"birth|dob|hire", date.name, re.IGNORECASE):
        return f"`{date.name}` says nothing about when a row came"
    return ""


def _changed(created: DateColumn, updated: DateColumn) -> float:
    """Return the share of the rows whose last change is more than a second after they came."""
    later = (updated.moments - created.moments).dt.total_milliseconds() > _SAME_MS
    return int(later.sum()) / max(1, len(updated.moments))


def _no_column(sample: TableSample, against: Mapping[str, str]) -> str:
    found = [each for each in against.values() if each]
    units = {series.name: epoch_unit(series) for series in sample.frame}
    found += [
        f"`{name}` looks like {unit} since 1970: a `query` can convert it" for name, unit in units.items() if unit
    ]
    return "; ".join(found) if found else "the table has no column of dates"
