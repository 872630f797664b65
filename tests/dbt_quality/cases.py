"""Cases for every rule type: clean, dirty, null, NaN, empty, missing column, wrong type, unicode, edges of numbers."""

# ruff: noqa: DTZ001  moments without a zone are cases too

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl

from tests.dbt_quality.judge import Case

NOW = dt.datetime(2026, 1, 10, 12, 0, tzinfo=dt.UTC)

MAIN = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 5, 6],
        "twice": [1, 1, 2, None, None, 3],
        "int": pl.Series([-1, 0, 1, 10, None, 2**53 + 1], dtype=pl.Int64),
        "small": pl.Series([-1, 0, 1, 10, None, 100], dtype=pl.Int16),
        "float": [-0.5, 0.0, 0.1, float("nan"), None, float("inf")],
        "clean_float": [0.5, 1.0, 1.5, 2.0, None, 2.5],
        "big_float": [float(2**53), 2.0**53 + 2, -1.0, 0.5, None, float("nan")],
        "holes": [None, float("nan"), 1.0, None, 1.0, None],
        "decimal": pl.Series([Decimal("-0.01"), Decimal("0.00"), Decimal("0.10"), Decimal("9.99"), None, Decimal("1.25")], dtype=pl.Decimal(12, 2)),
        "text": ["abc", "가나다", "", "é", None, "e\u0301"],
        "spaced": [" a", "a ", "a\n", "a\tb", None, "ab"],
        "code": ["P-0001", "p-0001", "P-00١", "P-0002\n", None, "xP-0003"],
        "flag": [True, False, True, None, None, True],
        "day": [dt.date(2026, 1, 1), dt.date(2026, 1, 10), dt.date(2026, 1, 11), None, dt.date(2025, 12, 31), dt.date(2026, 1, 9)],
        "seen": [
            dt.datetime(2026, 1, 10, 11, 59, 59, 999999), dt.datetime(2026, 1, 10, 12, 0, 0), dt.datetime(2026, 1, 10, 12, 0, 0, 1),
            None, dt.datetime(2026, 1, 10, 20, 59), dt.datetime(2025, 1, 1),
        ],
        "clock": [dt.time(9), dt.time(18), dt.time(0), None, dt.time(23, 59, 59), dt.time(12)],
        "other_int": pl.Series([0, 0, 1, None, 7, 2**53], dtype=pl.Int64),
        "other_text": ["abd", "가나", "", None, "x", "é"],
    },
).with_columns(pl.col("seen").dt.replace_time_zone("UTC").alias("zoned"))  # fmt: skip
EMPTY = MAIN.clear()
NULLS = MAIN.select(pl.all().shift(MAIN.height))
ORDER = pl.DataFrame(
    {"n": [1, 2, 3, 4, 5, 6, 7], "v": [1.0, 2.0, None, 2.0, float("nan"), 1.5, 3.0], "i": [1, 2, 2, 3, None, 4, 5]}
)
CONTACTS = pl.DataFrame(
    {
        "email": ["a@b.co", "김@예시.한국", "a b@c.de", "a@b", "", None, "a..b@c.de", "x+y@sub.example.com", ".a@b.co", "a@-b.co", "a@b.c-o"],
        "url": [
            "http://a.b", "https://예시.한국/길?q=1#x", "ftp://u:p@h.example:21/", "http:/a.b", "", None, "http://[::1]:80/x",
            "http://1.2.3.4", "http://a b.co", "HTTPS://EXAMPLE.COM", "http://999.1.1.1",
        ],
        "uuid": [
            "123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", "123e4567e89b12d3a456426614174000", "", "x",
            None, "123e4567-e89b-12d3-a456-42661417400g", "{123e4567-e89b-12d3-a456-426614174000}", " 123e4567-e89b-12d3-a456-426614174000",
            "00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000\n",
        ],
        "ip": ["1.2.3.4", "01.2.3.4", "256.1.1.1", "::1", "2001:db8::8a2e:370:7334", None, "", "1.2.3", "::ffff:1.2.3.4", "fe80::1%eth0", "1::2::3"],
    },
)  # fmt: skip
PARENT = pl.DataFrame({"code": ["abc", "é", None, "가나다"], "n": pl.Series([1, 2, 2, None], dtype=pl.Int32)})
ODD = pl.DataFrame({"q'\"uote": [1, -1], "select": ["a", "b"], "한글 열": [1.0, 2.0]})

