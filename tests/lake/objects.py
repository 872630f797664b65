"""Small objects for the tests of lake and warehouse: written, published and loaded in one line."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, LakePlace, ObjectRef, Provenance, Published, open_lake
from etl.settings import S3Settings, Settings
from etl.warehouse.contract import LoadReport, LoadRequest, Warehouse
from etl.warehouse.series import LoadSeries

DAY = "2026-01-01"
NEXT_DAY = "2026-01-02"


def settings_in(folder: Path, s3: S3Settings | None = None) -> Settings:
    return Settings(project_dir=folder, data_dir=folder, s3=s3 or S3Settings())


def local_lake(folder: Path) -> Lake:
    return open_lake(settings_in(folder))


def s3_lake(folder: Path, s3: S3Settings, bucket: str) -> Lake:
    return open_lake(settings_in(folder, s3), LakePlace(bucket=bucket, base_path="lake"))


def ref_of(partition: str | None = DAY, *, pipeline: str = "orders", stage: str = "extract") -> ObjectRef:
    return ObjectRef(tenant="acme", stage=stage, pipeline=pipeline, partition=partition)


def provenance_of(ref: ObjectRef, rows: int, run_id: str = "run-1", **changes: Any) -> Provenance:
    given: dict[str, Any] = {
        **ref.model_dump(exclude={"attempt"}),
        "run_id": run_id,
        "config_hash": "c0ffee",
        "rows": rows,
        "audit": "passed",
        "rows_read": rows,
        "rows_quarantined": 0,
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    return Provenance(**{**given, **changes})


def write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, metadata=PLACEHOLDER_FOOTER, compression="zstd")


def publish(lake: Lake, frame: pl.DataFrame, partition: str | None = DAY, run_id: str = "run-1") -> Published:
    ref = ref_of(partition)
    with lake.draft(ref, run_id) as path:
        write(frame, path)
        return lake.publish(ref, path, provenance_of(ref, frame.height, run_id))


def request_of(lake: Lake, partition: str | None = DAY, run_id: str = "run-1", **more: Any) -> LoadRequest:
    """The request to load what a partition publishes now."""
    published = lake.find(ref_of(partition))
    if published is None:
        raise LookupError(partition)
    given = {"tenant": "acme", "pipeline": "orders", "schema_name": "mart", "table": "orders", **more}
    return LoadRequest(partition=partition, version=published.version, rows=published.rows, run_id=run_id, **given)


def load(
    lake: Lake,
    warehouse: Warehouse | LoadSeries,
    partition: str | None = DAY,
    *,
    mode: str = "replace_partition",
    keys: Sequence[str] = (),
    order: str | None = None,
    schema: str = "mart",
    table: str = "orders",
    run_id: str = "run-1",
    schema_changes: str = "evolve",
    **more: Any,
) -> LoadReport:
    request = request_of(
        lake,
        partition,
        run_id,
        schema_name=schema,
        table=table,
        mode=mode,
        key_columns=tuple(keys),
        order_column=order,
        schema_changes=schema_changes,
        **more,
    )
    with warehouse.writing(schema, table, run_id) as table_held:
        return table_held.load(request, lake.local_copy(ref_of(partition)))


def files_below(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())
