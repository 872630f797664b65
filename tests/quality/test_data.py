"""Every kind of input gets the verdict that its rows deserve, or is refused by name."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from etl.errors import QualityError
from etl.quality import CheckStatus, check, compare_engines
from etl.quality.data import open_data
from etl.quality.files import UnreadableData
from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect
from tests.conformance.test_conformance import ENGINES, differences

NOT_NULL = [{"column": "a", "type": "not_null"}]


def relation(frame: pl.DataFrame) -> Any:
    table = frame.to_arrow()
    return duckdb.connect().from_arrow(table)


def batches(frame: pl.DataFrame) -> Any:
    return frame.to_arrow().to_reader(max_chunksize=7)


def pandas(frame: pl.DataFrame) -> Any:
    return frame.to_pandas(use_pyarrow_extension_array=True)


HANDED: dict[str, tuple[Callable[[pl.DataFrame], Any], tuple[str, ...]]] = {
    "arrow": (lambda frame: frame.to_arrow(), ()),
    "reader": (batches, ()),
    "pandas": (pandas, ()),
    "duckdb": (relation, ("dur",)),
}
"""How a frame is handed over, and the columns that this library has no type for."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handed", HANDED)
@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_what_is_in_memory_gets_the_oracles_verdicts(engine: str, handed: str, kind: str) -> None:
    convert, absent = HANDED[handed]
    for seed in range(2):
        whole = make_frame(kind, seed)
        frame = whole.drop(absent)
        opened = open_data(convert(frame)).lazy().collect()
        kept = [name for name, dtype in frame.schema.items() if opened.schema[name] == dtype]
        assert len(kept) >= 20, opened.schema
        frame = frame.select(kept)
        rules = [rule for rule in make_rules(f"{kind} {seed}", ENGINES[0].rules) if {*rule.columns_needed} <= {*kept}]
        found = differences(engine, convert(frame), frame.schema, rules, expect(frame, rules, NOW, TABLES), TABLES, NOW)
        assert not found, "\n".join(found[:10])


CARRIED = ("x", "y", "i", "f", "s", "b", "day", "k")
"""Columns whose values text can carry; floats without NaN and infinity."""


def as_rows(frame: pl.DataFrame, folder: Path) -> Any:
    return frame.to_dicts()


def as_csv(frame: pl.DataFrame, folder: Path) -> Any:
    frame.write_csv(folder / "data.csv")
    return folder / "data.csv"


def as_zipped_csv(frame: pl.DataFrame, folder: Path) -> Any:
    text = io.BytesIO()
    frame.write_csv(text)
    (folder / "data.csv.gz").write_bytes(gzip.compress(text.getvalue()))
    return str(folder / "data.csv.gz")


def as_jsonl(frame: pl.DataFrame, folder: Path) -> Any:
    frame.write_ndjson(folder / "data.jsonl")
    return folder / "data.jsonl"


def as_files(frame: pl.DataFrame, folder: Path) -> Any:
    for place in range(3):
        (folder / f"day={place}").mkdir(exist_ok=True)
        frame[place::3].write_parquet(folder / f"day={place}" / "data.parquet")
    return str(folder / "day=*" / "data.parquet")


@pytest.mark.parametrize("write", [as_rows, as_csv, as_zipped_csv, as_jsonl, as_files])
@pytest.mark.parametrize("kind", ["clean", "dirty", "null", "one_row", "unicode", "duplicates", "boundaries"])
def test_no_value_changes_on_its_way_through_text(write: Any, kind: str, tmp_path: Path) -> None:
    for seed in range(3):
        frame = make_frame(kind, seed).select(CARRIED)
        frame = frame.filter(pl.col("f").is_finite() | pl.col("f").is_null())
        # A type is read from values, so a column without values has none; and text reads no lone carriage return.
        frame = frame.select(each for each in frame if each.null_count() < frame.height)
        frame = frame.filter(~pl.any_horizontal(pl.col(pl.String).str.contains("\r").fill_null(value=False)))
        if frame.is_empty():
            continue
        opened = open_data(write(frame, tmp_path)).lazy().collect()
        wanted = frame if write is not as_files else pl.concat([frame[place::3] for place in range(3)])
        if write is as_jsonl and "day" in opened.columns:
            opened = opened.with_columns(pl.col("day").str.to_date())  # JSON has no dates
        if "s" in opened.columns and opened.schema["s"] != pl.String:
            opened, wanted = opened.drop("s"), wanted.drop("s")  # all its texts were numbers
        assert_frame_equal(opened.cast(dict(wanted.schema)), wanted)


