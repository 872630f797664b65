"""SQLite lets any value stand anywhere: what fits its column's declared type arrives, what does not is named."""

# ruff: noqa: DTZ001  times without a zone are what is tested

import math
import random
import sqlite3
import struct
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from math import inf
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import SourceError
from etl.source import sqlalchemy_cursor, sqlite_duckdb
from etl.source.contract import Login
from etl.source.database_url import parse
from etl.source.reading import ExtractRequest, count_rows, extract_to_parquet

Make = Callable[..., str]

KEPT: list[tuple[str, Any, Any]] = [
    ("INTEGER", 2**63 - 1, 2**63 - 1),
    ("UNSIGNED BIG INT", -(2**63), -(2**63)),
    ("tinyint", "12", 12),  # SQLite itself converts text that looks like a number
    ("REAL", 0.1, 0.1),
    ("DOUBLE PRECISION", 1e308, 1e308),
    ("FLOAT", 9e999, inf),
    ("REAL", 5e-324, 5e-324),
    ("REAL", 7, 7.0),
    ("DECIMAL(10,2)", 10, 10.0),
    ("DECIMAL(10,2)", 10.25, 10.25),
    ("NUMERIC", 0.1 + 0.2, 0.30000000000000004),
    ("BOOLEAN", True, True),
    ("bool", 0, False),
    ("TEXT", "é😀\n'\"", "é😀\n'\""),
    ("TEXT", "!not a mark", "!not a mark"),
    ("VARCHAR(3)", "longer than 3", "longer than 3"),
    ("CHAR(5)", "ab  ", "ab  "),
    ("TEXT", "", ""),
    ("JSON", '{"a": 1.0}', '{"a": 1.0}'),
    ("BLOB", b"\x00\xff", b"\x00\xff"),
    ("BLOB", b"", b""),
    ("DATE", "2026-02-28", date(2026, 2, 28)),
    ("DATE", "2026-02-28 00:00:00", date(2026, 2, 28)),
    ("DATETIME", "2026-02-28 01:02:03.123456", datetime(2026, 2, 28, 1, 2, 3, 123456)),
    ("TIMESTAMP", "2026-02-28T01:02:03", datetime(2026, 2, 28, 1, 2, 3)),
    ("TIMESTAMP", "2026-02-28", datetime(2026, 2, 28)),
    ("TIMESTAMPTZ", "2026-02-28 01:02:03+09:00", datetime(2026, 2, 27, 16, 2, 3, tzinfo=UTC)),
    ("TIMESTAMP WITH TIME ZONE", "2026-02-28T01:02:03Z", datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)),
    ("TIME", "23:59:59.5", time(23, 59, 59, 500000)),
    ("", 5, 5),
    ("", 0.5, 0.5),
    ("", "x", "x"),
    ("", b"x", b"x"),
    ("INTEGER", None, None),
]

REFUSED: list[tuple[str, Any]] = [
    ("INTEGER", "abc"),
    ("INTEGER", 1.5),
    ("INTEGER", b"\x00"),
    ("REAL", "abc"),
    ("DECIMAL(10,2)", "1,5"),
    ("NUMERIC", 2**53 + 1),
    ("BOOLEAN", 2),
    ("BOOLEAN", "true"),
    ("TEXT", b"\xff"),
    ("BLOB", "text"),
    ("DATE", 20260101),
    ("DATE", 1.5),
    ("DATE", "infinity"),
    ("DATE", "01.02.2026"),
    ("DATE", "2026-02-30"),
    ("DATE", "2026-02-28 10:00:00"),
    ("DATETIME", "2026-02-28 10:00:00+09:00"),
    ("DATETIME", "2026-02-28T10:00:00Z"),
    ("DATETIME", "infinity"),
    ("DATETIME", "2026-02-28 10:00:00.123456789"),
    ("DATETIME", 1767225600),
    ("TIMESTAMPTZ", "2026-02-28 10:00:00"),
    ("TIME", "24:00:00"),
    ("TIME", "10:00:00+09"),
]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def database(declared: str, *values: Any) -> str:
        path = tmp_path / "x.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, the_column {declared})")
            connection.executemany("INSERT INTO t (the_column) VALUES (?)", [(each,) for each in values])
        connection.close()
        return f"sqlite:///{path}"

    return database


