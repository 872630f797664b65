"""Kill, fail and fill the disk at every step of publishing and loading: what readers see, and what a repetition makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from etl.storage.warehouse import WarehouseConfig, open_warehouse
from tests.servers.object_store import ObjectStore
from tests.storage.objects import (
    DAY,
    NEXT_DAY,
    files_below,
    load,
    local_lake,
    publish,
    ref_of,
    s3_lake,
    settings_in,
)

OLD = pl.DataFrame({"id": range(1000), "qty": [1] * 1000})
NEW = pl.DataFrame({"id": range(400, 1500), "qty": [2] * 1100})
OTHER = pl.DataFrame({"id": range(2000, 2100), "qty": [3] * 100})

PROCESS = """
import os, sys, pathlib
from etl.errors import EtlError
from pydantic import SecretStr
from tests.storage.objects import *
from tests.storage.test_warehouse_faults import NEW
from etl.settings import load_settings
from etl.storage.warehouse import WarehouseConfig, open_warehouse
folder, bucket, mode, what = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
url = os.environ.get("TEST_POSTGRES_URL")
lake = s3_lake(folder, load_settings().s3, bucket) if bucket else local_lake(folder)
warehouse = open_warehouse(
    WarehouseConfig(type="postgres" if url else "duckdb", url=SecretStr(url) if url else None),
    settings_in(folder), "acme")
try:
    if what != "load":
        publish(lake, NEW, DAY, "run-2")
    if what != "publish":
        load(lake, warehouse, DAY, mode=mode, keys=["id"], order="qty", run_id="run-2")
except EtlError as error:
    print(error)
    sys.exit(3)
