"""`etl check --connect`: what a run needs is tried, what does not answer is named, and nothing of it stays."""

import re
import sqlite3
import time
from typing import Any

import pytest

from tests.notify.servers import mail_server, web_server
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


def own_source(project: TinyProject, monkeypatch: pytest.MonkeyPatch, url: str, **pipeline: Any) -> None:
    """Let the tenant read the table `orders` at this address, and load into its DuckDB file."""
    monkeypatch.setenv("ACME_URL", url)
    orders = {"partitions": {"timezone": "UTC"}, **pipeline}
    project.write_tenant(
        {
            "source_database": {
                "host": None,
                "database": None,
                "username": None,
                "password": None,
                "url": "${ACME_URL}",
            },
            "assets": {"pipelines": {"orders": orders}},
        }
    )


QUERY = "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"


USER = {
    "postgres": ("CREATE ROLE limited LOGIN PASSWORD 'limited'", "GRANT USAGE ON SCHEMA public TO limited"),
    "mariadb": ("CREATE USER limited IDENTIFIED BY 'limited'",),
}


@pytest.mark.parametrize("database", USER)
@pytest.mark.parametrize("pipeline", [{}, {"source_table": None, "query": QUERY}], ids=["table", "query"])
def test_a_column_that_the_user_may_not_read_is_named(
    etl: Etl,
    project: TinyProject,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    pipeline: dict[str, Any],
) -> None:
    server = request.getfixturevalue(f"{database}_server")
    server.run(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (order_id int, name text, amount double precision, created_at timestamp)",
        *USER[database],
        "GRANT SELECT (order_id, name, created_at) ON orders TO limited",
    )
    url = f"{server.url.partition('://')[0]}://limited:limited@127.0.0.1:{server.port}/src"
    own_source(project, monkeypatch, url, **pipeline)
    refused = etl("check", "--connect")
    server.run("GRANT SELECT ON orders TO limited")
    allowed = etl("check", "--connect")
    server.run("DROP TABLE orders", *(["DROP OWNED BY limited"] if database == "postgres" else []))
    server.run(f"DROP {'ROLE' if database == 'postgres' else 'USER'} limited")
    assert (refused.code, answers(refused.out)["source"]) == (2, "no"), refused.out
    assert "pipeline `orders`" in refused.out
    assert "denied" in refused.out
    assert answers(allowed.out)["source"] == "yes", allowed.out
    (row,) = [line for line in allowed.out.splitlines() if "1 pipeline can be read" in line]
    assert re.search(r"[+-]0\.\d s", row)


def test_a_clock_that_differs_is_told(
    etl: Etl, project: TinyProject, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.run(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (order_id int, name text, amount double precision, created_at timestamp)",
        "GRANT SELECT ON orders TO reader",
    )
    own_source(project, monkeypatch, postgres_server.url)
    now = time.time
    for ahead, words in ((-90, "90 s ahead of ours"), (90, "90 s behind ours"), (3, "")):
        monkeypatch.setattr("etl.source.clock.time.time", lambda ahead=ahead: now() + ahead)
        said = etl("check", "--connect")
        monkeypatch.setattr("etl.source.clock.time.time", now)
        assert said.code == 0, said.out
        assert ("clock-differs" in said.out) == bool(words)
        assert words in said.out
    postgres_server.run("DROP TABLE orders")


def test_a_schema_in_which_no_table_can_be_made_is_named_and_nothing_stays(
    etl: Etl, project: TinyProject, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.run("DROP DATABASE IF EXISTS connected WITH (FORCE)", "CREATE DATABASE connected")
    postgres_server.run("GRANT CREATE ON DATABASE connected TO reader")
    monkeypatch.setenv("ACME_WAREHOUSE_URL", postgres_server.url.replace("/src", "/connected"))
    project.write_tenant({"warehouse": {"type": "postgres", "url": "${ACME_WAREHOUSE_URL}"}})
    assert answers(etl("check", "--connect").out)["warehouse"] == "yes"
    with postgres_server.connect("connected") as connection:
        made = "SELECT nspname FROM pg_namespace WHERE nspname IN ('shop', 'etl_ledger')"
        assert connection.execute(made).fetchall() == []
        connection.execute("CREATE SCHEMA shop")
        connection.commit()
    said = etl("check", "--connect")
    postgres_server.run("DROP DATABASE connected WITH (FORCE)")
    assert (said.code, answers(said.out)["warehouse"]) == (2, "no"), said.out
    assert "a load could not make a table in the schema `shop`" in said.out


def test_secrets_are_looked_up_and_never_shown(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_tenant(
        {"notifications": [{"type": "log", "on": ["sla"]}, {"type": "webhook", "url": "${secret:chat#url}"}]}
    )
    said = etl("check", "--connect")
    assert said.code == 2
    assert answers(said.out) == {
        "secrets": "no",
        "source": "yes",
        "lake": "yes",
        "warehouse": "yes",
        "log 1": "yes",
        "webhook 2": "no",
    }
    assert "ACME_SECRET_CHAT__URL" in said.out
    with web_server() as web:
        monkeypatch.setenv("ACME_SECRET_CHAT__URL", f"{web.url}/t0ken-0f-chat")
        said = etl("check", "--connect")
        assert said.code == 0, said.out
        assert set(answers(said.out).values()) == {"yes"}
        assert "t0ken" not in said.out + said.err
        assert web.requests == []
    said = etl("check", "--connect")
    assert (said.code, answers(said.out)["webhook 2"]) == (2, "no")
    assert "nothing listens at its address" in said.out


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(("password", "answer"), [("right-0ne", "yes"), ("wr0ng-one", "no")])
def test_a_mail_server_is_logged_in_to_and_gets_no_mail(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch, password: str, answer: str
) -> None:
    with mail_server(password="right-0ne") as box:
        target = {"type": "email", "host": "127.0.0.1", "port": box.port, "security": "none", "username": "etl"}
        more = {"password": "${ACME_MAIL_PASSWORD}", "sender": "etl@example.com", "to": ["a@example.com"]}
        monkeypatch.setenv("ACME_MAIL_PASSWORD", password)
        project.write_tenant({"notifications": [{**target, **more}]})
        said = etl("check", "--connect")
        assert answers(said.out)["email 1"] == answer, said.out
        assert said.code == (0 if answer == "yes" else 2)
        assert ("refused the login" in said.out) == (answer == "no")
        assert password not in said.out + said.err
        assert box.logins
        assert box.envelopes == []
