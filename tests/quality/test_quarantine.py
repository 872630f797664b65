# ruff: noqa: DTZ001  moments without a zone are part of what is tested
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl.errors import QualityError
from etl.quality import Split, check, split
from etl.quality.rules import RuleError

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 2, None, 5, 6],
        "qty": [1.0, -1.0, 3.0, None, float("nan"), 6.0],
        "code": ["a", "b", "a", "zz", "a", None],
    }
)
RULES = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "unique"},
    {"column": "qty", "type": "positive"},
    {"column": "code", "type": "foreign_key", "to": "codes"},
    {"type": "row_count", "min": 100},
    {"column": "qty", "type": "mean_between", "max": 0},
]
TABLES = {"codes": pl.LazyFrame({"code": ["a", "b"]})}


@pytest.fixture
def paths(tmp_path: Path) -> Any:
    return tmp_path / "good.parquet", tmp_path / "rejected.parquet"


def test_rows_go_to_one_file_or_the_other_with_the_names_of_the_rules(paths: tuple[Path, Path]) -> None:
    result = split(FRAME.lazy(), RULES, *paths, extra={"_run_id": "r1"}, tables=TABLES)
    assert result == Split(6, 2, 4, result.per_rule)
    assert result.per_rule == {"not_null__id": 1, "unique__id": 2, "positive__qty": 2, "foreign_key__code": 1}
    good, rejected = (pl.read_parquet(path) for path in paths)
    assert good.equals(FRAME[[0, 5]])
    assert rejected.select(FRAME.columns).equals(FRAME[[1, 2, 3, 4]])
    assert rejected["_rules"].to_list() == [
        ["unique__id", "positive__qty"],
        ["unique__id"],
        ["not_null__id", "foreign_key__code"],
        ["positive__qty"],
    ]
    assert rejected["_run_id"].to_list() == ["r1"] * 4


def test_per_rule_counts_are_those_of_the_check(paths: tuple[Path, Path]) -> None:
    result = split(FRAME, RULES, *paths, tables=TABLES)
    checked = check(FRAME, RULES, engine="polars", tables=TABLES)
    assert result.per_rule == {
        each.check_name: each.failed_count for each in checked.results if each.rule.level == "row"
    }


def test_good_rows_pass_the_rules_that_rejected_the_others(paths: tuple[Path, Path]) -> None:
    split(FRAME, RULES[:4], *paths, tables=TABLES)
    assert check(paths[0], RULES[:4], engine="polars", tables=TABLES).is_success


def test_rules_about_the_table_reject_nothing(paths: tuple[Path, Path]) -> None:
    result = split(FRAME, RULES[4:], *paths)
    assert (result.good, result.rejected, result.per_rule) == (6, 0, {})
    assert pl.read_parquet(paths[0]).equals(FRAME)
    assert pl.read_parquet(paths[1]).columns == [*FRAME.columns, "_rules"]


def test_an_empty_table_gives_two_empty_files(paths: tuple[Path, Path]) -> None:
    result = split(FRAME.clear(), RULES, *paths, tables=TABLES)
    assert (result.read, result.good, result.rejected) == (0, 0, 0)
    assert pl.read_parquet(paths[0]).schema == FRAME.schema


