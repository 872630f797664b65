"""Reconciliation finds each kind of difference, names it, and says to which day everything is complete."""

import contextlib
import itertools
import re
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
import typer

from etl.cli.set_aside import set_aside
from etl.cli.verify import verify
from etl.config import load_tenant
from etl.pipeline.verdict import Reconciliation
from etl.pipeline.verify import reconcile
from etl.running.reconcile_result import summary
from etl.settings import load_settings
from etl.warehouse import sql_warehouse
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from etl.warehouse.duckdb import DuckDBWarehouse
from tests.pipeline.stages import run_stages
from tests.tiny_project import DAYS, TinyProject, make_project

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAY = DAYS[1]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    project = make_project(tmp_path_factory.mktemp("loaded"))
    for day in DAYS:
        run_stages(project, partition=day)
    return project


@pytest.fixture
def project(loaded: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    shutil.copytree(loaded.root, tmp_path / "project")
    shutil.copytree(loaded.data, tmp_path / "data")
    copied = TinyProject(tmp_path / "project", tmp_path / "data")
    for name, value in copied.environ.items():
        monkeypatch.setenv(name, value)
    return copied


def found_in(project: TinyProject, **options: Any) -> Reconciliation:
    settings = load_settings(project.environ)
    config = load_tenant("acme", settings)
    warehouse = open_warehouse(WarehousePlace(), settings, "acme")
    url = f"sqlite:///{project.source}"
    return reconcile(config, config.pipelines["orders"], url, warehouse, settings, **{"now": NOW, **options})


def in_source(project: TinyProject, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(project.source)) as connection, connection:
        for each in statements:
            connection.execute(each)


def in_warehouse(project: TinyProject, *statements: str) -> None:
    with duckdb.connect(str(project.data / "warehouse" / "acme.duckdb")) as connection:
        for each in statements:
            connection.execute(each)


def change_and_refine_only(project: TinyProject) -> None:
    in_source(project, "UPDATE orders SET amount = 3 WHERE order_id = 203")
    run_stages(project, ("extract", "transfer"), DAY, run_id="newer")


def forget_the_load(project: TinyProject) -> None:
    in_warehouse(
        project,
        f"DELETE FROM shop.orders WHERE etl_partition = DATE '{DAY}'",
        f"DELETE FROM etl_ledger.loads WHERE partition = '{DAY}'",
    )


def lose_the_extract(project: TinyProject) -> None:
    (project.data / "lake" / "acme" / "extract" / "orders" / f"dt={DAY}" / "data.parquet").unlink()


def cut_the_extract(project: TinyProject) -> None:
    path = project.data / "lake" / "acme" / "extract" / "orders" / f"dt={DAY}" / "data.parquet"
    path.write_bytes(path.read_bytes()[:-9])


def change_the_transfer_file(project: TinyProject) -> None:
    """Other rows under the old footer."""
    path = project.data / "lake" / "acme" / "transfer" / "orders" / f"dt={DAY}" / "data.parquet"
    said = pq.read_metadata(path).metadata[b"etl"].decode()
    rows = pl.read_parquet(path, hive_partitioning=False).with_columns(name=pl.lit("changed"))
    rows.write_parquet(path, metadata={"etl": said})


def lose_the_transfer(project: TinyProject) -> None:
    (project.data / "lake" / "acme" / "transfer" / "orders" / f"dt={DAY}" / "data.parquet").unlink()


PLANTED: dict[str, tuple[Callable[[TinyProject], None], str]] = {
    "a row is missing in the warehouse": (
        lambda p: in_warehouse(p, "DELETE FROM shop.orders WHERE order_id = 205"),
        "20 rows published, 19 in",
    ),
    "a row is twice in the warehouse": (
        lambda p: in_warehouse(p, "INSERT INTO shop.orders SELECT * FROM shop.orders WHERE order_id = 205"),
        "20 rows published, 21 in",
    ),
    "a value has changed in the warehouse": (
        lambda p: in_warehouse(p, "UPDATE shop.orders SET amount = 7 WHERE order_id = 205"),
        "column `amount` differs between the transfer object and",
    ),
    "two rows have exchanged a value in the warehouse": (
        lambda p: in_warehouse(
            p,
            "UPDATE shop.orders SET name = CASE order_id WHEN 205 THEN '이름 6' ELSE '이름 5' END"
            " WHERE order_id IN (205, 206)",
        ),
        "the same values stand in other rows",
    ),
    "a value has changed in the source": (
        lambda p: in_source(p, "UPDATE orders SET amount = 7 WHERE order_id = 205"),
        "column `amount` differs",
    ),
    "two values have changed places": (
        lambda p: in_source(
            p,
            "UPDATE orders SET name = 'x' WHERE order_id = 205",
            "UPDATE orders SET name = '이름 5' WHERE order_id = 206",
        ),
        "column `name` differs",
    ),
    "a value has become null": (
        lambda p: in_source(p, "UPDATE orders SET name = NULL WHERE order_id = 205"),
        "column `name` differs",
    ),
    "a row came late": (
        lambda p: in_source(p, f"INSERT INTO orders VALUES (299, 'late', 1, '{DAY} 10:00:00')"),
        "21 rows in the source, 20 were extracted",
    ),
    "a row is gone from the source": (
        lambda p: in_source(p, "DELETE FROM orders WHERE order_id = 205"),
        "19 rows in the source, 20 were extracted",
    ),
    "a day was never loaded": (forget_the_load, "20 rows published, never loaded"),
    "an older object is loaded": (change_and_refine_only, "what is loaded is not what is published last (run newer)"),
    "a day was never extracted": (lose_the_extract, "20 rows in the source, never extracted"),
    "an object is no object any more": (cut_the_extract, "is not a complete Parquet file"),
    "an object was changed by hand": (change_the_transfer_file, "the rows of the transfer object are not those"),
    "a day was never refined": (lose_the_transfer, "the transfer stage was never published"),
}


def test_what_agrees_is_complete_to_its_last_day(project: TinyProject) -> None:
    found = found_in(project)
    assert found.status == "agrees"
    assert [each.partition for each in found.days] == list(DAYS)
    assert [(each.source_rows, each.published_rows, each.loaded_rows) for each in found.days] == [(20, 20, 20)] * 3
    assert found.complete_to == DAYS[-1]
    assert summary(found) == f"complete to {DAYS[-1]}"


@pytest.mark.parametrize("planted", PLANTED)
def test_a_difference_is_found_named_and_ends_what_is_complete(project: TinyProject, planted: str) -> None:
    plant, said = PLANTED[planted]
    before = {path: path.read_bytes() for path in project.published()}
    plant(project)
    changed = {path: path.read_bytes() for path in project.published()}
    found = found_in(project)
    assert found.status == "differs"
    (differing,) = [each for each in found.days if each.status == "differs"]
    assert differing.partition == DAY
    assert any(said in each.problem for each in differing.differences), differing.differences
    assert found.complete_to == DAYS[0]
    assert summary(found).startswith(f"complete to {DAYS[0]}; {DAY}: ")
    assert {path: path.read_bytes() for path in project.published()} == changed  # nothing is written
    assert before
    assert project.leftovers() == []


def moved_and_seen(project: TinyProject) -> None:
    in_warehouse(
        project,
        "ALTER TABLE shop.orders RENAME TO moved",
        "CREATE VIEW shop.orders AS SELECT * FROM shop.moved",
    )


OF_THE_TABLE: dict[str, tuple[Callable[[TinyProject], None], str]] = {
    name: (lambda p, sql=sql: in_warehouse(p, sql), said)  # type: ignore[misc]
    for name, sql, said in (
        (
            "rows without a partition",
            "INSERT INTO shop.orders SELECT * REPLACE (NULL AS etl_partition) FROM shop.orders LIMIT 3",
            "holds 3 rows without a partition",
        ),
        (
            "rows of a partition that was never loaded",
            "INSERT INTO shop.orders SELECT * REPLACE (DATE '2025-12-31' AS etl_partition) FROM shop.orders LIMIT 3",
            "holds 3 rows of partition 2025-12-31, which was never loaded",
        ),
        ("it is gone", "DROP TABLE shop.orders", "does not exist"),
        ("a column more", "ALTER TABLE shop.orders ADD COLUMN more INTEGER", "is in no published object"),
        ("a column less", "ALTER TABLE shop.orders DROP COLUMN name", "column `name` is not in"),
        ("a column has another name", "ALTER TABLE shop.orders RENAME name TO name2", "column `name` is not in"),
        ("another type", "ALTER TABLE shop.orders ALTER COLUMN cents TYPE VARCHAR", "a load makes BIGINT"),
    )
} | {"a view stands there": (moved_and_seen, "is no table but a view")}


def obey(remedy: str, project: TinyProject) -> None:
    """Do what a remedy says: its commands, in their order, as plain functions."""
    commands = [each.split() for each in re.findall(r"`etl ([^`]+)`", remedy)]
    assert commands, remedy
    for command, tenant, *words in commands:
        assert tenant == "acme"
        if command == "set-aside":
            set_aside(tenant, words[0], yes=True)
        elif command == "run":
            given = dict(itertools.pairwise(words))
            stages = ("load",) if given.get("--stage") == "load" else ("extract", "transfer", "load")
            first, last = (DAYS.index(given[each]) for each in ("--from", "--to"))
            for day in DAYS[first : last + 1]:
                run_stages(project, stages, day, run_id="remedy", reload="--reload" in words)


@pytest.mark.parametrize(
    ("planted", "mode"),
    [
        *((planted, "replace_partition") for planted in [*PLANTED, *OF_THE_TABLE]),
        *((planted, "upsert") for planted in OF_THE_TABLE),
        *(pytest.param(planted, "upsert", marks=pytest.mark.slow) for planted in PLANTED),
    ],
)
def test_the_remedy_of_everything_that_is_found_mends_it(project: TinyProject, planted: str, mode: str) -> None:
    plant, said = (PLANTED | OF_THE_TABLE)[planted]
    if mode == "upsert":
        project.write_pipeline({"trino_output": {"mode": mode}})
        for day in DAYS:
            run_stages(project, ("load",), day, run_id=mode)
    plant(project)
    found = found_in(project)
    assert found.status == "differs"
    assert any(said in finding.problem for _, finding in found.differing), found.differing
    for remedy in dict.fromkeys(finding.remedy for _, finding in found.differing):
        obey(remedy, project)
    mended = found_in(project)
    assert mended.status == "agrees", [str(finding) for _, finding in mended.differing]


KEPT = 'etl_kept."shop.orders"'
OF_THE_LEDGER = {
    "a kept row has changed": ("upsert", f"UPDATE {KEPT} SET amount = 7 WHERE order_id = 205", "keeps of it are not"),
    "a kept row is gone": ("upsert", f"DELETE FROM {KEPT} WHERE order_id = 205", "keeps of it are not"),
    "no row is kept": ("upsert", f"DROP TABLE {KEPT}", "keeps of it are not"),
    "the number of a load has changed": (
        "append",
        "UPDATE shop.orders SET etl_load = etl_load - 1 WHERE order_id = 205",
        "rows carry another `etl_load` than",
    ),
    "rows lost the number of their load": (
        "append",
        "UPDATE shop.orders SET etl_load = NULL WHERE order_id = 205",
        "rows carry another `etl_load` than",
    ),
    "the ledger counts other rows": (
        "replace_partition",
        f"UPDATE etl_ledger.loads SET rows = rows * 2 WHERE partition = '{DAY}'",
        "the ledger says that 40 rows were loaded, the object holds 20",
    ),
}


@pytest.mark.parametrize("planted", OF_THE_LEDGER)
def test_what_loads_keep_for_themselves_is_compared_and_its_remedy_mends_it(project: TinyProject, planted: str) -> None:
    mode, sql, said = OF_THE_LEDGER[planted]
    project.write_pipeline({"trino_output": {"mode": mode}})
    if mode == "append":
        in_warehouse(project, "DROP TABLE shop.orders", "DELETE FROM etl_ledger.loads")
    for day in DAYS:
        run_stages(project, ("load",), day, run_id=mode)
    assert found_in(project).status == "agrees"
    in_warehouse(project, sql)
    found = found_in(project)
    assert any(said in finding.problem for _, finding in found.differing), found
    for remedy in dict.fromkeys(finding.remedy for _, finding in found.differing):
        obey(remedy, project)
    mended = found_in(project)
    assert mended.status == "agrees", [str(finding) for _, finding in mended.differing]


def test_a_table_of_which_the_ledger_says_nothing_is_set_aside_and_made_anew(project: TinyProject) -> None:
    for mode in ("upsert", "replace"):
        project.write_pipeline(
            {"date_column": None, "partitions": None, "trino_output": {"mode": mode, "target_table": mode}}
        )
        run_stages(project, partition=None, run_id=mode)
        in_warehouse(project, f"DELETE FROM etl_ledger.loads WHERE table_name = '{mode}'")
        found = found_in(project)
        remedies = {finding.remedy for _, finding in found.differing}
        assert any("the ledger names no load of it" in finding.problem for _, finding in found.differing)
        assert len(remedies) == 1
        assert "`etl set-aside acme orders --yes`" in remedies.pop()


def test_a_day_outside_the_pipeline_has_no_command_that_is_refused(project: TinyProject) -> None:
    in_source(project, "UPDATE orders SET amount = 3 WHERE order_id = 103")
    run_stages(project, ("extract", "transfer"), DAYS[0], run_id="newer")
    project.write_pipeline({"partitions": {"start": DAYS[1], "end": DAYS[-1]}})
    remedies = [finding.remedy for _, finding in found_in(project).differing]
    assert remedies
    for remedy in remedies:
        assert f"let `partitions` have {DAYS[0]} in tenants/acme/config.yaml, then" in remedy


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_table_that_begins_to_collect_snapshots_agrees(project: TinyProject, mode: str) -> None:
    whole: dict[str, Any] = {"date_column": None, "partitions": None}
    for each in (mode, "append"):
        project.write_pipeline({**whole, "trino_output": {"mode": each, "target_table": "snapshots"}})
        run_stages(project, partition=None, run_id=each)
        in_source(project, "UPDATE orders SET amount = amount + 1 WHERE order_id = 203")
        run_stages(project, partition=None, run_id=f"{each} again")
    found = found_in(project)
    assert found.status == "agrees", [str(finding) for _, finding in (*found.differing, *found.unknown)]


def test_what_was_not_compared_has_a_remedy_too(project: TinyProject) -> None:
    for options, remedy in (
        ({"days": 1}, "`etl verify acme --pipeline orders`"),
        ({"max_rows": 3}, "`etl verify acme --pipeline orders --max-rows 20`"),
    ):
        found = found_in(project, **options)
        assert {finding.remedy for _, finding in found.unknown} == {remedy}
        assert remedy in summary(found)
    project.write_pipeline({"partitions": {"start": "2999-01-01", "end": None, "lookback_days": 2}})
    remedies = [finding.remedy for _, finding in found_in(project).unknown]
    assert "`etl verify acme --pipeline orders` on 2999-01-04 or later" in remedies


@pytest.mark.parametrize("partitions", [{"end": DAYS[1]}, {"start": DAYS[1]}])
def test_days_that_the_pipeline_does_not_have_any_more_are_told(
    project: TinyProject, partitions: dict[str, Any]
) -> None:
    project.write_pipeline({"partitions": partitions})
    found = found_in(project)
    assert found.status == "not_compared", found
    told = [finding.problem for _, finding in found.unknown]
    assert sum("1 days that the pipeline does not have" in each for each in told) == 2, told


def test_an_object_of_a_day_that_the_pipeline_never_had_is_told(project: TinyProject) -> None:
    folder = project.data / "lake" / "acme" / "extract" / "orders"
    shutil.copytree(folder / f"dt={DAY}", folder / "dt=2026-01-09")
    assert found_in(project).status == "not_compared"


def test_the_warehouse_is_opened_once_for_all_days(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], DuckDBWarehouse.connect

    def counted(warehouse: DuckDBWarehouse, *, read_only: bool) -> Any:
        opened.append(read_only)
        return connect(warehouse, read_only=read_only)

    monkeypatch.setattr(DuckDBWarehouse, "connect", counted)
    monkeypatch.setattr(sql_warehouse, "KEPT_SECONDS", 600)
    assert found_in(project).status == "agrees"
    assert opened == [True]
    monkeypatch.setattr(sql_warehouse, "KEPT_SECONDS", 0)  # a load of another process gets its turn between two days
    assert found_in(project).status == "agrees"
    assert len(opened) > 1 + len(DAYS)


def test_nothing_anywhere_is_not_green(project: TinyProject) -> None:
    in_source(project, "DELETE FROM orders")
    project.write_pipeline({"allow_empty": True})
    for day in DAYS:
        run_stages(project, partition=day, run_id="empty")
    found = found_in(project)
    assert (found.status, found.complete_to) == ("not_compared", None)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE shop.orders ALTER COLUMN created_at TYPE VARCHAR",
        "ALTER TABLE shop.orders ALTER COLUMN etl_partition TYPE VARCHAR",
        "ALTER TABLE shop.orders ALTER COLUMN order_id TYPE VARCHAR",
        "ALTER TABLE shop.orders RENAME COLUMN name TO nom",
    ],
)
@pytest.mark.parametrize("mode", ["upsert", "replace_partition"])
def test_a_column_that_was_changed_in_the_table_ends_nothing(project: TinyProject, mode: str, statement: str) -> None:
    project.write_pipeline({"trino_output": {"mode": mode}})
    for day in DAYS:
        run_stages(project, ("load",), day, run_id=mode)
    in_warehouse(project, statement)
    assert found_in(project).status in ("differs", "not_compared")


