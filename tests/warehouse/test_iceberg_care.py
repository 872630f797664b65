"""The care of tables on a cluster: what loads and readers need stays, whenever it comes, and others' tables are not met."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog import Catalog as PyIcebergCatalog, load_catalog
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import SnapshotLogEntry
from pyiceberg.types import LongType, NestedField

from etl.lake.lake import Lake
from etl.warehouse import contract, iceberg_care, iceberg_commit, iceberg_ledger, iceberg_load
from etl.warehouse.contract import TrinoPlace, Warehouse
from etl.warehouse.iceberg_care import replaced_before
from etl.warehouse.iceberg_table import IcebergTable
from etl.warehouse.identifier import without_dots
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish
from tests.servers.trino import Catalog, TrinoServer
from tests.warehouse.cluster import A, B, Execute, at_once, catalog, execute, lake, opened, rows, warehouse
from tests.warehouse.test_care import cared

__all__ = ["catalog", "execute", "lake", "warehouse"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KEPT = without_dots("mart.orders")
UPSERT: dict[str, Any] = {"mode": "upsert", "keys": ["id"]}


@pytest.fixture(autouse=True)
def any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "SHORTEST_AGE", timedelta(0))


def at_point(monkeypatch: pytest.MonkeyPatch, module: Any, point: str, step: Callable[[], object]) -> list[str]:
    """Let the next load do something else when it comes to this point."""
    reached: list[str] = []

    def reach(name: str) -> None:
        if name == point and not reached:
            reached.append(name)
            step()

    monkeypatch.setattr(module, "reach", reach)
    return reached


def test_the_snapshot_with_which_a_load_began_stays_however_old_it_is(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys that a load takes out are those of the snapshot with which it began; another load replaces it meanwhile."""
    age = timedelta(seconds=20)
    publish(lake, A, DAY)
    load(lake, warehouse, DAY, **UPSERT)
    publish(lake, A, NEXT_DAY)
    publish(lake, A.with_columns(qty=pl.lit(7)), "2026-01-03")
    time.sleep(age.total_seconds() + 1)

    def meanwhile() -> None:
        other = opened(trino_place, tmp_path)
        load(local_lake(tmp_path), other, "2026-01-03", run_id="run-3", **UPSERT)
        found = cared(other, age=age)
        assert not any(each.error for each in found.values()), found

    publish(lake, A.head(1), DAY, "run-2")  # two keys are no longer in this day
    reached = at_point(monkeypatch, iceberg_load, "warehouse.kept", meanwhile)
    assert load(lake, warehouse, DAY, run_id="run-2", **UPSERT).changed
    assert reached
    load(lake, warehouse, NEXT_DAY, **UPSERT)
    assert rows(warehouse) == [(1, 7), (2, 7), (3, 7)]
    assert not load(lake, warehouse, DAY, **UPSERT).changed


def test_an_entry_without_a_digest_gets_it_before_its_snapshot_goes(
    lake: Lake, warehouse: Warehouse, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B, NEXT_DAY)

    def broken(*_: object) -> None:
        raise OSError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(iceberg_commit.Place, "settle", broken)
        at_point(patched, iceberg_load, "", lambda: None)
        with pytest.raises(Exception, match="the store is away"):
            load(lake, warehouse, NEXT_DAY)
    with monkeypatch.context() as patched:
        patched.setattr(iceberg_ledger.IcebergLedger, "add", broken)
        with pytest.raises(Exception, match="the store is away"):
            load(lake, warehouse, NEXT_DAY)
    assert warehouse.ledger()[-1].digest is None
    execute("UPDATE mart.orders SET qty = 0 WHERE etl_partition = DATE '2026-01-01'")
    time.sleep(3)
    with monkeypatch.context() as patched:
        patched.setattr(iceberg_ledger.IcebergLedger, "add", broken)
        found = cared(warehouse, age=timedelta(seconds=1))["mart.orders"]
        assert found.error is not None
        assert "the store is away" in found.error.problem
        assert found.done == [], "as long as the entry is not in the ledger"
    assert cared(warehouse, age=timedelta(seconds=1))["mart.orders"].error is None
    assert all(each.digest for each in warehouse.ledger())
    assert not load(lake, warehouse, NEXT_DAY).changed
    assert load(lake, warehouse, DAY).changed, "somebody has changed it"