def test_nan_of_pandas_is_no_value_as_pandas_says() -> None:
    frame = pd.DataFrame({"a": [1.0, float("nan")]})
    assert frame["a"].isna().sum() == 1
    found = check(frame, [*NOT_NULL, {"column": "a", "type": "in_range", "min": 0}])
    assert [(each.status, each.failed_count, each.total_count) for each in found.results] == [
        ("failed", 1, 2),
        ("passed", 0, 1),
    ]


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "word"),
        [
            pytest.param(42, "builtins.int", id="a number"),
            pytest.param({"a": [1]}, "builtins.dict", id="a dict"),
            pytest.param(b"a.parquet", "builtins.bytes", id="bytes"),
            pytest.param(iter([{"a": 1}]), "check_batches", id="an iterator"),
            pytest.param([{"a": 1}, 3], "row 1", id="a row that is none"),
            pytest.param([{"a": 1}, {"a": "x"}], "`a`", id="text among numbers"),
            pytest.param([{"a": True}, {"a": 3}], "`a`", id="a truth value among numbers"),
            pytest.param([{"a": 2**53 + 1}, {"a": 0.5}], "`a`", id="a number that a float cannot hold"),
            pytest.param(pd.DataFrame([[1, 2]], columns=["a", "a"]), "exactly", id="two columns of one name"),
            pytest.param(pd.DataFrame({"a": [1, "x"]}), "`a`", id="objects of pandas"),
            pytest.param(pa.table([[1], [2]], names=["a", "a"]), "exactly", id="two columns of Arrow"),
            pytest.param(pa.table({"a": pa.array([1], pa.decimal256(50, 2))}), "exactly", id="256 bits"),
        ],
    )
    def test_by_name(self, data: Any, word: str) -> None:
        with pytest.raises(QualityError) as refused:
            check(data, NOT_NULL)
        assert word in str(refused.value)
        assert not isinstance(refused.value, UnreadableData), "asking again does not help"

    def test_integers_that_duckdb_gives_as_other_numbers(self) -> None:
        rows = duckdb.sql("SELECT 340282366920938463463374607431768211455::UHUGEINT AS a")
        with pytest.raises(QualityError, match="UHUGEINT"):
            check(rows, [{"column": "a", "type": "non_negative"}])

    def test_a_folder_without_files_and_files_of_two_kinds(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableData, match="no file"):
            check(tmp_path, NOT_NULL)
        (tmp_path / "a.csv").write_text("a\n1\n")
        pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "b.parquet")
        with pytest.raises(QualityError, match="csv and parquet"):
            check(tmp_path, NOT_NULL)

    @pytest.mark.parametrize("place", ["nothing.parquet", "*.parquet", "s3://127.0.0.1/none.parquet"])
    def test_what_is_not_there_may_be_there_later(self, place: str, tmp_path: Path) -> None:
        options: dict[str, Any] = {"aws_endpoint_url": "http://127.0.0.1:9", "aws_region": "x", "max_retries": 0}
        options |= {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        data = place if "://" in place else str(tmp_path / place)
        with pytest.raises(UnreadableData):
            check(data, NOT_NULL, storage_options=options if "://" in place else None)

    def test_a_column_that_the_file_has_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("a,a\n1,\n")
        with pytest.raises(QualityError, match="name of another"):
            check(tmp_path / "a.csv", NOT_NULL)


class TestFilesThatDiffer:
    """Several files are one table: a value of one of them must not vanish, and no pass may come of it."""

    @pytest.mark.parametrize(
        ("name", "first", "second"),
        [
            ("csv", "a\n1\n", "a,b\n1,2\n"),
            ("csv", "a\n1\n", "b\n2\n"),
            ("csv", "a\n1\n", ""),
            ("jsonl", '{"a": 1}\n', '{"a": [1]}\n'),
        ],
    )
    def test_is_never_a_pass(self, name: str, first: str, second: str, tmp_path: Path) -> None:
        (tmp_path / f"1.{name}").write_text(first)
        (tmp_path / f"2.{name}").write_text(second)
        try:
            found = check(f"{tmp_path}/*.{name}", NOT_NULL)
        except QualityError:
            return
        assert found.status in (CheckStatus.ERROR, CheckStatus.FAILED)

    def test_a_key_that_only_the_second_file_has_is_judged(self, tmp_path: Path) -> None:
        (tmp_path / "1.jsonl").write_text('{"a": 1}\n')
        (tmp_path / "2.jsonl").write_text('{"a": 2, "b": -5}\n')
        found = check(f"{tmp_path}/*.jsonl", [{"column": "b", "type": "positive"}, {"column": "b", "type": "not_null"}])
        assert [each.failed_count for each in found.results] == [1, 1]

    def test_a_key_that_comes_late_in_a_file_is_judged(self, tmp_path: Path) -> None:
        (tmp_path / "1.jsonl").write_text('{"a": 1}\n' * 5_000 + '{"a": 2, "b": -5}\n')
        assert check(tmp_path / "1.jsonl", [{"column": "b", "type": "positive"}]).results[0].failed_count == 1

    def test_text_that_comes_late_in_a_column_of_numbers_does_not_become_null(self, tmp_path: Path) -> None:
        (tmp_path / "1.csv").write_text("a\n" + "1\n" * 5_000 + "x\n")
        found = check(tmp_path / "1.csv", [*NOT_NULL, {"column": "a", "type": "positive"}])
        assert [each.status for each in found.results] == ["passed", "error"]

    def test_a_damaged_line_is_no_verdict(self, tmp_path: Path) -> None:
        (tmp_path / "1.jsonl").write_text('{"a": 1}\n{"a":')
        with pytest.raises(UnreadableData):
            check(tmp_path / "1.jsonl", NOT_NULL)


def test_a_stream_can_be_compared_although_it_is_read_once() -> None:
    reader = pa.table({"a": [1, None]}).to_reader()
    assert compare_engines(reader, NOT_NULL, ["polars", "truthound"]).agree
