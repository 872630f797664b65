"""Tables of many columns: what moves their rows has memory for each column, however few the rows are."""

import sqlite3
from pathlib import Path

import duckdb
import polars as pl
import pytest

from etl.errors import EtlError
from etl.source import writer
from etl.source.reading import ExtractRequest, extract_to_parquet
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.lake.objects import load, local_lake, publish, settings_in
from tests.servers.postgres import PostgresServer

ROWS = 10


def wide_sqlite(folder: Path, columns: int, rows: int = ROWS) -> str:
    """Half of the columns hold text: each of them had a dictionary of one megabyte."""
    with sqlite3.connect(folder / "x.db") as connection:
        declared = ", ".join(f"c{index} {'INTEGER' if index % 2 else 'TEXT'}" for index in range(columns))
        values = ", ".join(f"i + {index}" if index % 2 else f"'text ' || (i + {index})" for index in range(columns))
        connection.execute(f"CREATE TABLE wide ({declared})")
        connection.execute(
            f"INSERT INTO wide WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows - 1})"
            f" SELECT {values} FROM n"
        )
    connection.close()
    return f"sqlite:///{folder / 'x.db'}"


@pytest.mark.parametrize("columns", [500, 2_000])
def test_sqlite_with_as_many_columns_as_it_can_have(tmp_path: Path, columns: int) -> None:
    path = tmp_path / "x.parquet"
    report = extract_to_parquet(wide_sqlite(tmp_path, columns), ExtractRequest(table="wide"), path, footer={})
    found = pl.read_parquet(path)
    assert (report.rows, found.shape) == (ROWS, (ROWS, columns))
    assert found.row(3) == tuple(3 + index if index % 2 else f"text {3 + index}" for index in range(columns))


@pytest.mark.slow
def test_sqlite_with_two_thousand_columns_and_some_thousand_rows(tmp_path: Path) -> None:
    path, rows = tmp_path / "x.parquet", 5_000
    extract_to_parquet(wide_sqlite(tmp_path, 2_000, rows), ExtractRequest(table="wide"), path, footer={})
    assert pl.read_parquet(path, columns=["c0", "c1999"]).sum()["c1999"].item() == sum(range(rows)) + rows * 1_999


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_postgres_with_as_many_columns_as_it_can_have(
    tmp_path: Path, postgres_server: PostgresServer, mode: str
) -> None:
    declared = ", ".join(f"c{index} {'integer' if index % 2 else 'text'}" for index in range(1_600))
    values = ", ".join("i" if index % 2 else "'t'" for index in range(1_600))
    postgres_server.run(
        "DROP TABLE IF EXISTS wide",
        f"CREATE TABLE wide ({declared})",
        f"INSERT INTO wide SELECT {values} FROM generate_series(1, {ROWS}) i",
        "GRANT SELECT ON wide TO reader",
    )
    path = tmp_path / "x.parquet"
    try:
        extract_to_parquet(postgres_server.url, ExtractRequest(table="wide", mode=mode), path, footer={})
    finally:
        postgres_server.run("DROP TABLE wide")
    assert sorted(pl.read_parquet(path)["c1599"]) == list(range(1, ROWS + 1))


def wide_frame(columns: int, rows: int = ROWS) -> pl.DataFrame:
    numbers = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {f"c{index}": numbers + index if index % 2 else (numbers + index).cast(pl.String) for index in range(columns)}
    )


@pytest.mark.parametrize("mode", ["replace_partition", "upsert"])
def test_a_wide_table_is_loaded_and_loaded_again(tmp_path: Path, mode: str) -> None:
    lake, warehouse = local_lake(tmp_path), open_warehouse(WarehousePlace(), settings_in(tmp_path), "acme")
    frame = wide_frame(1_000)
    publish(lake, frame)
    keys = ["c1"] if mode == "upsert" else []
    load(lake, warehouse, mode=mode, keys=keys)
    load(lake, warehouse, mode=mode, keys=keys, reload=True)
    assert warehouse.query("SELECT * EXCLUDE (etl_partition) FROM mart.orders ORDER BY c1").equals(frame)


def test_a_lack_of_memory_has_a_remedy_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MEMORY_MB", 20)
    monkeypatch.setattr(writer, "COLUMN_KB", 20)
    with pytest.raises(EtlError) as caught:
        extract_to_parquet(wide_sqlite(tmp_path, 500), ExtractRequest(table="wide"), tmp_path / "x.parquet", footer={})
    assert "Out of Memory" in caught.value.problem
    assert "`columns:`" in caught.value.hint
    assert "log" not in caught.value.hint


def test_a_table_of_usual_width_gets_no_more_memory_than_before(tmp_path: Path) -> None:
    with writer.writing_engine(tmp_path / "x", 500) as connection:
        assert _megabytes(connection) == 256
    with writer.writing_engine(tmp_path / "x", 2_000) as connection:
        assert _megabytes(connection) == 1_000


def _megabytes(connection: duckdb.DuckDBPyConnection) -> int:
    ((limit,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = str(limit).split()
    return round(float(number) * {"MiB": 1.048576, "GiB": 1073.741824}[unit])