ORDERED = ("int", "small", "float", "clean_float", "decimal")
COLUMN_RULES: tuple[dict[str, Any], ...] = (
    {"type": "not_null"},
    {"type": "unique"},
    {"type": "regex", "pattern": "a"},
    {"type": "in_range", "min": 0},
    {"type": "in_set", "values": ["abc", "é"]},
    {"type": "not_in_set", "values": ["abc", "é"]},
    {"type": "not_future"},
    {"type": "not_past"},
    {"type": "length", "min": 1},
    {"type": "positive"},
    {"type": "non_negative"},
    {"type": "email"},
    {"type": "url"},
    {"type": "uuid"},
    {"type": "ip_address"},
    {"type": "recency", "max_age_hours": 24},
    {"type": "mean_between", "min": 0},
    {"type": "sum_between", "max": 5},
    {"type": "dtype", "dtype": "integer"},
    {"type": "column_exists"},
)
PATTERNS = (
    "^P-[0-9]{4}$", r"^P-\d{4}$", r"\d", r"\D", r"^\w+$", r"\W", r"\s", r"\S", r"^[\w-]+$", r"[^\d]", r"a|b", r"^(?:a|b)+$", r"(?i)^p-", r"(?i)^P-0001$",
    r"\bP", r".", r"^.$", r"^..$", r"a.b", r"\p{L}", r"^\p{L}+$", r"\P{L}", r"\x41|\x{50}", r"^$", r"\$", r"'", "\\\\", r"[\s\]]", r"[]a]", r"a$", r"\n\z", "[[:alpha:]]", "(?P<x>a)", "(?:)",
    r"[a-z&&[^b]]", r"(?s)a.", r"(?m)^a$", r"[가-힣]{2,}", "é", r"\u00e9", r"\{", r"\t",
)  # fmt: skip


def all_cases() -> tuple[Case, ...]:
    return tuple(_numbered())


def _numbered() -> Iterator[Case]:
    for number, (frame, rule, tables) in enumerate(_cases()):
        yield Case(f"{number:03d} {rule}", frame, rule, tables)


