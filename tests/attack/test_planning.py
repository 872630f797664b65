"""What `etl plan` and `etl explain` must never miss: each test is something that they once did not say."""

import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from etl.planning.apply import Applying, files_of
from etl.planning.columns import _direction
from etl.planning.compare import compare
from etl.planning.description import Description
from etl.planning.destructive import marked
from etl.running.explain import Explanation
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl
from tests.planning.world import World, copied, merged, prepared
from tests.tiny_project import TRANSFORM

__all__ = ["etl"]
OTHER = TRANSFORM.replace("* 100", "* 1000")
DAYS = ("2026-01-01", "2026-01-03")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small tenant, of which `orders` was run and everything was recorded as applied."""
    root = tmp_path_factory.mktemp("ran")
    with prepared(root) as world:
        assert world.run("orders", ("extract", "transfer", "load"), *DAYS).success
    return root


@pytest.fixture
def world(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it of the test's own."""
    own = copied(ran, tmp_path / "copy", monkeypatch)
    monkeypatch.chdir(own.project.root)
    return own


def applying(world: World) -> Applying:
    """An apply as the command begins it."""
    return Applying(
        world.config, load_settings(), world.described(), *world.applied(), files_of(world.config, load_settings())
    )


def test_an_apply_that_was_killed_is_told_although_the_edit_was_taken_back(world: World, etl: Etl) -> None:
    assert world.plan().is_empty
    world.project.write_transform(OTHER)
    applying(world).begin()
    assert world.run("orders", ("transfer", "load"), *DAYS).success, "then the command was killed"
    rows = world.table("shop.orders")
    world.project.write_transform(TRANSFORM)
    said = etl("plan", "acme", "--exit-code")
    assert said.code == 1
    assert "nothing has changed" not in said.out
    assert "did not end" in said.out
    assert "orders: transfer, load of 3 days, rewritten" in said.out
    plan = world.plan()
    again = applying(world)
    assert all(each.success for each in world.apply(plan))
    again.end(())
    assert world.table("shop.orders") != rows
    assert world.plan().is_empty


