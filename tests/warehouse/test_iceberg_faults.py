"""What goes wrong around a load on a cluster: said with a remedy, nothing half-visible, and the next load goes on."""

import os
import signal
import threading
import time
import uuid
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from pyiceberg.catalog import Catalog as PyIcebergCatalog

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse import iceberg_commit
from etl.warehouse.contract import TrinoPlace, Warehouse
from etl.warehouse.trino_session import driver
from tests.faults.proxy import proxy
from tests.lake.objects import DAY, NEXT_DAY, load, publish
from tests.servers.seaweed import READER, READER_SECRET
from tests.servers.trino import Catalog, TrinoServer, place_of, serving
from tests.warehouse.cluster import A, B, catalog, lake, opened, rows, warehouse

__all__ = ["catalog", "lake", "warehouse"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_store_that_asks_to_slow_down_is_named_and_the_next_load_goes_on(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, trino_place: TrinoPlace
) -> None:
    publish(lake, A)
    load(lake, warehouse)
    frame, hints = A, list[str]()
    with proxy(trino_place.iceberg["s3.endpoint"].get_secret_value()) as way:
        iceberg = {**trino_place.iceberg, "s3.endpoint": SecretStr(way.url)}
        through = opened(trino_place.model_copy(update={"iceberg": iceberg}), tmp_path)
        for nth in (2, 9, 999):
            frame = frame.with_columns(pl.col("qty") + 1)
            publish(lake, frame, run_id=f"run-{nth}")
            before = rows(warehouse)
            way.arm(nth, "throttle")
            try:
                load(lake, through, run_id=f"run-{nth}")
            except WarehouseError as error:
                hints.append(str(error))
            assert rows(warehouse) in (before, frame.rows()), "one of the two, whole"
    assert len(hints) == 2
    assert all("too many requests" in each for each in hints), hints
    assert rows(warehouse) == frame.rows()
    load(lake, warehouse)
    assert not load(lake, warehouse).changed
    assert len({each.seq for each in warehouse.ledger()}) == len(warehouse.ledger())


def test_a_trino_that_may_not_read_or_write_the_files_is_told_and_nothing_is_half_there(
    lake: Lake,
    warehouse: Warehouse,
    catalog: PyIcebergCatalog,
    tmp_path: Path,
    trino: TrinoServer,
    trino_catalog: Catalog,
    trino_place: TrinoPlace,
) -> None:
    publish(lake, A)
    iceberg = {"name": SecretStr(trino_catalog.name), **trino_place.iceberg}
    keys = {"blind": "another-secret-key", "reader": READER_SECRET}
    for name, secret in keys.items():
        other = f"{trino_catalog.name}_{name}"
        trino.show(trino_catalog, other, **{"s3.aws-access-key": READER, "s3.aws-secret-key": secret})
        through = opened(trino_place.model_copy(update={"catalog": other, "iceberg": iceberg}), tmp_path)
        with pytest.raises(WarehouseError) as refused:
            load(lake, through, mode="upsert", keys=["id"])
        assert "bucket" in refused.value.hint, refused.value
        assert secret not in str(refused.value)
        if name == "blind":
            assert not catalog.namespace_exists("mart")
    assert rows(warehouse) == []
    assert warehouse.ledger() == ()
    assert load(lake, warehouse, mode="upsert", keys=["id"]).changed
    assert rows(warehouse) == A.rows()


def test_a_trino_that_is_killed_in_the_middle_of_a_merge(
    lake: Lake, tmp_path: Path, trino: TrinoServer, trino_place: TrinoPlace
) -> None:
    """The table is as it was or as it will be, and the next load, on the Trino that runs then, ends as if undisturbed."""
    big = pl.DataFrame({"id": range(60_000), "qty": [1] * 60_000})
    newer = big.with_columns(pl.col("id") + 30_000, qty=pl.lit(2, pl.Int64))
    count_by_qty = "SELECT qty, count(*), count(DISTINCT id) FROM mart.orders GROUP BY qty ORDER BY qty"
    with serving(trino.postgres, trino.store) as dying:
        shown = dying.make_catalog(f"killed_{uuid.uuid4().hex[:8]}")
        there = opened(place_of(dying, shown), tmp_path)
        publish(lake, big, DAY)
        load(lake, there, DAY, mode="upsert", keys=["id"])
        publish(lake, newer, NEXT_DAY)
        killer = threading.Thread(target=kill_in_merge, args=(dying,))
        killer.start()
        with pytest.raises(WarehouseError) as refused:
            load(lake, there, NEXT_DAY, mode="upsert", keys=["id"])
        killer.join()
        assert "check that Trino runs at" in refused.value.hint, refused.value
    trino.show(shown)
    again = opened(place_of(trino, shown), tmp_path)
    old, new = [(1, 60_000, 60_000)], [(1, 30_000, 30_000), (2, 60_000, 60_000)]
    assert again.query(count_by_qty).rows() in (old, new)
    assert len(again.ledger()) == 1
    assert load(lake, again, NEXT_DAY, mode="upsert", keys=["id"]).changed
    assert again.query(count_by_qty).rows() == new
    assert [each.seq for each in again.ledger()] == [1, 2]
    assert not any(load(lake, again, day, mode="upsert", keys=["id"]).changed for day in (DAY, NEXT_DAY))


def test_a_trino_that_ends_between_the_commit_and_the_digest_is_told_and_the_next_load_makes_it(
    lake: Lake, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, A)
    load(lake, warehouse)
    publish(lake, B, run_id="run-2")

    def away(*_: object) -> str:
        raise driver().exceptions.TrinoConnectionError("failed to execute: connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(iceberg_commit, "digest", away)
        with pytest.raises(WarehouseError) as refused:
            load(lake, warehouse, run_id="run-2")
    assert "check that Trino runs at" in refused.value.hint
    assert rows(warehouse) == B.rows()
    assert [each.run_id for each in warehouse.ledger()] == ["run-1", "run-2"]
    assert not load(lake, warehouse, run_id="run-3").changed
    assert all(each.digest for each in warehouse.ledger())


def kill_in_merge(server: TrinoServer) -> None:
    """Kill the server as soon as it runs a MERGE."""
    running = "SELECT count(*) FROM system.runtime.queries WHERE state = 'RUNNING' AND query LIKE 'MERGE%'"
    deadline = time.monotonic() + 120
    while server.rows(running) == [[0]] and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(server.pid, signal.SIGKILL)
