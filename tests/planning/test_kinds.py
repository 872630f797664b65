"""What `etl plan` says of each kind of change, beside a file that a person has read, and beside what then happens.

After a wanted change: `ETL_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/planning/test_kinds.py`, then read the diff.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from etl.planning.plan import TenantPlan
from etl.planning.show_markdown import markdown_of
from etl.planning.show_text import text_of
from tests.planning.kinds import KINDS
from tests.planning.world import World, copied, failed_rows, made, make_world, prepared, steady

GOLDEN = Path(__file__).parents[1] / "golden" / "plan"
REFUSED = {"removed_column", "strict_new_column", "dropped_by_transform", "retyped", "widened_type"}
"""The guards of a run refuse these changes until a person accepts them; the plan says so."""
BLOCKED = {"new_rule_fails", "new_rule_without_column"}
"""The next run of these publishes nothing, because a new rule forbids it; the plan says so."""
UNFORCED = {"new_rule_sets_aside"}
"""A rule makes no published partition again by itself; the plan says so."""
UNTOUCHED = {
    "nothing",
    "schedule",
    "new_job",
    "no_notification",
    "owners",
    "deleted_promise",
    "source",
    "deleted_rule",
    "new_rule_passes",
    "on_failure_warn",
}
"""No run is another after these: `description` and `changed_promise` stand for them."""
RUN = sorted(KINDS.keys() - REFUSED - BLOCKED - UNFORCED - UNTOUCHED - {"disabled_tenant"})
QUICK = {"earlier_start", "changed_transform"}
"""The kinds of which the default tests run what the plan says; the others take a minute."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small tenant after a run of everything, recorded as applied."""
    root = tmp_path_factory.mktemp("ran")
    with prepared(root) as world:
        world.run_everything()
    return root


