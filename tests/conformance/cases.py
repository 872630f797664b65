"""Generated rules over the columns of `frames`: every rule type on every kind of column it knows, and on some it does not."""

# ruff: noqa: DTZ001  bounds without a zone are cases too

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from etl.quality.rules import AnyRule, parse_rules
from tests.conformance.frames import NOW

INTEGERS, FLOATS, DECIMALS = ("x", "y", "i", "tiny", "u", "k"), ("f", "g", "w"), ("d", "p")
NUMBERS = (*INTEGERS, *FLOATS, *DECIMALS)
TEXTS, FORMATS = ("s", "c", "e", "h"), ("mail", "link", "ident", "host")
NAIVE, ZONED = ("seen", "ms", "ns"), ("utc", "seoul", "ny")
MOMENTS = ("day", *NAIVE, *ZONED)
FLAT = (*NUMBERS, *TEXTS, *FORMATS, "b", *MOMENTS, "tod", "dur")
ALL = (*FLAT, "tags", "rec")
ZONES = ("UTC", "Asia/Seoul", "America/New_York", "Pacific/Kiritimati")

CONDITIONS = (
    "x > 0", "x + y > 3", "x * 2 <= y OR s = 'a'", "s LIKE 'a%'", "length(s) > 1", "x IS NULL", "x BETWEEN -1 AND 2", "s IN ('a', 'ab')",
    "NOT (b AND x > 0)", "coalesce(x, 0) = 0", "CASE WHEN x > 0 THEN y ELSE 0 END >= 0", "abs(x) < 3", "day >= DATE '2026-01-10'",
    "year(day) = 2026 AND month(day) = 1", "d * 2 > 1.5", "x / 2 > 0.5", "starts_with(s, 'a')", "x % 2 = 0", "x <> y", "b", "trim(s) <> ''",
    "s || 'x' = 'ax'", "nullif(x, 0) > 0", "x IS DISTINCT FROM y", "seen >= TIMESTAMP '2026-01-14 12:00:00'", "f > 0", "NOT f > 0", "f <> 1",
    "f BETWEEN 0 AND 1", "x NOT IN (1, 2)", "s NOT LIKE '%b_'", "b IS TRUE", "x IS NOT NULL AND (y > 1 OR b IS NOT FALSE)", "d = 1 OR p = 1.1",
    "upper(s) = 'AB'", "ends_with(s, 'b') OR contains(s, 'p')", "regexp_matches(s, '^a[a-z]*$')", "x < d", "s > 'a'", "x >= 0.5",
)  # fmt: skip
PATTERNS = (
    "^a", "a$", "^a|b$", "^(?:a|ab)$", "^[a-z]+$", "^[A-Z]", "p{2}", r"^\p{L}+$", r"^\S+$", "^.{1,2}$", r"\$$", "^$", "(?i)^a", "[0-9]",
    r"^[^a]", r"^[\p{Hangul}]+$", "b+c?", "^(a|b)*$",
)  # fmt: skip

Chance = random.Random


def _number(column: str, chance: Chance) -> Any:
    if column in INTEGERS:
        return chance.choice(
            [-1, 0, 1, 3, 5, 0.5, Decimal("2.5"), 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 2**64, 2.0, 300]
        )
    if column in FLOATS:
        return chance.choice([-1, 0, 1, 0.25, 0.1, Decimal("0.1"), 2**53 + 1, float("inf"), -1.5, 2])
    return chance.choice(
        [0, 1, Decimal("1.00"), Decimal("0.105"), 0.1, Decimal("-0.5"), 2, Decimal("1.1"), Decimal("0.00001")]
    )


def _moment(column: str, chance: Chance) -> Any:
    """A bound beside a date or a moment: with a zone only where the column has one."""
    if column == "day":
        return date(2026, 1, 15) + timedelta(days=chance.randint(-3, 2))
    found = [
        (NOW + timedelta(microseconds=chance.choice([-1, 0, 1]))).replace(tzinfo=None),
        datetime(2026, 1, 14, chance.randint(0, 23)),
        date(2026, 1, 15),
    ]
    if column in ZONED:
        found += [NOW, NOW.astimezone(ZoneInfo("Asia/Seoul")), NOW + timedelta(milliseconds=1)]
    return chance.choice(found)


def _bound(column: str, chance: Chance) -> Any:
    if column in NUMBERS:
        return _number(column, chance)
    if column == "tod":
        return chance.choice([time(9), time(12), time(9, 0, 0, 1)])
    if column == "dur":
        return timedelta(microseconds=chance.choice([0, 1, 60_000_000]))
    return _moment(column, chance)