def _cases() -> Iterator[tuple[pl.DataFrame, dict[str, Any], dict[str, pl.DataFrame]]]:
    for rule in COLUMN_RULES:
        for column in ("int", "float", "decimal", "text", "flag", "day", "seen", "zoned", "clock"):
            yield MAIN, {**rule, "column": column}, {}
        kind = {"regex": "text", "in_set": "text", "not_in_set": "text", "length": "text", "not_future": "seen", "not_past": "seen", "recency": "day",
                "email": "text", "url": "text", "uuid": "text", "ip_address": "text"}.get(rule["type"], "int")  # fmt: skip
        for frame in (EMPTY, NULLS):
            yield frame, {**rule, "column": kind}, {}
        yield MAIN, {**rule, "column": "absent"}, {}
    for pattern in PATTERNS:
        for column in ("code", "spaced", "text"):
            yield MAIN, {"type": "regex", "column": column, "pattern": pattern}, {}
    for column in ("email", "url", "uuid", "ip"):
        yield CONTACTS, {"type": {"ip": "ip_address"}.get(column, column), "column": column}, {}
    yield CONTACTS, {"type": "ip_address", "column": "ip", "version": 4}, {}
    yield CONTACTS, {"type": "ip_address", "column": "ip", "version": 6}, {}
    for column in ORDERED:
        yield MAIN, {"type": "in_range", "column": column, "min": 0.1, "max": 10}, {}
        yield (
            MAIN,
            {"type": "in_range", "column": column, "min": 0, "max": 1, "min_inclusive": False, "max_inclusive": False},
            {},
        )
        yield MAIN, {"type": "in_range", "column": column, "max": 2**53}, {}
        yield MAIN, {"type": "in_range", "column": column, "max": 2**53 + 1}, {}
        yield MAIN, {"type": "in_range", "column": column, "min": "0.1"}, {}
        yield MAIN, {"type": "in_range", "column": column, "min": 1e-7}, {}
        yield MAIN, {"type": "in_set", "column": column, "values": [0, 1, 0.1, 2**53 + 1]}, {}
        yield MAIN, {"type": "not_in_set", "column": column, "values": [0, 1, 0.5]}, {}
        yield MAIN, {"type": "mean_between", "column": column, "min": 1, "max": 2}, {}
        yield MAIN, {"type": "sum_between", "column": column, "min": 7.5}, {}
    yield MAIN, {"type": "in_range", "column": "big_float", "max": 2**53 + 1}, {}
    yield MAIN, {"type": "in_range", "column": "big_float", "min": 2**53 + 1}, {}
    yield MAIN, {"type": "in_range", "column": "day", "min": "2026-01-01", "max": "2026-01-10"}, {}
    yield MAIN, {"type": "in_range", "column": "seen", "min": "2026-01-10"}, {}
    yield MAIN, {"type": "in_range", "column": "seen", "max": "2026-01-10T12:00:00", "max_inclusive": False}, {}
    yield MAIN, {"type": "in_range", "column": "clock", "min": "09:00:00", "max": "18:00:00"}, {}
    yield MAIN, {"type": "in_range", "column": "int", "min": "2026-01-01"}, {}
    yield MAIN, {"type": "in_set", "column": "flag", "values": [True]}, {}
    yield MAIN, {"type": "in_set", "column": "text", "values": [1]}, {}
    yield MAIN, {"type": "in_set", "column": "text", "values": ["it's", "가나다", "\\"]}, {}
    yield MAIN, {"type": "in_set", "column": "day", "values": ["2026-01-01"]}, {}
    for zone in ("Asia/Seoul", "America/New_York"):
        for column in ("day", "seen", "zoned"):
            yield MAIN, {"type": "not_future", "column": column, "timezone": zone}, {}
            yield MAIN, {"type": "not_past", "column": column, "timezone": zone}, {}
            yield MAIN, {"type": "recency", "column": column, "max_age_hours": 10, "timezone": zone}, {}
            yield MAIN, {"type": "recency", "column": column, "max_age_hours": 0.5, "timezone": zone}, {}
    yield MAIN, {"type": "unique", "columns": ["twice", "flag"]}, {}
    yield MAIN, {"type": "unique", "columns": ["id", "twice"]}, {}
    yield MAIN, {"type": "not_null", "columns": ["id", "twice"]}, {}
    yield MAIN, {"type": "length", "column": "text", "exact": 1}, {}
    yield MAIN, {"type": "length", "column": "text", "min": 1, "max": 2}, {}
    for left, right in (("int", "other_int"), ("int", "float"), ("big_float", "int"), ("float", "clean_float"), ("decimal", "int"), ("int", "decimal"), ("text", "other_text"),
                        ("decimal", "float"), ("day", "seen"), ("seen", "zoned"), ("text", "int"), ("flag", "flag"), ("seen", "seen"), ("small", "int"), ("other_int", "big_float"), ("float", "other_int"), ("other_int", "float"), ("float", "holes"), ("holes", "float")):  # fmt: skip
        for operator in ("==", "!=", "<", "<=", ">", ">="):
            yield MAIN, {"type": "compare_columns", "left": left, "operator": operator, "right": right}, {}
    for mostly in (0.8, 0.5, 0.2, 1):
        yield MAIN, {"type": "non_negative", "column": "int", "mostly": mostly}, {}
        yield MAIN, {"type": "unique", "column": "twice", "mostly": mostly}, {}
    for where in ("id > 2", "twice = 1", "flag", "id > 100", "text = '가나다'"):
        yield MAIN, {"type": "non_negative", "column": "int", "where": where}, {}
        yield MAIN, {"type": "unique", "column": "twice", "where": where}, {}
        yield MAIN, {"type": "row_count", "min": 2, "where": where}, {}
    for rule in ({"exact": 6}, {"min": 7}, {"max": 5}, {"min": 0}):
        yield MAIN, {"type": "row_count", **rule}, {}
        yield EMPTY, {"type": "row_count", **rule}, {}
    for dtype in ("integer", "Int64", "Int16", "float", "Float64", "decimal", "Decimal(12, 2)", "Decimal(12, 3)", "number", "string", "String", "boolean", "date", "datetime",
                  "Datetime('us')", "Datetime('us', 'UTC')", "time", "unsigned", "duration", "list", "struct", "bigint", "str"):  # fmt: skip
        for column in ("int", "small", "float", "decimal", "text", "flag", "day", "seen", "zoned", "clock"):
            yield MAIN, {"type": "dtype", "column": column, "dtype": dtype}, {}
    tables = {"parent": PARENT}
    yield MAIN, {"type": "foreign_key", "column": "text", "to": "parent", "to_column": "code"}, tables
    yield MAIN, {"type": "foreign_key", "column": "twice", "to": "parent", "to_column": "n"}, tables
    yield (
        MAIN,
        {"type": "foreign_key", "columns": ["text", "twice"], "to": "parent", "to_columns": ["code", "n"]},
        tables,
    )
    yield MAIN, {"type": "foreign_key", "column": "text", "to": "parent", "to_column": "n"}, tables
    yield MAIN, {"type": "foreign_key", "column": "text", "to": "parent", "to_column": "absent"}, tables
    yield (
        MAIN,
        {"type": "foreign_key", "column": "text", "to": "parent", "to_column": "code"},
        {"parent": PARENT.clear()},
    )
    for direction in ("increasing", "decreasing"):
        for strict in (False, True):
            for column in ("v", "i"):
                yield ORDER, {"type": "monotonic", "column": column, "direction": direction, "strict": strict}, {}
    for expression in (
        "int > 0",
        "int > 0 OR flag",
        "clean_float < 2",
        "text <> ''",
        "day <= seen",
        "int IS NOT NULL",
        "float > 0",
    ):
        yield MAIN, {"type": "expression", "expression": expression}, {}
    for column in ODD.columns:
        yield ODD, {"type": "not_null", "column": column}, {}
        yield ODD, {"type": "unique", "column": column}, {}
    yield ODD, {"type": "positive", "column": "q'\"uote"}, {}
