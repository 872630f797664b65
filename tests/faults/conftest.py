"""A world per scenario: prepared once where everything is in files, anew for each test where servers take part."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.world import CHANGE, FIRST, Seen, World
from tests.servers.object_store import bucket, object_store
from tests.tiny_project import DAYS, ROWS_PER_DAY, make_project

__all__ = ["bucket", "object_store"]

INSERTS = [
    f"INSERT INTO orders VALUES ({day * 100 + row}, '이름 {row}', {row + 0.25}, '{date} {row:02d}:00:00')"
    for day, date in enumerate(DAYS, start=1)
    for row in range(ROWS_PER_DAY)
]


class Worlds:
    """Makes worlds, and knows what an undisturbed one ends as."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[str, World] = {}
        self._ends: dict[str, Seen] = {}

    def prepared(self, name: str, folder: Path, servers: Mapping[str, Any]) -> World:
        """Two days are published and loaded (unless the scenario says otherwise), then the second one changes."""
        if SCENARIOS[name].servers:
            return _prepare(SCENARIOS[name], folder, servers)
        if name not in self._templates:
            self._templates[name] = _prepare(SCENARIOS[name], self._folder / name, servers)
        return self._templates[name].copied_to(folder)

    def undisturbed(self, name: str, servers: Mapping[str, Any]) -> Seen:
        """What readers see when nobody disturbed the second run."""
        if name not in self._ends:
            world = self.prepared(name, self._folder / f"{name}_undisturbed", servers)
            world.run(world.stages, world.day, "undisturbed")
            self._ends[name] = Seen.of(world)
            assert world.leftovers() == []
            world.check_agreement()
        return self._ends[name]


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    return Worlds(tmp_path_factory.mktemp("worlds"))


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Mapping[str, Any]]]:
    """What a scenario needs, started when it is needed."""
    with contextlib.ExitStack() as stack:

        def of(name: str) -> Mapping[str, Any]:
            wanted = SCENARIOS[name].servers
            found: dict[str, Any] = {}
            if "postgres" in wanted:
                found["postgres"] = request.getfixturevalue("postgres_server")
                stack.callback(_drop_database, found["postgres"])
            if "mariadb" in wanted:
                found["mariadb"] = request.getfixturevalue("mariadb_server")
            if "s3" in wanted:
                found["s3"] = request.getfixturevalue("object_store")
                found["bucket"] = request.getfixturevalue("bucket")
            return found

        yield of


def _prepare(scenario: Scenario, folder: Path, servers: Mapping[str, Any]) -> World:
    project = make_project(folder)
    changes: dict[str, Any] = {"assets": {"pipelines": {"orders": dict(scenario.changes)}}}
    source_url, warehouse_url, environ = "", "", {}
    run_sql: Callable[..., None] = _sqlite(project.source)
    if "postgres" in scenario.servers:
        url = _new_database(servers["postgres"])
        source_url = url if scenario.source == "postgres" else ""
        warehouse_url = url if scenario.warehouse == "postgres" else ""
        if source_url:
            run_sql = _postgres(servers["postgres"])
    if scenario.source == "mariadb":
        source_url, run_sql = servers["mariadb"].url, _mariadb(servers["mariadb"])
    if scenario.s3:
        _empty(servers["s3"], servers["bucket"])
        changes["storage"] = {"bucket": servers["bucket"], "base_path": "lake"}
        environ = servers["s3"].environ
    project.write_tenant(changes)
    if scenario.source != "sqlite":
        timestamp = "DATETIME(6)" if scenario.source == "mariadb" else "TIMESTAMP"
        run_sql(
            "DROP TABLE IF EXISTS orders",
            f"CREATE TABLE orders (order_id INTEGER, name VARCHAR(100), amount DOUBLE PRECISION, created_at {timestamp})",
            *INSERTS,
        )
    world = World(project, scenario.name, source_url, warehouse_url, environ)
    if scenario.partitioned:
        world.run(world.stages, FIRST, "first")
    if scenario.loaded_before:
        world.run(world.stages, world.day, "first")
    run_sql(*CHANGE)
    return world


def _sqlite(path: Path) -> Callable[..., None]:
    def run(*statements: str) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for each in statements:
                connection.execute(each)

    return run


def _postgres(server: Any) -> Callable[..., None]:
    def run(*statements: str) -> None:
        with server.connect("faults") as connection:
            for each in statements:
                connection.execute(each)

    return run


def _mariadb(server: Any) -> Callable[..., None]:
    def run(*statements: str) -> None:
        with server.connect("src") as connection, connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            connection.commit()

    return run


def _new_database(server: Any) -> str:
    _drop_database(server)
    server.run("CREATE DATABASE faults")
    return str(server.url.replace("//reader:", "//postgres:").replace("/src", "/faults"))


def _drop_database(server: Any) -> None:
    server.run("DROP DATABASE IF EXISTS faults WITH (FORCE)")


def _empty(store: Any, name: str) -> None:
    for key in store.keys(name):
        store.client().delete_object(Bucket=name, Key=key)