def _in_range(chance: Chance) -> dict[str, Any]:
    column = chance.choice([*NUMBERS, *MOMENTS, "tod", "dur"])
    low, high = _bound(column, chance), _bound(column, chance)
    try:
        low, high = min(low, high), max(low, high)
    except TypeError:
        high = low
    rule = {"type": "in_range", "column": column, "min": low, "max": high}
    if chance.random() < 0.4:
        del rule[chance.choice(["min", "max"])]
    for end in ("min_inclusive", "max_inclusive"):
        if chance.random() < 0.3:
            rule[end] = False
    return rule


def _set(kind: str) -> Callable[[Chance], dict[str, Any]]:
    def make(chance: Chance) -> dict[str, Any]:
        column = chance.choice([*NUMBERS, *TEXTS, "b", "day", "seen", "utc", "ms", "tod"])
        if column in TEXTS:
            values = chance.sample(["a", "b", "ab", "", "é", "A", "x$", "한국어"], 3)
        elif column == "b":
            values = [chance.choice([True, False])]
        else:
            values = [_bound(column, chance) for _ in range(3)]
        return {"type": kind, "column": column, "values": values}

    return make


def _compare(chance: Chance) -> dict[str, Any]:
    family = chance.choice(
        [(*INTEGERS, *FLOATS), (*INTEGERS, *DECIMALS), TEXTS, NAIVE, ("day", *NAIVE), ZONED, ("b", "b"), ("dur", "dur")]
    )
    operators = ["==", "!="] if "b" in family else ["==", "!=", "<", "<=", ">", ">="]
    return {
        "type": "compare_columns",
        "left": chance.choice(family),
        "operator": chance.choice(operators),
        "right": chance.choice(family),
    }


def _measure(kind: str) -> Callable[[Chance], dict[str, Any]]:
    def make(chance: Chance) -> dict[str, Any]:
        column = chance.choice(["x", "y", "i", "tiny", "u", "w", "d", "p"])
        low = chance.choice([-3, 0, 1, Decimal("0.5"), -100])
        return {"type": kind, "column": column, "min": low} | (
            {"max": low + chance.choice([0, 1, 7, 200])} if chance.random() < 0.6 else {}
        )

    return make


def _limits(kind: str, highest: int) -> Callable[[Chance], dict[str, Any]]:
    def make(chance: Chance) -> dict[str, Any]:
        low = chance.randint(0, highest)
        limits = chance.choice([{"min": low}, {"max": low}, {"exact": low}, {"min": low, "max": low + 2}])
        return {"type": kind, **({"column": chance.choice(TEXTS)} if kind == "length" else {}), **limits}

    return make


def _unique(chance: Chance) -> dict[str, Any]:
    if chance.random() < 0.5:
        return {"type": "unique", "column": chance.choice(FLAT)}
    return {"type": "unique", "columns": chance.sample(FLAT, chance.choice([1, 2, 3]))}


def _not_null(chance: Chance) -> dict[str, Any]:
    return {
        "type": "not_null",
        **({"column": chance.choice(ALL)} if chance.random() < 0.7 else {"columns": chance.sample(ALL, 2)}),
    }


def _foreign_key(chance: Chance) -> dict[str, Any]:
    return chance.choice(
        [
            {"column": "k", "to": "t_ints"},
            {"column": "tiny", "to": "t_ints", "to_column": "small"},
            {"column": "u", "to": "t_ints", "to_column": "k"},
            {"column": chance.choice(TEXTS), "to": "t_ints", "to_column": "name"},
            {"columns": ["k", "s"], "to": "t_ints", "to_columns": ["k", "name"]},
            {"column": "k", "to": "t_none"},
        ]
    ) | {"type": "foreign_key"}


def _dtype(chance: Chance) -> dict[str, Any]:
    names = [
        "integer",
        "Int64",
        "float",
        "string",
        "decimal",
        "Decimal(12, 2)",
        "number",
        "date",
        "datetime",
        "boolean",
        "categorical",
        "unsigned",
        "list",
    ]
    names += ["Int32", "Float64", "String", "Boolean", "Date", "text", "Int8", "UInt64"]
    return {"type": "dtype", "column": chance.choice(ALL), "dtype": chance.choice(names)}


def _clocked(kind: str) -> Callable[[Chance], dict[str, Any]]:
    return lambda chance: {"type": kind, "column": chance.choice(MOMENTS), "timezone": chance.choice(ZONES)}