def test_a_source_that_cannot_be_read_is_not_compared_and_named(project: TinyProject) -> None:
    in_source(project, "ALTER TABLE orders RENAME TO moved")
    found = found_in(project)
    assert found.status == "not_compared"
    assert "orders" in found.not_compared[0].problem


@pytest.mark.parametrize("mode", ["upsert", "append", "replace_partition"])
def test_the_table_of_each_mode_is_compared(project: TinyProject, mode: str) -> None:
    project.write_pipeline({"trino_output": {"mode": mode, "target_table": "by_mode"}})
    for day in DAYS:
        run_stages(project, ("load",), day, run_id=mode)
    found = found_in(project)
    assert found.status == "agrees", found
    in_warehouse(project, "DELETE FROM shop.by_mode WHERE order_id % 100 = 5")
    assert {each.status for each in found_in(project).days} == {"differs"}
    in_warehouse(project, "DROP TABLE shop.by_mode")
    assert '"by_mode" does not exist' in found_in(project).differences[-1].problem


def test_older_snapshots_of_an_appended_table_are_compared_by_their_digest(project: TinyProject) -> None:
    project.write_pipeline(
        {"date_column": None, "partitions": None, "trino_output": {"mode": "append", "target_table": "snapshots"}}
    )
    run_stages(project, partition=None, run_id="first")
    in_source(project, "UPDATE orders SET amount = 3 WHERE order_id = 203")
    run_stages(project, partition=None, run_id="second")
    undamaged = found_in(project)
    assert (undamaged.status, undamaged.days[0].loaded_rows) == ("agrees", 60), undamaged
    changes = {
        "UPDATE shop.snapshots SET name = {} WHERE order_id = 205 AND etl_load = 4": ("'x'", "'이름 5'"),
        "UPDATE shop.snapshots SET etl_load = {} WHERE order_id = 305 AND name IS NOT NULL": ("4", None),
    }
    for statement, (damage, repair) in changes.items():
        in_warehouse(project, statement.format(damage))
        damaged = found_in(project)
        assert damaged.status == "differs", (statement, damaged)
        assert (
            "the rows of the snapshot that run first loaded are not those that stand in"
            in damaged.differences[0].problem
        )
        if repair:
            in_warehouse(project, statement.format(repair))
            assert found_in(project).status == "agrees"