def test_the_footer_of_the_file_is_carried_on(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    source = tmp_path / "source.parquet"
    FRAME.write_parquet(source, metadata={"etl": "placeholder   "})
    split(source, RULES[:1], *paths, metadata={"more": "x"})
    for path in paths:
        footer = pl.read_parquet_metadata(path)
        assert (footer["etl"], footer["more"]) == ("placeholder   ", "x")


def test_a_rule_that_cannot_be_judged_stops_the_split(paths: tuple[Path, Path]) -> None:
    with pytest.raises(QualityError, match="did you mean `qty`"):
        split(FRAME, [{"column": "qtty", "type": "positive"}], *paths)
    with pytest.raises(RuleError):
        split(FRAME, [{"column": "qty", "type": "postive"}], *paths)
    assert not paths[0].exists()


def test_columns_of_the_same_name_are_refused(paths: tuple[Path, Path]) -> None:
    with pytest.raises(QualityError, match="_rules"):
        split(FRAME.with_columns(_rules=1), RULES[:1], *paths)
    with pytest.raises(QualityError, match="qty"):
        split(FRAME, RULES[:1], *paths, extra={"qty": "x"})


def test_a_condition_limits_what_is_rejected(paths: tuple[Path, Path]) -> None:
    rule = {"column": "qty", "type": "positive", "where": "code = 'b'"}
    assert split(FRAME, [rule], *paths).rejected == 1


def test_the_moment_of_judging_can_be_given(paths: tuple[Path, Path]) -> None:
    frame = pl.DataFrame({"t": [datetime(2026, 1, 2), datetime(2026, 1, 4)]})
    rule = {"column": "t", "type": "not_future"}
    assert split(frame, [rule], *paths, now=datetime(2026, 1, 3, tzinfo=UTC)).rejected == 1


def test_every_type_comes_back_as_it_was(paths: tuple[Path, Path]) -> None:
    frame = pl.DataFrame(
        {
            "k": [1, -1, None],
            "dec": pl.Series([Decimal("1.50"), None, Decimal("-0.01")], dtype=pl.Decimal(20, 2)),
            "cat": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "enum": pl.Series(["x", None, "y"], dtype=pl.Enum(["x", "y"])),
            "zoned": pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * 3).dt.convert_time_zone("Asia/Seoul"),
            "ns": pl.Series([1, 2, None], dtype=pl.Int64).cast(pl.Datetime("ns")),
            "clock": [time(9), None, time(23, 59, 59, 1)],
            "span": pl.Series([timedelta(1), None, timedelta(0)], dtype=pl.Duration("ms")),
            "tags": [["a"], [], None],
            "nested": [{"p": 1, "q": "x"}, None, {"p": None, "q": ""}],
            "raw": [b"\x00", b"", None],
            "nothing": pl.Series([None] * 3, dtype=pl.Null),
            "small": pl.Series([0, 255, None], dtype=pl.UInt8),
        }
    )
    split(frame, [{"column": "k", "type": "positive"}], *paths)
    assert_frame_equal(pl.read_parquet(paths[0]), frame[[0, 2]], categorical_as_str=False)
    assert_frame_equal(pl.read_parquet(paths[1]).select(frame.columns), frame[[1]])


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1, -1], dtype=pl.Int128),
        pl.Series([[1], [2]], dtype=pl.List(pl.UInt128)),
        pl.Series([{}, {}], dtype=pl.Struct({})),
        pl.Series([object(), object()], dtype=pl.Object),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_type_that_parquet_lacks_is_refused_with_column_and_remedy(
    values: pl.Series, paths: tuple[Path, Path]
) -> None:
    frame = pl.DataFrame({"a": [1, -1], "wide": values})
    with pytest.raises(QualityError) as refused:
        split(frame, [{"column": "a", "type": "positive"}], *paths)
    assert refused.value.problem == f"the rows cannot be written as Parquet: the column `wide` is {values.dtype}"
    assert "Decimal(38, 0)" in refused.value.hint
    assert not any(path.exists() for path in paths)


def test_a_split_that_breaks_leaves_no_file_behind(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    frame = pl.DataFrame({"s": [*(["1"] * 200_000), "x"]})
    with pytest.raises(QualityError, match="cannot be split"):
        split(frame, [{"type": "expression", "expression": "CAST(s AS INT) > 0"}], *paths)
    assert [*tmp_path.iterdir()] == []


def test_many_rows_keep_their_order_and_their_number(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    source = tmp_path / "source.parquet"
    frame = pl.DataFrame({"n": range(300_000)}).with_columns(v=pl.col("n") % 7)
    frame.write_parquet(source, row_group_size=20_000)
    result = split(source, [{"column": "v", "type": "positive"}], *paths)
    assert result.read == 300_000
    assert pl.read_parquet(paths[0])["n"].equals(frame.filter(pl.col("v") > 0)["n"])
    assert pl.read_parquet(paths[1])["n"].equals(frame.filter(pl.col("v") == 0)["n"])
