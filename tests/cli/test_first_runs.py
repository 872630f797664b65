"""A tenant that `etl new --from` has made of a well-known database passes `etl check`, and its first run is green."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dagster import AssetKey, DagsterInstance

from tests.onboarding import databases
from tests.onboarding.databases import Made
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.tiny_project import TinyProject

from .conftest import Etl

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def first_run(etl: Etl, project: TinyProject, tenant: str, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the tenant, check it, run it; returns its file."""
    monkeypatch.setenv(f"{tenant.upper()}_DB_URL", url)
    made = etl("new", tenant, "--from", f"{tenant.upper()}_DB_URL")
    assert made.code == 0, made.out + made.err
    assert "nothing left out" in made.out.splitlines()[-1]
    path = project.root / "tenants" / tenant / "config.yaml"
    checked = etl("check", tenant, "--connect")
    assert checked.code == 0, checked.out
    ran = etl("run", tenant)
    assert ran.code == 0, ran.out + ran.err
    pipelines = yaml.safe_load(path.read_text(encoding="utf-8"))["tenant"]["assets"]["pipelines"]
    for name in pipelines:
        assert f"load {name}: done" in ran.out
    return path.read_text(encoding="utf-8")


def descriptions(project: TinyProject, asset: str) -> dict[str, str | None]:
    """What the newest materialization says of the columns, which Dagster's UI shows."""
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        event = instance.get_latest_materialization_event(AssetKey(asset.split("/")))
        assert event is not None
        assert event.asset_materialization is not None
        schema = event.asset_materialization.metadata["dagster/column_schema"].value
        return {each.name: each.description for each in schema.columns}


MAKERS: dict[str, Callable[[str], Iterator[Made]]] = {
    "northwind": databases.northwind,
    "chinook": databases.chinook,
    "sakila": databases.sakila,
}


@pytest.mark.parametrize("name", MAKERS)
def test_on_postgresql(
    name: str, etl: Etl, project: TinyProject, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.fill_postgres(postgres_server, name, MAKERS[name]("postgresql"))
    text = first_run(etl, project, name, url, monkeypatch)
    assert postgres_server.url.split(":")[2].split("@")[0] not in text  # the password
    if name == "northwind":
        assert 'description: "What customers ordered; 100% of it: all"' in text
        assert descriptions(project, "northwind/extract/orders")["freight"] == "in EUR, ${not a variable}"
    if name == "sakila":
        assert "partitions: {start: 2005-05-24, end: 2006-01-29, timezone: UTC, lookback_days: 9}" in text


def test_on_mariadb(
    etl: Etl, project: TinyProject, mariadb_server: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.fill_mariadb(mariadb_server, "sakila", databases.sakila("mysql"))
    first_run(etl, project, "sakila", url, monkeypatch)


def test_on_sqlite(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    path: Path = project.data / "demo" / "northwind" / "northwind.db"
    url = databases.fill_sqlite(path, databases.northwind("sqlite"))
    first_run(etl, project, "northwind", url, monkeypatch)


def test_a_command_that_is_killed_leaves_no_half_tenant(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.fill_sqlite(project.data / "demo" / "chinook" / "chinook.db", databases.chinook("sqlite"))
    monkeypatch.setenv("CHINOOK_DB_URL", url)
    command = [str(Path(sys.executable).parent / "etl"), "new", "chinook", "--from", "CHINOOK_DB_URL"]
    environ = {**project.process_environ, "CHINOOK_DB_URL": url, "ETL_FAULT": "new.drafted=kill"}
    done = subprocess.run(command, cwd=project.root, env=environ, capture_output=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (project.root / "tenants" / "chinook").exists()
    assert etl("check").code == 0  # the draft that is left is no tenant
    assert etl("new", "chinook", "--from", "CHINOOK_DB_URL").code == 0
    assert etl("check", "chinook").code == 0
