"""A throw-away MariaDB on loopback. `log` holds every statement that it was sent."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers import PASSWORD, as_user, free_port, home_for, require, running


@dataclass(frozen=True)
class MariadbServer:
    port: int
    log: Path
    socket: Path

    @property
    def url(self) -> str:
        return f"mysql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/src"

    def connect(self, database: str | None = "src") -> Any:
        """As the owner, in autocommit."""
        import pymysql

        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, charset="utf8mb4"
        )

    def run(self, *statements: str) -> None:
        with self.connect() as connection, connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """One MariaDB per test process: database `src`, user `reader` with all rights."""
    install, mariadbd = require("mariadb-install-db"), require("mariadbd")
    user = "mysql"
    with home_for(user) as home:
        data, log, port, path = home / "data", home / "log", free_port(), home / "s"
        # Not the machine's /tmp: a MariaDB that starts deletes the temporary tables that it finds there, whosever they are.
        own = ["--no-defaults", f"--datadir={data}", f"--tmpdir={home}"]
        make = [install, *own, "--auth-root-authentication-method=normal", "--skip-test-db", "--verbose"]
        made = subprocess.run(as_user(user, make), capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.fail(f"{install} did not make a database:\n{made.stdout}\n{made.stderr}", pytrace=False)
        general = home / "general.log"
        command = [
            mariadbd,
            *own,
            f"--socket={path}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={home / 'pid'}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            "--general-log",
            f"--general-log-file={general}",
            "--character-set-server=utf8mb4",
        ]
        if os.geteuid() == 0:
            command.append(f"--user={user}")

        def ready() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    return path.exists()
            except OSError:
                return False

        with running(as_user(user, command), log, ready):
            server = MariadbServer(port, general, path)
            with server.connect(None) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE src")
                cursor.execute("CREATE USER reader@'%%' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute("GRANT ALL ON *.* TO reader@'%'")
            yield server
