"""A failed check names rows by where they stand in the data, in every engine and however the data are given."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from etl.quality import CheckResult, check
from tests.conformance import libraries

assert libraries  # imported for its effect
ENGINES = ("polars", "truthound", "pandera", "great_expectations")
RULES: list[dict[str, Any]] = [
    {"column": "값", "type": "positive"},
    {"column": "값", "type": "not_null"},
    {"column": "key", "type": "unique"},
    {"column": "값", "type": "in_range", "min": 0, "where": "key > 2"},
]


def as_given(frame: pl.DataFrame, way: str, folder: Path) -> Any:
    match way:
        case "frame":
            return frame
        case "lazy":
            return frame.lazy()
        case _:
            path = folder / "data.parquet"
            frame.write_parquet(path, row_group_size=5)
            return path


def bad_rows(frame: pl.DataFrame) -> list[list[int]]:
    """The positions of the rows that break each rule, by a loop over the rows."""
    rows = frame.to_dicts()
    keys = [row["key"] for row in rows]
    return [
        [n for n, row in enumerate(rows) if row["값"] is not None and row["값"] <= 0],
        [n for n, row in enumerate(rows) if row["값"] is None],
        [n for n, key in enumerate(keys) if key is not None and keys.count(key) > 1],
        [n for n, row in enumerate(rows) if row["값"] is not None and row["값"] < 0 and (row["key"] or 0) > 2],
    ]


@pytest.mark.parametrize("way", ["frame", "lazy", "file"])
@pytest.mark.parametrize("engine", ENGINES)
def test_rows_are_where_the_check_says(engine: str, way: str, tmp_path: Path) -> None:
    values = [5, None, -1, 7, 0, 3, -9, None, 8, 1, 2, -3]
    frame = pl.DataFrame({"값": values, "key": [1, 2, 3, 4, 5, 5, 6, 7, 8, 3, None, None], "row": ["x"] * 12})
    expected = bad_rows(frame)
    result = check(as_given(frame, way, tmp_path), RULES, engine=engine, sample_size=50)
    assert [sorted(each.rows) for each in result.results] == expected
    few = check(as_given(frame, way, tmp_path), RULES, engine=engine, sample_size=1, key_columns=["값"])
    for each, rows in zip(few.results, expected, strict=True):
        assert len(each.rows) == len(each.sample) == 1
        assert each.rows[0] in rows
        assert each.sample[0] == {"값": values[each.rows[0]]}
    assert CheckResult.from_dict(few.to_dict()) == few


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-2, 3), st.none() | st.integers(1, 6)),
        min_size=1,
        max_size=40,
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_rows_of_any_frame(rows: list[tuple[int | None, int | None]], lazy: bool) -> None:
    frame = pl.DataFrame(rows, schema={"값": pl.Int64, "key": pl.Int64}, orient="row")
    result = check(frame.lazy() if lazy else frame, RULES, engine="polars", sample_size=100)
    assert [sorted(each.rows) for each in result.results] == bad_rows(frame)


def test_no_row_is_named_where_none_is_asked_for_or_the_table_is_judged_as_a_whole() -> None:
    frame = pl.DataFrame({"값": [1, -1]})
    assert check(frame, [{"column": "값", "type": "positive"}], sample_size=0).results[0].rows == ()
    assert check(frame, [{"column": "값", "type": "sum_between", "min": 1}], engine="polars").results[0].rows == ()
    assert check(frame, [{"column": "값", "type": "monotonic"}], engine="polars").results[0].rows == (1,)
