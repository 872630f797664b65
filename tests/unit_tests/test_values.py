"""Cells of a unit test become exact values of their types, or are refused; and what is written is read back."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from etl.config.yaml_source import Node, parse
from etl.quality.rules.dtypes import exact_dtype
from etl.unit_tests.typed import cell_value, typed_column, written_dtype
from etl.unit_tests.writing import type_names, yaml_line

SEOUL = pl.Datetime("us", "Asia/Seoul")


def node(yaml: str) -> Node:
    root = parse(f"x: {yaml}\n".encode()).root
    assert root is not None
    assert isinstance(root.value, dict)
    return root.value["x"]


@pytest.mark.parametrize(
    ("yaml", "dtype", "value"),
    [
        ("5", pl.Int64(), 5),
        ('"5"', pl.Int8(), 5),
        ("5", pl.Float64(), 5.0),
        (".nan", pl.Float64(), "nan"),
        ("0.1", pl.Decimal(12, 2), Decimal("0.10")),
        ("12345678901234567890.12", pl.Decimal(30, 2), Decimal("12345678901234567890.12")),
        ("007", pl.String(), "007"),
        ("1e3", pl.String(), "1e3"),
        ("true", pl.String(), "true"),
        ("null", pl.String(), None),
        ('""', pl.String(), ""),
        ("true", pl.Boolean(), True),
        ("2026-01-05", pl.Date(), date(2026, 1, 5)),
        ("2026-01-05", pl.Datetime("us"), datetime(2026, 1, 5)),  # noqa: DTZ001
        ("2026-01-05 09:30:00.5", pl.Datetime("us"), datetime(2026, 1, 5, 9, 30, 0, 500000)),  # noqa: DTZ001
        ("2026-01-05T00:00:00Z", SEOUL, datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Asia/Seoul"))),
        ("2026-01-05T09:00:00", SEOUL, datetime(2026, 1, 5, tzinfo=UTC)),
        ("12:30", pl.Time(), time(12, 30)),
        ("PT90M", pl.Duration("us"), timedelta(hours=1.5)),
        ("00ff", pl.Binary(), b"\x00\xff"),
        ("[1, null]", pl.List(pl.Int64()), [1, None]),
        ("{a: 1}", pl.Struct({"a": pl.Int64(), "b": pl.String()}), {"a": 1, "b": None}),
    ],
)
def test_a_cell_is_exactly_its_value(yaml: str, dtype: pl.DataType, value: object) -> None:
    (made,) = typed_column("x", [node(yaml)], dtype).to_list()
    assert (str(made), "nan") == (value, value) if value == "nan" else made == value
    assert typed_column("x", [node(yaml)], dtype).dtype == dtype


@pytest.mark.parametrize(
    ("yaml", "dtype", "said"),
    [
        ("1.5", pl.Int64(), "not a whole number"),
        ("true", pl.Int64(), "not a whole number"),
        ("300", pl.Int8(), "does not fit"),
        ("0.125", pl.Decimal(12, 2), "more than the 2 decimal places"),
        ("abc", pl.Decimal(12, 2), "not a number"),
        ("1", pl.Boolean(), "neither true nor false"),
        ("2026-02-30", pl.Date(), "not a date"),
        ("2026-01-05T00:00:00Z", pl.Datetime("us"), "has no zone"),
        ("[1]", pl.String(), "a single value is meant"),
        ("1", pl.List(pl.Int64()), "a list is meant"),
        ("{c: 1}", pl.Struct({"a": pl.Int64()}), "no field `c`"),
    ],
)
def test_a_cell_that_is_no_value_of_its_type_is_refused(yaml: str, dtype: pl.DataType, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        typed_column("x", [node(yaml)], dtype)


def test_values_tell_their_type_as_they_are_written() -> None:
    kinds = {yaml: written_dtype([node("null"), node(yaml)]) for yaml in ("1", "1.5", "true", "abc", "2026-01-05")}
    assert kinds == {
        "1": pl.Int64(),
        "1.5": pl.Float64(),
        "true": pl.Boolean(),
        "abc": pl.String(),
        "2026-01-05": pl.Date(),
    }
    assert written_dtype([node("1"), node("1.5")]) == pl.Float64()
    assert written_dtype([node("null")]) is None
    with pytest.raises(ValueError, match="several types"):
        written_dtype([node("1"), node("abc")])


VALUES: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.String(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
    (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    (pl.Float64(), st.floats(allow_nan=False)),
    (pl.Decimal(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    (pl.Boolean(), st.booleans()),
    (pl.Date(), st.dates()),
    (pl.Datetime("us"), st.datetimes()),
    (pl.Time(), st.times()),
    (pl.Binary(), st.binary(max_size=8)),
]


@pytest.mark.parametrize(("dtype", "values"), VALUES, ids=lambda each: str(each)[:12])
def test_what_is_written_is_read_back_as_the_same_value(dtype: pl.DataType, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.none() | values)
    def holds(value: Any) -> None:
        read = parse(f"- {yaml_line({'a b': value, 'c': [value]})}\n".encode())
        assert read.root is not None, (value, read.findings)
        (row,) = read.root.value  # type: ignore[misc]
        assert cell_value(row.value["a b"], dtype) == value  # type: ignore[index, union-attr]
        assert cell_value(row.value["c"], pl.List(dtype)) == [value]  # type: ignore[index, union-attr]

    holds()


def test_types_are_written_as_a_test_names_them() -> None:
    schema = {
        "a": pl.Int64(),
        "b": pl.Decimal(12, 2),
        "c": SEOUL,
        "d": pl.Datetime("ms"),
        "e": pl.List(pl.String()),
        "f": pl.Struct({"x": pl.Int64()}),
    }
    named = type_names(schema)
    assert named["b"] == "Decimal(12, 2)"
    assert named["c"] == "Datetime('us', 'Asia/Seoul')"
    assert {name: exact_dtype(text) for name, text in named.items()} == {n: t for n, t in schema.items() if n != "f"}
