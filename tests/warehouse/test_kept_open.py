"""Readers that follow each other share a session: their rows, their errors, and the writer that waits for the file."""

from pathlib import Path

import polars as pl
import pytest

from etl.errors import WarehouseError
from etl.warehouse import sql_warehouse
from etl.warehouse.contract import CountedRows, RowsOf, Warehouse
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish

ROWS = pl.DataFrame({"id": range(10)})
ALL = CountedRows("mart", "orders", ())


def test_rows_that_are_being_read_survive_a_second_question(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    load(lake, warehouse)
    read = 0
    with warehouse.kept_open():
        for batch in warehouse.rows_of(RowsOf("mart", "orders", DAY), ["id"]):
            assert warehouse.counts([ALL]) == [{(): 10}]
            read += batch.height
    assert read == 10


def test_an_error_ends_the_session_and_not_the_block(warehouse: Warehouse, tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    load(lake, warehouse)
    with warehouse.kept_open():
        for _ in range(2):
            with pytest.raises(WarehouseError, match="could not be counted"):
                warehouse.counts([CountedRows("mart", "nothing", ())])
            assert warehouse.counts([ALL]) == [{(): 10}]


def test_a_load_gets_its_turn_and_the_next_reader_sees_it(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_warehouse, "KEPT_SECONDS", 0)
    lake = local_lake(tmp_path)
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY)
    with warehouse.kept_open():
        assert warehouse.counts([ALL]) == [{(): 10}]
        publish(lake, ROWS, NEXT_DAY)
        load(lake, warehouse, NEXT_DAY)
        assert warehouse.counts([ALL]) == [{(): 20}]
