"""Stages called as plain functions, in this process or in one that may be killed."""

import json
import os
from collections.abc import Mapping, Sequence

import duckdb
import polars as pl
import pyarrow.parquet as pq

from etl.config import load_tenant
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.stage import StageResult, StageRun
from etl.pipeline.transfer import transfer
from etl.settings import load_settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.tiny_project import TinyProject

STAGES = ("extract", "transfer", "load")


def run_stage(
    project: TinyProject,
    stage: str,
    partition: str | None = "2026-01-01",
    *,
    run_id: str = "run-1",
    pipeline: str = "orders",
    tenant: str = "acme",
    reload: bool = False,
) -> StageResult:
    """One stage of one partition, as a run of the orchestrator would do it."""
    settings = load_settings(project.environ)
    config = load_tenant(tenant, settings)
    run = StageRun(
        config=config, pipeline=config.pipelines[pipeline], partition=partition, run_id=run_id, settings=settings
    )
    try:
        match stage:
            case "extract":
                return extract(run, f"sqlite:///{project.source}")
            case "transfer":
                return transfer(run)
            case _:
                return load(run, open_warehouse(WarehousePlace(type="duckdb"), settings, tenant), reload=reload)
    finally:
        run.close()


def run_stages(
    project: TinyProject,
    stages: Sequence[str] = STAGES,
    partition: str | None = "2026-01-01",
    run_id: str = "run-1",
    *,
    reload: bool = False,
) -> None:
    for stage in stages:
        run_stage(project, stage, partition, run_id=run_id, reload=reload)


def run_stages_in_process(
    project: TinyProject, stages: Sequence[str], partition: str | None, run_id: str, environ: Mapping[str, str]
) -> None:
    """The target of a process of its own, which `environ` may tell to die at some point."""
    os.environ.update(project.environ)
    os.environ.update(environ)
    run_stages(project, stages, partition, run_id)


def table(project: TinyProject, name: str = "shop.orders") -> pl.DataFrame:
    """The warehouse's rows, in a fixed order; no rows and no columns if nothing was ever loaded."""
    return _query(project, f"SELECT * FROM {name} ORDER BY ALL")


def ledger(project: TinyProject) -> pl.DataFrame:
    """What the ledger says is loaded, without who did it when."""
    rows = _query(project, "SELECT * FROM etl_ledger.loads ORDER BY ALL")
    return rows.drop([name for name in rows.columns if name in {"run_id", "loaded_at", "seconds", "at", "load_id"}])


def _query(project: TinyProject, sql: str) -> pl.DataFrame:
    path = project.data / "warehouse" / "acme.duckdb"
    if not path.is_file():
        return pl.DataFrame()
    with duckdb.connect(str(path), read_only=True) as connection:
        try:
            return connection.execute(sql).pl()
        except duckdb.CatalogException:
            return pl.DataFrame()


def lake_rows(project: TinyProject) -> dict[str, pl.DataFrame]:
    """Every published object by its place in the lake."""
    lake = project.data / "lake"
    return {str(path.relative_to(lake)): pl.read_parquet(path) for path in project.published()}


def kept(project: TinyProject, stage: str = "transfer", day: str | None = "2026-01-01") -> pl.DataFrame:
    """The rejected rows of a partition: those that the footer of its published object names, and no others."""
    place = f"orders/dt={day}" if day else "orders"
    lake = project.data / "lake" / "acme"
    said = json.loads(pq.read_metadata(lake / stage / place / "data.parquet").metadata[b"etl"])["rejected"]
    folder = lake / f"{stage}_quarantine" / place
    named = {f"{said['name']}.parquet"} if said else set()
    assert {each.name for each in folder.glob("*")} == named
    return pl.concat([pl.read_parquet(folder / each, hive_partitioning=False) for each in named] or [pl.DataFrame()])
