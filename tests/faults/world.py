"""A tiny project in a scenario's setting: run its stages here or in a process that dies, and see what readers see."""

import contextlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from pydantic import SecretStr

from etl import faults
from etl.config import load_tenant
from etl.errors import EtlError, WarehouseError
from etl.lake.pairs import quarantine_stage, rejection_of
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.stage import StageRun
from etl.pipeline.transfer import transfer
from etl.settings import Settings, load_settings
from etl.source import postgres, sqlite_duckdb
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.tiny_project import TinyProject

STAGES = ("extract", "transfer", "load")
FIRST, DAY = "2026-01-01", "2026-01-02"
CHANGE = (
    "UPDATE orders SET amount = 99.25 WHERE order_id = 203",
    "DELETE FROM orders WHERE order_id = 204",
    "INSERT INTO orders VALUES (290, 'late', 7.5, '2026-01-02 23:59:59')",
    "INSERT INTO orders VALUES (291, 'later', 77.5, '2026-01-02 12:00:00')",
)
# One server that has imported everything; each process that is to die is a fork of it.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.world", "tests.pipeline.stages"])


@dataclass(frozen=True)
class World:
    """What a process needs to know; everything in it can be handed to another one."""

    project: TinyProject
    scenario_name: str
    source_url: str = ""
    warehouse_url: str = ""
    more_environ: Mapping[str, str] | None = None

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.scenario_name]

    @property
    def environ(self) -> dict[str, str]:
        return {**self.project.environ, **(self.more_environ or {})}

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    @property
    def day(self) -> str | None:
        return DAY if self.scenario.partitioned else None

    @property
    def stages(self) -> tuple[str, ...]:
        pipeline = load_tenant("acme", self.settings).pipelines["orders"]
        return STAGES if pipeline.has_transfer else ("extract", "load")

    @property
    def warehouse(self) -> Warehouse:
        url = SecretStr(self.warehouse_url) if self.warehouse_url else None
        return open_warehouse(WarehousePlace(type=self.scenario.warehouse, url=url), self.settings, "acme")

    def task(self, partition: str | None, run_id: str) -> StageRun:
        settings = self.settings
        config = load_tenant("acme", settings)
        return StageRun(
            config=config, pipeline=config.pipelines["orders"], partition=partition, run_id=run_id, settings=settings
        )

    def run(self, stages: Sequence[str], partition: str | None, run_id: str) -> None:
        """The stages as plain functions, in this process."""
        with _extensions(absent=self.scenario.without_extension):
            for stage in stages:
                task = self.task(partition, run_id)
                try:
                    self._do(task, stage)
                finally:
                    task.close()

    def _do(self, task: StageRun, stage: str) -> None:
        match stage:
            case "extract":
                extract(task, self.source_url or f"sqlite:///{self.project.source}")
            case "transfer":
                transfer(task)
            case _:
                load(task, self.warehouse)

    def copied_to(self, folder: Path) -> "World":
        shutil.copytree(self.project.data, folder / "data")
        shutil.copytree(self.project.root, folder / "project")
        project = TinyProject(folder / "project", folder / "data")
        return World(project, self.scenario_name, self.source_url, self.warehouse_url, self.more_environ)

    def objects(self) -> dict[str, pl.DataFrame]:
        """Every object that a reader of the lake sees, in the order of its rows, without the name of the run."""
        task = self.task(None, "reader")
        found = {}
        for stage in ("extract", "transfer"):
            partitions: Sequence[str | None] = task.lake.partitions("acme", stage, "orders")
            for partition in partitions if self.scenario.partitioned else [None]:
                ref = task.ref(stage, "orders", partition)
                rejection = rejection_of(task.lake, ref)
                if rejection is None:
                    continue
                found[str(ref)] = task.lake.scan([ref]).collect().sort("order_id")
                if rejection.object is not None:
                    rows = pl.read_parquet(rejection.object.path, hive_partitioning=False)
                    kept = ref.model_copy(update={"stage": quarantine_stage(stage)})
                    found[str(kept)] = rows.drop("_run_id").sort("order_id")
        task.close()
        return found

    def rows(self) -> pl.DataFrame:
        """The warehouse's rows; nothing where nothing was ever loaded."""
        try:
            rows = self.warehouse.query("SELECT * FROM shop.orders")
        except WarehouseError:
            return pl.DataFrame()
        return rows.sort(rows.columns)

    def ledger(self) -> list[tuple[Any, ...]]:
        """What was loaded, in order, without who did it when."""
        return [(e.partition, e.version, e.rows, e.mode, e.created_table) for e in self.warehouse.ledger()]

    def leftovers(self) -> list[str]:
        """What only an unfinished or dead run has."""
        found = [str(each) for each in self.project.leftovers()]
        if self.scenario.warehouse == "duckdb":
            warehouse = self.project.data / "warehouse"
            return found + [each.name for each in warehouse.rglob("*") if each.name != "acme.duckdb"]
        staged = "SELECT tablename FROM pg_tables WHERE schemaname = 'etl_staging'"
        return found + self.warehouse.query(staged)["tablename"].to_list()

    def check_agreement(self) -> None:
        """What the ledger says last of each partition is what the lake shows, and is what the table holds."""
        task = self.task(None, "reader")
        last = {entry.partition: entry for entry in self.warehouse.ledger()}
        stage = task.pipeline.published_stage
        rows = self.rows()
        for partition, entry in last.items():
            published = task.lake.find(task.ref(stage, "orders", partition))
            assert published is not None
            assert (entry.version, entry.rows) == (published.version, published.rows), partition
            read = published.provenance.rows_read
            assert read == published.rows + published.provenance.rows_quarantined
            if entry.mode != "upsert":
                mine = rows if partition is None else rows.filter(pl.col("etl_partition").cast(pl.String) == partition)
                assert mine.height == entry.rows, partition
        task.close()


