"""Extract, transfer and load as plain functions: what they publish, what they refuse, what a second run changes."""

import hashlib
import json
import sqlite3
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import AuditBlocked, LakeError, SourceError, TransformError
from tests.pipeline.stages import kept, lake_rows, ledger, run_stage, run_stages, table
from tests.tiny_project import DAYS, ROWS_PER_DAY, TinyProject


def change_source(project: TinyProject, *statements: str) -> None:
    with sqlite3.connect(project.source) as connection:
        for each in statements:
            connection.execute(each)
    connection.close()


def test_the_three_stages_bring_every_row_of_every_day_to_the_warehouse(project: TinyProject) -> None:
    for day in DAYS:
        run_stages(project, partition=day)
    with sqlite3.connect(project.source) as connection:
        source = connection.execute("SELECT order_id, name, amount FROM orders ORDER BY order_id").fetchall()
    connection.close()
    loaded = table(project)
    assert loaded.sort("order_id").select("order_id", "name", "amount").rows() == source
    assert (loaded["cents"] == (loaded["amount"] * 100).cast(pl.Int64)).all()
    assert loaded["etl_partition"].unique().sort().cast(str).to_list() == list(DAYS)


def test_an_extract_is_one_object_whose_footer_says_where_it_comes_from(project: TinyProject) -> None:
    result = run_stage(project, "extract", run_id="the-run")
    (path,) = project.published()
    assert path.relative_to(project.data / "lake").as_posix() == "acme/extract/orders/dt=2026-01-01/data.parquet"
    metadata = pq.read_metadata(path)
    said = json.loads(metadata.metadata[b"etl"])
    assert (said["tenant"], said["stage"], said["pipeline"], said["partition"]) == (
        "acme",
        "extract",
        "orders",
        "2026-01-01",
    )
    assert (said["run_id"], said["rows"], said["rows_read"], said["rows_quarantined"]) == ("the-run", 20, 20, 0)
    assert metadata.num_rows == ROWS_PER_DAY == result.rows == result.rows_read
    assert result.uri.endswith("data.parquet")


def test_running_again_changes_no_object_and_no_row(project: TinyProject) -> None:
    run_stages(project, run_id="first")
    before = {path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files(project)}
    rows, loads = table(project), ledger(project)
    run_stages(project, run_id="second")
    assert run_stage(project, "load", run_id="third").detail["changed"] is False
    assert loads.height == 1
    assert before == {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files(project)
    }
    assert table(project).equals(rows)
    assert ledger(project).equals(loads)
    assert project.leftovers() == []


def files(project: TinyProject) -> list[Path]:
    return project.published()


def test_a_changed_source_replaces_the_day_and_no_other(project: TinyProject) -> None:
    run_stages(project, partition="2026-01-01")
    run_stages(project, partition="2026-01-02")
    change_source(
        project, "UPDATE orders SET amount = 999 WHERE order_id = 100", "DELETE FROM orders WHERE order_id = 101"
    )
    run_stages(project, partition="2026-01-01", run_id="second")
    loaded = table(project)
    assert loaded.filter(pl.col("order_id") == 100)["cents"].to_list() == [99900]
    assert loaded.filter(pl.col("order_id") == 101).is_empty()
    assert loaded.height == 2 * ROWS_PER_DAY - 1


def test_a_row_on_midnight_belongs_to_the_day_that_begins(project: TinyProject) -> None:
    change_source(
        project,
        "INSERT INTO orders VALUES (900, 'midnight', 1, '2026-01-02 00:00:00')",
        "INSERT INTO orders VALUES (901, 'just before', 1, '2026-01-01 23:59:59.999999')",
    )
    for day in DAYS[:2]:
        run_stage(project, "extract", day)
    days = {name.split("dt=")[1][:10]: rows["order_id"].to_list() for name, rows in lake_rows(project).items()}
    assert 900 in days["2026-01-02"]
    assert 900 not in days["2026-01-01"]
    assert 901 in days["2026-01-01"]
    assert 901 not in days["2026-01-02"]


