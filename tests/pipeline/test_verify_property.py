"""`reconcile` beside an oracle: green exactly if nothing is wrong, over random histories with damage at random places.

The oracle is SQL over the files as they are, written from the laws: every row of the source is in the extract of its day
or rejected there, the transfer is its transform of the extract that stands there now, the table is the function of the
transfers. It knows nothing about what was damaged, and nothing of the code.
"""

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from etl.config import load_tenant
from etl.pipeline.quarantine import discard, rejected_rows
from etl.pipeline.verify import reconcile
from etl.settings import load_settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.amounts import amount
from tests.pipeline.stages import run_stages
from tests.tiny_project import DAYS, TinyProject, make_project

MODES = ("replace_partition", "upsert", "append")
LIMIT = 1500
NOW = datetime(2026, 2, 1, tzinfo=UTC)
ROWS = "order_id, name, amount, cents, created_at"


class History:
    """A project, what happened to it, and its random numbers."""

    def __init__(self, project: TinyProject, mode: str, seed: int) -> None:
        self.project, self.mode = project, mode
        self.chance = random.Random(seed)

    @property
    def day(self) -> str:
        return self.chance.choice(DAYS)

    @property
    def nth(self) -> int:
        return self.chance.randrange(15)

    @property
    def row(self) -> int:
        return (DAYS.index(self.day) + 1) * 100 + self.chance.randrange(20)

    def source(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.project.source)) as connection, connection:
            for each in statements:
                connection.execute(each)

    def table(self, *statements: str) -> None:
        with duckdb.connect(str(self.project.data / "warehouse" / "acme.duckdb")) as connection:
            for each in statements:
                connection.execute(each)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.project.data / "warehouse" / "acme.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def place(self, stage: str, day: str) -> Path:
        return self.project.data / "lake" / "acme" / stage / "orders" / f"dt={day}"

    def run(self, stages: tuple[str, ...], day: str) -> None:
        run_stages(self.project, stages, day, run_id=f"run-{self.chance.randrange(10**6)}")

    def rejected(self, day: str) -> Path | None:
        return next(iter(self.place("transfer_quarantine", day).glob("*.parquet")), None)


def change_source(h: History, day: str | None = None) -> None:
    value = h.chance.randrange(1, 30)
    where = f"AND created_at >= '{day}' AND created_at < '{day}x'" if day else ""
    chosen = f"(SELECT order_id FROM orders WHERE amount <> {value} {where} ORDER BY order_id LIMIT 1 OFFSET {h.nth})"
    h.source(f"UPDATE orders SET amount = {value} WHERE order_id = {chosen}")


def extract_alone(h: History) -> None:
    day = h.day
    change_source(h, day)
    h.run(("extract",), day)


def transfer_alone(h: History) -> None:
    day = h.day
    change_source(h, day)
    h.run(("extract", "transfer"), day)


def spoil_a_value(h: History) -> None:
    chosen = f"(SELECT order_id FROM shop.orders ORDER BY order_id LIMIT 1 OFFSET {h.nth})"
    h.table(f"UPDATE shop.orders SET name = 'spoiled' WHERE order_id = {chosen}")


def delete_from_source(h: History) -> None:
    h.source(f"DELETE FROM orders WHERE order_id = {h.row}")


def empty_the_table(h: History) -> None:
    h.table("DELETE FROM shop.orders" + h.chance.choice(["", f" WHERE etl_partition = '{h.day}'"]))


def delete_rejected(h: History) -> None:
    if path := h.rejected(h.day):
        path.unlink()


def replace_rejected(h: History) -> None:
    one, other = (h.rejected(day) for day in h.chance.sample(DAYS, 2))
    if one and other:
        shutil.copyfile(one, other)


def add_an_unknown_partition(h: History) -> None:
    partition = h.chance.choice(["NULL", "DATE '2025-12-31'", "DATE '2026-01-04'"])
    h.table(f"INSERT INTO shop.orders SELECT * REPLACE ({partition} AS etl_partition) FROM shop.orders LIMIT 3")


