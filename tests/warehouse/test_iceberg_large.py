"""A large object becomes several files of the table, all in one snapshot, and always the same files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pyiceberg.catalog import Catalog as PyIcebergCatalog
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import LongType, NestedField

from etl.lake.lake import Lake
from etl.warehouse.contract import TrinoPlace, Warehouse
from etl.warehouse.iceberg_file import RowsFile
from tests.lake.objects import DAY, NEXT_DAY, load, publish
from tests.servers.object_store import ObjectStore
from tests.servers.trino import TrinoServer, in_clear
from tests.warehouse.cluster import A, Execute, catalog, execute, lake, warehouse

__all__ = ["catalog", "execute", "lake", "warehouse"]

FILE_BYTES = "write.target-file-size-bytes"
ROWS = 600_000
LARGE = pl.DataFrame({"id": range(ROWS), "qty": (pl.int_range(ROWS, eager=True).hash(7) % 10**12).cast(pl.Int64)})
PROCESS = """
import sys, pathlib
from tests.lake.objects import DAY, load, local_lake
from tests.warehouse.fault_steps import open_for
folder = pathlib.Path(sys.argv[1])
load(local_lake(folder), open_for(folder, sys.argv[2]), DAY, mode=sys.argv[3], keys=["id"], run_id="run-2")
"""


def metadata(folder: Path, size: int) -> TableMetadata:
    schema = Schema(*(NestedField(at, name, LongType(), required=False) for at, name in enumerate(("id", "qty"), 1)))
    properties = {FILE_BYTES: str(size)}
    return new_table_metadata(
        schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, f"file://{folder}/table", properties
    )


def put(folder: Path, size: int, io: FileIO) -> list[DataFile]:
    """Put the object into a table whose files shall have this size, as a load does in a process of its own."""
    published = folder / "object.parquet"
    with duckdb.connect() as engine:
        engine.execute("SET preserve_insertion_order = true")
        shown = f"(SELECT * FROM read_parquet('{published}'))"
        rows = RowsFile(engine, shown, folder / "rows.parquet", published)
        found = rows.put(io, metadata(folder, size), {}, f"file://{folder}/up/1.parquet", ROWS, as_it_is=published)
        again = rows.put(io, metadata(folder, size), {}, f"file://{folder}/up/1.parquet", ROWS, as_it_is=published)
    assert [each.file_path for each in again] == [each.file_path for each in found]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "up").mkdir()
    LARGE.write_parquet(tmp_path / "object.parquet", compression="zstd", row_group_size=50_000)
    return tmp_path


def test_a_large_object_becomes_several_files_with_each_row_once(folder: Path) -> None:
    size = (folder / "object.parquet").stat().st_size // 4
    files = put(folder, size, load_file_io({}, f"file://{folder}"))
    written = sorted((folder / "up").iterdir())
    assert [f"file://{each}" for each in written] == [each.file_path for each in files]
    assert len(files) > 2
    assert [each.stat().st_size for each in written] == [each.file_size_in_bytes for each in files]
    assert [pl.scan_parquet(each).select(pl.len()).collect().item() for each in written] == [
        each.record_count for each in files
    ]
    assert pl.concat(pl.read_parquet(each, hive_partitioning=False) for each in written).equals(LARGE)


def test_a_repeated_run_writes_just_the_same_files(folder: Path) -> None:
    size, io = (folder / "object.parquet").stat().st_size // 4, load_file_io({}, f"file://{folder}")
    put(folder, size, io)
    first = {each.name: each.read_bytes() for each in (folder / "up").iterdir()}
    for _ in range(3):
        put(folder, size, io)
        assert {each.name: each.read_bytes() for each in (folder / "up").iterdir()} == first


@pytest.mark.parametrize("share", [0.5, 1, 100])
def test_an_object_of_up_to_two_files_is_one_file_as_it_is(folder: Path, share: float) -> None:
    published = folder / "object.parquet"
    size = int(published.stat().st_size * share) + 1
    (file,) = put(folder, size, load_file_io({}, f"file://{folder}"))
    assert file.file_path == f"file://{folder}/up/1.parquet"
    assert (folder / "up" / "1.parquet").read_bytes() == published.read_bytes()


MEMORY = """
import json, pathlib, sys
from pyiceberg.io import load_file_io
from etl.warehouse.iceberg_file import upload
peak = lambda: int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
io, before = load_file_io(json.loads(sys.argv[1]), "s3://large/x"), peak()
upload(io, pathlib.Path(sys.argv[2]), "s3://large/x")
assert len(io.new_input("s3://large/x")) == pathlib.Path(sys.argv[2]).stat().st_size
print(peak() - before)
"""


@pytest.mark.slow
def test_the_memory_of_an_upload_does_not_grow_with_the_file(seaweed: ObjectStore, tmp_path: Path) -> None:
    seaweed.client().create_bucket(Bucket="large")
    properties = {
        "s3.endpoint": seaweed.endpoint, "s3.access-key-id": seaweed.access_key,
        "s3.secret-access-key": seaweed.secret_key, "s3.region": "us-east-1", "s3.force-virtual-addressing": "false",
    }  # fmt: skip
    (tmp_path / "file").touch()
    os.truncate(tmp_path / "file", 600 << 20)
    command = [sys.executable, "-c", MEMORY, json.dumps(properties), str(tmp_path / "file")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environ())
    assert int(done.stdout) < 250


@pytest.fixture
def large_files(lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog) -> PyIcebergCatalog:
    """The table with a day of small objects, in which a file shall have half a megabyte."""
    publish(lake, A, DAY)
    publish(lake, A, NEXT_DAY)
    load(lake, warehouse, DAY)
    load(lake, warehouse, NEXT_DAY)
    with catalog.load_table("mart.orders").transaction() as transaction:
        transaction.set_properties({FILE_BYTES: str(500_000)})
    return catalog


def sums(warehouse: Warehouse, day: str = DAY) -> tuple[int, int, int]:
    where = f"WHERE etl_partition = DATE '{day}'"
    found = warehouse.query(f"SELECT count(*), sum(id), sum(qty % 1000) FROM mart.orders {where}").row(0)
    return int(found[0]), int(found[1]), int(found[2])


def expected(frame: pl.DataFrame) -> tuple[int, int, int]:
    return frame.height, int(frame["id"].sum()), int((frame["qty"] % 1000).sum())


def stored(catalog: PyIcebergCatalog, store: ObjectStore) -> set[str]:
    """The data files below the table's folder."""
    bucket, _, prefix = catalog.load_table("mart.orders").location().removeprefix("s3://").partition("/")
    pages = store.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/data/")
    return {f"s3://{bucket}/{each['Key']}" for page in pages for each in page.get("Contents", [])}