def test_a_file_that_changes_while_the_runs_are_at_work_is_not_recorded(
    world: World, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project.write_transform(OTHER)

    def runs(*_: object, **__: object) -> list[str]:
        world.project.write_transform(OTHER.replace("* 1000", "* 10"))
        return []

    monkeypatch.setattr("etl.cli.plan._Command._run", runs)
    said = etl("plan", "acme", "--apply")
    assert said.code == 3
    assert "its files have changed while its runs were at work" in said.err
    world.project.write_transform(OTHER)
    found = world.plan()
    assert found.changes, "nothing was recorded"
    world.project.write_transform(TRANSFORM)
    assert not world.plan().is_empty


def test_a_tenant_that_was_applied_and_removed_is_told_without_its_name(world: World, etl: Etl) -> None:
    shutil.copytree(world.project.root / "tenants" / "acme", world.project.root / "tenants" / "umbrella")
    shutil.rmtree(world.project.root / "tenants" / "acme")
    text = (world.project.root / "tenants" / "umbrella" / "config.yaml").read_text(encoding="utf-8")
    path = world.project.root / "tenants" / "umbrella" / "config.yaml"
    path.write_text(text.replace("id: acme", "id: umbrella"), encoding="utf-8")
    said = etl("plan")
    assert "- tenant acme" in said.out, said.err
    assert "the tenant is gone" in said.out
    said = etl("plan", "acme", "--apply")
    assert said.code == 2
    assert "--apply --allow" in said.err
    assert etl("plan", "acme", "--apply", "--allow").code == 0
    assert etl("plan", "acme").code == 2, "it is forgotten"


def test_a_weaker_promise_is_destructive_and_what_is_not_weaker_is_not(world: World) -> None:
    orders: dict[str, Any] = {
        "sla": {"freshness": {"max_age_hours": 26, "deadline": "0 6 * * *"}, "max_consecutive_failures": 2},
        "quality": {"on_failure": "quarantine", "max_quarantine_rate": 0.1, "rules": [WARNS]},
        "partitions": {"lookback_days": 2},
        "pii_columns": ["name", "amount"],
    }
    before = described(world, orders)
    weaker: list[tuple[Mapping[str, Any], str]] = [
        ({"sla": {"freshness": {"max_age_hours": 48}}}, "26.0 -> 48.0"),
        ({"sla": {"freshness": {"deadline": "0 6 * * 1"}}}, "the deadline is rarer"),
        ({"sla": {"freshness": {"deadline": "0 9 * * *"}}}, "the deadline is later"),
        ({"sla": {"max_consecutive_failures": 5}}, "2 -> 5"),
        ({"sla": {"alert_level": "warning"}}, "told less loudly"),
        ({"quality": {"max_quarantine_rate": 0.5}}, "0.1 -> 0.5"),
        ({"partitions": {"lookback_days": 0}}, "fewer earlier partitions"),
        ({"pii_columns": ["name"]}, "values of `amount` may be shown"),
    ]
    for change, says in weaker:
        losses = lost(before, described(world, merged(orders, change)))
        assert says in "\n".join(losses), change
        assert lost(described(world, merged(orders, change)), before) == [], change
    info = merged(orders, {"quality": {"rules": [{**WARNS, "severity": "info"}]}})
    assert lost(before, described(world, info)) == [], "a warning never stopped a run"
    rare = described(world, orders, jobs={"daily_etl": {"schedule": {"cron": "0 7 * * 1"}}})
    assert "the schedule is rarer" in "\n".join(lost(before, rare))


WARNS = {"column": "amount", "type": "in_range", "min": 0, "severity": "warning"}


def described(world: World, orders: Mapping[str, Any], **tenant: Any) -> Description:
    world.edit({"assets": {"pipelines": {"orders": orders}}, **tenant})
    return world.described()


def lost(old: Description, new: Description) -> list[str]:
    return [loss for each in marked(compare(old, new), old, new) for loss in each.loses]


def test_a_wider_decimal_is_no_loss() -> None:
    old, wider, other = pl.Decimal(12, 2), pl.Decimal(38, 2), pl.Decimal(12, 4)
    assert [_direction(old, wider), _direction(wider, old), _direction(old, other)] == [
        "widened",
        "narrowed",
        "narrowed",
    ]


def test_code_from_elsewhere_in_the_project_is_compared(world: World) -> None:
    shared = world.project.root / "tenants" / "common_lib"
    shared.mkdir()
    (shared / "__init__.py").write_text("from .rates import RATE\n", encoding="utf-8")
    (shared / "rates.py").write_text("RATE = 100\n", encoding="utf-8")
    world.project.write_transform("from tenants.common_lib import RATE\n" + TRANSFORM)
    world.record()
    assert world.plan().is_empty
    (shared / "rates.py").write_text("RATE = 1000\n", encoding="utf-8")
    (found,) = [each for each in world.plan().backfills if each.pipeline == "orders"]
    assert found.stages == ("transfer", "load")


def test_rows_that_were_set_aside_are_judged_by_the_new_rules_too(world: World) -> None:
    low = {"column": "amount", "type": "in_range", "min": 1}
    world.edit({"assets": {"pipelines": {"orders": {"quality": {"on_failure": "quarantine", "rules": [low]}}}}})
    assert world.run("orders", ("transfer",), *DAYS).success
    world.record()
    strict = {"column": "amount", "type": "in_range", "min": 0.5}
    world.edit({"assets": {"pipelines": {"orders": {"quality": {"on_failure": "block", "rules": [strict]}}}}})
    plan = world.plan()
    (verdict,) = plan.verdicts
    assert (verdict.status, verdict.failed_rows, verdict.set_aside, verdict.rows) == ("failed", 3, 3, 60)
    assert verdict.consequence == "a run would publish nothing of such a partition"
    assert any("3 rows of `orders` are set aside now, of 3 partitions" in each for each in plan.hints)
    world.edit({"assets": {"pipelines": {"orders": {"quality": {"on_failure": "block", "rules": [low]}}}}})
    assert [(each.status, each.failed_rows) for each in world.plan().verdicts] == [("failed", 3)]


def test_an_older_partition_that_was_blocked_stays_told(world: World, etl: Etl) -> None:
    strict = [{"column": "order_id", "type": "in_range", "min": 300}]
    world.edit({"assets": {"pipelines": {"orders": {"quality": {"rules": strict}}}}})
    for day, passes in ((DAYS[0], False), ("2026-01-02", False), (DAYS[1], True)):
        assert world.run("orders", ("transfer",), day, day).success == passes
    said = etl("explain", "acme/orders")
    assert said.code == 1
    for day in (DAYS[0], "2026-01-02"):
        assert f"`etl run acme --pipeline orders --from {day}`" in said.out
    said = etl("explain", "acme/orders", "--partition", DAYS[0])
    assert said.code == 1
    assert "is blocked: the newest run of 2026-01-01 was blocked by in_range__order_id" in said.out
    assert "the rule `in_range__order_id` at " in said.out
    world.edit({})
    assert world.run("orders", ("transfer", "load"), *DAYS).success
    assert "blocked" not in etl("explain", "acme/orders").out


def test_a_table_that_was_emptied_is_not_said_to_have_rows(world: World, etl: Etl) -> None:
    with closing(duckdb.connect(str(world.project.data / "warehouse" / "acme.duckdb"))) as db:
        db.execute("DELETE FROM shop.orders")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "shop.orders has 0 rows of it" in said.out
    assert "the ledger says that 20 rows were loaded" in said.out
    assert "Told: log of the process that judges (notification 1)." in said.out
    assert "Owners: team:orders; no target sends a message to anybody." in said.out


def test_no_message_of_a_tenants_own_error_is_shown(world: World, etl: Etl) -> None:
    leak = '    raise ValueError("kim@example.com of https://shop.example.com/private/4711")\n'
    world.project.write_transform(TRANSFORM.replace("    return ", leak + "    return "))
    assert not world.run("orders", ("transfer",), DAYS[0], DAYS[0]).success
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "the tenant's own code raised ValueError at tenants/acme/transforms/orders.py:" in said.out
    for word in ("kim@example.com", "4711", "shop.example.com"):
        assert word not in said.out


def test_no_empty_section_is_shown() -> None:
    assert "What to do" not in Explanation("acme", "orders", "healthy", "fine").as_text()
