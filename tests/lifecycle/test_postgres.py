"""A database of several tenants: of a shared schema, a shared ledger and a shared event log, only one's part goes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Etl
from tests.dbt.projects import write_dbt
from tests.lifecycle.conftest import enter
from tests.lifecycle.scan import all_rows, files_with, tables_with
from tests.lifecycle.test_subject import delete_in_source
from tests.lifecycle.world import PERSON, World, canary, make_world, pipelines
from tests.servers import PASSWORD
from tests.tiny_project import TinyProject


@pytest.fixture
def url(postgres_server: Any) -> Iterator[str]:
    postgres_server.run("DROP DATABASE IF EXISTS lives WITH (FORCE)", "CREATE DATABASE lives STRATEGY FILE_COPY")
    yield postgres_server.url.replace("//reader:", "//postgres:").replace("/src", "/lives")
    postgres_server.run("DROP DATABASE IF EXISTS lives WITH (FORCE)")


@pytest.fixture
def world(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """Both tenants load into one schema of one database; one of them by `upsert`, which keeps rows beside its table."""
    root = tmp_path / "world"
    for name, value in TinyProject(root / "project", root / "data").environ.items():
        monkeypatch.setenv(name, value)
    made = make_world(root)
    for tenant, output in (
        ("acme", {"mode": "upsert", "key_columns": ["order_id"]}),
        ("acme_eu", {"mode": "upsert", "key_columns": ["order_id"]}),
    ):
        monkeypatch.setenv(f"{tenant.upper()}_WH_URL", url)
        variable = f"${{{tenant.upper()}_WH_URL}}"
        changes = {
            "assets": {"pipelines": pipelines(tenant, **output)},
            "warehouse": {"type": "postgres", "url": variable},
        }
        made.project.write_tenant(changes, tenant=tenant)
    entered = enter(root, monkeypatch)
    for tenant in ("acme", "acme_eu"):
        assert entered.run(tenant).success
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE shop.made_by_hand (said text)")
        db.execute('ALTER TABLE shop.acme_orders RENAME TO "acme_orders_aside_20260101T000000"')
    assert entered.run("acme", stages=("load",)).success
    return entered


@pytest.mark.slow
def test_only_this_tenants_tables_and_entries_go(world: World, url: str, etl: Etl) -> None:
    before, all_before = tables_with(canary("acme"), url), all_rows(url)
    assert before == [
        "etl_kept.shop.acme_orders",
        "shop.acme_orders",
        "shop.acme_orders_aside_20260101T000000",
    ]
    others = {name: rows for name, rows in all_before.items() if name not in before and name != "etl_ledger.loads"}
    entries = [each for each in all_before["etl_ledger.loads"] if ",acme_eu," in each]
    assert entries
    assert len(others) >= 4

    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert tables_with(canary("acme"), url) == []
    assert files_with(canary("acme"), *world.folders) == []
    after = all_rows(url)
    assert after.pop("etl_ledger.loads") == entries
    assert after == others
    text = next((world.project.root / "certificates").glob("*.txt")).read_text()
    assert "shop.made_by_hand" in text  # nothing tells whose it is


@pytest.mark.slow
def test_imported_into_another_database_it_is_the_same(
    world: World, url: str, etl: Etl, tmp_path: Path, elsewhere: Callable[[], World], postgres_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = {name: rows for name, rows in all_rows(url).items() if canary("acme") in repr(rows)}
    entries = [each for each in all_rows(url)["etl_ledger.loads"] if ",acme," in each]
    said = etl("tenant", "export", "acme", "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    source = world.project.data / "demo" / "acme.sqlite"
    postgres_server.run("DROP DATABASE IF EXISTS moved WITH (FORCE)", "CREATE DATABASE moved STRATEGY FILE_COPY")
    try:
        other = elsewhere()
        moved = url.replace("/lives", "/moved")
        monkeypatch.setenv("ACME_WH_URL", moved)
        said = etl("tenant", "import", str(tmp_path / "out"))
        assert said.code == 0, said.err
        found = all_rows(moved)
        assert {name: rows for name, rows in found.items() if canary("acme") in repr(rows)} == before
        assert found["etl_ledger.loads"] == entries
        (other.project.data / "demo").mkdir()
        shutil.copy(source, other.project.data / "demo" / "acme.sqlite")
        assert other.run("acme").success
        assert all_rows(moved)["etl_ledger.loads"] == entries  # nothing was loaded again
    finally:
        postgres_server.run("DROP DATABASE IF EXISTS moved WITH (FORCE)")


@pytest.mark.slow
def test_a_person_goes_from_tables_kept_rows_and_tables_set_aside(world: World, url: str, etl: Etl) -> None:
    others = {name: rows for name, rows in all_rows(url).items() if canary("acme_eu") in repr(rows)}
    assert [each for each in tables_with(PERSON, url) if "acme_orders" in each] == [
        "etl_kept.shop.acme_orders",
        "shop.acme_orders",
        "shop.acme_orders_aside_20260101T000000",
    ]
    delete_in_source(world)
    said = etl("tenant", "erase-subject", "acme", "--key", f"person={PERSON}", "--confirm", "acme")
    assert said.code == 0, said.err
    assert not [each for each in tables_with(PERSON, url) if "acme_orders" in each]
    assert {name: rows for name, rows in all_rows(url).items() if canary("acme_eu") in repr(rows)} == others
    assert world.run("acme", stages=("load",)).success
    assert not [each for each in tables_with(PERSON, url) if "acme_orders" in each]


MODELS = {
    "models/staging/a_named.sql": "{{ config(materialized='view') }} select person, name from shop.acme_orders",
    "models/staging/b_said.sql": (
        f"{{{{ config(materialized='view') }}}} select name, '{canary('acme')}' as said from {{{{ ref('a_named') }}}}"
    ),
    "models/marts/names.sql": "{{ config(schema='marts') }} select name, said from {{ ref('b_said') }}",
    "models/marts/kept.sql": (
        "{{ config(schema='marts', materialized='materialized_view') }} select name from {{ ref('names') }}"
    ),
}


@pytest.fixture
def with_dbt(world: World, postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same; dbt of `acme` has built views that read views, in two schemas, beside a table of a person."""
    names = {"HOST": "127.0.0.1", "PORT": str(postgres_server.port), "USER": "postgres", "DB": "lives"}
    for name, value in {**names, "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"ETL_POSTGRES_{name}", value)
    write_dbt(world.project, MODELS)
    text = world.config("acme").origin.path.read_text()
    world.config("acme").origin.path.write_text(f"{text}  dbt: {{enabled: true, target: postgres}}\n")
    done = world.run("acme", stages=("dbt",))
    assert done.success, [each.message for each in done.all_events if each.is_failure]
    postgres_server.run("SELECT 1")
    return world


@pytest.mark.slow
def test_tables_of_dbt_go_from_every_schema_that_it_builds_in(
    with_dbt: World, url: str, etl: Etl, tmp_path: Path
) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE dbt_acme_marts.made_by_hand (said text)")
    assert {"dbt_acme.a_named", "dbt_acme.b_said", "dbt_acme_marts.names"} <= {*tables_with(canary("acme"), url)}
    before = all_rows(url)
    said = etl("tenant", "export", "acme", "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE VIEW public.of_somebody AS SELECT name FROM shop.acme_orders")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 2
    assert "of_somebody" in said.err
    assert tables_with(canary("acme"), url)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("DROP VIEW public.of_somebody")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert tables_with(canary("acme"), url) == []
    with psycopg.connect(url) as db:
        left = db.execute(
            "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname LIKE 'dbt%' AND relkind IN ('r', 'v', 'm')"
        )
        assert left.fetchall() == [("dbt_acme_marts", "made_by_hand")]
    text = next((with_dbt.project.root / "certificates").glob("*.txt")).read_text()
    assert "dbt_acme_marts.made_by_hand" in text
    assert files_with(canary("acme"), *with_dbt.folders) == []
    said = etl("tenant", "import", str(tmp_path / "out"), "--over-erased", "acme")
    assert said.code == 0, said.err
    views = {"dbt_acme.a_named", "dbt_acme.b_said", "dbt_acme_marts.kept"}  # dbt makes them again
    assert {name for name, rows in before.items() if rows != all_rows(url).get(name)} <= {*views, "etl_ledger.loads"}
