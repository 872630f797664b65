"""Attacks the law of silence with a database that really answers, a receiver that really listens, and a crash.

One project, four days: a run that succeeds, with dbt, one with a wrong password, one with a wrong password of a single
letter, and one whose process crashes. Every process that they start is looked at while it lives.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.attack.target import BIN, Target
from tests.attack.test_canaries import SECRETS, graphql, leaks
from tests.notify.servers import web_server
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer
from tests.tiny_project import DAYS, REPOSITORY

SHORT = "q7z"
WRONG = "Pirol-11-wrong"
CRASH = '''"""Crashes with the secret in its hand."""

import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Crash, as a library of C would."""
    password = os.environ["ACME_DB_PASSWORD"] + os.environ["ACME_TOKEN"]
    Path({limit!r}).write_text(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))
    faulthandler.enable(sys.__stderr__)
    os.kill(os.getpid(), signal.SIGSEGV)
    return orders.with_columns(pl.lit(password))
'''


@dataclass
class Watch:
    """The command lines and first environments of every process of the project."""

    mark: bytes
    commands: dict[int, bytes] = field(default_factory=dict)
    environments: dict[int, bytes] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        while not self.ended.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    environment = (process / "environ").read_bytes()
                    if self.mark in environment:
                        self.commands[int(process.name)] = (process / "cmdline").read_bytes()
                        self.environments[int(process.name)] = environment
                except OSError:
                    continue  # it has ended, or is another user's


@contextmanager
def watching(target: Target) -> Iterator[Watch]:
    watch = Watch(f"ETL_DATA_DIR={target.project.data}".encode())
    thread = threading.Thread(target=watch.look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()


def with_dbt(target: Target) -> None:
    folder = target.project.root / "dbt_projects" / "acme"
    (folder / "models").mkdir(parents=True)
    (folder.parent / "profiles.yml").write_text((REPOSITORY / "dbt_projects" / "profiles.yml").read_text())
    (folder / "dbt_project.yml").write_text("name: acme\nversion: '1.0.0'\nprofile: etl\nmodel-paths: [models]\n")
    (folder / "models" / "told.sql").write_text(
        "{{ config(materialized='table') }}\n{% do log('pin ' ~ env_var('ACME_PIN_TOKEN'), info=true) %}\n"
        "select 1 as one /* {{ env_var('ACME_PIN_TOKEN') }} {{ env_var('ACME_TOKEN') }} */\n"
    )


def on_postgres(target: Target, server: PostgresServer, hook: str) -> None:
    """The tenant reads from a live server, and tells a webhook."""
    server.run(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (order_id int, name text, amount double precision, created_at timestamp)",
        *(f"INSERT INTO orders VALUES ({n}, 'a', 1.5, '{day} 03:00:00')" for n, day in enumerate(DAYS)),
        "GRANT SELECT ON orders TO reader",
    )
    options = {"sslmode": "prefer", "sslpassword": "${ACME_SSL_PASSWORD}", "application_name": "etl"}
    hooks = [{"type": "webhook", "url": "${ACME_HOOK_URL}", "headers": {"Authorization": "Bearer ${ACME_TOKEN}"}}]
    target.project.write_tenant(
        {
            "source_database": {"port": str(server.port), "schema": "public", "options": options},
            "notifications": hooks,
            "dbt": {"enabled": True},
        }
    )
    login = {"ACME_DB_HOST": "127.0.0.1", "ACME_DB_NAME": "src", "ACME_DB_USER": "reader"}
    target.environ.update({**SECRETS, **login, "ACME_DB_PASSWORD": PASSWORD, "ACME_PIN_TOKEN": SHORT})
    target.environ.update({"ACME_HOOK_URL": f"{hook}/Rohrsaenger-10", "TMPDIR": str(target.project.data / "tmp")})
    (target.project.data / "tmp").mkdir()


def footers(target: Target) -> list[bytes]:
    """Everything in the footers of the published objects: statistics and what the product writes into them."""
    return [
        json.dumps([meta.to_dict(), [*map(str, (meta.metadata or {}).items())]], default=str).encode()
        for meta in map(pq.read_metadata, target.project.published())
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_secret_leaves_runs_against_a_live_database(
    target: Target, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    with web_server() as web:
        target.project.write_tenant({}, tenant="beta")
        on_postgres(target, postgres_server, web.url)
        with_dbt(target)
        hidden = {**SECRETS, "live": PASSWORD, "wrong": WRONG, "hook": "Rohrsaenger-10"}
        sensor = ["sensor", "preview", "acme_sla_sensor", "-w", "workspace.yaml"]

        with watching(target) as watch:
            good = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0], fresh=True)
        assert good.code == 0, good.text
        lines = b"\n".join(watch.commands.values())
        assert b"/etl/dbt/warm_process.py\x00" in lines, "dbt was seen"
        for name, value in hidden.items():
            assert value.encode() not in lines, name
        of_dbt = [watch.environments[pid] for pid, line in watch.commands.items() if b"/warm_process.py\x00" in line]
        assert of_dbt
        for each in of_dbt:
            assert b"ACME_TOKEN=" in each
            assert b"BETA_" not in each
            assert b"AWS_SECRET" not in each
        found = footers(target)
        assert len(found) >= 2, "objects were published and looked at"
        assert not [value for value in hidden.values() if any(value.encode() in each for each in found)]
        of_dbts = [
            path for path in (target.project.data / "dbt").rglob("*") if path.suffix in (".sql", ".log", ".json")
        ]
        assert of_dbts
        assert [str(path) for path in of_dbts if f" {SHORT} " in path.read_text()] == [], "a short one, by itself"

        wrong = target.etl("run", "acme", "--from", DAYS[1], "--to", DAYS[1], environ={"ACME_DB_PASSWORD": WRONG})
        assert wrong.code == 1, wrong.text
        assert 'password authentication failed for user "reader"' in wrong.text
        letter = target.etl("run", "acme", "--from", DAYS[1], "--to", DAYS[1], environ={"ACME_DB_PASSWORD": "e"})
        assert letter.code == 1, letter.text
        assert 'password authentication failed for user "reader"' in letter.text, "not every letter is hidden"
        told = target.dagster(*sensor)
        assert told.code == 0, told.text
        assert web.requests, "a message was delivered"
        bodies = b"\n".join(body for _, _, body in web.requests)
        assert b"authentication failed" in bodies
        assert not [name for name, value in hidden.items() if value.encode() in bodies]

        limit = tmp_path / "limit"
        target.project.write_transform(CRASH.format(limit=str(limit)))
        endless = ["bash", "-c", 'ulimit -c unlimited; exec "$@"', "bash", str(BIN / "etl")]
        crashed = target.command([*endless, "run", "acme", "--from", DAYS[2], "--to", DAYS[2]])
        assert crashed.code != 0, crashed.text
        assert limit.read_text() == "1"
        answers = graphql(target)
        for each in (wrong, letter, crashed, answers):
            assert ":e@" not in each.text
            assert "password=e" not in each.text
        assert not [path for path in target.project.root.rglob("core*") if path.is_file()]
        assert leaks(target.project.data, good, wrong, letter, told, crashed, answers, secrets=hidden) == []