@pytest.mark.parametrize("digest", ["NULL", "'duckdb-0.1:5:60:1'"])
def test_a_snapshot_without_a_digest_of_this_release_is_not_compared(project: TinyProject, digest: str) -> None:
    project.write_pipeline(
        {"date_column": None, "partitions": None, "trino_output": {"mode": "append", "target_table": "snapshots"}}
    )
    for amount in (3, 4):
        in_source(project, f"UPDATE orders SET amount = {amount} WHERE order_id = 203")
        run_stages(project, partition=None, run_id=f"run-{amount}")
    in_warehouse(project, f"UPDATE etl_ledger.loads SET digest = {digest} WHERE run_id = 'run-3'")
    found = found_in(project)
    assert (found.status, found.differences) == ("not_compared", ())
    assert "60 rows of earlier snapshots" in summary(found)


def test_a_day_too_large_to_be_compared_is_said_and_is_not_green(project: TinyProject) -> None:
    found = found_in(project, max_rows=19)
    assert found.status == "not_compared"
    assert found.complete_to is None
    assert "not compared: 2026-01-01: the values of 20 rows were not compared" in summary(found)


def test_where_nothing_is_settled_nothing_is_green(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write_pipeline({"partitions": {"start": "2999-01-01", "end": None}})
    found = found_in(project)
    assert (found.status, found.days, found.undated) == ("not_compared", (), 60)
    assert summary(found).startswith("not compared: there is no settled day yet -> `etl verify acme")
    assert summary(found).endswith("60 rows of the source belong to no partition")


def test_a_source_that_cannot_be_read_again_is_no_pass(project: TinyProject) -> None:
    in_source(project, "UPDATE orders SET name = x'ff' WHERE order_id = 205")
    found = found_in(project)
    assert (found.status, found.complete_to) == ("not_compared", DAYS[0])
    assert "`name`" in found.days[1].not_compared[0].problem


def test_a_difference_on_the_first_day_leaves_nothing_complete(project: TinyProject) -> None:
    in_warehouse(project, "DELETE FROM shop.orders WHERE order_id = 105")
    found = found_in(project)
    assert found.complete_to is None
    assert summary(found).startswith(f"{DAYS[0]}: ")


def test_days_whose_late_rows_may_still_come_are_not_judged(project: TinyProject) -> None:
    project.write_pipeline({"partitions": {"lookback_days": 1, "end": None}})
    in_source(project, f"INSERT INTO orders VALUES (399, 'late', 1, '{DAYS[2]} 10:00:00')")
    just_after = datetime(2026, 1, 3, 16, tzinfo=UTC)  # 01:00 on the 4th in Seoul; the 3rd may still change
    found = found_in(project, now=just_after)
    assert [each.partition for each in found.days] == list(DAYS[:2])
    assert found.status == "agrees"
    (note,) = found.notes
    assert "2026-01-03 is not settled yet (`lookback`)" in note.problem
    assert note.remedy.endswith("on 2026-01-05 or later")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE shop.orders SET cents = -9 WHERE order_id = 305",
        "DELETE FROM shop.orders WHERE etl_partition = '2026-01-03'",
        "INSERT INTO shop.orders SELECT * FROM shop.orders WHERE order_id = 305",
    ],
)
def test_the_table_and_the_objects_of_days_that_may_still_change_are_compared(
    project: TinyProject, damage: str
) -> None:
    project.write_pipeline({"partitions": {"lookback_days": 1, "end": None}})
    just_after = datetime(2026, 1, 3, 16, tzinfo=UTC)
    in_warehouse(project, damage)
    found = found_in(project, now=just_after)
    assert found.status == "differs"
    assert found.differences[0].problem.startswith("2026-01-03: ")


