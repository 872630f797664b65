"""After `etl demo`: nothing of the sources is missing, the warehouse is what independent SQL says, twice changes nothing."""

import hashlib
import json
import sqlite3
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_sqlite_scanner
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from dagster import AssetRecordsFilter, DagsterInstance, DagsterRunStatus, RunsFilter
from polars.testing import assert_frame_equal

from tests.e2e.conftest import Demo, run_demo
from tests.installation import REPOSITORY, TENANTS

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(1000)]

EXPECTED = Path(__file__).parents[1] / "tenants" / "expected"


def pipelines(tenant: str) -> dict[str, Any]:
    text = (REPOSITORY / "tenants" / tenant / "config.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["tenant"]["assets"]["pipelines"])


PIPELINES = [(tenant, name) for tenant in TENANTS for name in pipelines(tenant)]


@pytest.mark.parametrize(("tenant", "name"), PIPELINES)
def test_every_row_of_the_source_is_in_bronze(demo: Demo, tenant: str, name: str) -> None:
    pipeline = pipelines(tenant)[name]
    folder = demo.data / "lake" / tenant / "extract" / name
    with sqlite3.connect(demo.data / "demo" / f"{tenant}.sqlite") as source:
        table, column = pipeline["source_table"], pipeline.get("date_column")
        if column is None:
            wanted = {folder / "data.parquet": source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]}
        else:
            days = [date(2026, 1, 1) + timedelta(days=each) for each in range(10)]
            wanted = {
                folder / f"dt={day}" / "data.parquet": source.execute(
                    f"SELECT count(*) FROM {table} WHERE {column} >= ? AND {column} < ?",
                    (str(day), str(day + timedelta(days=1))),
                ).fetchone()[0]
                for day in days
            }
            everything = source.execute(
                f"SELECT count(*) FROM {table} WHERE {column} >= '2026-01-01' AND {column} < '2026-01-11'"
            ).fetchone()[0]
            assert sum(wanted.values()) == everything
    source.close()
    found = {path: pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet")}
    assert found == wanted
    assert sum(found.values()) > 0


def test_three_hundred_thousand_rows_have_moved(demo: Demo) -> None:
    rows = sum(pq.read_metadata(path).num_rows for path in (demo.data / "lake").glob("*/extract/*/**/*.parquet"))
    assert rows >= 300_000


@pytest.mark.parametrize(("tenant", "name"), PIPELINES)
def test_the_warehouse_holds_what_independent_sql_says(demo: Demo, tenant: str, name: str) -> None:
    output = pipelines(tenant)[name]["trino_output"]
    extension = next(Path(duckdb_extension_sqlite_scanner.__file__).parent.rglob("*.duckdb_extension"))
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{demo.data / 'demo' / f'{tenant}.sqlite'}' AS src (TYPE sqlite, READ_ONLY)")
        want = connection.execute((EXPECTED / tenant / f"{name}.sql").read_text(encoding="utf-8")).pl()
    with duckdb.connect(str(demo.data / "warehouse" / f"{tenant}.duckdb"), read_only=True) as warehouse:
        got = warehouse.execute(f"SELECT * FROM {output['target_schema']}.{output['target_table']}").pl()
    keys = [*output["key_columns"], *(["etl_partition"] if "etl_partition" in want.columns else [])]
    assert want.height > 0
    if output["mode"] == "upsert":  # the day of a row's last version stands in the table, and not in the expectation
        got = got.drop("etl_partition")
    got = got.select(sorted(got.columns)).sort(keys)
    want = want.select(sorted(want.columns)).sort(keys)
    assert got.columns == want.columns
    assert_frame_equal(got, want, check_dtypes=False, rel_tol=1e-9, abs_tol=1e-9)


def test_what_was_read_is_what_was_published_and_what_was_set_aside(demo: Demo) -> None:
    for path in (demo.data / "lake").glob("*/transfer/*/**/*.parquet"):
        said = yaml.safe_load(pq.read_metadata(path).metadata[b"etl"])
        assert said["rows_read"] == said["rows"] + said["rows_quarantined"]
        assert said["rows"] == pq.read_metadata(path).num_rows
        aside = list(Path(str(path.parent).replace("/transfer/", "/transfer_quarantine/")).glob("*.parquet"))
        assert [each.stem for each in aside] == ([said["rejected"]["name"]] if said["rejected"] else [])
        assert sum(pq.read_metadata(each).num_rows for each in aside) == said["rows_quarantined"]


def test_the_runs_are_in_the_instance_and_all_of_them_succeeded(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(demo.installation.dagster_home))
    with DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert {run.tags["tenant"] for run in runs} == set(TENANTS)
        assert {run.status for run in instance.get_runs(RunsFilter())} == {DagsterRunStatus.SUCCESS}
        for run in runs:
            assert run.job_name.startswith(f"{run.tags['tenant']}_all")
        storage = instance.event_log_storage
        for pool in storage.get_concurrency_keys():
            assert storage.get_concurrency_info(pool).active_slot_count == 0


def test_the_demo_closes_with_a_table_and_the_next_thing_to_try(demo: Demo) -> None:
    for word in ("tenant", "stage", "pipeline", "days", "rows", "seconds", "where"):
        assert word in demo.output
    for tenant, name in PIPELINES:
        assert tenant in demo.output
        assert name in demo.output
    assert "make dev" in demo.output
    assert "none" not in {word for line in demo.output.splitlines() for word in line.split()}


def test_nothing_unfinished_is_left(demo: Demo) -> None:
    assert [path for path in (demo.data / "staging").rglob("*") if path.is_file()] == []
    assert [path for path in (demo.data / "backfills").rglob("*") if path.is_file()] == []
    files = [path for path in (demo.data / "lake").rglob("*") if path.is_file()]
    footers = [json.loads(pq.read_metadata(path).metadata[b"etl"]) for path in files if path.name == "data.parquet"]
    named = {f"{footer['rejected']['name']}.parquet" for footer in footers if footer.get("rejected")}
    assert {path.name for path in files} == {"data.parquet"} | named  # each object of rejected rows belongs to another
    assert named


def objects(data: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(data)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted((data / "lake").rglob("*.parquet"))
    }


def warehouse_rows(data: Path) -> dict[str, pl.DataFrame]:
    found: dict[str, pl.DataFrame] = {}
    for path in sorted((data / "warehouse").glob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, table in sorted(tables):
                rows = connection.execute(f'SELECT * FROM "{schema}"."{table}" ORDER BY ALL').pl()
                found[f"{path.stem}.{schema}.{table}"] = rows
    return found


def test_the_second_demo_changes_nothing_and_says_so(demo: Demo) -> None:
    before, rows = objects(demo.data), warehouse_rows(demo.data)
    assert len(before) > 150
    again = run_demo(demo.installation)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "All partitions of all assets exist already" in again.stdout
    assert "Nothing was changed" in again.stdout
    assert objects(demo.data) == before
    after = warehouse_rows(demo.data)
    assert after.keys() == rows.keys()
    for name, frame in rows.items():
        assert after[name].equals(frame), name


def test_a_reloaded_demo_does_all_work_again_and_leaves_the_same_rows(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(demo.installation.dagster_home))
    before, rows = materializations(), warehouse_rows(demo.data)
    again = run_demo(demo.installation, "--reload")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "All partitions of all assets exist already" not in again.stdout
    assert f"{len(TENANTS)} run(s)" in again.stdout
    after = materializations()
    assert after.keys() == before.keys()
    assert [
        key for key, partitions in before.items() for each in partitions if after[key][each] <= partitions[each]
    ] == []
    kept = {name: frame for name, frame in warehouse_rows(demo.data).items() if ".etl_ledger." not in name}
    for name, frame in kept.items():
        own = [
            each for each in frame.columns if each not in {"etl_load", "dbt_updated_at", "dbt_valid_from", "dbt_scd_id"}
        ]
        keys = [each for each in own if not frame.schema[each].is_float()]
        got, want = frame.select(own).sort(keys), rows[name].select(own).sort(keys)
        assert_frame_equal(got, want, rel_tol=1e-9, abs_tol=1e-9)  # a sum of floats depends on their order


def materializations() -> dict[str, dict[str, int]]:
    """How often each partition of each asset was materialized."""
    with DagsterInstance.get() as instance:
        found: dict[str, dict[str, int]] = {}
        for key in instance.all_asset_keys():
            events = instance.fetch_materializations(AssetRecordsFilter(asset_key=key), limit=5000).records
            found[key.to_user_string()] = dict(Counter(str(each.partition_key) for each in events))
        return found