def test_no_rows_where_there_were_rows_is_refused(project: TinyProject) -> None:
    run_stages(project)
    change_source(project, "DELETE FROM orders")
    with pytest.raises(SourceError, match=r"acme/orders \[2026-01-01\]"):
        run_stage(project, "extract", run_id="second")
    assert lake_rows(project)["acme/extract/orders/dt=2026-01-01/data.parquet"].height == ROWS_PER_DAY
    project.write_pipeline({"allow_empty": True})
    assert run_stage(project, "extract", run_id="third").rows == 0


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
SLOW = {
    "in the catalogue": ENDLESS + "SELECT i AS order_id, '2026-01-01 10:00' AS created_at FROM n",
    "while rows are read": ENDLESS + "SELECT o.* FROM n CROSS JOIN orders o",
}


@pytest.mark.parametrize("where", SLOW)
def test_the_timeout_of_the_yaml_ends_what_takes_longer(project: TinyProject, where: str) -> None:
    orders = {"source_table": None, "query": SLOW[where]}
    timeout = {"statement_timeout_seconds": 1}
    project.write_tenant({"source_database": timeout, "assets": {"pipelines": {"orders": orders}}})
    with pytest.raises(SourceError, match=r"acme/orders \[2026-01-01\] extract.*took longer than 1 s"):
        run_stage(project, "extract")
    assert project.leftovers() == []
    assert project.published() == []


def test_a_shrunken_source_is_refused_as_far_as_the_yaml_says(project: TinyProject) -> None:
    project.write_pipeline({"max_shrink": 0.5})
    run_stage(project, "extract")
    change_source(project, "DELETE FROM orders WHERE order_id >= 105")
    with pytest.raises(SourceError, match="acme/orders"):
        run_stage(project, "extract", run_id="second")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE orders DROP COLUMN name", "`name`"),
        ("ALTER TABLE orders ADD COLUMN extra TEXT", None),
    ],
)
def test_a_changed_column_is_named_unless_it_is_new(project: TinyProject, change: str, said: str | None) -> None:
    run_stage(project, "extract")
    change_source(project, change)
    if said is None:
        run_stage(project, "extract", run_id="second")
        assert "extra" in lake_rows(project)["acme/extract/orders/dt=2026-01-01/data.parquet"].columns
        project.write_pipeline({"schema_changes": "fail"})
        change_source(project, "ALTER TABLE orders ADD COLUMN more TEXT")
        said = "`more`"
    with pytest.raises(SourceError, match=said):
        run_stage(project, "extract", run_id="third")


def test_a_load_alone_takes_the_last_good_object_and_names_its_run(project: TinyProject) -> None:
    run_stages(project, ("extract", "transfer"), run_id="good")
    change_source(project, "UPDATE orders SET order_id = NULL WHERE order_id = 105")
    run_stage(project, "extract", run_id="bad")
    with pytest.raises(AuditBlocked, match=r"acme/orders \[2026-01-01\] transfer: nothing was published") as caught:
        run_stage(project, "transfer", run_id="bad")
    assert "not_null__order_id failed for 1 of 20 rows" in str(caught.value)
    result = run_stage(project, "load", run_id="later")
    assert result.detail["from_run"] == "good"
    assert table(project).height == ROWS_PER_DAY
    assert table(project)["order_id"].null_count() == 0


def test_a_load_before_anything_is_published_says_what_to_do(project: TinyProject) -> None:
    with pytest.raises(LakeError, match="acme/transfer/orders first"):
        run_stage(project, "load")
    assert table(project).is_empty()


def test_a_transfer_before_its_extract_says_what_to_do(project: TinyProject) -> None:
    run_stage(project, "extract", "2026-01-01")
    with pytest.raises(LakeError, match=r"has no partition 2026-01-02\n.*materialize acme/extract/orders first"):
        run_stage(project, "transfer", "2026-01-02")


def test_rows_set_aside_and_rows_published_are_the_rows_read(project: TinyProject) -> None:
    rule = {"column": "cents", "type": "in_range", "max": 1500}
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [rule]}})
    run_stage(project, "extract")
    result = run_stage(project, "transfer", run_id="the-run")
    assert (result.rows_read, result.rows, result.rows_quarantined) == (20, 15, 5)
    rejected = kept(project)
    assert rejected["_run_id"].unique().to_list() == ["the-run"]
    assert rejected["_rules"].to_list() == [["in_range__cents"]] * 5
    assert rejected["cents"].min() > 1500  # type: ignore[operator]


