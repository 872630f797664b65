"""Every type of every source through extract, the split of good and bad rows, transfer and load, and back unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from etl.config import load_tenant
from etl.errors import TransformError
from etl.pipeline.digest import as_published, differences, digest
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.schema_guard import guard_schema
from etl.pipeline.stage import StageRun
from etl.pipeline.transfer import transfer
from etl.settings import load_settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace
from tests.pipeline.stages import run_stage
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.source import test_mariadb_types as mariadb_types, test_postgres_types as postgres_types
from tests.tiny_project import TinyProject
from tests.warehouse.conftest import postgres_url

__all__ = ["postgres_url"]

IDENTITY = '''"""orders, as they are."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Nothing changes."""
    return orders
'''
Kept = dict[str, list[tuple[str, Any]]]


def make_table(run: Callable[..., None], kept: Kept, cast: Callable[[str, str], str]) -> None:
    """The table `all_types`: a row for each value, and a row 99 that is going to be rejected."""
    columns = [f"c{index} {kind}" for index, kind in enumerate(kept)]
    run("DROP TABLE IF EXISTS all_types", f"CREATE TABLE all_types (id int, {', '.join(columns)})")
    for row in range(max(map(len, kept.values()))):
        values = [cast(cases[row][0], kind) if row < len(cases) else "NULL" for kind, cases in kept.items()]
        run(f"INSERT INTO all_types VALUES ({row}, {', '.join(values)})")
    run("INSERT INTO all_types (id) VALUES (99)")


def loaded(run: StageRun, warehouse: Warehouse, published: Path) -> None:
    """Load, and hold the table against the object value by value."""
    load(run, warehouse)
    rows = pl.scan_parquet(published)
    names = ", ".join(f'"{name}"' for name in rows.collect_schema().names())
    there = warehouse.query(f"SELECT {names} FROM shop.orders ORDER BY id")
    schema = rows.collect_schema()
    assert differences(digest(rows), digest(as_published(there, schema)), "both") == []


def through_every_stage(project: TinyProject, url: str, warehouse_url: str) -> None:
    rule = {"column": "id", "type": "not_in_set", "values": [99], "stage": "extract"}

    def configure(on_failure: str) -> None:
        project.write_pipeline(
            {
                "source_table": "all_types",
                "date_column": None,
                "partitions": None,
                "trino_output": {"key_columns": ["id"], "mode": "replace"},
                "quality": {"on_failure": on_failure, "rules": [rule]},
            }
        )
        project.write_transform(IDENTITY)

    configure("warn")
    settings = load_settings(project.environ)

    def stage_run() -> StageRun:
        config = load_tenant("acme", settings)
        return StageRun(
            config=config, pipeline=config.pipelines["orders"], partition=None, run_id="run-1", settings=settings
        )

    def object_of(stage: str) -> Path:
        (path,) = (project.data / "lake" / "acme" / stage / "orders").glob("*.parquet")
        return path

    extract(stage_run(), url)
    whole, written = pl.read_parquet(object_of("extract")), pq.read_schema(object_of("extract"))
    configure("quarantine")
    extract(stage_run(), url)  # split: the schema is held against that of the object before
    good = whole.filter(pl.col("id") != 99)
    transfer(stage_run())
    for stage in ("extract", "transfer"):
        assert pl.read_parquet(object_of(stage)).equals(good, null_equal=True), stage
        guard_schema(written, pq.read_schema(object_of(stage)), "fail", name=stage)
        guard_schema(pq.read_schema(object_of(stage)), written, "fail", name=stage)
    rejected = pq.read_schema(object_of("extract_quarantine"))
    guard_schema(written, pa.schema([rejected.field(name) for name in written.names]), "fail", name="rejected")
    for place in (WarehousePlace(type="duckdb"), WarehousePlace(type="postgres", url=SecretStr(warehouse_url))):
        loaded(stage_run(), open_warehouse(place, settings, "acme"), object_of("transfer"))


def test_postgres(project: TinyProject, postgres_server: PostgresServer, postgres_url: str) -> None:
    # types that another module makes, and the one that no warehouse can take beside lists of text
    own = ("mood", "pair", "amount", "even", "numeric(38,38)")
    kept = {kind: cases for kind, cases in postgres_types.KEPT.items() if not any(name in kind for name in own)}
    make_table(postgres_server.run, kept, lambda value, kind: f"({value})::{kind}")
    postgres_server.run("GRANT SELECT ON all_types TO reader")
    through_every_stage(project, postgres_server.url, postgres_url)


def test_mariadb(project: TinyProject, mariadb_server: MariadbServer, postgres_url: str) -> None:
    make_table(mariadb_server.run, mariadb_types.KEPT, lambda value, _: value)
    through_every_stage(project, mariadb_server.url, postgres_url)


def test_a_time_finer_than_the_file_can_hold_is_refused_by_name(project: TinyProject) -> None:
    project.write_transform(
        IDENTITY.replace("return orders", "return orders.with_columns(at=pl.lit(1, dtype=pl.Int64).cast(pl.Time))")
    )
    run_stage(project, "extract")
    with pytest.raises(TransformError, match="`at` holds a time of day that is finer than a microsecond"):
        run_stage(project, "transfer")


def test_python_objects_are_refused_by_name(project: TinyProject) -> None:
    made = 'pl.col("name").map_elements(lambda each: {each}, return_dtype=pl.Object).alias("odd")'
    project.write_transform(IDENTITY.replace("return orders", f"return orders.with_columns({made})"))
    run_stage(project, "extract")
    with pytest.raises(TransformError, match="Python objects of `odd`"):
        run_stage(project, "transfer")