def _wrong(chance: Chance) -> dict[str, Any]:
    """A rule without an answer: a missing column, a column of the wrong type, a bound of the wrong kind."""
    return chance.choice(
        [
            {"type": chance.choice(["not_null", "unique", "positive", "email", "not_future", "monotonic"]), "column": "missing"},
            {"type": "in_range", "column": "missing", "min": 0},
            {"type": chance.choice(["positive", "non_negative", "monotonic"]), "column": chance.choice(["s", "b", "tags", "c"])},
            {"type": chance.choice(["email", "url", "uuid", "ip_address"]), "column": chance.choice(["x", "day", "b", "tags"])},
            {"type": "regex", "column": chance.choice(["x", "d", "seen"]), "pattern": "a"},
            {"type": "length", "column": chance.choice(["x", "tags"]), "min": 1},
            {"type": "in_range", "column": chance.choice(["s", "b", "day", "tags"]), "min": 0},
            {"type": "in_range", "column": chance.choice(["x", "seen", "tod"]), "min": date(2026, 1, 1)} if chance.random() < 0.3
            else {"type": "in_range", "column": "seen", "min": NOW},
            {"type": "in_set", "column": "x", "values": ["a"]},
            {"type": "not_in_set", "column": "s", "values": [1]},
            {"type": chance.choice(["not_future", "not_past"]), "column": chance.choice(["x", "s", "tod"])},
            {"type": "mean_between", "column": chance.choice(["s", "b", "day"]), "min": 0},
            {"type": "compare_columns", "left": "x", "operator": "<", "right": "s"},
            {"type": "compare_columns", "left": "seen", "operator": "<", "right": "utc"},
            {"type": "compare_columns", "left": "f", "operator": "<", "right": "d"},
            {"type": "unique", "column": chance.choice(["tags", "rec"])},
            {"type": "foreign_key", "column": "k", "to": "nowhere"},
            {"type": "foreign_key", "column": "s", "to": "t_ints", "to_column": "k"},
            {"type": "expression", "expression": "missing > 0"},
            {"type": "positive", "column": "x", "where": "missing > 0"},
        ]
    )  # fmt: skip


TEMPLATES: tuple[Callable[[Chance], dict[str, Any]], ...] = (
    _not_null, _unique, _unique, _in_range, _in_range, _in_range, _in_range, _set("in_set"), _set("in_set"), _set("not_in_set"),
    lambda chance: {"type": "regex", "column": chance.choice(TEXTS), "pattern": chance.choice(PATTERNS)},
    _clocked("not_future"), _clocked("not_past"), _limits("length", 4),
    lambda chance: {"type": "positive", "column": chance.choice([*NUMBERS, "dur"])},
    lambda chance: {"type": "non_negative", "column": chance.choice([*NUMBERS, "dur"])},
    _dtype,
    lambda chance: {"type": "column_exists", "column": chance.choice([*ALL, *["missing", "X"] * 8])},
    _limits("row_count", 60), _foreign_key,
    lambda chance: _clocked("recency")(chance) | {"max_age_hours": chance.choice([0.5, 1, 24, 26.25, 720])},
    lambda chance: {"type": "expression", "expression": chance.choice(CONDITIONS)},
    lambda chance: {"type": "expression", "expression": chance.choice(CONDITIONS)},
    lambda _: {"type": "email", "column": "mail"},
    lambda _: {"type": "url", "column": "link"},
    lambda _: {"type": "uuid", "column": "ident"},
    lambda chance: {"type": "ip_address", "column": "host", "version": chance.choice([None, 4, 6])},
    lambda chance: {
        "type": "monotonic", "column": chance.choice([*NUMBERS, *MOMENTS, "tod", "dur"]),
        "direction": chance.choice(["increasing", "decreasing"]), "strict": chance.choice([True, False]),
    },
    _measure("mean_between"), _measure("sum_between"), _compare, _compare, _wrong, _wrong,
)  # fmt: skip
NO_WHERE = frozenset({"dtype", "column_exists"})
NO_MOSTLY = NO_WHERE | {"row_count", "recency", "mean_between", "sum_between"}


def make_rules(seed: object, count: int) -> tuple[AnyRule, ...]:
    """Return that many rules, always the same: first one of every template, then any."""
    chance = random.Random(f"rules {seed}")
    made = []
    for index in range(count):
        template = TEMPLATES[index] if index < len(TEMPLATES) else chance.choice(TEMPLATES)
        rule = template(chance)
        if chance.random() < 0.25 and rule["type"] not in NO_WHERE and "where" not in rule:
            rule["where"] = chance.choice(CONDITIONS)
        if chance.random() < 0.25 and rule["type"] not in NO_MOSTLY:
            rule["mostly"] = chance.choice([0.5, 0.75, 0.9, 0.99, 1.0])
        made.append(rule)
    return parse_rules(made)