@pytest.mark.parametrize("stage", ["extract", "transfer"])
def test_an_object_of_a_day_that_may_still_change_is_missed(project: TinyProject, stage: str) -> None:
    project.write_pipeline({"partitions": {"lookback_days": 1, "end": None}})
    shutil.rmtree(project.data / "lake" / "acme" / stage / "orders" / "dt=2026-01-03")
    found = found_in(project, now=datetime(2026, 1, 3, 16, tzinfo=UTC))
    assert found.status == "differs"
    assert all(each.problem.startswith("2026-01-03: ") for each in found.differences)


def test_objects_of_days_that_the_clock_has_not_reached_are_named_and_nothing_is_green(project: TinyProject) -> None:
    found = found_in(project, now=datetime(2026, 1, 2, 16, tzinfo=UTC))
    assert found.status == "not_compared"
    assert "extract: objects of 1 day (2026-01-03 to 2026-01-03) that, by this machine's clock" in summary(found)


def test_days_that_were_left_out_are_named_and_nothing_is_green(project: TinyProject) -> None:
    found = found_in(project, days=2)
    assert [each.partition for each in found.days] == list(DAYS[1:])
    assert (found.status, found.complete_to) == ("not_compared", None)
    assert "1 days before 2026-01-02 were not compared (`--days 2`)" in summary(found)
    in_warehouse(project, "DELETE FROM shop.orders WHERE order_id = 105")
    assert "2026-01-01: 20 rows published, 19 in" in found_in(project, days=2).differences[0].problem