def test_the_file_of_a_load_that_has_not_committed_yet_stays(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B, DAY, "run-2")
    step = lambda: cared(opened(trino_place, tmp_path), age=timedelta(seconds=30))  # noqa: E731
    assert at_point(monkeypatch, iceberg_commit, "warehouse.inserted", step) == []
    assert load(lake, warehouse, DAY, run_id="run-2").changed
    assert rows(warehouse) == B.rows()
    assert not load(lake, warehouse, DAY, run_id="run-3").changed


def test_what_a_killed_load_has_left_goes_when_it_is_old_and_the_load_can_be_done_again(
    lake: Lake, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, catalog: PyIcebergCatalog
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B, DAY, "run-2")

    def killed(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        at_point(patched, iceberg_commit, "warehouse.before_commit", killed)
        with pytest.raises(Exception, match="killed"):
            load(lake, warehouse, DAY, run_id="run-2")
    assert cared(warehouse)["mart.orders"].done == [], "within seven days nothing goes"
    time.sleep(3)
    found = cared(warehouse, age=timedelta(seconds=1))["mart.orders"]
    assert found.done[-1].startswith("removed "), found
    assert found.after["files"] < found.before["files"]
    assert rows(warehouse) == A.rows()
    assert load(lake, warehouse, DAY, run_id="run-2").changed
    assert rows(warehouse) == B.rows()
    assert not load(lake, warehouse, DAY).changed


def test_six_loads_and_the_care_of_their_tables_at_once(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    days = [f"2026-01-0{number}" for number in range(1, 7)]
    for turn in range(2):
        for day in days:
            publish(lake, A.with_columns(pl.col("qty") + turn), day, f"run-{turn}")
            load(lake, warehouse, day, run_id=f"run-{turn}", **UPSERT)
            load(lake, warehouse, day, run_id=f"run-{turn}", table="days")
    for number, day in enumerate(days):
        publish(lake, pl.DataFrame({"id": range(number, 6), "qty": [number] * (6 - number)}), day, "run-9")
    ended, told = threading.Event(), list[Any]()

    def keep_caring() -> None:
        while not ended.is_set():
            told.extend(cared(opened(trino_place, tmp_path), age=timedelta(seconds=60)).values())

    def load_both(day: str, number: int) -> None:
        own, there = local_lake(tmp_path), opened(trino_place, tmp_path)
        load(own, there, day, run_id=f"run-9-{number}", table="days")
        load(own, there, day, run_id=f"run-9-{number}", **UPSERT)

    carer = threading.Thread(target=keep_caring)
    carer.start()
    failures = at_once(*(lambda day=day, number=number: load_both(day, number) for number, day in enumerate(days)))
    ended.set()
    carer.join()
    assert failures == []
    assert rows(warehouse) == [(number, number) for number in range(6)]
    expected = [(key, number) for number in range(6) for key in range(number, 6)]
    assert rows(warehouse, table="days") == sorted(expected, key=str)
    assert told
    assert {str(each.error) for each in told if each.error} <= {""}, told
    assert any("joined" in done for each in told for done in each.done), told
    last = cared(warehouse, age=timedelta(seconds=1))
    assert not any(each.error for each in last.values()), last
    for day in days:
        assert not load(lake, warehouse, day, **UPSERT).changed
        assert not load(lake, warehouse, day, table="days").changed
    for table in ("orders", "days"):
        seqs = sorted(each.seq for each in warehouse.ledger() if each.table_name == table)
        assert seqs == list(range(1, len(seqs) + 1))


def test_files_of_hundreds_of_partitions_are_joined_each_within_its_partition(
    lake: Lake, warehouse: Warehouse, execute: Execute, catalog: PyIcebergCatalog
) -> None:
    """One statement for all of them would open more partitions than a writer of Trino may."""
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    numbers = (
        "SELECT n, n, date_add('day', CAST(n AS integer), DATE '2026-01-01') FROM UNNEST(sequence({}, {})) AS t(n)"
    )
    for first in [*range(10, 500, 90)] * 2:
        execute(f"INSERT INTO mart.orders {numbers.format(first, first + 89)}")
    content = rows(warehouse)
    table = catalog.load_table("mart.orders")
    assert len(list(table.scan().plan_files())) == 1 + 2 * 540
    found = cared(warehouse)["mart.orders"]
    assert found.error is None
    assert found.done == ["joined the files of 540 partitions"]
    files = [task.file for task in table.refresh().scan().plan_files()]
    assert len(files) == 541
    assert len({file.partition[0] for file in files}) == 541
    assert rows(warehouse) == content
    assert not load(lake, warehouse, DAY).changed
    assert cared(warehouse)["mart.orders"].done == []


def test_a_dry_run_commits_nothing(lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY, **UPSERT)
    publish(lake, B, DAY, "run-2")
    load(lake, warehouse, DAY, run_id="run-2", **UPSERT)
    time.sleep(2)
    names = ("mart.orders", f"etl_kept.{KEPT}", "etl_ledger.loads")
    before = [catalog.load_table(each).metadata_location for each in names]
    found = cared(warehouse, dry_run=True, age=timedelta(seconds=1))
    assert found.keys() == {"mart.orders", f"etl_kept.{KEPT}"}
    assert all("would look for files that no snapshot names" in each.done for each in found.values())
    assert any("would remove" in done for done in found["mart.orders"].done)
    assert [catalog.load_table(each).metadata_location for each in names] == before


def test_branches_and_tags_keep_their_snapshots(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, trino: TrinoServer, trino_catalog: Catalog
) -> None:
    for turn, frame in enumerate((A, B, A, B)):
        publish(lake, frame, DAY, f"run-{turn}")
        load(lake, warehouse, DAY, run_id=f"run-{turn}")
        if turn == 1:
            table = catalog.load_table("mart.orders")
            tip = table.metadata.current_snapshot_id or 0
            table.manage_snapshots().create_tag(tip, "audit").commit()
    time.sleep(3)
    assert cared(warehouse, age=timedelta(seconds=1))["mart.orders"].error is None
    kept = trino.rows(f"SELECT id, qty FROM {trino_catalog.name}.mart.orders FOR VERSION AS OF 'audit' ORDER BY id")
    assert [tuple(each) for each in kept] == B.rows()
    assert len(catalog.load_table("mart.orders").snapshots()) == 2


def test_tables_that_no_load_of_the_tenant_made_are_left_alone(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, execute: Execute
) -> None:
    publish(lake, A, DAY)
    names = ("orders", "views", "dropped", "by_hand", "given")
    for table in names:
        load(lake, warehouse, DAY, table=table)
    with warehouse.writing("mart", "given", "set-aside") as held:
        aside = held.set_aside()
    for table in names[1:4]:
        execute(f"DROP TABLE mart.{table}")
    execute("CREATE VIEW mart.views AS SELECT 1 AS one")
    execute("CREATE TABLE mart.by_hand AS SELECT 1 AS id, 1 AS qty")
    theirs = IcebergTable(catalog, "mart", "given").creation([], "")
    theirs.set_properties({"etl.owner": "globex/orders"})
    theirs.commit_transaction()
    others = ("mart.by_hand", "mart.given", f"mart.{aside}")
    before = [catalog.load_table(each).metadata_location for each in others]
    found = cared(warehouse, age=timedelta(seconds=1))
    assert {name: each.left_alone for name, each in found.items()} == {
        "mart.orders": "",
        "mart.views": "it is a view",
        "mart.dropped": "there is no such table any more",
        "mart.by_hand": "no load of this product made it",
        "mart.given": "it belongs to the tenant `globex`",
    }
    assert not any(each.error for each in found.values())
    assert [catalog.load_table(each).metadata_location for each in others] == before


def test_a_folder_that_two_tables_share_keeps_all_its_files(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog that gives each table the folder of its name gives a table made anew the folder of the one set aside."""
    folder = f"{catalog.properties['warehouse']}/mart/orders"
    monkeypatch.setattr(IcebergTable, "_location", lambda _: folder)
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    found = cared(warehouse, age=timedelta(seconds=1))["mart.orders"]
    assert found.error is None, "the folder is its own"
    with warehouse.writing("mart", "orders", "set-aside") as held:
        aside = held.set_aside()
    publish(lake, B, DAY, "run-2")
    load(lake, warehouse, DAY, run_id="run-2")
    time.sleep(3)
    found = cared(warehouse, age=timedelta(seconds=1))["mart.orders"]
    assert found.error is not None
    assert f"mart.{aside} has files in it too" in found.error.problem
    assert rows(warehouse, table=aside) == A.rows()
    assert rows(warehouse) == B.rows()


def test_a_trino_that_keeps_files_longer_decides(
    lake: Lake,
    warehouse: Warehouse,
    trino: TrinoServer,
    trino_catalog: Catalog,
    trino_place: TrinoPlace,
    tmp_path: Path,
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    name = f"{trino_catalog.name}_strict"
    longer = {"iceberg.expire-snapshots.min-retention": "30d", "iceberg.remove-orphan-files.min-retention": "8d"}
    trino.show(trino_catalog, name, **longer)
    iceberg = {"name": contract.SecretStr(trino_catalog.name), **trino_place.iceberg}
    strict = opened(trino_place.model_copy(update={"catalog": name, "iceberg": iceberg}), tmp_path)
    with pytest.raises(Exception, match="Trino keeps old snapshots and files for 30 days") as refused:
        cared(strict, age=timedelta(days=29))
    assert "ask for 30 days" in str(refused.value)
    for age in (None, timedelta(days=30)):
        assert cared(strict, age=age)["mart.orders"].error is None


def test_a_snapshot_is_replaced_when_another_one_takes_its_place(tmp_path: Path) -> None:
    """By its history, its children and its own time, whichever is last; `None` is a table without snapshots."""
    catalog = load_catalog("here", type="sql", uri="sqlite:///:memory:", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("mart")
    table = catalog.create_table("mart.orders", Schema(NestedField(1, "id", LongType(), required=False)))
    assert replaced_before(table.metadata, datetime.now(UTC)) == []
    for number in range(4):
        table.append(pl.DataFrame({"id": [number]}).to_arrow())
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 10, 11, 20)]
    stamps = [int(each.timestamp() * 1000) for each in days]
    aged = [each.model_copy(update={"timestamp_ms": at}) for each, at in zip(table.snapshots(), stamps, strict=True)]
    ids = [each.snapshot_id for each in aged]
    log = [SnapshotLogEntry(snapshot_id=number, timestamp_ms=at) for number, at in zip(ids, stamps, strict=True)]
    made = table.metadata.model_copy(update={"snapshots": aged, "snapshot_log": log})

    def replaced(day: int, **changes: Any) -> list[int]:
        found = replaced_before(made.model_copy(update=changes), datetime(2026, 1, day, tzinfo=UTC))
        return [ids.index(each) for each in found]

    assert [replaced(day) for day in (5, 10, 11, 12, 21, 31)] == [[], [], [0], [0, 1], [0, 1, 2], [0, 1, 2]]
    assert [replaced(day, snapshot_log=[]) for day in (5, 11, 21)] == [[], [0], [0, 1, 2]]
    back = [*log, SnapshotLogEntry(snapshot_id=ids[1], timestamp_ms=stamps[3] + 86_400_000)]
    main = made.refs["main"].model_copy(update={"snapshot_id": ids[1]})
    rolled = {"snapshot_log": back, "current_snapshot_id": ids[1], "refs": {"main": main}}
    assert [replaced(day, **rolled) for day in (21, 22, 31)] == [[0, 2], [0, 2, 3], [0, 2, 3]]
    catalog.close()


def test_times_of_trino_are_read() -> None:
    written = {
        "7.00d": timedelta(days=7),
        "0.00s": timedelta(0),
        "1.50h": timedelta(minutes=90),
        "5m": timedelta(minutes=5),
    }
    assert {text: iceberg_care._duration(text) for text in written} == written
