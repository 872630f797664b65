"""Attacks "readable": values that databases and transforms allow and that readers of Parquet cannot have.

Each is refused by its column and the number of rows, and the last good day stays as it was.
"""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

SPOILT = '''"""orders, with a column that not every reader has a value for."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """A new column."""
    return orders.with_columns({made})
'''
MADE = {
    'pl.lit(2**70, dtype=pl.Int128).alias("wide")': "`wide` is Int128",
    'pl.lit(2_932_897, dtype=pl.Int32).cast(pl.Date).alias("far")': "`far` holds dates beyond the years 1 to 9999 (20",
    'pl.concat_list(pl.lit(2_932_897, dtype=pl.Int32).cast(pl.Date)).alias("far")': "`far.list.element` holds dates",
    'pl.duration(days=1).alias("took")': "`took` holds durations",
    'pl.lit(1).alias("NAME")': "`NAME` is called `NAME_1` by DuckDB",
}


@pytest.mark.slow
def test_a_source_with_text_that_is_no_text(target: Target) -> None:
    target.run_days(DAYS[0], DAYS[0])
    good = target.object("extract").read_bytes()
    target.source(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "INSERT INTO orders SELECT 1000 + i, 'good', 1.0, '2026-01-01 12:00:00' FROM n",
        "INSERT INTO orders VALUES (9001, CAST(x'62ff64' AS TEXT), 1.0, '2026-01-01 13:00:00')",
        "INSERT INTO orders VALUES (9002, CAST(x'eda080' AS TEXT), 1.0, '2026-01-01 13:00:00')",
    )
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
    assert said.code == 1
    assert "column `name` holds text that is not UTF-8 (2 of 5022 rows" in said.text
    assert target.object("extract").read_bytes() == good


@pytest.mark.slow
def test_a_transform_that_makes_what_readers_cannot_read(target: Target) -> None:
    target.run_days(DAYS[0], DAYS[0])
    good = target.object("transfer").read_bytes()
    for made, problem in MADE.items():
        target.project.write_transform(SPOILT.format(made=made))
        said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
        assert said.code == 1, made
        assert problem in said.text, said.text
        assert target.object("transfer").read_bytes() == good, made
