"""OpenBao holds a tenant's database password and the keys of its bucket: runs work before and after a rotation.

Real servers: OpenBao, PostgreSQL, SeaweedFS. Nothing is restarted between the runs, no value is on any disk or in any
answer, and the login of one tenant reaches nothing of the other.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.definitions import build_tenant_definitions
from tests.attack.target import Target
from tests.attack.test_canaries import graphql, leaks
from tests.servers import postgres, seaweed
from tests.servers.openbao import OpenBao, openbao
from tests.tiny_project import DAYS, ROWS_PER_DAY, make_project

__all__ = ["openbao"]

FIRST = {"password": "Rotkehlchen-1-password", "key": seaweed.SECRET}
SECOND = {"password": "Rotkehlchen-2-password", "key": "Zaunkoenig-2-secret-key"}
OF_BOB = "Amsel-3-of-bob"
WORDS = {f"{number}{name}": value for number, each in enumerate((FIRST, SECOND)) for name, value in each.items()}
SOURCE = {
    "driver": "postgresql",
    "host": "127.0.0.1",
    "database": "src",
    "username": "${secret:db#user}",
    "password": "${secret:db#password}",
}


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.PostgresServer]:
    """A server of the module's own, because its login is changed."""
    with postgres.serving() as server:
        server.run(
            "CREATE ROLE alice_reader LOGIN",
            "CREATE TABLE orders (order_id integer, name text, amount double precision, created_at timestamp)",
            f"INSERT INTO orders SELECT d * 100 + n, 'n' || n, n + 0.25, timestamp '{DAYS[0]}' + (d - 1) * interval"
            f" '1 day' + n * interval '1 hour' FROM generate_series(1, 3) d, generate_series(0, {ROWS_PER_DAY - 1}) n",
            "GRANT SELECT ON orders TO alice_reader",
        )
        yield server


def alter(database: postgres.PostgresServer, password: str) -> None:
    database.run(f"ALTER ROLE alice_reader PASSWORD '{password}'")