def change_a_type(h: History) -> None:
    h.table(f"ALTER TABLE shop.orders ALTER COLUMN {h.chance.choice(['cents', 'order_id'])} TYPE VARCHAR")


def put_a_view_there(h: History) -> None:
    h.table("ALTER TABLE shop.orders RENAME TO moved", "CREATE VIEW shop.orders AS SELECT * FROM shop.moved")


def add_undated(h: History) -> None:
    value = h.chance.choice(["NULL", "'2025-12-30 10:00:00'", "'no date'", "'2026-01-02x'"])
    h.source(f"INSERT INTO orders VALUES ({h.chance.randrange(900, 999)}, 'undated', 1, {value})")


def add_without_a_date(h: History) -> None:
    h.source("INSERT INTO orders VALUES (999, 'undated', 1, NULL)")


def lose_an_object(h: History) -> None:
    (h.place(h.chance.choice(["extract", "transfer"]), h.day) / "data.parquet").unlink(missing_ok=True)


def forget_a_load(h: History, day: str | None = None) -> None:
    """As if the day had never been loaded."""
    day = day or h.day
    kept = h.rows("SELECT 'etl_kept.' || table_name FROM duckdb_tables() WHERE schema_name = 'etl_kept'")
    h.table(
        *(f"DELETE FROM {name} WHERE etl_partition = '{day}'" for (name,) in [("shop.orders",), *kept]),
        f"DELETE FROM etl_ledger.loads WHERE partition = '{day}'",
    )


def forget_a_day(h: History) -> None:
    """As if the day had never been extracted."""
    day = h.day
    for stage in ("extract", "transfer", "transfer_quarantine"):
        shutil.rmtree(h.place(stage, day), ignore_errors=True)
    forget_a_load(h, day)


def an_older_object(h: History) -> None:
    path = h.place(h.chance.choice(["extract", "transfer"]), h.day) / "data.parquet"
    if path.is_file():
        content = path.read_bytes()
        change_source(h)
        with contextlib.suppress(Exception):
            h.run(("extract", "transfer", "load"), h.day)
        path.write_bytes(content)


DAMAGE: tuple[Callable[[History], None], ...] = (
    extract_alone,
    transfer_alone,
    spoil_a_value,
    delete_from_source,
    empty_the_table,
    delete_rejected,
    replace_rejected,
    add_an_unknown_partition,
    change_a_type,
    put_a_view_there,
    add_undated,
    lose_an_object,
    an_older_object,
    forget_a_load,
    forget_a_day,
)

# Each kind alone, in a mode in which nothing else shows it.
KINDS = (
    (extract_alone, "replace_partition"),
    (transfer_alone, "upsert"),
    (spoil_a_value, "upsert"),
    (spoil_a_value, "append"),
    (delete_from_source, "replace_partition"),
    (empty_the_table, "append"),
    (delete_rejected, "replace_partition"),
    (replace_rejected, "append"),
    (add_an_unknown_partition, "replace_partition"),
    (change_a_type, "append"),
    (put_a_view_there, "upsert"),
    (add_without_a_date, "replace_partition"),
    (lose_an_object, "upsert"),
    (forget_a_load, "append"),
    (forget_a_day, "replace_partition"),
)


def run_again(h: History) -> None:
    h.run(("extract", "transfer", "load"), h.day)


def change_and_run(h: History) -> None:
    if h.mode == "append":
        return  # it refuses a partition that has changed
    change_source(h)
    for day in DAYS:
        h.run(("extract", "transfer", "load"), day)


def discard_some(h: History) -> None:
    settings = load_settings(h.project.environ)
    config = load_tenant("acme", settings)
    for each in rejected_rows(config, settings):
        if h.chance.random() < 0.5:
            discard(config, settings, each, "why")


GOOD = (run_again, change_and_run, discard_some)


