"""The source goes away in the middle of a batch: named, nothing published, and run again as if it had never been."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.errors import SourceError
from etl.source import sqlalchemy_cursor
from tests.faults.conftest import Worlds
from tests.faults.world import Seen, World, finish, processes, reporting, same, start

Servers = Callable[[str], Mapping[str, Any]]
SLOW = {
    "postgres": "SELECT o.*, pg_sleep(3)::text AS slept FROM orders o",
    "postgres_cursor": "SELECT o.*, pg_sleep(3)::text AS slept FROM orders o",
    "mariadb": "SELECT o.*, SLEEP(3) AS slept FROM orders o",
}


def end_postgres(server: Any) -> bool:
    """End the session that reads; False while there is none. A server's cursor is read by FETCH."""
    found = server.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        " AND (query LIKE '%pg_sleep%' OR query LIKE 'FETCH%')"
    )
    return bool(found)


def end_mariadb(server: Any) -> bool:
    with server.connect("src") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, info FROM information_schema.processlist WHERE id <> connection_id()")
        found = [number for number, info in cursor.fetchall() if info and "SLEEP" in info and "LIMIT 0" not in info]
        for each in found:
            cursor.execute(f"KILL {int(each)}")
        return bool(found)


@pytest.mark.parametrize("name", ["postgres", "postgres_cursor", "mariadb"])
def test_a_session_that_is_ended_while_it_is_read(worlds: Worlds, servers: Servers, tmp_path: Path, name: str) -> None:
    given = servers(name)
    world = worlds.prepared(name, tmp_path, given)
    before = Seen.of(world)
    original = (world.project.root / "tenants" / "acme" / "config.yaml").read_text(encoding="utf-8")
    world.project.write_pipeline({"source_table": None, "query": SLOW[name]})
    server = given["mariadb" if name == "mariadb" else "postgres"]
    end = end_mariadb if name == "mariadb" else end_postgres
    ours, theirs = processes.Pipe()
    process = start(reporting, world, ("extract",), world.day, "gone", theirs)
    assert ours.poll(60)
    assert ours.recv() == "ready"
    ours.send("go")
    while not end(server):
        assert not ours.poll(0.02), "the extract ended before its session could be ended"
    assert ours.poll(60)
    said = ours.recv()
    assert finish(process) == 0
    assert "acme/orders [2026-01-02] extract" in said
    assert "nothing was published" in said
    same(Seen.of(world), before)
    assert world.leftovers() == []
    (world.project.root / "tenants" / "acme" / "config.yaml").write_text(original, encoding="utf-8")
    world.run(world.stages, world.day, "again")
    check_day_two(world)


def test_a_file_that_is_cut_while_it_is_read(worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds.prepared("cursor", tmp_path, {})
    before = Seen.of(world)
    whole = world.project.source.read_bytes()
    reached: list[str] = []

    def cut(point: str) -> None:
        reached.append(point)
        if point == "extract.connected":
            with world.project.source.open("r+b") as file:
                file.truncate(4096)

    monkeypatch.setattr(sqlalchemy_cursor, "reach", cut)
    with pytest.raises(SourceError, match=r"acme/orders \[2026-01-02\] extract"):
        world.run(("extract",), world.day, "gone")
    monkeypatch.undo()
    assert reached
    same(Seen.of(world), before)
    assert world.leftovers() == []
    world.project.source.write_bytes(whole)
    world.run(world.stages, world.day, "again")
    check_day_two(world)


def check_day_two(world: World) -> None:
    rows = world.rows()
    assert rows.height == 20 + 21
    assert rows.filter(rows["order_id"] == 203)["amount"].to_list() == [99.25]
    assert 204 not in rows["order_id"]
    world.check_agreement()
    assert world.leftovers() == []
