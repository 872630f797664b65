"""A throw-away PostgreSQL 15 on loopback. `log` holds every statement that it was sent."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers import PASSWORD, as_user, free_port, home_for, require, running

BIN = "/usr/lib/postgresql/15/bin"


@dataclass(frozen=True)
class PostgresServer:
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/src"

    def connect(self, database: str = "src") -> Any:
        """As the owner, in autocommit."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname=database, autocommit=True
        )

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            for each in statements:
                connection.execute(each)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self.connect() as connection:
            return connection.execute(sql, parameters or None).fetchall()


@contextlib.contextmanager
def serving(**settings: str) -> Iterator[PostgresServer]:
    """A PostgreSQL with the database `src`, the user `reader`, who may read and create, and `postgres`, who owns it."""
    initdb, postgres = require("initdb", BIN), require("postgres", BIN)
    ready = require("pg_isready", BIN)
    with home_for("postgres") as home:
        secret = home / "secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        data, log, port = home / "data", home / "log", free_port()
        make = [initdb, "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
        make += ["--no-sync", "--locale=C.UTF-8"]
        subprocess.run(as_user("postgres", make), check=True, capture_output=True)
        options = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(home),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "log_statement": "all",
            "log_line_prefix": "%u:",
            "max_connections": "100",
            "shared_buffers": "64MB",
            **settings,
        }
        command = [
            postgres,
            "-D",
            str(data),
            *(part for key, value in options.items() for part in ("-c", f"{key}={value}")),
        ]
        probe = [ready, "-q", "-h", "127.0.0.1", "-p", str(port)]
        with running(
            as_user("postgres", command), log, lambda: subprocess.run(probe, check=False).returncode == 0
        ) as process:
            server = PostgresServer(port, log)
            with server.connect("postgres") as connection:
                connection.execute("CREATE DATABASE src")
            escaped = PASSWORD.replace("'", "''")
            server.run(f"CREATE ROLE reader LOGIN PASSWORD '{escaped}'", "GRANT ALL ON SCHEMA public TO reader",
                       "GRANT pg_read_all_data TO reader")  # fmt: skip
            yield server
            os.kill(process.pid, signal.SIGINT)  # fast shutdown: do not wait for clients


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server per test process."""
    with serving() as server:
        yield server
