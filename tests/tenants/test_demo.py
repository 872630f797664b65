"""The demo sources: the same every time, quick, large enough, and dirty in the ways real data is."""

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TENANTS, load

ALL = ("default", "project_01", "project_02", "_template")
Demo = Callable[[str], Path]


def one(path: Path, sql: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize("tenant", ALL)
def test_two_generations_are_the_same_bytes_and_leave_nothing_beside_them(
    tenant: str, demo: Demo, tmp_path: Path
) -> None:
    again = tmp_path / "again.sqlite"
    load(TENANTS / tenant / "demo" / "generate.py").make_demo(again)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (again, demo(tenant))}
    assert len(digests) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["again.sqlite"]


def test_a_failed_generation_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "source.sqlite"
    path.write_text("old")
    module = load(TENANTS / "_template" / "demo" / "generate.py")
    monkeypatch.setattr(module, "SCHEMA", "CREATE TABLE other (id INTEGER)")
    with pytest.raises(sqlite3.OperationalError):
        module.make_demo(path)
    assert path.read_text() == "old"


def test_the_three_tenants_hold_at_least_300_000_rows(demo: Demo) -> None:
    total = 0
    for tenant in ("default", "project_01", "project_02"):
        connection = sqlite3.connect(demo(tenant))
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        total += sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
        connection.close()
    assert total >= 300_000


@pytest.mark.parametrize(
    ("tenant", "table", "column"),
    [
        ("project_01", "lot_history", "created_at"),
        ("project_01", "equipment_event", "created_at"),
        ("project_01", "process_result", "measured_at"),
        ("project_02", "workplace", "updated_at"),
        ("project_02", "subscription_change", "created_at"),
        ("_template", "orders", "created_at"),
    ],
)
def test_every_row_belongs_to_one_of_the_ten_days_and_every_day_has_rows(
    demo: Demo, tenant: str, table: str, column: str
) -> None:
    path = demo(tenant)
    inside = f"{column} >= '2026-01-01 00:00:00' AND {column} < '2026-01-11 00:00:00'"
    assert one(path, f"SELECT count(*) FROM {table} WHERE {inside}") == one(path, f"SELECT count(*) FROM {table}")
    assert one(path, f"SELECT count(DISTINCT substr({column}, 1, 10)) FROM {table}") == 10
    assert one(path, f"SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}'") == 1


def test_the_exchange_is_closed_on_four_of_the_ten_days(demo: Demo) -> None:
    assert one(demo("default"), "SELECT count(DISTINCT trade_date) FROM stock_price") == 6
    assert one(demo("default"), "SELECT count(*) FROM stock_price WHERE strftime('%w', trade_date) IN ('0', '6')") == 0


@pytest.mark.parametrize(
    ("tenant", "dirt", "sql"),
    [
        ("project_01", "null key", "SELECT count(*) FROM lot_history WHERE lot_id IS NULL"),
        ("project_01", "blank around a key", "SELECT count(*) FROM lot_history WHERE lot_id <> trim(lot_id)"),
        ("project_01", "negative count", "SELECT count(*) FROM lot_history WHERE qty < 0"),
        ("project_01", "impossible code", "SELECT count(*) FROM lot_history WHERE status = '???'"),
        ("project_01", "emoji", "SELECT count(*) FROM lot_history WHERE note LIKE '%🔧%'"),
        (
            "project_01",
            "combining mark",
            "SELECT count(*) FROM cfg_item_master WHERE item_name LIKE '%' || char(769) || '%'",
        ),
        ("project_01", "midnight", "SELECT count(*) FROM lot_history WHERE created_at LIKE '% 00:00:00'"),
        (
            "project_01",
            "correction",
            "SELECT count(*) FROM (SELECT 1 FROM lot_history GROUP BY lot_id, process_step HAVING count(DISTINCT qty) > 1)",
        ),
        (
            "project_01",
            "row of an earlier day written after rows of a later day",
            "WITH seen AS (SELECT created_at, max(created_at) OVER (ORDER BY id) AS newest FROM lot_history) "  # noqa: ISC004
            "SELECT count(*) FROM seen WHERE substr(created_at, 1, 10) < substr(newest, 1, 10)",
        ),
        ("project_01", "late event", "SELECT count(*) FROM equipment_event WHERE date(occurred_at) < date(created_at)"),
        ("project_01", "clock ahead", "SELECT count(*) FROM equipment_event WHERE occurred_at > created_at"),
        (
            "project_02",
            "hyphenated number",
            "SELECT count(*) FROM workplace WHERE business_registration_number LIKE '%-%'",
        ),
        ("project_02", "unknown kind", "SELECT count(*) FROM subscription_change WHERE change_type = '?'"),
        (
            "default",
            "exact duplicate",
            "SELECT count(*) FROM (SELECT 1 FROM price_bar GROUP BY ticker, bar_at, open, close, volume HAVING count(*) > 1)",
        ),
        ("default", "high below low", "SELECT count(*) FROM stock_price WHERE high < low"),
    ],
)
def test_the_dirt_of_real_data_is_there(demo: Demo, tenant: str, dirt: str, sql: str) -> None:
    assert one(demo(tenant), sql) > 0, dirt
