"""A finished file before it is published: every type that a transform can make is read by all three, or refused."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import LakeError
from etl.lake.readable import require_readable

DAY_AFTER = pl.Series([2_932_897], dtype=pl.Int32).cast(pl.Date)  # 10000-01-01
DAY_BEFORE = pl.Series([-719_163], dtype=pl.Int32).cast(pl.Date)  # the last day before the year 1
MOMENT_AFTER = pl.Series([2_932_897 * 86_400_000_000]).cast(pl.Datetime("us"))

READABLE = {
    "bounds": pl.Series([date(1, 1, 1), date(9999, 12, 31), None]),
    "moments": pl.Series([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]),
    "nothing": pl.Series([None, None], dtype=pl.Date),
    "no type": pl.Series([None, None]),
    "no rows": pl.Series([], dtype=pl.Datetime("us")),
    "nested": pl.Series([{"a": [date(2026, 1, 1)], "b": [[1], []]}, None]),
    "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
    "kinds": pl.Series(["a", "b"], dtype=pl.Categorical),
    "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
    "decimal": pl.Series([Decimal("9" * 28 + ".0123456789")], dtype=pl.Decimal(38, 10)),
    "unsigned": pl.Series([2**64 - 1], dtype=pl.UInt64),
    "binary": pl.Series([b"\xff\x00"]),
    "text": pl.Series(["a\0b", "\U0010ffff", ""]),
}
REFUSED = {
    "128 bits": (pl.Series([2**100], dtype=pl.Int128), "`x` is Int128"),
    "unsigned 128 bits": (pl.Series([2**100], dtype=pl.UInt128), "`x` is UInt128"),
    "duration": (pl.Series([timedelta(1)]), "`x` holds durations"),
    "nested duration": (pl.Series([[timedelta(1)]]), "`x` holds durations"),
    "after": (DAY_AFTER, "`x` holds dates beyond the years 1 to 9999 (1 of them)"),
    "before": (DAY_BEFORE, "`x` holds dates"),
    "moment": (MOMENT_AFTER, "`x` holds dates"),
    "zoned": (MOMENT_AFTER.dt.replace_time_zone("UTC"), "`x` holds dates"),
    "milliseconds": (MOMENT_AFTER.cast(pl.Datetime("ms")), "`x` holds dates"),
    "list": (DAY_AFTER.implode(), "`x.list.element` holds dates"),
    "struct": (pl.DataFrame({"a": DAY_AFTER}).to_struct("x"), "`x.a` holds dates"),
}


@pytest.mark.parametrize("statistics", [True, False])
def test_what_passes_is_the_same_for_all_three(tmp_path: Path, statistics: bool) -> None:
    for name, values in READABLE.items():
        path = tmp_path / "x.parquet"
        values.alias("x").to_frame().lazy().sink_parquet(path, statistics=statistics)
        require_readable(path, name)
        by_polars = pl.read_parquet(path)["x"].to_list()
        assert by_polars == values.to_list(), name
        assert pq.read_table(path)["x"].to_pylist() == by_polars, name
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = [row[0] for row in connection.execute(f"SELECT x FROM '{path}'").fetchall()]
        plain = [list(each) if isinstance(each, tuple) else each for each in found]
        assert plain == by_polars, name


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_what_one_of_them_cannot_read_is_refused_by_name(tmp_path: Path, name: str, statistics: bool) -> None:
    values, problem = REFUSED[name]
    path = tmp_path / "x.parquet"
    pl.DataFrame({"fine": [1], "x": values}).lazy().sink_parquet(path, statistics=statistics)
    with pytest.raises(LakeError) as caught:
        require_readable(path, "acme/orders transfer")
    assert problem in caught.value.problem
    assert "acme/orders transfer" in caught.value.problem
    assert "fine" not in caught.value.problem


def test_names_that_readers_change_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "A": [time(1)]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(LakeError, match="`A` is called `A_1` by DuckDB"):
        require_readable(tmp_path / "x.parquet", "x")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1] * 1000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LakeError, match="cannot be read"):
        require_readable(path, "x")
