"""Kill, fail and fill the disk at every step of publishing and loading: what readers see, and what a repetition makes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from etl import faults
from etl.errors import EtlError
from etl.warehouse.contract import TrinoPlace, Warehouse
from tests.lake.objects import DAY, files_below, load, local_lake, publish, ref_of, s3_lake
from tests.servers.object_store import ObjectStore
from tests.servers.trino import in_clear
from tests.warehouse.fault_steps import NEW, OLD, OTHER, big, open_for, step

pytestmark = pytest.mark.slow  # processes that are stopped at each point of a load

EARLIER = "2025-12-31"
PROCESS = """
import sys, pathlib
from tests.warehouse.fault_steps import step
from etl.settings import load_settings
step(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], bucket=sys.argv[4], s3=load_settings().s3, url=sys.argv[5])
"""

PUBLISH_POINTS = ["lake.staged", "lake.verified", "lake.stamped", "lake.published"]
LOCAL_POINTS = [*PUBLISH_POINTS, "lake.before_rename", "lake.renamed"]
S3_POINTS = [*PUBLISH_POINTS, "lake.upload.begin", "lake.upload.part", "lake.uploaded"]
LOAD_POINTS = [
    "warehouse.locked", "warehouse.opened", "warehouse.begin", "warehouse.shaped", "warehouse.deleted",
    "warehouse.inserted", "warehouse.ledger", "warehouse.before_commit", "warehouse.committed", "warehouse.closed",
]  # fmt: skip
POSTGRES_POINTS = [
    "warehouse.locked", "warehouse.staged", "warehouse.begin", "warehouse.deleted", "warehouse.inserted",
    "warehouse.ledger", "warehouse.before_commit", "warehouse.committed",
]  # fmt: skip
TRINO_POINTS = [
    "warehouse.locked", "warehouse.begin", "warehouse.shaped", "warehouse.uploaded", "warehouse.staged",
    "warehouse.inserted", "warehouse.before_commit", "warehouse.committed", "warehouse.entered",
]  # fmt: skip
TRINO_UPSERT_POINTS = [
    "warehouse.shaped", "warehouse.ranked", "warehouse.staged", "warehouse.kept", "warehouse.committed",
    "warehouse.entered",
]  # fmt: skip
AFTER = {
    "lake.renamed", "lake.uploaded", "lake.published", "warehouse.committed", "warehouse.closed", "warehouse.entered",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One step that is stopped by a fault and then repeated."""

    folder: Path
    what: str
    mode: str = "replace_partition"
    store: ObjectStore | None = None
    bucket: str = ""
    url: str = ""

    def kill_at(self, point: str) -> None:
        """In a process of its own, which does not come back."""
        environ = {**os.environ, **(self.store.environ if self.store else {}), "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-c", PROCESS, str(self.folder), self.what, self.mode, self.bucket, self.url]
        done = subprocess.run(
            command, env={**environ, "ETL_FAULT": f"{point}=kill"}, check=False, capture_output=True, timeout=120
        )
        assert done.returncode == -9, done.stderr

    def fail_at(self, point: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
        faults._reached.clear()
        monkeypatch.setenv("ETL_FAULT", f"{point}={action}")
        with pytest.raises(EtlError, match="fault injected") as raised:
            self.repeat()
        assert "a-very-secret-key" not in str(raised.value)
        monkeypatch.delenv("ETL_FAULT")

    def stop_at(self, point: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
        if action == "kill":
            self.kill_at(point)
        else:
            self.fail_at(point, action, monkeypatch)

    def repeat(self) -> None:
        s3 = self.store.settings if self.store else None
        step(self.folder, self.what, self.mode, bucket=self.bucket, s3=s3, url=self.url)


@pytest.mark.parametrize(("point", "action"), [*((each, "kill") for each in LOCAL_POINTS), ("lake.stamped", "full")])
def test_publishing_that_stops_shows_the_old_object_or_the_new_one_and_is_repeated(
    tmp_path: Path, point: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = local_lake(tmp_path)
    publish(lake, OLD)
    case = Case(tmp_path, "publish")
    case.stop_at(point, action, monkeypatch)
    seen = lake.scan([ref_of()]).collect()
    assert seen.equals(NEW if point in AFTER else OLD)
    case.repeat()
    assert lake.scan([ref_of()]).collect().equals(NEW)
    lake.close()
    assert files_below(tmp_path / "staging") == []
    assert files_below(tmp_path / "lake") == ["acme/extract/orders/dt=2026-01-01/data.parquet"]


@pytest.mark.parametrize(("point", "action"), [*((each, "kill") for each in S3_POINTS), ("lake.upload.part", "raise")])
def test_an_upload_that_stops_shows_the_old_object_or_the_new_one_and_is_repeated(
    tmp_path: Path, object_store: ObjectStore, bucket: str, point: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = s3_lake(tmp_path, object_store.settings, bucket)
    publish(lake, OLD)
    case = Case(tmp_path, "publish", store=object_store, bucket=bucket)
    case.stop_at(point, action, monkeypatch)
    seen = lake.scan([ref_of()]).collect()
    assert seen.equals(NEW if point in AFTER else OLD)
    assert object_store.pending_uploads(bucket) == []
    case.repeat()
    assert lake.scan([ref_of()]).collect().equals(NEW)
    lake.close()
    assert files_below(tmp_path / "staging") == []
    assert object_store.keys(bucket) == ["lake/acme/extract/orders/dt=2026-01-01/data.parquet"]


@pytest.mark.parametrize("action", ["kill", "raise"])
def test_an_upload_that_stops_half_way_leaves_nothing_visible_and_nothing_pending(
    tmp_path: Path, object_store: ObjectStore, bucket: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(tmp_path, "publish big", store=object_store, bucket=bucket)
    case.stop_at("lake.upload.part@3", action, monkeypatch)
    assert object_store.keys(bucket) == []
    assert object_store.pending_uploads(bucket) == []
    case.repeat()
    lake = s3_lake(tmp_path, object_store.settings, bucket)
    assert lake.scan([ref_of()]).collect().equals(big())
    assert lake.partitions("acme", "extract", "orders") == (DAY,)


@pytest.mark.parametrize(
    ("point", "mode", "action"),
    [
        *((each, "replace_partition", "kill") for each in LOAD_POINTS),
        *(
            (each, "upsert", "kill")
            for each in ("warehouse.ranked", "warehouse.kept", "warehouse.deleted", "warehouse.ledger")
        ),
        ("warehouse.ledger", "append", "kill"),
        *((each, "replace_partition", "full") for each in LOAD_POINTS[:8]),
    ],
)
def test_a_load_that_stops_shows_all_of_it_or_nothing_and_is_repeated(
    tmp_path: Path, point: str, mode: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check_load(Case(tmp_path, "both", mode), point, action, monkeypatch)


@pytest.mark.parametrize(
    ("point", "action"), [*((each, "kill") for each in POSTGRES_POINTS), ("warehouse.inserted", "raise")]
)
def test_a_load_into_postgresql_that_stops_shows_all_of_it_or_nothing_and_is_repeated(
    tmp_path: Path, point: str, action: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check_load(Case(tmp_path, "both", url=postgres_url), point, action, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("point", "mode", "action"),
    [
        *((each, "replace_partition", "kill") for each in TRINO_POINTS),
        *((each, "upsert", "kill") for each in TRINO_UPSERT_POINTS),
        ("warehouse.committed", "append", "kill"),
        ("warehouse.staged", "replace_partition", "full"),
        ("warehouse.before_commit", "replace_partition", "raise"),
    ],
)
def test_a_load_into_iceberg_that_stops_shows_all_of_it_or_nothing_and_is_repeated(
    tmp_path: Path, point: str, mode: str, action: str, trino_place: TrinoPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check_load(Case(tmp_path, "both", mode, url=in_clear(trino_place)), point, action, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("action", "is_first"), [("kill", False), ("kill", True), ("raise", False)])
def test_an_upsert_that_stops_between_its_rows_and_its_entry_is_decided_again(
    tmp_path: Path, action: str, trino_place: TrinoPlace, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    case = Case(tmp_path, "both", "upsert", url=in_clear(trino_place))
    warehouse, lake = open_for(case.folder, case.url), local_lake(case.folder)
    if not is_first:
        publish(lake, OLD, DAY)
        load(lake, warehouse, DAY, mode="upsert", keys=["id"], order="qty")
    case.stop_at("warehouse.merged", action, monkeypatch)
    count = "SELECT count(*) AS n FROM mart.orders"
    assert warehouse.query(count).item() == NEW.height  # of this day all rows, although the ledger does not say so yet
    assert len(warehouse.ledger()) == (0 if is_first else 1)
    publish(lake, OTHER, DAY, "run-3")  # and the rows that no entry names are gone as soon as another object is loaded
    assert load(lake, warehouse, DAY, mode="upsert", keys=["id"], order="qty", run_id="run-3").changed
    assert warehouse.query(count).item() == OTHER.height
    lake.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("before", "after", "point"),
    [("replace_partition", "upsert", "warehouse.filled"), ("upsert", "replace_partition", "warehouse.given_back")],
)
def test_a_change_of_the_mode_that_stops_half_way_is_repeated(
    tmp_path: Path, before: str, after: str, point: str, trino_place: TrinoPlace
) -> None:
    case = Case(tmp_path, "both", after, url=in_clear(trino_place))
    warehouse, lake = open_for(case.folder, case.url), local_lake(case.folder)
    same = OLD.with_columns(qty=pl.lit(0, pl.Int64))  # hidden by the rows of the other day, if keys count
    for day, frame in ((EARLIER, same), (DAY, OLD)):
        publish(lake, frame, day)
        load(lake, warehouse, day, mode=before, keys=["id"], order="qty")
    case.kill_at(point)
    case.repeat()
    found = warehouse.query(
        "SELECT qty, count(*), count(DISTINCT id) FROM mart.orders GROUP BY qty ORDER BY qty"
    ).rows()
    assert found == ([(0, 400, 400)] if after == "upsert" else [(0, 1000, 1000)]) + [(2, NEW.height, NEW.height)]
    assert [each.seq for each in warehouse.ledger()] == [1, 2, 3]
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'etl_kept'"
    kept = {each.partition("orders")[0] for each in warehouse.query(tables)["table_name"].to_list()}
    assert kept == ({"mart_"} if after == "upsert" else set())  # with the draft of the one that was killed
    lake.close()


def _check_load(case: Case, point: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse, lake, mode = open_for(case.folder, case.url), local_lake(case.folder), case.mode
    publish(lake, OTHER, EARLIER)
    load(lake, warehouse, EARLIER, mode=mode, keys=["id"], order="qty")
    first = OTHER.height
    if mode != "append":
        publish(lake, OLD, DAY)
        load(lake, warehouse, DAY, mode=mode, keys=["id"], order="qty")
        first = OLD.height + OTHER.height
    expected = 1200
    before = len(warehouse.ledger())
    case.stop_at(point, action, monkeypatch)
    done = point in AFTER
    count = "SELECT count(*) AS n FROM mart.orders"
    assert warehouse.query(count).item() == (expected if done else first)
    assert len(warehouse.ledger()) == before + done
    case.repeat()
    _is_as_undisturbed(warehouse, before + 1)
    assert warehouse.query(count).item() == expected
    lake.close()
    assert files_below(case.folder / "staging") == []
    if case.url.startswith("{"):
        assert not [each for each in files_below(case.folder / "warehouse") if "etl-trino" not in each]
    elif case.url:
        assert warehouse.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'etl_staging'").item() == 0
    else:
        assert files_below(case.folder / "warehouse") == ["acme.duckdb"]


def _is_as_undisturbed(warehouse: Warehouse, entries: int) -> None:
    query = warehouse.query
    rows = dict(query("SELECT id, qty FROM mart.orders").rows())
    expected = {row["id"]: row["qty"] for row in NEW.to_dicts()}
    expected |= {row["id"]: row["qty"] for row in OTHER.to_dicts()}
    assert rows == expected
    ledger = warehouse.ledger()
    assert len(ledger) == entries
    assert [each.seq for each in ledger] == list(range(1, entries + 1))
    assert ledger[-1].rows == NEW.height
