"""A table holds partitions of one way to cut rows: keys of another way would bring the same rows a second time."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse.contract import Warehouse
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish

ROWS = pl.DataFrame({"id": [1, 2], "region": ["emea", "apac"], "prod": ["x", "y"]})
HOUR, OTHER_HOUR = "2026-01-05T0300Z", "2026-01-05T0330Z"
OTHERS: dict[str, tuple[tuple[str, str | None], tuple[str, str | None]]] = {
    "values of another column": (("emea", "region"), ("x", "prod")),
    "values of another column that has the same values": (("a", "region"), ("a", "prod")),
    "hours that begin at another minute": ((HOUR, None), (OTHER_HOUR, None)),
    "weeks for days": ((DAY, None), ("2026-W01-1", None)),
    "a list for days": ((DAY, None), ("x", "prod")),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path)


def put(lake: Lake, warehouse: Warehouse, cut: tuple[str, str | None], mode: str, **more: object) -> bool:
    key, by = cut
    publish(lake, ROWS, key)
    return load(lake, warehouse, key, mode=mode, keys=["id"], cut_by=by, **more).changed


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
@pytest.mark.parametrize("change", OTHERS)
def test_keys_of_another_way_to_cut_are_refused_and_change_nothing(
    lake: Lake, warehouse: Warehouse, change: str, mode: str
) -> None:
    before, now = OTHERS[change]
    put(lake, warehouse, before, mode)
    for reload in (False, True):
        said = re.escape(now[0]) + r"(?s:.*)cut into partitions in another way(?s:.*)`etl set-aside acme orders --yes`"
        with pytest.raises(WarehouseError, match=said):
            put(lake, warehouse, now, mode, reload=reload)
    assert warehouse.query("SELECT id FROM mart.orders ORDER BY id").rows() == [(1,), (2,)]
    assert [each.partition for each in warehouse.ledger()] == [before[0]]
    with warehouse.writing("mart", "orders", "run-2") as table:
        assert table.set_aside()
    assert put(lake, warehouse, now, mode)
    assert [each.cut_by for each in warehouse.ledger()] == [before[1], now[1]]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("emea", "region"), ("apac", "region")),
        (("emea", "region"), ("apac", "Region")),
        ((HOUR, None), ("2026-01-06T0300Z", None)),
        ((DAY, None), (NEXT_DAY, None)),
    ],
)
def test_another_key_of_the_same_way_to_cut_is_loaded(
    lake: Lake, warehouse: Warehouse, before: tuple[str, str | None], now: tuple[str, str | None]
) -> None:
    assert put(lake, warehouse, before, "replace_partition")
    assert put(lake, warehouse, now, "replace_partition")


def test_a_ledger_of_format_2_does_not_say_the_column_and_is_continued(
    new_warehouse: Callable[..., Warehouse], lake: Lake, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "duckdb" not in request.node.callspec.id:
        pytest.skip("the same statements as in DuckDB; on Trino there is no older ledger")
    warehouse = new_warehouse()
    put(lake, warehouse, ("emea", "region"), "append")
    with duckdb.connect(tmp_path / "warehouse" / "acme.duckdb") as connection:
        connection.execute("ALTER TABLE etl_ledger.loads DROP COLUMN cut_by")
        connection.execute("UPDATE etl_ledger.loads SET format = 2; UPDATE etl_ledger.format SET format = 2")
    assert [(each.format, each.cut_by) for each in warehouse.ledger()] == [(2, None)]
    assert not put(lake, warehouse, ("emea", "region"), "append")
    assert put(lake, warehouse, ("apac", "region"), "append")
    assert [(each.format, each.cut_by) for each in warehouse.ledger()] == [(2, None), (3, "region")]
    with pytest.raises(WarehouseError, match=r"keys like apac of `region`.* keys like x of `prod`"):
        put(lake, warehouse, ("x", "prod"), "append")
