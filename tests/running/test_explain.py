"""The explanation of a pipeline from what a tick knows: never healthy without evidence, and with what to do next."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from etl.running.explain import Explanation
from etl.running.sla_watch import SlaWatch
from etl.running.subjects import Subjects
from tests.running.promised_world import World, make_config, make_instance, make_settings

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
DAILY: Mapping[str, Any] = {
    "date_column": "at",
    "partitions": {"start": "2026-01-01", "timezone": "UTC"},
    "sla": {"freshness": {"deadline": "0 6 * * *"}, "max_consecutive_failures": 2},
    "quality": {"rules": [{"column": "id", "type": "unique"}]},
    "owners": ["team:shop"],
}
TARGETS = [
    {"type": "slack", "url": "${ACME_SLACK}", "on": ["quality"]},
    {"type": "email", "host": "h", "sender": "a@b.example", "to": ["c@d.example"], "owners": ["team:other"]},
    {"type": "log"},
]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with make_instance(tmp_path / "home", consolidated=True) as made:
        yield made


def explained(
    tmp_path: Path,
    instance: DagsterInstance,
    name: str = "orders",
    pipelines: Mapping[str, Any] | None = None,
    ui_url: str | None = None,
) -> Explanation:
    config = make_config("acme", pipelines or {"orders": DAILY}, notifications=TARGETS)
    settings = make_settings(tmp_path).model_copy(update={"ui_url": ui_url})
    watch = SlaWatch(config, settings)
    verdicts, unjudged = watch.judge_now(instance, NOW)
    return watch.explained(name, verdicts, unjudged, NOW)


def test_of_what_nothing_is_known_it_is_said_that_nothing_is(tmp_path: Path, instance: DagsterInstance) -> None:
    quiet = {key: value for key, value in DAILY.items() if key != "sla"}
    found = explained(tmp_path, instance, pipelines={"orders": quiet})
    assert found.standing == "unknown"
    assert "no run of it" in found.headline
    assert found.next_steps == ("`etl run acme --pipeline orders`",)


def test_without_promises_a_run_that_succeeded_is_the_evidence(tmp_path: Path, instance: DagsterInstance) -> None:
    quiet = {key: value for key, value in DAILY.items() if key != "sla"}
    world = World(instance, "acme")
    world.run("orders", NOW - timedelta(hours=3), NOW - timedelta(hours=2), partition="2026-01-09", rows=12)
    found = explained(tmp_path, instance, pipelines={"orders": quiet})
    assert found.standing == "healthy"
    assert "nothing is promised about it" in found.headline
    assert any("of 2026-01-09 succeeded" in each for each in found.evidence)


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


def test_a_late_pipeline_is_told_with_what_nobody_has_started(tmp_path: Path, instance: DagsterInstance) -> None:
    World(instance, "acme").run("orders", at(6, 1), at(6, 2), partition="2026-01-05")
    found = explained(tmp_path, instance, ui_url="https://dagster.example.com")
    assert found.standing == "late"
    assert "2026-01-09 due 2026-01-10 06:00 UTC; it is not there" in found.headline
    assert any("no run of 2026-01-09 is known" in each for each in found.evidence)
    assert "`etl run acme --pipeline orders --from 2026-01-09`" in found.next_steps
    assert found.link == "https://dagster.example.com/assets/acme/extract/orders"
    assert found.as_text().endswith(found.link)


def test_a_run_that_is_at_work_is_named_instead_of_another_one(tmp_path: Path, instance: DagsterInstance) -> None:
    world = World(instance, "acme")
    world.run("orders", at(6, 1), at(6, 2), partition="2026-01-05")
    world.begin("orders", at(10, 11), partition="2026-01-09")
    found = explained(tmp_path, instance)
    assert found.standing == "late"
    assert any("a run is at work since 2026-01-10 11:00 UTC" in each for each in found.evidence)
    assert not any("etl run" in each for each in found.next_steps)


def test_a_blocked_pipeline_names_the_rule_and_its_line(tmp_path: Path, instance: DagsterInstance) -> None:
    said = (
        "etl.errors.AuditBlocked: acme/orders [2026-01-09] extract: nothing was published, 1 rule(s) forbid it:"
        " unique__id failed for 2 of 20 rows\n  -> mend the data or the rule and run again"
    )
    World(instance, "acme").run(
        "orders", at(10, 1), at(10, 2), partition="2026-01-09", error=said, checks=[("unique__id", False)]
    )
    found = explained(tmp_path, instance, ui_url="https://dagster.example.com")
    assert found.standing == "blocked"
    assert found.headline.startswith("acme/orders [2026-01-09] extract: nothing was published")
    assert any("the rule `unique__id` at " in each for each in found.next_steps)
    assert found.next_steps[-1] == "then run it again: `etl run acme --pipeline orders --from 2026-01-09`"
    assert any("https://dagster.example.com/runs/" in each for each in found.evidence)
    assert found.told == ("slack (notification 1)", "log of the process that judges (notification 3)")
    assert found.owners == ("team:shop",)


def test_the_first_thing_to_do_does_not_begin_in_the_middle_of_a_sentence(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    """The rule that blocked an older day was corrected since, so that nothing but the run is left to do."""
    world = World(instance, "acme")
    said = "etl.errors.AuditBlocked: acme/orders: nothing was published: gone__id failed for 2 of 20 rows"
    checks = [("gone__id", False)]
    world.run("orders", at(8, 1), at(8, 2), partition="2026-01-07", error=said, checks=checks)
    world.run("orders", at(9, 1), at(9, 2), partition="2026-01-08", rows=12)
    world.run("orders", at(10, 1), at(10, 2), partition="2026-01-09", rows=12)
    watch = SlaWatch(make_config("acme", {"orders": DAILY}, notifications=TARGETS), make_settings(tmp_path))
    found = watch.explained("orders", *watch.judge_now(instance, NOW), NOW, instance)
    assert found.next_steps == ("run it again: `etl run acme --pipeline orders --from 2026-01-07`",)


def test_a_failure_says_what_to_look_at(tmp_path: Path, instance: DagsterInstance) -> None:
    World(instance, "acme").run("orders", at(10, 1), at(10, 2), partition="2026-01-09", error="the source is gone")
    found = explained(tmp_path, instance)
    assert (found.standing, found.headline) == ("failed", "the source is gone")
    assert "see whether everything answers: `etl check acme --connect`" in found.next_steps
    assert "slack (notification 1)" not in found.told, "it gets only messages about quality"


def test_a_pipeline_waits_for_the_one_that_it_reads(tmp_path: Path, instance: DagsterInstance) -> None:
    pipelines = {
        "orders": {key: value for key, value in DAILY.items() if key != "sla"},
        "sums": {
            **DAILY,
            "quality": {"rules": [{"column": "id", "type": "foreign_key", "to": "orders", "to_column": "id"}]},
        },
    }
    world = World(instance, "acme")
    world.run("sums", at(6, 1), at(6, 2), partition="2026-01-05")
    world.run("orders", at(10, 1), at(10, 2), partition="2026-01-09", error="the source is gone")
    found = explained(tmp_path, instance, "sums", pipelines)
    assert found.standing == "waiting"
    assert "`orders`" in found.headline
    assert explained(tmp_path, instance, "orders", pipelines).downstream == ("sums",)


def test_the_check_and_the_message_say_the_same(tmp_path: Path, instance: DagsterInstance) -> None:
    World(instance, "acme").run("orders", at(10, 1), at(10, 2), partition="2026-01-09", error="the source is gone")
    config = make_config("acme", {"orders": DAILY}, notifications=TARGETS)
    settings = make_settings(tmp_path).model_copy(update={"ui_url": "https://dagster.example.com"})
    watch = SlaWatch(config, settings)
    tick = watch.tick(instance, NOW)
    (check,) = tick.checks
    found = watch.explained("orders", tick.verdicts, {}, NOW)
    assert check.metadata["explanation"].value == found.as_text()
    assert check.metadata["where"].value == found.link
    (incident,) = watch.outbox.open_incidents("acme")
    assert incident.advice == (), "it is in the message, and not stored beside it"
    with watch.outbox._store.transaction() as db:
        bodies = [row[0] for row in db.execute("SELECT body FROM messages")]
    assert bodies
    for step in (*found.next_steps, str(found.link)):
        assert all(step in body for body in bodies)


def test_a_tick_opens_neither_lake_nor_warehouse(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a tick opened it")

    for name in ("etl.lake.lake.open_lake", "etl.pipeline.stage.open_lake", "etl.warehouse.choice.open_warehouse"):
        monkeypatch.setattr(name, opened)
    World(instance, "acme").run("orders", at(6, 1), at(6, 2), partition="2026-01-05")
    assert explained(tmp_path, instance).standing == "late"


@pytest.mark.parametrize(
    ("stage", "name", "command"),
    [("dbt", "models", "`etl run acme --stage dbt"), ("own", "step", "`etl run acme")],
)
def test_what_is_no_pipeline_gets_a_command_that_exists(
    tmp_path: Path, instance: DagsterInstance, stage: str, name: str, command: str
) -> None:
    World(instance, "acme").run(name, at(10, 1), at(10, 2), stages=(stage,), error="a column is gone")
    config = make_config("acme", {"orders": DAILY}, notifications=TARGETS)
    watch = SlaWatch(config, make_settings(tmp_path))
    watch.tick(instance, NOW)
    with watch.outbox._store.transaction() as db:
        bodies = [row[0] for row in db.execute("SELECT body FROM messages")]
    assert bodies
    for body in bodies:
        assert "a column is gone" in body
        assert command in body
        assert "--pipeline" not in body


@pytest.mark.parametrize(
    ("error", "standing"),
    [
        ("dbt: Database Error in model totals (models/totals.sql): no column x", "stale"),
        ("dbt: Database Error in model people (models/people.sql): no column x", "healthy"),
        ("dbt: it was killed", "unknown"),
    ],
)
def test_a_pipeline_is_not_healthy_when_dbt_failed_for_what_is_made_from_it(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, error: str, standing: str
) -> None:
    reads = {
        ("acme", "dbt shops"): {"orders"},
        ("acme", "dbt totals"): {"dbt shops"},
        ("acme", "dbt people"): {"users"},
    }
    monkeypatch.setattr(Subjects, "models", lambda *_: reads)
    quiet = {"orders": {key: value for key, value in DAILY.items() if key != "sla"}}
    world = World(instance, "acme")
    world.run("orders", at(9, 1), at(9, 2), partition="2026-01-08")
    world.run("models", at(10, 1), at(10, 2), stages=("dbt",), error=error)
    found = explained(tmp_path, instance, pipelines=quiet)
    assert found.standing == standing
    assert ("totals" in found.headline) is (standing == "stale")
    world.run("models", at(10, 3), at(10, 4), stages=("dbt",))
    assert explained(tmp_path, instance, pipelines=quiet).standing == "healthy"
