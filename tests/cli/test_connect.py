"""`etl check --connect`: what a run needs is tried, what does not answer is named, and nothing of it stays."""

import sqlite3
from typing import Any

import pytest

from tests.servers import PASSWORD
from tests.servers.object_store import ObjectStore, bucket, object_store
from tests.tiny_project import TinyProject

from .conftest import Etl

__all__ = ["bucket", "object_store"]


def answers(out: str) -> dict[str, str]:
    """Place -> whether it answered."""
    rows = [[cell.strip() for cell in line.split("│")] for line in out.splitlines() if "│" in line]
    return {row[2]: row[3] for row in rows if row[1] == "acme"}


def test_a_tenant_whose_places_answer(etl: Etl, project: TinyProject) -> None:
    said = etl("check", "--connect")
    assert said.code == 0, said.out
    assert answers(said.out) == {"source": "yes", "lake": "yes", "warehouse": "yes"}
    assert project.published() == []
    assert project.leftovers() == []
    assert "connected" not in etl("check").out


def test_a_table_that_the_source_does_not_have_is_named_with_its_pipeline(etl: Etl, project: TinyProject) -> None:
    with sqlite3.connect(project.source) as connection:
        connection.execute("ALTER TABLE orders RENAME TO orders_2")
    said = etl("check", "--connect")
    assert said.code == 2
    assert answers(said.out) == {"source": "no", "lake": "yes", "warehouse": "yes"}
    assert "acme: source: pipeline `orders`:" in said.out


def test_a_bucket_that_is_missing_or_keeps_no_condition_is_named(
    etl: Etl, project: TinyProject, object_store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.environ.items():
        monkeypatch.setenv(name, value)
    for name, answer in ((bucket, "yes"), ("no-such-bucket", "no")):
        project.write_tenant(
            {"storage": {"bucket": name, "base_path": "x"}, "assets": {"pipelines": {"orders": {"save_to_s3": True}}}}
        )
        said = etl("check", "--connect")
        assert (said.code, answers(said.out)["lake"]) == (0 if answer == "yes" else 2, answer), said.out
        assert object_store.secret_key not in said.out
    assert "s3://no-such-bucket/x/acme" in said.out
    assert object_store.keys(bucket) == []


@pytest.mark.parametrize("user", ["postgres", "reader", "nobody"])
def test_a_database_in_which_the_user_may_make_nothing_is_named(
    etl: Etl, project: TinyProject, postgres_server: Any, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    postgres_server.run("DROP DATABASE IF EXISTS connected WITH (FORCE)", "CREATE DATABASE connected")
    url = postgres_server.url.replace("//reader:", f"//{user}:").replace("/src", "/connected")
    monkeypatch.setenv("ACME_WAREHOUSE_URL", url)
    project.write_tenant({"warehouse": {"type": "postgres", "url": "${ACME_WAREHOUSE_URL}"}})
    said = etl("check", "--connect")
    postgres_server.run("DROP DATABASE connected WITH (FORCE)")
    assert (said.code, answers(said.out)["warehouse"]) == ((0, "yes") if user == "postgres" else (2, "no")), said.out
    assert PASSWORD not in said.out
    if user == "reader":
        assert "the user may not create schemas" in said.out


TRINO: dict[str, tuple[dict[str, Any], str]] = {
    "no host": ({"iceberg": {"uri": "http://127.0.0.1:9"}}, "has no host"),
    "no catalog for PyIceberg": ({"host": "127.0.0.1"}, "does not say where PyIceberg finds the tables"),
    "no address": ({"host": "127.0.0.1", "iceberg": {"type": "rest"}}, "has `iceberg` without `uri`"),
    "no such kind": ({"host": "127.0.0.1", "iceberg": {"type": "sq"}}, "`type: sq` is no catalog"),
    "another machine's files": (
        {"host": "127.0.0.1", "iceberg": {"uri": "http://127.0.0.1:9", "s3.profile-name": "admin"}},
        "is no property of a catalog that a tenant can give",
    ),
    "code": (
        {"host": "127.0.0.1", "iceberg": {"uri": "http://127.0.0.1:9", "py-io-impl": "os.path"}},
        "is no property of a catalog that a tenant can give",
    ),
}


@pytest.mark.parametrize("what", TRINO)
def test_a_trino_warehouse_that_cannot_work_is_told_without_connecting(
    etl: Etl, project: TinyProject, what: str
) -> None:
    warehouse, complaint = TRINO[what]
    project.write_tenant({"warehouse": {"type": "trino", **warehouse}})
    said = etl("check")
    assert said.code == 2
    assert complaint in said.out, said.out


def test_a_trino_that_is_away_is_told_and_the_others_answer(etl: Etl, project: TinyProject) -> None:
    iceberg = {
        "type": "sql",
        "uri": f"sqlite:///{project.root}/tenants/acme/catalog.db",
        "warehouse": "file:///nowhere",
    }
    project.write_tenant({"warehouse": {"type": "trino", "host": "127.0.0.1", "port": "9", "iceberg": iceberg}})
    assert etl("check").code == 0
    said = etl("check", "--connect")
    assert said.code == 2
    assert answers(said.out) == {"source": "yes", "lake": "yes", "warehouse": "no"}
    assert "acme: warehouse: " in said.out
