# ruff: noqa: DTZ001  moments without a zone are part of what is tested
"""SQL conditions: what is refused, and that the rest means what DuckDB means by it."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import duckdb
import polars as pl
import pytest

from etl.quality import check
from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.sql import translate
from etl.quality.sql_predicate import parse_predicate

FRAME = pl.DataFrame(
    {
        "a": [1, -5, 2**53 + 1, None, 0],
        "b": [2, 3, 2**53, 4, 0],
        "f": [1.5, float("inf"), -2.0, None, 0.0],
        "s": ["x", "Yy", " z ", None, ""],
        "d": [date(2024, 1, 31), date(2023, 2, 1), None, date(2020, 1, 1), date(1970, 1, 1)],
        "t": [datetime(2024, 1, 31, 1), None, datetime(2020, 1, 1), datetime(1969, 1, 1), datetime(2024, 1, 31)],
        "q": [True, False, None, True, False],
        "m": pl.Series([Decimal("1.50"), Decimal("-2.25"), None, Decimal("0.00"), Decimal("10.10")], dtype=pl.Decimal(10, 2)),
        "n n": [1, 2, 3, 4, None],
        "u": pl.Series([0, 1, 2**64 - 1, None, 3], dtype=pl.UInt64),
    }
)  # fmt: skip

SAME_AS_DUCKDB = r"""
a > 1
a = 9007199254740993
a > b
a >= 1 AND s = 'x'
a > 0 OR q
a IN (1, NULL)
a NOT IN (1, 0)
s LIKE '%y'
s LIKE '.'
s NOT LIKE '_'
s ILIKE 'yy'
d BETWEEN DATE '2023-01-01' AND DATE '2024-12-31'
d = '2024-01-31'
t >= TIMESTAMP '2020-01-01 00:00:00'
t > d
q
NOT q
q IS TRUE
q IS NOT FALSE
a IS NULL OR q
a IS DISTINCT FROM b
a IS NOT DISTINCT FROM NULL
m > 1.5
m = 1.5
m * 2 = 3
m * m > 5
m + a > 0
m - m = 0
a - b < 0
a % b = -2
a % 3 = 1
a % 0 IS NULL
-7 % a = 0
a / 4 > 0.2
a / 0 > 1 AND a > 0
-a = 5
abs(a) = 5
abs(m) = 2.25
s || 'x' = 'xx'
s || NULL IS NULL
length(s) = 3
trim(s) = 'z'
upper(s) = 'YY'
lower(s) = 'yy'
starts_with(s, 'Y')
ends_with(s, 'y')
contains(s, 'z')
regexp_matches(s, '^[a-z]$')
CASE WHEN a > 0 THEN 'pos' WHEN a = 0 THEN 'zero' END = 'pos'
CASE a WHEN 1 THEN TRUE ELSE FALSE END
CASE WHEN a > 0 THEN m ELSE 1 END > 1
coalesce(a, 7) = 7
coalesce(a, m) >= 0
nullif(a, 0) IS NULL
year(d) = 2024 AND month(d) = 1 AND day(d) = 31
CAST(a AS VARCHAR) = '1'
CAST(t AS DATE) = d
a::BIGINT = 1
a > f
f < a
f >= 1
f = 1.5
"n n" > 2
u > 100
u > a
u = 18446744073709551615
a > 1.5
a <> 1.5
a < 99999999999999999999
a BETWEEN b AND 5
(a > 1) = q
-2 > f
s > 'x'
s = 'X'
NULL
m IN (1.5, 10.1)
a < m
CAST(a AS DOUBLE) / 2 = 0.5
isnan(f)
""".strip().splitlines()


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.register("given", FRAME.to_arrow())
    connection.execute("CREATE TABLE frame AS SELECT * FROM given")
    yield connection
    connection.close()


@pytest.mark.parametrize("condition", SAME_AS_DUCKDB)
def test_a_condition_means_what_the_database_means(condition: str, database: duckdb.DuckDBPyConnection) -> None:
    found = FRAME.with_columns(translate(condition, FRAME.schema).alias("found"))["found"].to_list()
    assert found == [row[0] for row in database.execute(f"SELECT ({condition}) FROM frame").fetchall()]


@pytest.mark.parametrize(
    "condition",
    [
        "a IN (SELECT a FROM frame)",
        "EXISTS (SELECT 1)",
        "(SELECT 1) = a",
        "SELECT 1",
        "a; DROP TABLE frame",
        "a > 1; SELECT 2",
        "read_csv('/etc/passwd') = 1",
        "read_text('/etc/passwd') = 'x'",
        "getenv('HOME') = 'x'",
        "now() > a",
        "CURRENT_DATE > a",
        "random() > 0.5",
        "frame.a = 1",
        "main.frame.a = 1",
        "COUNT(*) > 1",
        "sum(a) OVER () > 1",
        "*",
        "a = ?",
        "a = $1",
        "TRY_CAST(s AS INT) = 1",
        "CAST(s AS BLOB) = 'x'",
        "a LIKE 'x' ESCAPE '!'",
        "a COLLATE nocase = 'x'",
        "[1, 2][1] = a",
        "{'x': 1} = a",
        "a -> 'x' = 1",
        "INTERVAL 1 DAY > a",
        "a = ANY([1])",
        "a := 1",
        "CREATE TABLE x (a int)",
        "COPY frame TO 'x'",
        "ATTACH 'x'",
        "PRAGMA version",
        "",
        "-- nothing",
        "a > ",
        "((((((",
        "(" * 200 + "a" + ")" * 200 + " = 1",
        "a = 1" + " OR a = 1" * 5000,
    ],
)
def test_everything_else_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_predicate(condition)


def test_a_misspelt_function_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean length"):
        parse_predicate("lenght(a) > 1")


@pytest.mark.parametrize(
    "condition",
    ["s", "a", "a + q > 1", "s = 1", "q > 1", "m > f", "1 = 1", "a = 'one'", "length(a) = 1", "a BETWEEN SYMMETRIC 1 AND 2",
     "f % 2 = 0", "isnan(a)", "CAST(f AS INT) = 1", "CAST(f AS VARCHAR) = '1'", "regexp_matches(s, '(?=x)')",
     "s LIKE s", "year(a) = 1", "coalesce(a, s) = 1", "nope > 1", "CASE WHEN a THEN 1 END = 1"],
)  # fmt: skip
def test_what_has_no_exact_meaning_on_these_columns_is_refused(condition: str) -> None:
    with pytest.raises(Unjudgeable):
        translate(condition, FRAME.schema)


def test_a_long_condition_with_many_alternatives_is_accepted() -> None:
    condition = " OR ".join(f"a = {number}" for number in range(40))
    assert FRAME.select(translate(condition, FRAME.schema).sum()).item() == 2


def test_comparisons_with_nan_are_false() -> None:
    frame = pl.DataFrame({"x": [float("nan")], "y": [1.0]})
    for condition in ("x > 0", "x < 0", "x = x", "x <> 1", "x >= y", "x > y", "y < x", "x IN (1)"):
        assert frame.select(translate(condition, frame.schema)).item() is False, condition


def test_arithmetic_does_not_wrap_around() -> None:
    frame = pl.DataFrame({"x": pl.Series([2**63 - 1], dtype=pl.Int64), "y": pl.Series([200], dtype=pl.UInt8)})
    for condition in ("x + 1 > x", "x * x > x", "y - 201 < 0", "y + 100 = 300", "-x < 0"):
        assert frame.select(translate(condition, frame.schema)).item() is True, condition


def test_arithmetic_that_does_not_fit_is_an_error() -> None:
    frame = pl.DataFrame({"x": pl.Series([2**100], dtype=pl.Int128)})
    result = check(frame, [{"type": "expression", "expression": "x + 1 > x"}], engine="polars")
    assert result.results[0].status == "error"


def test_text_that_cannot_be_read_as_a_number_is_an_error_not_an_unjudged_row() -> None:
    frame = pl.DataFrame({"s": ["1", "x"]})
    result = check(frame, [{"type": "expression", "expression": "CAST(s AS INT) > 0"}], engine="polars")
    assert result.results[0].status == "error"


def test_columns_are_named_exactly_and_in_order() -> None:
    assert parse_predicate('b > 1 AND "n n" = a OR b < 0').columns == ("b", "n n", "a")
    assert parse_predicate('"A" > a').columns == ("A", "a")


@pytest.mark.parametrize(("condition", "total", "failed"), [
    ("TRUE", 5, 0), ("FALSE", 5, 5), ("NULL", 0, 0), ("a > NULL OR TRUE", 5, 0), ("NULL IS NOT NULL", 5, 5), ("a > 0 AND FALSE", 5, 5),
])  # fmt: skip
@pytest.mark.parametrize("lazy", [False, True], ids=["frame", "lazy"])
def test_a_condition_that_is_constant_is_a_verdict_about_every_row(
    condition: str, total: int, failed: int, lazy: bool
) -> None:
    rules = [
        {"type": "expression", "expression": condition},
        {"type": "row_count", "min": 0, "where": condition},
        {"column": "a", "type": "not_null", "where": condition},
    ]
    first, second, third = check(FRAME.lazy() if lazy else FRAME, rules).results
    good = total - failed
    assert (first.failed_count, first.total_count) == (failed, total)
    assert second.actual == good
    assert third.total_count == good


@pytest.mark.parametrize(
    ("condition", "part"),
    [("if(a > 1, TRUE, FALSE)", "write CASE WHEN"), ("regexp_matches(s, '(?=x)')", "look-around"), ("s ~ '('", "unclosed group"),
     ("d > DATE '2020-13-01'", "DATE '2020-13-01': month must be in 1..12; write it like 2026-01-31"),
     ("d > ('2020-02-30')::DATE", "day is out of range"), ("d > DATE '2020-1-1'", "write it like 2026-01-31"),
     ("t > TIMESTAMP '2020-01-01 25:00:00'", "hour must be in 0..23; write it like 2026-01-31 09:00:00"),
     ("a NOT BETWEEN SYMMETRIC 2 AND 1", "write the lower bound first")],
)  # fmt: skip
def test_what_no_column_can_mend_is_refused_when_it_is_read(condition: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_predicate(condition)