@pytest.fixture
def world(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it of the test's own."""
    return copied(ran, tmp_path / "copy", monkeypatch)


def shown(plan: TenantPlan) -> str:
    return steady(f"{text_of(plan).plain}\n\n{markdown_of(plan)}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_says_what_the_golden_file_says(world: World, kind: str) -> None:
    KINDS[kind](world)
    path = GOLDEN / f"{kind}.md"
    found = shown(world.plan())
    if os.environ.get("ETL_WRITE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_each_golden_file_is_of_a_kind() -> None:
    assert {each.stem for each in GOLDEN.glob("*.md")} == set(KINDS)


@pytest.mark.parametrize("kind", [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in RUN])
def test_what_the_plan_says_is_what_happens(world: World, kind: str) -> None:
    """The runs make what the plan said; then nothing is left to be made, as a run of everything shows."""
    KINDS[kind](world)
    plan = world.plan()
    assert not any("is refused" in each for each in plan.hints)
    results = world.apply(plan)
    assert all(each.success for each in results)
    for each, result in zip([one for one in plan.backfills for _ in one.ranges or (None,)], results, strict=True):
        found = {one for one in made(result) if "/quarantine/" not in one[0]}
        assert {asset.split("/")[1] for asset, _, _ in found} == set(each.stages)
        assert len({partition for _, partition, _ in found}) == each.partitions
        if not each.rows_known_from:
            last = f"acme/{'transfer' if 'transfer' in each.stages else 'extract'}/"
            rows = [rows for asset, _, rows in found if asset.startswith(last)]
            assert kind in REDUCED or not rows or sum(rows) == each.rows
    world.record()
    assert world.plan().is_empty
    objects, tables = world.objects(), world.tables()
    world.run_everything()
    assert world.objects() == objects, "the plan left something to be made"
    assert world.tables() == tables


REDUCED = {"changed_query", "timezone"}
"""Kinds that change the number of rows, which the plan knows only from before: it says how many are rewritten."""


@pytest.mark.parametrize(
    "kind",
    [
        "new_rule_fails",
        "new_rule_sets_aside",
        "rule_on_new_column",
        pytest.param("new_rule_passes", marks=pytest.mark.slow),
        pytest.param("changed_rule", marks=pytest.mark.slow),
    ],
)
def test_what_a_new_rule_says_of_the_data_is_what_it_says_in_the_run(world: World, kind: str) -> None:
    KINDS[kind](world)
    (verdict,) = world.plan().verdicts
    result = world.run("orders", ("transfer",), "2026-01-01", "2026-01-03", reload=False)
    found = failed_rows(result)
    days = verdict.partitions[:1] if kind == "new_rule_fails" else verdict.partitions
    told = [found[f"{verdict.check} {day}"] for day in days]
    if kind == "new_rule_fails":
        assert not result.success
        assert verdict.consequence == "a run would publish nothing of such a partition"
        assert told[0] * len(verdict.partitions) == verdict.failed_rows
    else:
        assert result.success
        assert sum(told) == verdict.failed_rows
    assert (verdict.status == "failed") == bool(verdict.failed_rows)


def test_a_rule_that_cannot_be_judged_is_never_one_that_passes(world: World) -> None:
    KINDS["new_rule_without_column"](world)
    (verdict,) = world.plan().verdicts
    assert verdict.status == "error"
    assert "colour" in verdict.why
    assert not world.run("orders", ("transfer",), "2026-01-01", "2026-01-03", reload=False).success


@pytest.mark.parametrize(
    "kind", [pytest.param(each, marks=() if each == "retyped" else pytest.mark.slow) for each in sorted(REFUSED)]
)
def test_a_run_refuses_what_the_plan_said_it_refuses(world: World, kind: str) -> None:
    KINDS[kind](world)
    plan = world.plan()
    assert any("is refused" in each for each in plan.hints)
    assert [each.success for each in world.apply(plan)] == [False]


def test_columns_are_those_that_the_run_publishes(world: World) -> None:
    import polars as pl

    KINDS["changed_transform"](world)
    plan = world.plan()
    before = pl.read_parquet_schema(world.project.data / "lake/acme/transfer/orders/dt=2026-01-03/data.parquet")
    world.apply(plan)
    after = pl.read_parquet_schema(world.project.data / "lake/acme/transfer/orders/dt=2026-01-03/data.parquet")
    assert {each.column: each.new for each in plan.columns} == {
        name: str(dtype) for name, dtype in after.items() if name not in before
    }


def test_the_source_is_asked_for_the_columns_of_another_query(world: World) -> None:
    KINDS["changed_query"](world)
    assert any("was not asked" in each for each in world.plan().unknown)
    world.edit(
        {
            "assets": {
                "pipelines": {
                    "orders": {
                        "source_table": None,
                        "query": "SELECT order_id, amount, created_at, 'x' AS kind FROM orders"
                        " WHERE created_at >= :window_start AND created_at < :window_end",
                    }
                }
            }
        }
    )
    found = world.plan(connects=True)
    assert found.unknown == ()
    assert {(each.pipeline, each.stage, each.column, each.action) for each in found.columns} == {
        ("orders", "extract", "name", "removed"),
        ("orders", "extract", "kind", "added"),
        ("orders", "transfer", "name", "removed"),
        ("orders", "transfer", "kind", "added"),
    }
    assert not world.run("orders", ("extract",), "2026-01-01", "2026-01-03", reload=False).success, "as the plan says"


def test_where_nothing_is_published_that_is_said(world: World) -> None:
    shutil.rmtree(world.project.data / "lake" / "acme" / "extract")
    shutil.rmtree(world.project.data / "lake" / "acme" / "transfer")
    KINDS["changed_transform"](world)
    found = world.plan()
    assert found.backfills == ()
    assert any("nothing of `orders` is published in this lake" in each for each in found.hints)


@pytest.mark.slow
def test_a_table_that_is_loaded_in_another_way_holds_what_that_way_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same order stands in two days. By `replace_partition` the table has both rows, by `upsert` the later one."""
    world = make_world(tmp_path)
    world.use(monkeypatch)
    with closing(sqlite3.connect(world.project.source)) as db, db:
        db.execute(
            "INSERT INTO orders SELECT order_id, 'later', amount, '2026-01-02 23:00:00' FROM orders WHERE order_id = 105"
        )
    world.run("orders", ("extract", "transfer", "load"), "2026-01-01", "2026-01-03", reload=False)
    world.record()
    assert sorted(row[1] for row in world.table("shop.orders") if row[0] == 105) == ["later", "이름 5"]
    KINDS["mode_upsert"](world)
    plan = world.plan()
    assert all(each.success for each in world.apply(plan))
    assert [row[1] for row in world.table("shop.orders") if row[0] == 105] == ["later"]


def test_a_disabled_tenant_has_nothing_any_more(world: World) -> None:
    KINDS["disabled_tenant"](world)
    plan = world.plan()
    gone = {each.name for each in plan.changes if each.kind == "asset" and each.action == "removed"}
    assert gone == {
        f"acme/{each}"
        for each in (
            "extract/names",
            "extract/orders",
            "extract/summary",
            "load/names",
            "load/orders",
            "transfer/orders",
            "transfer/summary",
        )
    }
    assert plan.losses
    assert plan.backfills == ()
