"""The three tenants on a real Trino: the same rows as on DuckDB, for every reader, and nothing changes by running again."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import trino as driver
import yaml
from dagster import DagsterEventType, DagsterInstance
from polars.testing import assert_frame_equal
from pyiceberg.catalog import Catalog as PyIcebergCatalog, load_catalog

from etl.warehouse.trino_session import frames_of
from tests.amounts import amount
from tests.e2e.on_trino import Project, make_project
from tests.installation import TENANTS
from tests.servers.downloads import duckdb_extensions
from tests.servers.seaweed import seaweed
from tests.servers.trino import Catalog, TrinoServer, trino

__all__ = ["seaweed", "trino"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.server("trino")]

ETL = Path(sys.executable).parent / "etl"
LAST = f"2026-01-{amount(2, whole=10):02}"
"""The last day; the demo has ten."""
RUN = TENANTS[-amount(1, whole=len(TENANTS)) :]
"""The tenants: all, or the one whose pipelines and models load in the most different ways."""
OWN_OF_DBT = {"dbt_updated_at", "dbt_valid_from", "dbt_scd_id"}  # when it ran
Tables = dict[tuple[str, str], pl.DataFrame]


@dataclass(frozen=True)
class Both:
    """The same tenants, after `etl demo` on DuckDB and on Trino."""

    duckdb: Project
    trino: Project
    server: TrinoServer
    catalog: Catalog


@pytest.fixture(scope="module")
def both(trino: TrinoServer, tmp_path_factory: pytest.TempPathFactory) -> Both:
    catalog = trino.make_catalog(f"tenants_{uuid.uuid4().hex[:8]}")
    folder = tmp_path_factory.mktemp("tenants")
    made = Both(
        make_project(folder / "duckdb", RUN, last=LAST),
        make_project(folder / "trino", RUN, server=trino, catalog=catalog, last=LAST),
        trino,
        catalog,
    )
    for project in (made.duckdb, made.trino):
        etl(project, "demo")
    return made


def etl(project: Project, *arguments: str) -> str:
    path = f"{ETL.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [ETL, *arguments], cwd=project.root, env={**os.environ, **project.environ, "PATH": path},
        capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    return done.stdout


def on_duckdb(project: Project, tenant: str) -> Tables:
    """Every table and view that the tenant's loads and its dbt have made, under the name that it has on Trino."""
    found: Tables = {}
    with duckdb.connect(str(project.data / "warehouse" / f"{tenant}.duckdb"), read_only=True) as connection:
        named = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT LIKE 'etl_%'"
        ).fetchall()
        for schema, table in named:
            rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"').pl()
            found[f"dbt_{tenant}" if schema == "dbt" else schema, table] = rows
    return found


@contextlib.contextmanager
def connected(both: Both) -> Iterator[Any]:
    place: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": both.server.port,
        "user": "tests",
        "catalog": both.catalog.name,
    }
    with contextlib.closing(driver.dbapi.connect(**place, timezone="UTC")) as connection:
        yield connection.cursor()


def on_trino(both: Both, place: tuple[str, str]) -> pl.DataFrame:
    with connected(both) as cursor:
        cursor.execute('SELECT * FROM "{}"."{}"'.format(*place))
        return pl.concat(frames_of(cursor), how="vertical_relaxed")


@pytest.fixture(scope="module")
def catalog(both: Both) -> Iterator[PyIcebergCatalog]:
    with contextlib.closing(load_catalog(both.catalog.name, **both.catalog.properties)) as opened:
        yield opened


def outputs(tenant: str, project: Project) -> dict[str, Mapping[str, Any]]:
    text = (project.root / "tenants" / tenant / "config.yaml").read_text(encoding="utf-8")
    pipelines: dict[str, Any] = yaml.safe_load(text)["tenant"]["assets"]["pipelines"]
    return {name: each["trino_output"] for name, each in pipelines.items()}


def same(got: pl.DataFrame, want: pl.DataFrame, what: object, *, exact: bool) -> None:
    """Rows as a set; the types are those of Iceberg. A sum of floats depends on the order of its rows."""
    names = sorted({*want.columns} - OWN_OF_DBT)
    assert sorted({*got.columns} - OWN_OF_DBT) == names, what
    got, want = (frame.select(names) for frame in (got, want))
    got = got.cast({name: dtype for name, dtype in want.schema.items() if got.schema[name] != dtype})  # type: ignore[arg-type]
    keys = [name for name in names if exact or not want.schema[name].is_float()]
    tolerance = 0.0 if exact else 1e-9
    try:
        assert_frame_equal(got.sort(keys), want.sort(keys), rel_tol=tolerance, abs_tol=tolerance)
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error


@pytest.mark.parametrize("tenant", RUN)
def test_every_table_is_the_one_of_the_duckdb_run(both: Both, tenant: str) -> None:
    wanted = on_duckdb(both.duckdb, tenant)
    loaded = {(each["target_schema"], each["target_table"]) for each in outputs(tenant, both.duckdb).values()}
    assert loaded < wanted.keys()
    assert any(rows.height for rows in wanted.values())
    for place, want in wanted.items():
        same(on_trino(both, place), want, place, exact=False)  # both runs have refined the rows by themselves


