"""The dbt projects over the tenants' extracts: they build, range by range as well as at once, and do not meet."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.dbt_quality.judge import PROFILES, Database, dbt

from .conftest import TENANTS
from .test_expected import DAYS, expected, pipelines

Source = Callable[[str], duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def lake(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the extracts of all tenants leave in the lake."""
    folder = tmp_path_factory.mktemp("lake")
    for tenant in ("default", "project_01", "project_02"):
        for name, pipeline in pipelines(tenant).items():
            column = pipeline.get("date_column")
            days: list[dt.date | None] = [*DAYS] if column else [None]
            for day in days:
                target = folder / tenant / "extract" / name / (f"dt={day}" if day else "") / "data.parquet"
                target.parent.mkdir(parents=True)
                where = f"WHERE {column} >= DATE '{day}' AND {column} < DATE '{day}' + 1" if day else ""
                source(tenant).execute(f"COPY (FROM src.{pipeline['source_table']} {where}) TO '{target}'")
    return folder


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The projects with the package in place, as `dbt deps` leaves them, without writing into the repository."""
    folder = tmp_path_factory.mktemp("dbt")
    for name in ("project_01", "shared"):
        (folder / name).mkdir()
        for part in (PROFILES / name).iterdir():
            if part.name not in {"target", "logs", "dbt_packages"}:
                (folder / name / part.name).symlink_to(part)
        (folder / name / "dbt_packages").mkdir()
        (folder / name / "dbt_packages" / "quality").symlink_to(PROFILES / "quality")
    return folder


def build(project: Path, database: Path, lake: Path, variables: str) -> str:
    environ = {"ETL_DUCKDB_PATH": str(database), "ETL_LAKE_DIR": str(lake), "ETL_DBT_SCHEMA": "dbt"}
    code, out, _ = dbt(["build", "--vars", variables], project, Database("dev", environ))
    assert code == 0, out[-3000:]
    return out


@pytest.mark.slow
def test_overlapping_ranges_give_what_all_days_at_once_must_give(
    projects: Path, lake: Path, source: Source, tmp_path: Path
) -> None:
    database = tmp_path / "project_01.duckdb"
    build(projects / "project_01", database, lake, "{partition_start: 2026-01-01, partition_end: 2026-01-07}")
    said = build(projects / "project_01", database, lake, "{partition_start: 2026-01-05, partition_end: 2026-01-11}")
    assert "WARN=" in said
    assert "WARN=0" not in said  # warnings really warn, and stop nothing
    with duckdb.connect(str(database), read_only=True) as connection:
        got = connection.execute("SELECT lot_date, lot_id, process_step, qty FROM dbt.fct_lot_step").fetchall()
        prices = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE dbt_valid_to IS NULL) FROM dbt.item_price_history"
        )
        assert prices.fetchone() == (4000, 4000)
    rows = source("project_01").execute(
        f"SELECT etl_partition, lot_id, process_step, qty FROM ({expected('project_01', 'lot_history')})"
    )
    assert sorted(got, key=repr) == sorted(rows.fetchall(), key=repr)


@pytest.mark.slow
def test_two_tenants_of_one_project_share_a_file_and_nothing_else(projects: Path, lake: Path, tmp_path: Path) -> None:
    database = tmp_path / "both.duckdb"
    for tenant in ("project_02", "default"):
        build(projects / "shared", database, lake, f"{{tenant: {tenant}}}")
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_schema, list(table_name ORDER BY table_name) FROM information_schema.tables GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert dict(found) == {
            "dbt_default": ["extract_volume", "market_daily", "stg_security", "stg_stock_price"],
            "dbt_project_02": [
                "extract_volume",
                "net_change_daily",
                "stg_industry",
                "stg_workplace",
                "subscribers_by_sector",
            ],
        }
        extracted = connection.execute("SELECT sum(extracted_rows) FROM dbt_project_02.extract_volume").fetchone()
        assert extracted == (34_000 + 44_000,)


@pytest.mark.slow
def test_the_shared_project_without_a_tenant_says_so(projects: Path, lake: Path, tmp_path: Path) -> None:
    environ = {"ETL_DUCKDB_PATH": str(tmp_path / "none.duckdb"), "ETL_LAKE_DIR": str(lake)}
    code, out, _ = dbt(["parse"], projects / "shared", Database("dev", environ))
    assert code != 0
    assert "Required var 'tenant' not found" in out


def test_no_project_names_a_machine_a_path_or_a_secret() -> None:
    for file in [PROFILES / "profiles.yml", *PROFILES.glob("*/dbt_project.yml"), *PROFILES.glob("*/models/**/*.yml")]:
        text = file.read_text(encoding="utf-8")
        assert str(TENANTS.parent) not in text
        assert "/tmp" not in text
    profile = (PROFILES / "profiles.yml").read_text(encoding="utf-8")
    assert "env_var('ETL_POSTGRES_PASSWORD')" in profile