def named(catalog: PyIcebergCatalog) -> set[str]:
    """The data files that any snapshot of the table names."""
    table = catalog.load_table("mart.orders")
    return {
        task.file.file_path
        for snapshot in table.snapshots()
        for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("trino")
def test_the_files_of_a_large_object_come_and_go_in_one_snapshot(
    lake: Lake, warehouse: Warehouse, large_files: PyIcebergCatalog, trino: TrinoServer, execute: Execute
) -> None:
    before = len(large_files.load_table("mart.orders").snapshots())
    publish(lake, LARGE, DAY, "run-2")
    report = load(lake, warehouse, DAY, run_id="run-2")
    assert (report.rows_before, report.rows_after) == (A.height, ROWS)
    table = large_files.load_table("mart.orders")
    assert len(table.snapshots()) == before + 1
    files = [task.file for task in table.scan().plan_files()]
    assert len([each for each in files if "-0000" in each.file_path]) > 2
    assert sums(warehouse) == expected(LARGE)
    assert sums(warehouse, NEXT_DAY) == expected(A)
    assert not load(lake, warehouse, DAY, run_id="run-3").changed
    assert load(lake, warehouse, DAY, run_id="run-3", reload=True).changed
    assert sums(warehouse) == expected(LARGE)
    execute(
        "ALTER TABLE mart.orders EXECUTE optimize(file_size_threshold => '2GB') WHERE etl_partition = DATE '2026-01-01'"
    )
    optimized = [task.file.record_count for task in large_files.load_table("mart.orders").scan().plan_files()]
    assert sorted(optimized) == [A.height, ROWS]
    assert not load(lake, warehouse, DAY, run_id="run-3").changed
    publish(lake, A.head(2), DAY, "run-4")
    assert load(lake, warehouse, DAY, run_id="run-4").changed
    assert sums(warehouse) == expected(A.head(2))
    assert [task.file.record_count for task in large_files.load_table("mart.orders").scan().plan_files()] == [2, 3]
    assert stored(large_files, trino.store) == named(large_files)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("trino")
@pytest.mark.parametrize("point", ["warehouse.uploaded@1", "warehouse.uploaded@3", "warehouse.before_commit"])
def test_a_killed_load_of_a_large_object_leaves_the_old_rows_and_a_repeated_run_no_other_file(
    lake: Lake,
    warehouse: Warehouse,
    large_files: PyIcebergCatalog,
    tmp_path: Path,
    trino_place: TrinoPlace,
    trino: TrinoServer,
    point: str,
) -> None:
    publish(lake, LARGE, DAY, "run-2")
    command = [sys.executable, "-c", PROCESS, str(tmp_path), in_clear(trino_place), "replace_partition"]
    done = subprocess.run(
        command, check=False, capture_output=True, timeout=120, env={**_environ(), "ETL_FAULT": f"{point}=kill"}
    )
    assert done.returncode == -9, done.stderr
    assert sums(warehouse) == expected(A)
    assert stored(large_files, trino.store) - named(large_files), "the killed run has uploaded something"
    assert load(lake, warehouse, DAY, run_id="run-2").changed
    assert sums(warehouse) == expected(LARGE)
    assert stored(large_files, trino.store) == named(large_files)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("trino")
def test_the_kept_rows_of_a_large_object_are_several_files_too(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog
) -> None:
    publish(lake, A, NEXT_DAY)
    load(lake, warehouse, NEXT_DAY, mode="upsert", keys=["id"])
    (kept,) = catalog.list_tables("etl_kept")
    with catalog.load_table(kept).transaction() as transaction:
        transaction.set_properties({FILE_BYTES: str(500_000)})
    publish(lake, LARGE, DAY)
    load(lake, warehouse, DAY, mode="upsert", keys=["id"])
    files = [task.file for task in catalog.load_table(kept).scan().plan_files()]
    assert len(files) > 3
    assert sum(each.record_count for each in files) == A.height + ROWS
    assert sums(warehouse, NEXT_DAY) == expected(A), "the later day has the last rows of these keys"
    assert sums(warehouse) == expected(LARGE.filter(~pl.col("id").is_in(A["id"].to_list())))


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONWARNINGS": "ignore"}