def test_rejected_rows_are_counted_and_are_no_difference(project: TinyProject) -> None:
    rule = {"column": "cents", "type": "in_range", "max": 1500}
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [rule]}})
    run_stages(project, ("transfer", "load"), DAY, run_id="strict")
    (day,) = [each for each in found_in(project).days if each.partition == DAY]
    assert (day.source_rows, day.published_rows, day.quarantined_rows, day.loaded_rows) == (20, 15, 5, 15)
    assert day.status == "agrees"


@pytest.mark.parametrize("transferred", [True, False])
def test_rows_that_the_extract_rejected_are_counted_too(project: TinyProject, transferred: bool) -> None:
    rules = [
        {"column": "amount", "type": "in_range", "max": 15, "stage": "extract"},
        {"column": "cents", "type": "in_range", "max": 1300},
    ]
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": rules}})
    run_stages(project, partition=DAY, run_id="strict")
    if not transferred:
        lose_the_transfer(project)
    (day,) = [each for each in found_in(project).days if each.partition == DAY]
    assert (day.source_rows, day.published_rows, day.quarantined_rows) == ((20, 13, 7) if transferred else (20, 0, 5))
    assert day.status == ("agrees" if transferred else "differs")


def test_the_command_says_what_differs_and_ends_with_1(
    project: TinyProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    verify("acme")
    assert f"complete to {DAYS[-1]}" in capsys.readouterr().out
    in_warehouse(project, "DELETE FROM shop.orders WHERE order_id = 205")
    with pytest.raises(typer.Exit) as ended:
        verify("acme")
    assert ended.value.exit_code == 1
    assert "20 rows published, 19 in" in capsys.readouterr().out