def test_a_mended_rule_takes_its_rejected_rows_back(project: TinyProject) -> None:
    rule = {"column": "cents", "type": "in_range", "max": 1500}
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [rule]}})
    run_stages(project)
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [{**rule, "max": 9999}]}})
    run_stages(project, run_id="second")
    assert table(project).height == ROWS_PER_DAY
    assert not [name for name in lake_rows(project) if "quarantine" in name]


def test_personal_columns_are_in_no_preview_and_no_message(project: TinyProject) -> None:
    rules = [{"column": "name", "type": "regex", "pattern": "^[a-z]+$"}]
    project.write_pipeline({"pii_columns": ["name"], "quality": {"on_failure": "warn", "rules": rules}})
    run_stage(project, "extract")
    result = run_stage(project, "transfer")
    assert "이름" not in repr(result)
    assert all(row["name"] == "***" for row in result.sample.preview)
    project.write_pipeline({"pii_columns": ["name"], "quality": {"on_failure": "block", "rules": rules}})
    with pytest.raises(AuditBlocked) as caught:
        run_stage(project, "transfer", run_id="second")
    assert "이름" not in str(caught.value)


TRANSFORMS = {
    "raises": (
        "import polars as pl\n\n\ndef orders(orders: pl.LazyFrame) -> pl.LazyFrame:\n    return orders / []\n",
        "raised TypeError",
    ),
    "raises_its_own": (
        "def orders(orders):\n    raise KeyError('secret plan')\n",
        "raised KeyError: 'secret plan'",
    ),
    "returns_none": ("def orders(orders):\n    orders.sort('order_id')\n", "returned NoneType, not a LazyFrame"),
    "returns_a_frame": ("def orders(orders):\n    return orders.collect()\n", "returned DataFrame, not a LazyFrame"),
    "changes_the_date": (
        (
            "import polars as pl\n\n\ndef orders(orders: pl.LazyFrame) -> pl.LazyFrame:\n"
            "    return orders.with_columns(pl.col('created_at').dt.date())\n"
        ),
        "changes the date column `created_at` from Datetime",
    ),
    "fails_while_it_runs": (
        (
            "import polars as pl\n\n\ndef orders(orders: pl.LazyFrame) -> pl.LazyFrame:\n"
            "    return orders.with_columns(pl.col('name').str.to_integer())\n"
        ),
        "failed while it ran",
    ),
    "misses_a_column": (
        (
            "import polars as pl\n\n\ndef orders(orders: pl.LazyFrame) -> pl.LazyFrame:\n"
            "    return orders.select('order_ids')\n"
        ),
        "cannot work: .*order_ids",
    ),
}


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_bad_transform_publishes_nothing_and_says_where_it_is(project: TinyProject, name: str) -> None:
    code, said = TRANSFORMS[name]
    run_stage(project, "extract")
    before = project.published()
    project.write_transform(code)
    with pytest.raises(TransformError, match=said) as caught:
        run_stage(project, "transfer")
    message = str(caught.value)
    assert "acme/orders [2026-01-01]" in message
    assert "tenants/acme/transforms/orders.py" in message or "keep its type" in message
    assert project.published() == before
    assert project.leftovers() == []


SOURCE_FAULTS = {
    "the_source_is_down": ({}, "does not exist"),
    "the_table_is_not_there": ({"source_table": "ordres"}, "table `ordres` does not exist"),
    "a_column_is_not_there": ({"columns": ["order_id", "amuont", "created_at"]}, "no column `amuont`"),
    "the_date_column_is_not_there": ({"date_column": "createdat"}, "no column `createdat`"),
}


@pytest.mark.parametrize("name", sorted(SOURCE_FAULTS))
def test_what_is_wrong_in_the_database_is_named_and_nothing_is_published(project: TinyProject, name: str) -> None:
    changes, said = SOURCE_FAULTS[name]
    project.write_pipeline(changes)
    if name == "the_source_is_down":
        project.source.unlink()
    with pytest.raises(SourceError, match=said) as caught:
        run_stage(project, "extract")
    assert caught.value.problem.startswith("acme/orders [2026-01-01] extract: nothing was published: ")
    assert caught.value.hint
    assert project.published() == []
    assert project.leftovers() == []
    assert project.source.exists() == (name != "the_source_is_down")  # nobody makes an empty database by asking