def law_is_kept(h: History) -> bool:
    """Whether everything is as the laws say; SQL over what is there."""
    with contextlib.closing(sqlite3.connect(h.project.source)) as connection:
        rows = connection.execute("SELECT order_id, name, amount, created_at FROM orders").fetchall()
    con = duckdb.connect(str(h.project.data / "warehouse" / "acme.duckdb"), read_only=True)
    with con:
        con.execute("CREATE TEMP TABLE src (order_id BIGINT, name VARCHAR, amount DOUBLE, created_at VARCHAR)")
        con.execute(
            "INSERT INTO src SELECT unnest(?), unnest(?), unnest(?), unnest(?)",
            list(map(list, zip(*rows, strict=True))),
        )
        days = ", ".join(f"'{each}'" for each in DAYS)
        if con.sql(
            f"SELECT 1 FROM src WHERE coalesce(try_cast(created_at AS TIMESTAMP)::DATE::VARCHAR NOT IN ({days}), true)"
        ).fetchone():
            return False
        con.execute(
            "CREATE TEMP TABLE good AS SELECT 0 AS nth, NULL::DATE AS etl_partition, src.*, 0::BIGINT AS cents FROM src LIMIT 0"
        )
        return all(_day_is_right(h, con, day) for day in DAYS) and _table_is_right(h, con)


def _day_is_right(h: History, con: duckdb.DuckDBPyConnection, day: str) -> bool:
    paths = [h.place(stage, day) / "data.parquet" for stage in ("extract", "transfer")]
    if not all(each.is_file() for each in paths):
        return False
    extract, transfer = (f"read_parquet('{each}', hive_partitioning = false)" for each in paths)
    said_e, said_t = (json.loads(pq.read_metadata(each).metadata[b"etl"]) for each in paths)
    if [each["version"] for each in said_t["inputs"]["listed"]] != [said_e["version"]]:
        return False
    newest = con.sql(
        f"SELECT version FROM etl_ledger.loads WHERE partition = '{day}' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    if newest != (said_t["version"],):
        return False
    source = (
        f"SELECT order_id, name, amount, created_at::TIMESTAMP AS created_at FROM src WHERE created_at[:10] = '{day}'"
    )
    refined = f"SELECT *, CAST(round(amount * 100) AS BIGINT) AS cents FROM ({source})"
    if not _same(con, source, f"SELECT order_id, name, amount, created_at FROM {extract}"):
        return False
    if not _same(con, f"SELECT {ROWS} FROM ({refined}) WHERE cents <= {LIMIT}", f"SELECT {ROWS} FROM {transfer}"):
        return False
    number = "file_row_number = true, hive_partitioning = false"
    con.execute(
        f"INSERT INTO good SELECT file_row_number, DATE '{day}', order_id, name, amount, created_at, cents"
        f" FROM read_parquet('{paths[1]}', {number})"
    )
    bad = con.sql(f"SELECT count(*) FROM ({refined}) WHERE cents > {LIMIT}").fetchone()
    if bad == (0,):
        return True
    path = h.rejected(day)
    if path is None:
        return False
    if json.loads(pq.read_metadata(path).metadata[b"etl"])["audit"] == "discarded":
        return pq.read_metadata(path).num_rows == 0
    kept = f"SELECT {ROWS} FROM read_parquet('{path}', hive_partitioning = false)"
    return _same(con, f"SELECT {ROWS} FROM ({refined}) WHERE cents > {LIMIT}", kept)


def _table_is_right(h: History, con: duckdb.DuckDBPyConnection) -> bool:
    kind = con.sql(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = 'shop' AND table_name = 'orders'"
    ).fetchone()
    if kind != ("BASE TABLE",):
        return False
    types = dict(con.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT {ROWS} FROM shop.orders)").fetchall())
    made = dict(con.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT {ROWS} FROM good)").fetchall())
    if types != made | {"created_at": "TIMESTAMP"}:
        return False
    wanted = "good"
    if h.mode == "upsert":
        rank = "row_number() OVER (PARTITION BY order_id ORDER BY amount DESC NULLS LAST, etl_partition DESC, nth DESC)"
        wanted = f"(SELECT * FROM good QUALIFY {rank} = 1)"
    names = f"{ROWS.replace('created_at', 'created_at::TIMESTAMP AS created_at')}, etl_partition"
    return _same(con, f"SELECT {names} FROM {wanted}", f"SELECT {names} FROM shop.orders")


def _same(con: duckdb.DuckDBPyConnection, one: str, other: str) -> bool:
    both = f"(({one}) EXCEPT ALL ({other})) UNION ALL (({other}) EXCEPT ALL ({one}))"
    return con.sql(both).fetchone() is None


def verdict(h: History) -> str:
    settings = load_settings(h.project.environ)
    config = load_tenant("acme", settings)
    warehouse = open_warehouse(WarehousePlace(), settings, "acme")
    found = reconcile(config, config.pipelines["orders"], f"sqlite:///{h.project.source}", warehouse, settings, now=NOW)
    return f"{found.status} {found.differences} {[each.differences for each in found.days]} {found.not_compared}"


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyProject]:
    made = {}
    for mode in MODES:
        project = make_project(tmp_path_factory.mktemp(mode))
        History(project, mode, 0).source("UPDATE orders SET order_id = 105 WHERE order_id = 205")
        project.write_pipeline(
            {
                "undated": "fail",
                "trino_output": {"mode": mode, "order_column": "amount" if mode == "upsert" else None},
                "quality": {
                    "on_failure": "quarantine",
                    "rules": [{"column": "cents", "type": "in_range", "max": LIMIT}],
                },
            }
        )
        for day in DAYS:
            run_stages(project, partition=day)
        made[mode] = project
    return made


