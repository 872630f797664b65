"""What is different on a cluster: nothing is locked, a commit may be lost or overtaken, and others use the same tables."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyarrow.fs import FileSelector
from pydantic import SecretStr
from pyiceberg.catalog import Catalog as PyIcebergCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse import iceberg_ledger
from etl.warehouse.contract import Kind, TrinoPlace, Warehouse
from etl.warehouse.trino_session import TrinoSession
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish, ref_of, request_of
from tests.servers import PASSWORD
from tests.servers.seaweed import READER, READER_SECRET, SECRET
from tests.warehouse.cluster import A, B, Execute, at_once, catalog, execute, lake, opened, rows, warehouse

__all__ = ["catalog", "execute", "lake", "warehouse"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_same_object_loaded_by_several_runs_at_once_is_in_the_table_once(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    publish(lake, A, NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    publish(lake, A, DAY)
    failures = at_once(
        *(
            lambda number=number: load(local_lake(tmp_path), opened(trino_place, tmp_path), DAY, run_id=f"run-{number}")
            for number in range(4)
        )
    )
    assert failures == []
    assert len(rows(warehouse)) == 6
    assert [each.partition for each in warehouse.ledger()] == [NEXT_DAY, DAY]


def test_a_load_does_not_put_an_older_object_over_the_one_that_came_in_meanwhile(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    """The lake is looked at inside `writing`; a load that commits after that has seen the same lake, or a newer one."""
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, A.head(2), DAY, "run-2")
    older = lake.local_copy(ref_of())
    copy = tmp_path / "older.parquet"
    copy.write_bytes(older.read_bytes())
    request = request_of(lake, run_id="run-2")
    with warehouse.writing("mart", "orders", "run-2") as table:
        publish(lake, B, DAY, "run-3")
        load(lake, opened(trino_place, tmp_path), DAY, run_id="run-3")
        with pytest.raises(
            WarehouseError, match=r"run `run-3` has loaded partition 2026-01-01 of mart.orders in the mean"
        ):
            table.load(request, copy)
    assert rows(warehouse) == B.rows()


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("order", [None, "qty"])
def test_upserts_of_several_days_at_once_leave_the_last_row_of_each_key(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace, order: str | None, *, is_first: bool
) -> None:
    days = [f"2026-01-0{number}" for number in range(1, 5)]
    options: dict[str, Any] = {"mode": "upsert", "keys": ["id"], "order": order}
    publish(lake, A, "2025-12-31")
    if not is_first:
        load(lake, warehouse, "2025-12-31", **options)
    for number, day in enumerate(days):
        publish(lake, pl.DataFrame({"id": range(number, 6), "qty": [number] * (6 - number)}), day)
    failures = at_once(
        *(lambda day=day: load(local_lake(tmp_path), opened(trino_place, tmp_path), day, **options) for day in days)
    )
    assert failures == []
    if is_first:
        load(lake, warehouse, "2025-12-31", **options)
    by_day = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 5: 3}
    by_order = {**by_day, **dict(A.rows())}
    assert rows(warehouse) == sorted((by_day if order is None else by_order).items())
    assert sorted(each.seq for each in warehouse.ledger()) == [1, 2, 3, 4, 5]
    assert not any(load(lake, warehouse, day, **options).changed for day in days)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_for(
    lake: Lake, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B, DAY, "run-2")
    commit, lost = SqlCatalog.commit_table, list[str]()

    def answer(catalog: Any, table: Any, *more: Any) -> Any:
        if lost or table.name()[0] != "mart":
            return commit(catalog, table, *more)
        lost.append("answer")
        if is_done:
            commit(catalog, table, *more)
        raise OSError("the connection was reset")

    monkeypatch.setattr(SqlCatalog, "commit_table", answer)
    if is_done:
        assert load(lake, warehouse, DAY, run_id="run-2").changed
    else:
        with pytest.raises(WarehouseError, match="the connection was reset"):
            load(lake, warehouse, DAY, run_id="run-2")
        assert rows(warehouse) == A.rows()
        assert load(lake, warehouse, DAY, run_id="run-3").changed
    assert rows(warehouse) == B.rows()
    assert [each.seq for each in warehouse.ledger()] == [1, 2]
    assert not load(lake, warehouse, DAY).changed


def test_entries_outlive_the_snapshots_that_brought_them(
    lake: Lake, warehouse: Warehouse, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, A, DAY)
    publish(lake, A, NEXT_DAY)
    load(lake, warehouse, DAY)

    def broken(*_: object) -> None:
        raise OSError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(iceberg_ledger.IcebergLedger, "add", broken)
        with pytest.raises(WarehouseError, match="the store is away"):
            load(lake, warehouse, NEXT_DAY)
    assert [(each.seq, each.partition) for each in warehouse.ledger()] == [(1, DAY), (2, NEXT_DAY)]
    execute("DELETE FROM mart.orders WHERE etl_partition = DATE '2026-01-01'")
    execute("ALTER TABLE mart.orders EXECUTE expire_snapshots(retention_threshold => '0s')")
    assert load(lake, warehouse, DAY).changed
    assert [each.partition for each in warehouse.ledger()] == [DAY, NEXT_DAY, DAY]
    load(lake, warehouse, NEXT_DAY)  # its snapshot is gone, so nothing tells whether these are the rows that came
    assert not any(load(lake, warehouse, day).changed for day in (DAY, NEXT_DAY))
    assert len(rows(warehouse)) == 6


def test_a_partition_is_replaced_after_others_have_rewritten_the_files(
    lake: Lake, warehouse: Warehouse, execute: Execute
) -> None:
    for mode in ("replace_partition", "upsert", "append"):
        publish(lake, A, DAY)
        publish(lake, A.with_columns(pl.col("id") + 10), NEXT_DAY)
        for day in (DAY, NEXT_DAY):
            load(lake, warehouse, day, mode=mode, keys=["id"], table=mode)
        execute(f"DELETE FROM mart.{mode} WHERE id = 11")
        execute(f"UPDATE mart.{mode} SET qty = 0 WHERE id = 1")
        execute(f"ALTER TABLE mart.{mode} EXECUTE optimize")
        for day in (DAY, NEXT_DAY):
            assert load(lake, warehouse, day, mode=mode, keys=["id"], table=mode).changed
            assert not load(lake, warehouse, day, mode=mode, keys=["id"], table=mode).changed
        expected = [*A.rows(), *((number + 10, qty) for number, qty in A.rows())]
        assert rows(warehouse, table=mode) == sorted(expected, key=str)


def test_snapshots_say_which_run_brought_which_object(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog
) -> None:
    first = publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B, DAY, "run-2")
    load(lake, warehouse, DAY, run_id="run-2")
    table = catalog.load_table("mart.orders")
    told = [dict(each.summary.additional_properties) for each in table.snapshots() if each.summary]
    assert [each["etl.run_id"] for each in told] == ["run-1", "run-2"]
    assert (told[0]["etl.version"], told[0]["etl.partition"]) == (first.version, DAY)
    assert len(list(table.scan().plan_files())) == 1


def test_every_reader_finds_the_same_rows(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    for day, frame in ((DAY, A), (NEXT_DAY, B)):
        publish(lake, frame, day)
        load(lake, warehouse, day)
    expected = sorted(
        [(*row, date(2026, 1, 1)) for row in A.rows()] + [(*row, date(2026, 1, 2)) for row in B.rows()], key=str
    )
    table, said = catalog.load_table("mart.orders"), catalog.properties
    options = {
        "aws_endpoint_url": said["s3.endpoint"],
        "aws_access_key_id": said["s3.access-key-id"],
        "aws_secret_access_key": said["s3.secret-access-key"],
        "aws_region": said["s3.region"],
        "aws_allow_http": "true",
    }
    named = ["id", "qty", "etl_partition"]
    found: dict[str, Sequence[Any]] = {
        "Trino": rows(warehouse, ", ".join(named)),
        "PyIceberg": pl.DataFrame(table.scan().to_arrow()).select(named).rows(),
        "Polars": pl.scan_iceberg(table, storage_options=options).select(named).collect().rows(),
    }
    for reader, those in found.items():
        assert sorted(those, key=str) == expected, reader
    assert sorted(catalog.load_table("mart.orders").inspect.partitions()["record_count"].to_pylist()) == [3, 3]


def test_the_ledger_stays_in_a_few_files(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iceberg_ledger, "_FILES", 3)
    for number in range(6):
        publish(lake, A.with_columns(pl.col("qty") + number), DAY, f"run-{number}")
        load(lake, warehouse, DAY, run_id=f"run-{number}")
    assert [each.run_id for each in warehouse.ledger()] == [f"run-{number}" for number in range(6)]
    assert len(list(catalog.load_table("etl_ledger.loads").scan().plan_files())) <= 3


def test_a_table_that_was_moved_away_shares_no_folder_with_the_new_one(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog
) -> None:
    publish(lake, A)
    load(lake, warehouse)
    with warehouse.writing("mart", "orders", "set-aside") as table:
        moved = table.set_aside()
    load(lake, warehouse)
    places = [catalog.load_table(("mart", name)).location() for name in (moved, "orders")]
    assert len(set(places)) == 2
    assert rows(warehouse) == rows(warehouse, table=moved) == A.rows()


def test_names_in_other_letters_are_the_same_table_and_columns(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, A.rename({"qty": "Qty"}))
    load(lake, warehouse, schema="Mart", table="Orders")
    assert not load(lake, warehouse).changed
    with pytest.raises(WarehouseError, match="belongs to the pipeline `orders`"):
        load(lake, warehouse, pipeline="others")
    publish(lake, B.rename({"id": "ID"}), run_id="run-2")
    load(lake, warehouse)
    assert rows(warehouse) == B.rows()


REFUSED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "no Trino there": ({"port": 9}, {}, "check that Trino runs at http://127.0.0.1:9"),
    "a catalog that Trino does not have": ({"catalog": "nowhere"}, {}, "`SHOW CATALOGS` in Trino"),
    "another catalog of PyIceberg": ({}, {"name": "another"}, "must name the same catalog"),
    "a database that is not there": (
        {},
        {"uri": "postgresql+psycopg://u:{password}@127.0.0.1:9/x"},
        "its `uri` is the",
    ),
    "no store there": ({}, {"s3.endpoint": "http://127.0.0.1:9"}, "check the bucket of the tables"),
    "a wrong secret": ({}, {"s3.secret-access-key": "another-secret-key"}, "check the bucket of the tables"),
    "no rights to write": (
        {},
        {"s3.access-key-id": READER, "s3.secret-access-key": READER_SECRET},
        "check the bucket of the tables",
    ),
    "no such bucket": (
        {},
        {"warehouse": "s3://no-such-bucket/wh", "s3.access-key-id": READER, "s3.secret-access-key": READER_SECRET},
        "check the bucket of the tables",
    ),
    "no such kind of catalog": ({}, {"type": "sq"}, "give `warehouse.iceberg`"),
    "a driver that is not installed": ({}, {"uri": "mysql://u:{password}@127.0.0.1:9/x"}, "install the library"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_with_the_cluster_is_said_with_a_remedy_and_without_a_secret(
    lake: Lake, tmp_path: Path, trino_place: TrinoPlace, catalog: PyIcebergCatalog, what: str
) -> None:
    """And nothing is half there: no table was made, and the same object is loaded once the cause is removed."""
    changes, properties, remedy = REFUSED[what]
    known = {"name": trino_place.catalog, **trino_place.iceberg}
    iceberg = {
        name: each if isinstance(each, SecretStr) else SecretStr(str(each).format(password="a-password"))
        for name, each in {**known, **properties}.items()
    }
    place = trino_place.model_copy(update={**changes, "iceberg": iceberg})
    publish(lake, A)
    with pytest.raises(WarehouseError) as refused:
        load(lake, opened(place, tmp_path))
    assert remedy in refused.value.hint, refused.value
    for secret in (PASSWORD, SECRET, READER_SECRET, "a-password", "another-secret-key"):
        assert secret not in str(refused.value)
    assert not catalog.namespace_exists("mart") or catalog.list_tables("mart") == []
    assert load(lake, opened(trino_place, tmp_path)).changed


def test_a_type_without_an_exact_counterpart_is_refused_by_its_column(lake: Lake, warehouse: Warehouse) -> None:
    frame = pl.DataFrame({"id": [1], "moment": [1]}).with_columns(pl.col("moment").cast(pl.Datetime("ns")))
    publish(lake, frame)
    with pytest.raises(
        WarehouseError, match=r"column `moment` of mart.orders is TIMESTAMP_NS, which Iceberg has no exact"
    ):
        load(lake, warehouse)
    assert warehouse.ledger() == ()


@pytest.mark.parametrize("mode", ["replace_partition", "append", "upsert"])
def test_six_writers_of_three_days_leave_one_object_of_each_day(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace, mode: str
) -> None:
    days = [f"2026-01-0{number}" for number in range(1, 4)]
    for number, day in enumerate(days):
        publish(lake, A.with_columns(pl.col("id") + 10 * number), day)

    def one(writer: int) -> None:
        day = days[writer % 3]
        load(local_lake(tmp_path), opened(trino_place, tmp_path), day, mode=mode, keys=["id"], run_id=f"run-{writer}")

    assert at_once(*(lambda writer=writer: one(writer) for writer in range(6))) == []
    assert rows(warehouse) == sorted(((id_ + 10 * n, qty) for id_, qty in A.rows() for n in range(3)), key=str)
    assert sorted(each.seq for each in warehouse.ledger()) == [1, 2, 3]
    assert sorted(str(each.partition) for each in warehouse.ledger()) == days
    assert not any(load(lake, warehouse, day, mode=mode, keys=["id"]).changed for day in days)


@pytest.mark.parametrize("mode", ["replace_partition", "append", "upsert"])
def test_a_table_that_another_load_makes_between_two_looks_is_no_reason_to_fail(
    lake: Lake,
    warehouse: Warehouse,
    tmp_path: Path,
    trino_place: TrinoPlace,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """The catalog of PyIceberg is asked first and Trino then: in between, the table may have been made."""
    for day in (DAY, NEXT_DAY):
        publish(lake, A, day)
    look, others = TrinoSession.kind, list[str]()

    def kind(session: TrinoSession, schema: str, name: str) -> Kind:
        if not others:
            others.append("load")
            load(local_lake(tmp_path), opened(trino_place, tmp_path), NEXT_DAY, mode=mode, keys=["id"], run_id="other")
        return look(session, schema, name)

    monkeypatch.setattr(TrinoSession, "kind", kind)
    assert load(lake, warehouse, DAY, mode=mode, keys=["id"]).changed
    assert others
    assert sorted(str(each.partition) for each in warehouse.ledger()) == [DAY, NEXT_DAY]
    assert len(rows(warehouse)) == (3 if mode == "upsert" else 6)


def test_a_first_load_that_another_one_overtakes_leaves_no_file_behind(
    lake: Lake,
    warehouse: Warehouse,
    catalog: PyIcebergCatalog,
    tmp_path: Path,
    trino_place: TrinoPlace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each first load makes the table in a folder of its own, and only one of them is the table's."""
    for day in (DAY, NEXT_DAY):
        publish(lake, A, day)
    commit, others = SqlCatalog.commit_table, list[str]()

    def overtaken(catalog: Any, table: Any, *more: Any) -> Any:
        if table.name()[0] == "mart" and not others:
            others.append("load")
            load(local_lake(tmp_path), opened(trino_place, tmp_path), NEXT_DAY, run_id="other")
        return commit(catalog, table, *more)

    bucket, _, folder = str(catalog.properties["warehouse"]).removeprefix("s3://").partition("/")
    store = PyArrowFileIO(dict(catalog.properties)).fs_by_scheme("s3", bucket)

    def stored() -> set[str]:
        found = store.get_file_info(FileSelector(f"{bucket}/{folder}/mart", recursive=True, allow_not_found=True))
        return {f"s3://{each.path}" for each in found if each.path.endswith(".parquet")}

    before = stored()  # of other tests
    monkeypatch.setattr(SqlCatalog, "commit_table", overtaken)
    assert load(lake, warehouse, DAY).changed
    files = catalog.load_table("mart.orders").scan().plan_files()
    assert stored() - before == {each.file.file_path for each in files}


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize("name", ["k", "t", "s", "w", "i", "gone", "come", "found", "etl_id"])
def test_a_key_may_have_any_name(lake: Lake, warehouse: Warehouse, name: str, *, is_cut: bool) -> None:
    """In a subquery, Trino takes the `k` of `k.\"id\"` for a column of that name, if there is one."""
    days = (DAY, NEXT_DAY) if is_cut else (None, None)
    for frame, day in ((A, days[0]), (B, days[1])):
        publish(lake, frame.rename({"id": name}), day)
        load(lake, warehouse, day, mode="upsert", keys=[name], order="qty")
    assert rows(warehouse, f'"{name}", qty') == B.rows()
    assert not any(load(lake, warehouse, day, mode="upsert", keys=[name], order="qty").changed for day in days[1:])


