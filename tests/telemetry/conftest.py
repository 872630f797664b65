"""An instance of Dagster with ended runs: one that succeeded, one whose step failed, one that was canceled."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    DagsterInstance,
    Definitions,
    MaterializeResult,
    StaticPartitionsDefinition,
    TableColumn,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
    asset,
    define_asset_job,
)

from etl.errors import EtlError, TransformError
from tests.telemetry.receiver import Received, receiving

DAYS = StaticPartitionsDefinition(["2026-01-01", "2026-01-02"])
SOURCE = AssetKey(["acme", "source", "orders"])
SECRET = "hunter2-canary"
VALUE = "kim@example.com"
"""A value of a row, which a tenant's own code has put into the text of an error."""


@asset(
    name="orders",
    key_prefix=["acme", "extract"],
    partitions_def=DAYS,
    check_specs=[AssetCheckSpec("not_null", asset=AssetKey(["acme", "extract", "orders"]))],
)
def extract_orders() -> MaterializeResult:
    lineage = TableColumnLineage({"id": [TableColumnDep(SOURCE, "id")], "one": []})
    return MaterializeResult(
        metadata={
            "dagster/partition_row_count": 20,
            "bytes": 512,
            "dagster/column_schema": TableSchema([TableColumn("id", "Int64"), TableColumn("odd", "String")]),
            "dagster/column_lineage": lineage,
            "column_lineage_unknown": {"odd": "the query says nothing"},
            "reads": ["acme/source/orders", "acme/source/s.customers"],
        },
        check_results=[AssetCheckResult(passed=False, check_name="not_null", severity=AssetCheckSeverity.WARN)],
    )


@asset(name="orders", key_prefix=["acme", "load"], deps=[extract_orders], partitions_def=DAYS)
def load_orders() -> None:
    return None


@asset(name="broken", key_prefix=["acme", "extract"])
def extract_broken() -> None:
    raise EtlError(f"no login with password={SECRET}", "correct it")


@asset(name="shop", key_prefix=["acme", "transfer"])
def transfer_shop() -> None:
    raise TransformError("the transform raised ValueError") from ValueError(VALUE)


@asset(name="rows", key_prefix=["umbrella", "extract"])
def extract_rows() -> None:
    return None


JOBS = Definitions(
    assets=[extract_orders, load_orders, extract_broken, transfer_shop, extract_rows],
    jobs=[
        define_asset_job("acme_orders", [extract_orders, load_orders], tags={"tenant": "acme"}),
        define_asset_job("acme_broken", [extract_broken], tags={"tenant": "acme"}),
        define_asset_job("acme_shop", [transfer_shop], tags={"tenant": "acme"}),
        define_asset_job("umbrella_rows", [extract_rows], tags={"tenant": "umbrella"}),
    ],
)


@dataclass(frozen=True)
class World:
    instance: DagsterInstance
    data: Path

    def run(self, job: str = "acme_orders", partition: str | None = None) -> str:
        """Execute a job, and return the run's id."""
        if job == "acme_orders" and partition is None:
            partition = "2026-01-01"
        made = JOBS.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False
        )
        return made.run_id

    def canceled(self, tenant: str = "acme") -> str:
        """Make a run that was canceled before its steps began."""
        job = JOBS.resolve_job_def("acme_broken" if tenant == "acme" else "umbrella_rows")
        run = self.instance.create_run_for_job(job, tags={"tenant": tenant})
        self.instance.report_run_canceling(run)
        self.instance.report_run_canceled(run)
        return run.run_id

    def failed(self) -> str:
        """Make a run that failed before its steps began."""
        run = self.instance.create_run_for_job(JOBS.resolve_job_def("acme_broken"), tags={"tenant": "acme"})
        self.instance.report_run_failed(run)
        return run.run_id


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with DagsterInstance.ephemeral() as instance:
        yield World(instance, tmp_path / "data")


@pytest.fixture
def receiver() -> Iterator[Received]:
    with receiving() as received:
        yield received