"""

PUBLISH_POINTS = ["lake.staged", "lake.verified", "lake.stamped", "lake.published"]
LOCAL_POINTS = [*PUBLISH_POINTS, "lake.before_rename", "lake.renamed"]
S3_POINTS = [*PUBLISH_POINTS, "lake.upload.begin", "lake.upload.part", "lake.uploaded"]
LOAD_POINTS = [
    "warehouse.locked", "warehouse.opened", "warehouse.begin", "warehouse.shaped", "warehouse.deleted",
    "warehouse.inserted", "warehouse.ledger", "warehouse.before_commit", "warehouse.committed", "warehouse.closed",
]  # fmt: skip
POSTGRES_POINTS = [
    "warehouse.locked", "warehouse.staged", "warehouse.begin", "warehouse.deleted", "warehouse.inserted",
    "warehouse.ledger", "warehouse.before_commit", "warehouse.committed",
]  # fmt: skip
AFTER = {"lake.renamed", "lake.uploaded", "lake.published", "warehouse.committed", "warehouse.closed"}


def run(
    folder: Path, what: str, fault: str = "", mode: str = "replace_partition", bucket: str = "", **environ: str
) -> int:
    """One process of its own; its exit code (-9: killed, 3: an error of ours)."""
    given = {**os.environ, **environ, "ETL_FAULT": fault, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(folder), bucket, mode, what], env=given, check=False, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, -9, 3), done.stderr
    if done.returncode == 3:
        assert "a-very-secret-key" not in done.stdout
    return done.returncode


@pytest.mark.parametrize("action", ["kill", "full"])
@pytest.mark.parametrize("point", LOCAL_POINTS)
def test_publishing_that_stops_shows_the_old_object_or_the_new_one_and_is_repeated(
    tmp_path: Path, point: str, action: str
) -> None:
    lake = local_lake(tmp_path)
    publish(lake, OLD)
    assert run(tmp_path, "publish", f"{point}={action}") == {"kill": -9, "full": 3}[action]
    seen = lake.scan([ref_of()]).collect()
    assert seen.equals(NEW if point in AFTER else OLD)
    assert run(tmp_path, "publish") == 0
    assert lake.scan([ref_of()]).collect().equals(NEW)
    lake.close()
    assert files_below(tmp_path / "staging") == []
    assert files_below(tmp_path / "lake") == ["acme/extract/orders/dt=2026-01-01/data.parquet"]


@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("point", S3_POINTS)
def test_an_upload_that_stops_shows_the_old_object_or_the_new_one_and_is_repeated(
    tmp_path: Path, object_store: ObjectStore, bucket: str, point: str, action: str
) -> None:
    lake = s3_lake(tmp_path, object_store.settings, bucket)
    publish(lake, OLD)
    code = run(tmp_path, "publish", f"{point}={action}", bucket=bucket, **object_store.environ)
    assert code == {"kill": -9, "raise": 3}[action]
    assert lake.scan([ref_of()]).collect().equals(NEW if point in AFTER else OLD)
    assert object_store.pending_uploads(bucket) == []
    assert run(tmp_path, "publish", bucket=bucket, **object_store.environ) == 0
    assert lake.scan([ref_of()]).collect().equals(NEW)
    lake.close()
    assert files_below(tmp_path / "staging") == []
    assert object_store.keys(bucket) == ["lake/acme/extract/orders/dt=2026-01-01/data.parquet"]


@pytest.mark.parametrize("mode", ["replace_partition", "upsert"])
@pytest.mark.parametrize("point", LOAD_POINTS)
def test_a_load_that_is_killed_shows_all_of_it_or_nothing_and_is_repeated(
    tmp_path: Path, point: str, mode: str
) -> None:
    _check_load(tmp_path, point, mode, "kill")


@pytest.mark.parametrize("point", ["warehouse.deleted", "warehouse.ledger"])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_load_in_the_other_modes_that_is_killed_is_repeated(tmp_path: Path, point: str, mode: str) -> None:
    _check_load(tmp_path, point, mode, "kill")


@pytest.mark.parametrize("point", LOAD_POINTS[:8])
def test_a_load_that_finds_the_disk_full_is_an_error_and_is_repeated(tmp_path: Path, point: str) -> None:
    _check_load(tmp_path, point, "replace_partition", "full")


@pytest.mark.parametrize("point", POSTGRES_POINTS)
def test_a_load_into_postgresql_that_is_killed_shows_all_of_it_or_nothing_and_is_repeated(
    tmp_path: Path, point: str, postgres_url: str
) -> None:
    _check_load(tmp_path, point, "replace_partition", "kill", TEST_POSTGRES_URL=postgres_url)


def _check_load(folder: Path, point: str, mode: str, action: str, **environ: str) -> None:
    url = environ.get("TEST_POSTGRES_URL")
    config = WarehouseConfig.model_validate({"type": "postgres", "url": url} if url else {})
    warehouse = open_warehouse(config, settings_in(folder), "acme")
    lake = local_lake(folder)
    publish(lake, OTHER, NEXT_DAY)
    load(lake, warehouse, NEXT_DAY, mode=mode, keys=["id"], order="qty")
    first = OTHER.height
    if mode == "append":
        publish(lake, NEW, DAY, "run-2")
    else:
        publish(lake, OLD, DAY)
        load(lake, warehouse, DAY, mode=mode, keys=["id"], order="qty")
        first = OLD.height + (0 if mode == "replace" else OTHER.height)
    expected = {"replace_partition": 1200, "replace": 1100, "upsert": 1600, "append": 1200}[mode]
    before = len(warehouse.ledger())
    assert run(folder, "both", f"{point}={action}", mode, **environ) == {"kill": -9, "full": 3}[action]
    done = point in AFTER
    count = "SELECT count(*) AS n FROM mart.orders"
    assert warehouse.query(count).item() == (expected if done else first)
    assert len(warehouse.ledger()) == before + done
    assert run(folder, "both", "", mode, **environ) == 0
    _is_as_undisturbed(warehouse, mode, before + 1)
    assert warehouse.query(count).item() == expected
    lake.close()
    assert files_below(folder / "staging") == []
    if url:
        assert warehouse.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'etl_staging'").item() == 0
    else:
        assert files_below(folder / "warehouse") == ["acme.duckdb"]


def _is_as_undisturbed(warehouse: object, mode: str, entries: int) -> None:
    query = warehouse.query  # type: ignore[attr-defined]
    rows = dict(query("SELECT id, qty FROM mart.orders").rows())
    expected = {row["id"]: row["qty"] for row in NEW.to_dicts()}
    if mode == "upsert":
        expected = {**{row["id"]: row["qty"] for row in OLD.to_dicts()}, **expected}
    if mode != "replace":
        expected |= {row["id"]: row["qty"] for row in OTHER.to_dicts()}
    assert rows == expected
    ledger = warehouse.ledger()  # type: ignore[attr-defined]
    assert len(ledger) == entries
    assert [each.seq for each in ledger] == list(range(1, entries + 1))
    assert json.loads(ledger[-1].model_dump_json())["rows"] == NEW.height