@pytest.mark.parametrize("driver", ["sqlite_duckdb", "sqlalchemy"])
def test_every_value_that_fits_its_type_arrives(
    driver: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(sqlite_duckdb, "extension_path", lambda _: None)
    wrong = []
    for declared, value, wanted in KEPT:
        path = tmp_path / "x.parquet"
        report = extract_to_parquet(make(declared, None, value), ExtractRequest(table="t"), path, footer={})
        assert report.driver == driver
        found = pl.read_parquet(path)["the_column"].to_list()
        if found != [None, wanted] or type(found[1]) is not type(wanted):
            wrong.append((declared, value, found))
    assert wrong == []


@pytest.mark.parametrize("driver", ["sqlite_duckdb", "sqlalchemy"])
def test_a_value_that_does_not_fit_is_refused_with_column_and_row(
    driver: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(sqlite_duckdb, "extension_path", lambda _: None)
    wrong = []
    for declared, value in REFUSED:
        path = tmp_path / "x.parquet"
        try:
            extract_to_parquet(make(declared, None, value), ExtractRequest(table="t"), path, footer={})
        except SourceError as error:
            if "`the_column`" not in str(error):
                wrong.append((declared, value, str(error)))
        else:
            wrong.append((declared, value, pl.read_parquet(path)["the_column"].to_list()))
        if path.exists():
            wrong.append((declared, value, "left a file behind"))
            path.unlink()
    assert wrong == []


def test_the_row_that_does_not_fit_is_named(make: Make, tmp_path: Path) -> None:
    url = make("INTEGER", 1, 2, "abc")
    with pytest.raises(SourceError, match="rowid 3 holds a value of type text"):
        extract_to_parquet(url, ExtractRequest(table="t"), tmp_path / "x.parquet", footer={})


def test_a_later_value_of_another_type_is_named_by_its_type_and_not_quoted(make: Make, tmp_path: Path) -> None:
    """Where nothing looks at all rows first, the types of a query are those of its first thousand."""
    url = parse(make("", *range(1500), "Kim 900101"))
    plan = sqlalchemy_cursor.plan(url, ExtractRequest(query="SELECT the_column FROM t"))
    with pytest.raises(SourceError, match=r"`the_column` .* the database gives it as str") as caught:
        sqlalchemy_cursor.stream(Login(url), plan.select(), plan, tmp_path / "x.parquet", {})
    assert "Kim" not in "".join(traceback.format_exception(caught.value))


def test_a_mixed_column_without_a_type_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="`the_column` declares no type and holds values of the types integer, text"):
        extract_to_parquet(make("", 1, "x"), ExtractRequest(table="t"), tmp_path / "x.parquet", footer={})


def test_a_path_that_reads_as_a_pattern_is_itself_and_no_other(make: Make, tmp_path: Path) -> None:
    counts = []
    for folder, values in (("abc", ("a", "b")), ("a[b]c", ("c",))):
        path = tmp_path / folder / "x?.parquet"
        path.parent.mkdir()
        counts.append(extract_to_parquet(make("TEXT", *values), ExtractRequest(table="t"), path, footer={}).rows)
    assert counts == [2, 1]


def test_the_footer_projection_order_and_report(make: Make, tmp_path: Path) -> None:
    url, path, told = make("TEXT", "b", "c", "a"), tmp_path / "x.parquet", list[int]()
    footer = {"etl": '{"it\'s": "placed"}     ', 'key"': "é"}
    request = ExtractRequest(table="t", columns=("the_column",), sort_by=("the_column",))
    report = extract_to_parquet(url, request, path, footer=footer, on_progress=told.append)
    metadata = pq.read_metadata(path)
    found = {key.decode(): value.decode() for key, value in (metadata.metadata or {}).items()}
    assert {key: found[key] for key in footer} == footer
    assert pl.read_parquet(path).rows() == [("a",), ("b",), ("c",)]
    assert (report.rows, told[-1]) == (3, 3)
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert list(tmp_path.glob("*.spill")) == []


def test_what_does_not_exist_is_named_with_what_comes_near(make: Make, tmp_path: Path) -> None:
    url, path = make("TEXT", "a"), tmp_path / "x.parquet"
    with pytest.raises(SourceError, match=r"table `tt` does not exist\s+-> did you mean `t`"):
        extract_to_parquet(url, ExtractRequest(table="tt"), path, footer={})
    with pytest.raises(SourceError, match=r"no column `the_colum`\s+-> did you mean `the_column`"):
        extract_to_parquet(url, ExtractRequest(table="t", columns=("the_colum",)), path, footer={})
    with pytest.raises(SourceError, match="no such column: nope"):
        extract_to_parquet(url, ExtractRequest(query="SELECT nope FROM t"), path, footer={})
    with pytest.raises(SourceError, match="does not exist"):
        count_rows(f"sqlite:///{tmp_path}/other.db", ExtractRequest(table="t"))
    assert not (tmp_path / "other.db").exists()


def test_an_empty_table_has_its_columns(make: Make, tmp_path: Path) -> None:
    report = extract_to_parquet(make("DATE"), ExtractRequest(table="t"), tmp_path / "x.parquet", footer={})
    assert report.rows == 0
    assert pl.read_parquet(tmp_path / "x.parquet").schema == {"id": pl.Int64(), "the_column": pl.Date()}


def test_every_double_arrives_bit_by_bit(make: Make, tmp_path: Path) -> None:
    """SQLite prints and reads numbers inexactly where they are very large or very small; Parquet has all their bits."""
    bits = random.Random(7)
    values = [float.fromhex(each) for each in ("0x1.fffffffffffffp+1023", "0x1p-1074", "0x1p-1022", "-0x0p+0")]
    values += [0.1 + 0.2, math.pi, 1 / 3, 2.0**53, 1e22, 1e23, 1e200, 1e-200, -1e200, -inf, inf]
    while len(values) < 20_000:
        (value,) = struct.unpack("<d", bits.randbytes(8))
        if math.isfinite(value):
            values.append(value)
    url, path = make("REAL", *values), tmp_path / "doubles.parquet"
    extract_to_parquet(url, ExtractRequest(table="t", sort_by=("id",)), path, footer={})
    arrived = pl.read_parquet(path)["the_column"].to_list()
    expected = [0.0 if each == 0 else each for each in values]  # SQLite itself keeps no sign of zero
    assert [each.hex() for each in arrived] == [each.hex() for each in expected]
