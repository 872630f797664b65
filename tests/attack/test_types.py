"""Attacks "one type from end to end": a daily pipeline that sets rows aside, over every type that SQLite's users declare.

The second day meets the objects of the first, whoever wrote them: the extract itself, or the split of good and bad rows.
"""

import pyarrow.parquet as pq
import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

TYPES = {
    "n": ("INTEGER", "7"),
    "r": ("REAL", "0.1"),
    "yes": ("BOOLEAN", "1"),
    "t": ("TEXT", "'é'"),
    "b": ("BLOB", "x'00ff'"),
    "d": ("DATE", "'2026-01-01'"),
    "at": ("TIME", "'10:11:12.131415'"),
    "z": ("TIMESTAMPTZ", "'2026-01-01 10:00:00+09'"),
}
IDENTITY = '''"""orders, as they are."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Nothing changes."""
    return orders
'''


def _types(target: Target, stage: str, day: str) -> dict[str, str]:
    """Column types in the words of Arrow, without the width of offsets, which is the writer's own matter."""
    (path,) = target.object(stage, day).parent.glob("*.parquet")
    schema = pq.read_schema(path)
    return {field.name: str(field.type).removeprefix("large_") for field in schema}


@pytest.mark.slow
def test_types_pass_through_every_stage(target: Target) -> None:
    for name, (kind, value) in TYPES.items():
        target.source(f"ALTER TABLE orders ADD COLUMN {name} {kind}", f"UPDATE orders SET {name} = {value}")
    rule = {"column": "order_id", "type": "not_in_set", "values": [105], "stage": "extract"}
    target.project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [rule]}})
    target.project.write_transform(IDENTITY)
    target.run_days(DAYS[0], DAYS[0])
    target.run_days(DAYS[1], DAYS[1])  # no bad row: written by the extract itself
    target.run_days(DAYS[0], DAYS[0])
    kinds = [_types(target, stage, day) for stage in ("extract", "transfer") for day in DAYS[:2]]
    assert all(each == kinds[0] for each in kinds), kinds
    assert kinds[0]["at"] == "time64[us]"
    rejected = _types(target, "extract_quarantine", DAYS[0])
    assert {name: rejected[name] for name in kinds[0]} == kinds[0]
    found = target.warehouse('SELECT DISTINCT n, r, yes, t, b, d::VARCHAR, "at"::VARCHAR, epoch_us(z) FROM shop.orders')
    assert found == [(7, 0.1, True, "é", b"\x00\xff", "2026-01-01", "10:11:12.131415", 1767229200000000)]


@pytest.mark.slow
def test_a_wanted_change_of_columns_has_a_command(target: Target) -> None:
    target.run_days(DAYS[0], DAYS[1])
    target.source("ALTER TABLE orders RENAME TO old")
    target.source(
        "CREATE TABLE orders AS SELECT order_id, CAST(amount AS TEXT) AS amount, created_at FROM old",
        "ALTER TABLE orders RENAME TO untyped",
        "CREATE TABLE orders (order_id INTEGER, amount TEXT, created_at TIMESTAMP)",
        "INSERT INTO orders SELECT order_id, amount, created_at FROM untyped",
    )
    target.project.write_transform(IDENTITY)
    stopped = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
    assert stopped.code == 1
    assert "column `name` (string) is gone; column `amount` was double and is string now" in stopped.text
    assert "etl schema accept acme orders" in stopped.text

    shown = target.etl("schema", "accept", "acme", "orders")
    assert shown.code != 0
    assert "column `name` (string) is gone" in shown.text
    assert target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0]).code == 1  # shown is not accepted

    done = target.etl("schema", "accept", "acme", "orders", "--yes")
    assert done.code == 0, done.text
    assert "etl set-aside acme orders --yes" in done.text
    assert target.etl("set-aside", "acme", "orders", "--yes").code == 0
    target.run_days(DAYS[0], DAYS[2])
    assert target.warehouse("SELECT count(*), any_value(typeof(amount)) FROM shop.orders") == [(60, "VARCHAR")]
    assert target.etl("schema", "accept", "acme", "orders", "--yes").code != 0  # nothing is left to accept

    target.source("ALTER TABLE orders DROP COLUMN amount")
    assert target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0]).code == 1  # another change is not accepted
