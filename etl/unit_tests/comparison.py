"""Compares expected rows with the rows that came out, and finds which cells differ.

Belongs here: equality of values, and pairing rows that differ. Not here: showing the differences (`etl.cli.test`).
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ChangedRow:
    """An expected row, the row that came out instead, and the columns that differ."""

    expected: Row
    actual: Row
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RowDifference:
    """All differences between two sets of rows."""

    missing: tuple[Row, ...] = ()
    unexpected: tuple[Row, ...] = ()
    changed: tuple[ChangedRow, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.missing or self.unexpected or self.changed)


def compare_rows(
    expected: Sequence[Row],
    actual: Sequence[Row],
    columns: Sequence[str],
    *,
    ordered: bool = False,
    tolerance: Mapping[str, float] | None = None,
    keys: Sequence[str] = (),
) -> RowDifference:
    """Compare the columns of two lists of rows, regardless of the order unless `ordered`.

    Floats are equal if they are the same number, or if they differ by no more than the tolerance of their column; the
    tolerance of the column "" holds for all columns. NaN equals NaN, and null equals null. `keys` are the columns that
    identify a row, if they are known: rows with the same key are shown as one changed row.
    """
    equality = _Equality(columns, dict(tolerance or {}))
    if ordered:
        return _in_order(expected, actual, equality)
    if equality.tolerant:
        left, right = _without_close(expected, actual, equality)
    else:
        left, right = _without_equal(expected, actual, columns)
    changed, left, right = _paired(left, right, equality, [each for each in keys if each in columns])
    return RowDifference(tuple(left), tuple(right), tuple(changed))


@dataclass(frozen=True)
class _Equality:
    columns: Sequence[str]
    tolerance: Mapping[str, float]

    @property
    def tolerant(self) -> bool:
        return any(self.tolerance.values())

    def differing(self, one: Row, other: Row) -> tuple[str, ...]:
        return tuple(
            name
            for name in self.columns
            if not _same(one[name], other[name], self.tolerance.get(name, self.tolerance.get("", 0.0)))
        )


def _same(one: Any, other: Any, tolerance: float) -> bool:  # noqa: ANN401  values of any type
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other or abs(one - other) <= tolerance
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name], tolerance) for name in one)
    return type(one) is type(other) and bool(one == other)


def _canonical(value: Any) -> Hashable:  # noqa: ANN401  values of any type
    """Return a value that is hashable, and equal for exactly the same values."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value)
    if isinstance(value, list):
        return ("list", tuple(_canonical(each) for each in value))
    if isinstance(value, dict):
        return ("dict", tuple((name, _canonical(each)) for name, each in value.items()))
    return (type(value).__name__, value)


def _in_order(expected: Sequence[Row], actual: Sequence[Row], equality: _Equality) -> RowDifference:
    together = min(len(expected), len(actual))
    pairs = zip(expected[:together], actual[:together], strict=True)
    changed = [ChangedRow(one, other, found) for one, other in pairs if (found := equality.differing(one, other))]
    return RowDifference(tuple(expected[together:]), tuple(actual[together:]), tuple(changed))


def _without_equal(
    expected: Sequence[Row], actual: Sequence[Row], columns: Sequence[str]
) -> tuple[list[Row], list[Row]]:
    """Return the rows that have no exactly equal row on the other side."""

    def identity(row: Row) -> Hashable:
        return tuple(_canonical(row[name]) for name in columns)

    def surplus(rows: Iterable[Row], others: Iterable[Row]) -> list[Row]:
        there = Counter(identity(each) for each in others)
        left = []
        for row in rows:
            if there[key := identity(row)] > 0:
                there[key] -= 1
            else:
                left.append(row)
        return left

    return surplus(expected, actual), surplus(actual, expected)


def _without_close(expected: Sequence[Row], actual: Sequence[Row], equality: _Equality) -> tuple[list[Row], list[Row]]:
    """Return the rows that are left after as many as possible are paired within the tolerance.

    A row may be close to several rows, so a pair is given up again if both rows then find another one (Kuhn's method).
    """
    close = [[place for place, row in enumerate(actual) if not equality.differing(one, row)] for one in expected]
    row_at: dict[int, int] = {}
    place_of: dict[int, int] = {}
    for row in range(len(expected)):
        _place(row, close, row_at, place_of)
    return (
        [row for index, row in enumerate(expected) if index not in place_of],
        [row for index, row in enumerate(actual) if index not in row_at],
    )


def _place(row: int, close: Sequence[Sequence[int]], row_at: dict[int, int], place_of: dict[int, int]) -> None:
    """Give the row a place, if necessary by moving other rows to other places."""
    reached_by: dict[int, int] = {}
    waiting = [row]
    for each in waiting:  # grows while it is read
        for place in (one for one in close[each] if one not in reached_by):
            reached_by[place] = each
            if place in row_at:
                waiting.append(row_at[place])
                continue
            free: int | None = place
            while free is not None:
                mover = reached_by[free]
                before = place_of.get(mover)
                row_at[free], place_of[mover] = mover, free
                free = before
            return


def _paired(
    left: list[Row], right: list[Row], equality: _Equality, keys: Sequence[str]
) -> tuple[list[ChangedRow], list[Row], list[Row]]:
    """Pair rows that are probably the same row, changed: equal keys first, then at least half of the cells equal."""
    candidates = []
    for one, expected in enumerate(left):
        for other, actual in enumerate(right):
            differing = equality.differing(expected, actual)
            same_key = bool(keys) and not set(keys) & {*differing}
            alike = 2 * len(differing) <= len(equality.columns) and len(differing) < len(equality.columns)
            if same_key or alike:
                candidates.append((not same_key, len(differing), one, other, differing))
    changed: list[ChangedRow] = []
    taken_left: set[int] = set()
    taken_right: set[int] = set()
    for *_, one, other, differing in sorted(candidates):
        if one not in taken_left and other not in taken_right:
            changed.append(ChangedRow(left[one], right[other], differing))
            taken_left.add(one)
            taken_right.add(other)
    return (
        changed,
        [row for index, row in enumerate(left) if index not in taken_left],
        [row for index, row in enumerate(right) if index not in taken_right],
    )