def begin(templates: dict[str, TinyProject], folder: Path, mode: str, seed: int) -> History:
    """A project of its own, in which everything is right."""
    shutil.copytree(templates[mode].root, folder / "project")
    shutil.copytree(templates[mode].data, folder / "data")
    return History(TinyProject(folder / "project", folder / "data"), mode, seed)


def judge(templates: dict[str, TinyProject], folder: Path, seed: int) -> bool:
    """One history; gives whether anything was wrong."""
    mode = MODES[seed % len(MODES)]
    h = begin(templates, folder, mode, seed)
    said = [mode]
    for _ in range(h.chance.randrange(2)):
        good = h.chance.choice(GOOD)
        said.append(good.__name__)
        good(h)
    for _ in range(h.chance.choice([0, 0, 1, 1, 1, 2])):
        damage = h.chance.choice(DAMAGE)
        said.append(damage.__name__)
        with contextlib.suppress(duckdb.Error):  # a second damage may find nothing to damage
            damage(h)
    right = law_is_kept(h)
    found = verdict(h)
    assert found.startswith("agrees" if right else "differs"), (seed, said, right, found)
    shutil.rmtree(folder)
    return not right


@pytest.mark.parametrize(("damage", "mode"), KINDS)
def test_each_kind_of_damage_alone(
    templates: dict[str, TinyProject], tmp_path: Path, damage: Callable[[History], None], mode: str
) -> None:
    h = begin(templates, tmp_path, mode, seed=11)
    damage(h)
    assert not law_is_kept(h)
    assert verdict(h).startswith("differs")


def test_green_exactly_if_nothing_is_wrong(templates: dict[str, TinyProject], tmp_path: Path) -> None:
    wrong = [judge(templates, tmp_path / str(seed), seed) for seed in range(6)]
    assert 0 < sum(wrong) < 6


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1000 + amount(150, whole=500), 50))
def test_green_exactly_if_nothing_is_wrong_in_many_histories(
    templates: dict[str, TinyProject], tmp_path: Path, first: int
) -> None:
    wrong = [judge(templates, tmp_path / str(seed), seed) for seed in range(first, first + 50)]
    assert 10 < sum(wrong) < 45