def test_a_run_works_after_its_secrets_were_rotated_and_nothing_shows_them(
    openbao: OpenBao, database: postgres.PostgresServer, tmp_path: Path
) -> None:
    with seaweed.rotating() as store:
        store.client().create_bucket(Bucket="alice-lake")
        alter(database, FIRST["password"])
        target = Target(make_project(tmp_path))
        target.project.write_tenant(
            {
                "source_database": {**SOURCE, "port": database.port},
                "storage": {
                    "bucket": "alice-lake",
                    "endpoint_url": store.endpoint,
                    "access_key_id": "${secret:lake/s3#id}",
                    "secret_access_key": "${secret:lake/s3#key}",
                },
                "notifications": [{"type": "slack", "url": "${secret:chat}"}],
            },
            tenant="alice",
        )
        target.project.write_tenant({"source_database": SOURCE}, tenant="bob")
        target.serve("alice")
        openbao.write("tenants/bob/db", user="bob", password=OF_BOB)
        openbao.write("tenants/alice/chat", value="http://127.0.0.1:9/Stieglitz-4-word")
        openbao.write("tenants/alice/db", user="alice_reader", password=FIRST["password"])
        openbao.write("tenants/alice/lake/s3", id=store.access_key, key=FIRST["key"])
        login = openbao.role_of("alice")
        target.environ.update(
            {"ETL_SECRETS": "openbao", "BAO_ADDR": openbao.address, **login, **openbao.role_of("bob")}
        )
        (target.project.root / "pyproject.toml").write_text('[tool.etl.secrets]\nauth = "approle"\n')

        listed, checked = target.etl("secrets", "list", "alice"), target.etl("secrets", "check", "alice")
        assert (listed.code, checked.code) == (0, 0), checked.text
        assert "secret/tenants/alice/lake/s3" in listed.text
        first = target.etl("run", "alice", "--from", DAYS[0], "--to", DAYS[1])
        assert first.code == 0, first.text
        audit = [each for each in events(target).splitlines() if "secret read" in each]
        line = f"tenant=alice name=db#user store=openbao version=1 place={openbao.address} secret/tenants/alice/db"
        assert [each for each in audit if line in each]

        # Rotated in the database and the bucket, and not yet in the store: the run fails, and nothing is published.
        alter(database, SECOND["password"])
        rotated = store.rotate(SECOND["key"])
        refused = target.etl("run", "alice", "--from", DAYS[2])
        assert refused.code == 1, refused.text
        assert not any("2026-01-03" in each for each in rotated.keys("alice-lake"))

        openbao.write("tenants/alice/db", user="alice_reader", password=SECOND["password"])
        openbao.write("tenants/alice/lake/s3", id=store.access_key, key=SECOND["key"])
        second = target.etl("run", "alice", "--from", DAYS[2])
        assert second.code == 0, second.text
        assert sum(".parquet" in each for each in rotated.keys("alice-lake")) == 6  # three days of two stages
        assert target.warehouse("SELECT count(*) FROM alice.shop.orders", tenant="alice") == [(60,)]
        assert {"db": "openbao 2", "lake/s3": "openbao 2"} in versions(target)

        # The tenant's own login and its file reach nothing of the other tenant.
        stolen = {"source_database": {**SOURCE, "port": 1, "password": "${secret:../bob/db#password}"}}
        target.project.write_tenant(stolen, tenant="alice")
        named = target.etl("check", "alice")
        assert named.code == 2, named.text
        assert "a secret is written ${secret:name}" in named.text
        path = {"ETL_SECRETS_PATH": "secret/tenants/bob/x{tenant}"}
        target.project.write_tenant({"source_database": SOURCE}, tenant="alice")
        denied = target.etl("secrets", "check", "alice", environ=path)
        assert denied.code == 1, denied.text
        assert "the policy of this login does not allow it" in denied.text

        said = [listed, checked, first, refused, second, named, denied, graphql(target)]
        words = {**WORDS, "bob": OF_BOB, "chat": "Stieglitz-4-word", "login": login["ALICE_BAO_SECRET_ID"]}
        assert leaks(tmp_path, *said, secrets=words) == []
        planted = tmp_path / "planted"
        planted.write_text(SECOND["password"])
        assert leaks(tmp_path, secrets=words)


def test_definitions_are_loaded_without_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket is opened, and no store is asked, while a tenant with a secret in every place is loaded."""
    project = make_project(
        tmp_path,
        {
            "source_database": SOURCE,
            "storage": {
                "bucket": "lake",
                "access_key_id": "${secret:s3#id}",
                "secret_access_key": "${secret:s3#key}",
            },
            "warehouse": {
                "type": "postgres",
                "host": "${secret:w#host}",
                "database": "w",
                "username": "${secret:w#user}",
                "password": "${secret:w#password}",
            },
            "notifications": [{"type": "slack", "url": "${secret:chat}"}],
        },
    )
    environ: Mapping[str, str] = {
        **project.environ,
        "ETL_SECRETS": "openbao",
        "BAO_ADDR": "http://127.0.0.1:9",
        "BAO_TOKEN": "t",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.chdir(project.root)
    build_tenant_definitions.cache_clear()  # another test's tenant may have the same name
    definitions = build_tenant_definitions("acme")
    assert "${secret:db#password}" in json.dumps(
        {name: str(each) for name, each in (definitions.resources or {}).items()}, default=str
    )


def events(target: Target) -> str:
    """The text of every event and log line of all runs."""
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        return "\n".join(each.user_message for run in instance.get_runs() for each in instance.all_logs(run.run_id))


def versions(target: Target) -> list[Any]:
    """The versions of secrets that the materializations name."""
    from dagster import DagsterEventType, DagsterInstance

    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        found = [
            each.dagster_event.step_materialization_data.materialization.metadata.get("secret_versions")
            for run in instance.get_runs()
            for each in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
            if each.dagster_event
        ]
    return [each.value for each in found if each is not None]