@pytest.mark.filterwarnings("ignore:Iceberg scan planning with the polars_iceberg plugin")  # it reads the same rows
@pytest.mark.parametrize("tenant", RUN)
def test_other_readers_see_the_rows_that_trino_sees(both: Both, catalog: PyIcebergCatalog, tenant: str) -> None:
    said = catalog.properties
    options = {
        "aws_endpoint_url": said["s3.endpoint"], "aws_access_key_id": said["s3.access-key-id"],
        "aws_secret_access_key": said["s3.secret-access-key"], "aws_region": said["s3.region"], "aws_allow_http": "true",
    }  # fmt: skip
    with duckdb.connect() as connection:
        for extension in duckdb_extensions():
            connection.execute(f"LOAD '{extension}'")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{said['s3.access-key-id']}', SECRET '{said['s3.secret-access-key']}',"
            f" ENDPOINT '{said['s3.endpoint'].removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
        )
        for output in outputs(tenant, both.trino).values():
            place = (output["target_schema"], output["target_table"])
            table, want = catalog.load_table(place), on_trino(both, place)
            scanned = connection.execute(f"SELECT * FROM iceberg_scan('{table.metadata_location}')").pl()
            found = {
                "PyIceberg": pl.DataFrame(table.scan().to_arrow()),
                "Polars": pl.scan_iceberg(table, storage_options=options).collect(),
                "DuckDB": scanned,
            }
            for reader, rows in found.items():
                same(rows, want, (reader, place), exact=True)


@pytest.mark.parametrize("tenant", RUN)
def test_the_raw_tables_hold_the_extracts(both: Both, catalog: PyIcebergCatalog, tenant: str) -> None:
    for name, output in outputs(tenant, both.trino).items():
        if not name.startswith("raw_"):
            continue
        got = pl.DataFrame(catalog.load_table((output["target_schema"], output["target_table"])).scan().to_arrow())
        extract = both.duckdb.data / "lake" / tenant / "extract" / output["target_table"] / "**" / "data.parquet"
        want = pl.read_parquet(extract, hive_partitioning=True, missing_columns="insert")
        same(got.drop("etl_partition", strict=False), want.drop("dt", strict=False), name, exact=True)


@pytest.mark.parametrize("tenant", RUN)
def test_verify_is_green(both: Both, tenant: str) -> None:
    assert "agrees" in etl(both.trino, "verify", tenant)


def instance(project: Project) -> DagsterInstance:
    return DagsterInstance.from_config(str(project.data / "dagster"))


def test_every_snapshot_of_a_load_names_its_run(both: Both, catalog: PyIcebergCatalog) -> None:
    with instance(both.trino) as opened:
        runs = {run.run_id for run in opened.get_runs()}
    for tenant in RUN:
        for output in outputs(tenant, both.trino).values():
            table = catalog.load_table((output["target_schema"], output["target_table"]))
            said = [dict(each.summary.additional_properties) if each.summary else {} for each in table.snapshots()]
            assert said, output
            loads = [each for each in said if "etl.run_id" in each]
            assert {each["etl.run_id"] for each in loads} <= runs
            assert {each["etl.tenant"] for each in loads} == {tenant}
            assert len(loads) == len(said) or output["mode"] == "upsert", (
                output
            )  # there MERGE makes snapshots of its own


def checks(project: Project) -> dict[tuple[str, str, str | None], bool]:
    """The last result of each of dbt's tests of models, by asset, name and partition."""
    found: dict[tuple[str, str, str | None], bool] = {}
    with instance(project) as opened:
        for run in opened.get_runs()[::-1]:
            for entry in opened.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
                event = entry.dagster_event
                assert event is not None
                said = event.asset_check_evaluation_data
                if said.asset_key.path[1] == "dbt":
                    found[said.asset_key.to_user_string(), said.check_name, said.partition] = said.passed
    return found


def test_the_tests_of_dbt_are_the_same_checks_with_the_same_results(both: Both) -> None:
    wanted = checks(both.duckdb)
    assert len(wanted) > 5 * len(RUN)
    assert checks(both.trino) == wanted


def test_a_second_run_changes_nothing(both: Both, catalog: PyIcebergCatalog) -> None:
    first = LAST if amount(1, whole=2) == 1 else "2026-01-01"
    for tenant in RUN:
        places = [(each["target_schema"], each["target_table"]) for each in outputs(tenant, both.trino).values()]
        before = {place: catalog.load_table(place).current_snapshot() for place in places}
        rows = {place: on_trino(both, place) for place in on_duckdb(both.duckdb, tenant)}
        etl(both.trino, "run", tenant, "--from", first, "--to", LAST)
        assert {place: catalog.load_table(place).current_snapshot() for place in places} == before
        for place, want in rows.items():
            same(on_trino(both, place), want, place, exact=False)