@dataclass(frozen=True)
class Seen:
    """What readers see at one moment."""

    objects: Mapping[str, pl.DataFrame]
    rows: pl.DataFrame
    ledger: Sequence[tuple[Any, ...]]

    @classmethod
    def of(cls, world: World) -> "Seen":
        return cls(world.objects(), world.rows(), world.ledger())


def same(one: Seen, other: Seen) -> None:
    assert list(one.objects) == list(other.objects)
    for name, rows in one.objects.items():
        assert rows.equals(other.objects[name]), name
    assert one.rows.equals(other.rows)
    assert one.ledger == other.ledger


def killed_at(world: World, point: str, stage: str, partition: str | None) -> None:
    """Run up to `stage` and die in it at `point`."""
    assert _in_process(_until, world, f"{point}=kill", stage, partition) == -signal.SIGKILL, f"{point} was not reached"


def failing_at(world: World, fault: str, stage: str, partition: str | None) -> EtlError:
    """Run up to `stage` in this process and fail in it."""
    world.run(world.stages[: world.stages.index(stage)], partition, "stopped")
    faults._reached.clear()
    os.environ["ETL_FAULT"] = fault
    try:
        world.run((stage,), partition, "stopped")
    except EtlError as error:
        return error
    finally:
        del os.environ["ETL_FAULT"]
    raise AssertionError(f"{fault} was not reached")


def start(target: Any, *arguments: Any) -> Any:
    """A process of its own; the caller waits for it."""
    process = processes.Process(target=target, args=arguments)
    process.start()
    return process


def finish(process: Any, seconds: float = 120) -> int:
    """Its exit code; a process that does not end in time is ended, and that is a failure."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError(f"the process did not end in {seconds} s")
    return int(process.exitcode)


def _in_process(target: Any, *arguments: Any) -> int:
    return finish(start(target, *arguments))


def _until(world: World, fault: str, stage: str, partition: str | None) -> None:
    os.environ.update(world.environ)
    world.run(world.stages[: world.stages.index(stage)], partition, "stopped")
    os.environ["ETL_FAULT"] = fault
    world.run((stage,), partition, "stopped")


def reporting(world: World, stages: Sequence[str], partition: str | None, run_id: str, pipe: Connection) -> None:
    """The target of a process that says how it ended: '' or the error's text."""
    os.environ.update(world.environ)
    pipe.send("ready")
    pipe.recv()
    try:
        world.run(stages, partition, run_id)
    except EtlError as error:
        pipe.send(str(error))
    else:
        pipe.send("")


@contextlib.contextmanager
def _extensions(*, absent: bool) -> Iterator[None]:
    """As if DuckDB's extensions were not installed."""
    if not absent:
        yield
        return
    with (
        patch.object(postgres, "extension_path", lambda _: None),
        patch.object(sqlite_duckdb, "extension_path", lambda _: None),
    ):
        yield