def test_a_table_that_a_person_made_keeps_the_entries_of_loads_at_once(
    lake: Lake,
    warehouse: Warehouse,
    execute: Execute,
    tmp_path: Path,
    trino_place: TrinoPlace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyIceberg repeats a commit by itself, unless the table says otherwise, with the entries of the first plan."""
    execute("CREATE SCHEMA mart")
    execute("CREATE TABLE mart.orders (id bigint, qty bigint, etl_partition date)")
    for day in (DAY, NEXT_DAY):
        publish(lake, A, day)
    commit, overtaken = SqlCatalog.commit_table, list[str]()

    def slow(catalog: Any, table: Any, requirements: Any, updates: Any) -> Any:
        if (
            not overtaken
            and table.name() == ("mart", "orders")
            and any(each.action == "add-snapshot" for each in updates)
        ):
            overtaken.append("by the other day")
            load(lake, opened(trino_place, tmp_path), NEXT_DAY, run_id="quicker")
        return commit(catalog, table, requirements, updates)

    monkeypatch.setattr(SqlCatalog, "commit_table", slow)
    load(lake, warehouse, DAY, run_id="slower")
    assert [(each.seq, each.run_id) for each in warehouse.ledger()] == [(1, "quicker"), (2, "slower")]
    assert len(rows(warehouse)) == 6


@pytest.mark.parametrize(("mode", "days"), [("replace_partition", [DAY, NEXT_DAY]), ("append", [None, None])])
def test_a_ledger_that_lost_entries_is_not_believed(
    lake: Lake, warehouse: Warehouse, execute: Execute, mode: str, days: list[str | None]
) -> None:
    """Without them, nothing tells which objects an appended table already holds."""
    for number, (day, frame) in enumerate(zip(days, (A, B), strict=True)):
        publish(lake, frame, day, f"run-{number}")
        load(lake, warehouse, day, mode=mode, run_id=f"run-{number}")
    before = rows(warehouse)
    execute("DROP TABLE etl_ledger.loads")
    with pytest.raises(WarehouseError, match="lacks entries that mart") as refused:
        load(lake, warehouse, days[0], mode=mode)
    assert "etl set-aside" in refused.value.hint
    assert rows(warehouse) == before
    with warehouse.writing("mart", "orders", "set-aside") as table:
        table.set_aside()
    assert all(load(lake, warehouse, day, mode=mode).changed for day in dict.fromkeys(days))
    assert rows(warehouse) == (before if mode == "replace_partition" else B.rows())


def test_entries_of_a_table_that_was_moved_away_hinder_no_load_of_the_new_one(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    for day in (DAY, NEXT_DAY):
        publish(lake, A, day)
        load(lake, warehouse, day)
    with warehouse.writing("mart", "orders", "set-aside") as table:
        table.set_aside()
    for day in (DAY, NEXT_DAY):
        publish(lake, B, day, "run-2")
    request = request_of(lake, run_id="run-2")
    with warehouse.writing("mart", "orders", "run-2") as table:
        load(lake, opened(trino_place, tmp_path), NEXT_DAY, run_id="run-3")  # makes the table
        assert table.load(request, lake.local_copy(ref_of())).changed
    assert rows(warehouse) == sorted([*B.rows(), *B.rows()], key=str)


def test_upserts_at_once_of_a_table_that_another_mode_has_loaded_keep_every_row(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    days = [f"2026-01-0{number}" for number in range(1, 4)]
    options: dict[str, Any] = {"mode": "upsert", "keys": ["id"]}
    for number, day in enumerate(days):
        publish(lake, pl.DataFrame({"id": [1, 2, 3], "qty": [number] * 3}), day)
        load(lake, warehouse, day)
    assert len(rows(warehouse)) == 9
    failures = at_once(
        *(lambda day=day: load(local_lake(tmp_path), opened(trino_place, tmp_path), day, **options) for day in days)
    )
    assert failures == []
    assert rows(warehouse) == [(1, 2), (2, 2), (3, 2)]
    publish(lake, pl.DataFrame({"id": [1], "qty": [9]}), days[-1], "run-2")
    load(lake, warehouse, days[-1], **options)
    assert rows(warehouse) == [(1, 9), (2, 1), (3, 1)], "rows that others hid come back"
    for day in days:
        load(lake, warehouse, day)
    assert len(rows(warehouse)) == 7, "and all of them when the mode is left, each once"
    assert catalog.list_tables("etl_kept") == []
