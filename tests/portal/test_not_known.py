"""What is not known never counts as good, in any value of a page that a program or a person may read as good."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
)
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset
from etl.lake.lake import Lake
from etl.lake.local_store import LocalStore
from etl.pipeline.verdict import DayVerdict, Finding, Reconciliation
from etl.portal.page import Page
from etl.portal.render import html_of, json_of
from etl.quality.rules import parse_rules
from etl.running.reconcile_result import reconciliation_metadata
from etl.trial.own_error import OwnPythonError
from tests.portal.test_broken import ERROR
from tests.portal.test_page import Parsed
from tests.portal.world import NOW, Portal, publish_rows
from tests.running.promised_world import World, make_config, make_settings, publish

GOOD = ("good", "healthy", "passed", "there", "kept", "kept again", "ok", True)
ABOUT_RUNS = {"Failed checks", "Failed runs"}
"""Promises about runs, which stay known when the data is gone."""
PIPELINES: Mapping[str, Any] = {
    "orders": {
        "date_column": "day",
        "partitions": {"start": "2026-01-05", "timezone": "Asia/Seoul"},
        "sla": {"freshness": {"deadline": "0 9 * * *", "timezone": "Asia/Seoul", "max_age_hours": 26}, "min_row_count": 1, "max_failure_rate": 0.4},
        "undated": "ignore",
        "volume": "off",
        "quality": {"rules": [{"column": "id", "type": "not_null"}]},
    },
    "people": {"quality": {"rules": [{"column": "id", "type": "not_null"}]}, "sla": {"freshness": {"max_age_hours": 26}}, "volume": "off"},
    "regions": {"partitions": {"by": "region", "keys": ["EU", "US"]}, "undated": "ignore", "volume": "off"},
}  # fmt: skip
DAYS = ("2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    """A tenant that never ran."""
    with DagsterInstance.ephemeral() as instance:
        yield Portal(make_settings(tmp_path), instance, {"alice": make_config("alice", PIPELINES)})


@pytest.fixture
def whole(portal: Portal) -> Portal:
    """The same tenant after good runs of all its pipelines."""
    world = World(portal.instance, "alice")
    for number, day in enumerate(DAYS):
        at = NOW - timedelta(days=len(DAYS) - 1 - number, hours=4)
        world.run("orders", at, at + timedelta(minutes=5), partition=day, checks=[("not_null__id", True)])
        publish(portal.settings, "alice", "orders", day)
    at = NOW - timedelta(hours=3)
    world.run("people", at, at + timedelta(minutes=5), checks=[("not_null__id", True)])
    publish_rows(portal.settings, "alice", "people", None)
    for key in ("EU", "US"):
        world.run("regions", at, at + timedelta(minutes=5), partition=key)
        publish_rows(portal.settings, "alice", "regions", key)
    return portal


def look(portal: Portal) -> tuple[Page, dict[str, Any], set[str]]:
    """The page, its JSON, and the places in it that may be read as good."""
    (page,) = portal.gathering().pages()
    content = json.loads(json_of(page))
    assert Parsed(html_of(page)).wrong == []
    return page, content, set(goods(content))


def goods(value: Any, place: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        name = value.get("name") or value.get("title") or value.get("key") or value.get("id") or ""
        for key, each in value.items():
            if key != "history":
                yield from goods(each, f"{place}/{key}" if not name else f"{place}[{name}]/{key}")
    elif isinstance(value, list):
        for each in value:
            yield from goods(each, place)
    elif any(value is each or (value == each and value is not True and value != 1) for each in GOOD):
        yield f"{place}={value}"


def about(found: set[str], *, without_runs: bool = False) -> set[str]:
    """Without what only says that something happened."""
    happened = ("is_watched=True", "succeeded=True", "/changes/level=good")
    found = {each for each in found if not each.endswith(happened)}
    return {each for each in found if not any(name in each for name in ABOUT_RUNS)} if without_runs else found


def standings(content: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["level"], each["standing"]) for each in content["pipelines"]}


def test_the_whole_tenant_is_good(whole: Portal) -> None:
    _, content, found = look(whole)
    assert {standing for _, standing in standings(content).values()} == {"healthy"}
    assert len(about(found)) > 20
    assert [each["level"] for each in content["tiles"]] == ["good", "good", "good", "good"]


def test_a_tenant_that_never_ran_has_nothing_good(portal: Portal) -> None:
    page, content, found = look(portal)
    assert about(found) == set()
    assert page.level in ("bad", "unknown")
    assert all(each["level"] not in ("good", "notice") for each in content["pipelines"])
    assert [each["figure"] for each in content["tiles"]] == ["0 of 3", "0 of 5", "0 of 2", "not known"]


def test_data_that_was_there_and_is_gone_is_missing(whole: Portal) -> None:
    shutil.rmtree(whole.settings.lake_dir)
    page, content, found = look(whole)
    assert about(found, without_runs=True) == set()
    assert standings(content) == dict.fromkeys(PIPELINES, ("bad", "missing"))
    assert (page.level, page.answer) == ("bad", "Not complete")
    assert "5 of 5 days were published and are gone" in page.detail
    assert {each["level"] for each in content["tiles"] if each["title"] != "Rejected rows"} == {"bad", "unknown"}
    assert {each["state"] for pipeline in content["pipelines"] for each in pipeline["data"]["parts"]} == {"missing"}
    assert all(pipeline["data"]["complete_to"] is None for pipeline in content["pipelines"])


def test_the_newest_day_that_is_gone_is_not_awaited(whole: Portal) -> None:
    shutil.rmtree(whole.settings.lake_dir / "alice" / "extract" / "orders" / "dt=2026-01-09")
    page, content, _ = look(whole)
    assert standings(content)["orders"] == ("bad", "missing")
    assert "Fri 9 Jan 2026 was published and is gone" in page.detail
    promises = {each["name"]: each["level"] for each in content["pipelines"][0]["promises"]}
    assert promises["On time"] == promises["Age"] == promises["Fewest rows"] == "unknown"
    assert [each["status"] for each in content["pipelines"][0]["checks"]] == ["data gone"]


def test_a_lake_that_cannot_be_read_leaves_nothing_good(whole: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise PermissionError("lake")

    for each in ("partitions", "tag", "find"):
        monkeypatch.setattr(Lake, each, unreadable)
    monkeypatch.setattr(LocalStore, "everything", unreadable)
    page, content, found = look(whole)
    assert about(found, without_runs=True) == set()
    assert page.level == "unknown"
    assert standings(content) == dict.fromkeys(PIPELINES, ("unknown", "unknown"))


def test_without_the_event_log_only_the_lake_is_known(whole: Portal) -> None:
    for run in whole.instance.get_runs():
        whole.instance.delete_run(run.run_id)
    page, content, found = look(whole)
    assert page.level in ("unknown", "bad")
    assert {standing for _, standing in standings(content).values()} == {"unknown"}
    assert not {each for each in about(found) if "promises" in each or "tiles[Promises]" in each}


def test_a_tenant_that_is_switched_off_has_no_number_that_looks_examined(whole: Portal) -> None:
    config = whole.configs["alice"]
    whole.configs["alice"] = config.model_copy(update={"enabled": False})  # type: ignore[union-attr]
    page, content, found = look(whole)
    assert (page.level, page.answer) == ("unknown", "Nothing was examined")
    assert about(found) == set()
    assert content["tiles"] == []


@pytest.mark.parametrize("error", [ERROR, OwnPythonError("ImportError: x", told="ImportError")])
def test_a_tenant_that_cannot_be_loaded_is_bad_and_has_nothing_good(whole: Portal, error: Any) -> None:
    whole.configs["alice"] = error
    page, _, found = look(whole)
    assert page.level == "bad"
    assert about(found) == set()


def test_a_promise_that_ran_out_while_nothing_watched_is_broken(whole: Portal) -> None:
    """No daemon has recorded a state: the page judges by itself, and days without a watcher count as not watched."""
    (page,) = whole.gathering(NOW + timedelta(hours=26)).pages()
    content = json.loads(json_of(page))
    assert page.is_watched is False
    orders, people, _ = content["pipelines"]
    assert {each["name"]: each["state"] for each in orders["promises"]}["On time"] == "broken"
    assert {each["name"]: each["state"] for each in people["promises"]} == {"Age": "broken"}
    assert (orders["level"], people["level"], page.level) == ("bad", "bad", "bad")
    assert {each["kept_share"] for each in orders["promises"]} == {None}


def with_rule(config: Any, **rule: Any) -> Any:
    """The tenant, with another rule of `orders`."""
    (checked,) = config.pipelines["orders"].quality.rules
    changed = checked.model_copy(update={"rule": parse_rules([rule])[0]})
    quality = config.pipelines["orders"].quality.model_copy(update={"rules": (changed,)})
    orders = config.assets.pipelines["orders"].model_copy(update={"quality": quality})
    assets = config.assets.model_copy(update={"pipelines": {**config.assets.pipelines, "orders": orders}})
    return config.model_copy(update={"assets": assets})


@pytest.mark.parametrize("rule", [{"type": "positive"}, {"type": "not_null", "where": "id > 5"}])
def test_a_result_counts_only_for_the_rule_that_was_judged(whole: Portal, rule: Mapping[str, Any]) -> None:
    """The check has the same name, and was never judged as it is asked now."""
    whole.configs["alice"] = with_rule(whole.configs["alice"], name="not_null__id", column="id", **rule)
    page, content, _ = look(whole)
    (check,) = content["pipelines"][0]["checks"]
    assert (check["status"], check["level"], check["total"]) == ("rule changed", "unknown", None)
    assert page.level == "notice"


def test_a_result_counts_when_only_the_words_about_its_rule_change(whole: Portal) -> None:
    more = {"description": "Every order has a number.", "severity": "warning"}
    whole.configs["alice"] = with_rule(whole.configs["alice"], column="id", type="not_null", **more)
    (check,) = look(whole)[1]["pipelines"][0]["checks"]
    assert (check["status"], check["says"]) == ("passed", "Every order has a number.")


def compare(portal: Portal, *, differs: bool = False) -> None:
    """Source and warehouse of `orders` were compared."""
    config = portal.configs["alice"]
    assert isinstance(config, TenantConfig)
    row = {"source_rows": 3, "published_rows": 3, "loaded_rows": None, "quarantined_rows": 0}
    wrong = (Finding(problem="3 and 4 rows", remedy="look"),) if differs else ()
    day = DayVerdict(partition="2026-01-09", **row, differences=wrong)
    found = Reconciliation(tenant="alice", pipeline="orders", days=(day,))
    portal.instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=AssetKey(["alice", "extract", "orders"]),
            check_name="reconciled",
            passed=not differs,
            metadata=reconciliation_metadata(found, config.pipelines["orders"]),
        )
    )


def test_a_standing_is_not_better_than_its_level(whole: Portal) -> None:
    compare(whole, differs=True)
    _, content, _ = look(whole)
    assert content["pipelines"][0]["compared"]["level"] == "bad"
    assert standings(content)["orders"] == ("bad", "stale")


@pytest.mark.parametrize(("change", "level"), [
    ({"description": "All of them."}, "good"), ({"source_table": "others"}, "unknown"), ({"columns": ("id",)}, "unknown"),
])  # fmt: skip
def test_rows_agree_only_with_the_source_that_was_compared(
    whole: Portal, change: Mapping[str, Any], level: str
) -> None:
    compare(whole)
    whole.configs["alice"] = make_config("alice", {**PIPELINES, "orders": {**PIPELINES["orders"], **change}})
    assert look(whole)[1]["pipelines"][0]["compared"]["level"] == level


def damage(portal: Portal, how: str, under: str = "") -> None:
    """Leave the names in the lake, and nothing that anybody can read."""
    for file in sorted((portal.settings.lake_dir / "alice" / "extract" / under).rglob("data.parquet")):
        whole = file.read_bytes()
        file.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "garbage": b"x" * len(whole)}[how])


@pytest.mark.parametrize("how", ["empty", "half", "garbage"])
def test_objects_that_nobody_can_read_are_not_there(whole: Portal, how: str) -> None:
    damage(whole, how)
    page, content, found = look(whole)
    assert about(found, without_runs=True) == set()
    assert standings(content) == dict.fromkeys(PIPELINES, ("bad", "missing"))
    assert (page.level, page.answer) == ("bad", "Not complete")
    assert "5 of 5 days are damaged and cannot be read" in page.detail
    assert {each["state"] for pipeline in content["pipelines"] for each in pipeline["data"]["parts"]} == {"damaged"}
    assert {each["status"] for pipeline in content["pipelines"] for each in pipeline["checks"]} == {"data damaged"}


@pytest.mark.parametrize(("day", "said"), [
    ("2026-01-09", "Fri 9 Jan 2026 is damaged: its object cannot be read"), ("2026-01-07", "Wed 7 Jan 2026 is damaged"),
])  # fmt: skip
def test_one_day_that_nobody_can_read_is_not_complete(whole: Portal, day: str, said: str) -> None:
    damage(whole, "half", f"orders/dt={day}")
    page, content, _ = look(whole)
    assert standings(content)["orders"] == ("bad", "missing")
    assert said in page.detail


def test_an_old_object_of_no_byte_is_not_there_though_its_footer_is_not_looked_at(
    whole: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.portal.objects.COUNTED", 1)
    damage(whole, "empty", "orders/dt=2026-01-05")
    page, content, _ = look(whole)
    assert standings(content)["orders"] == ("bad", "missing")
    assert "Mon 5 Jan 2026 is damaged" in page.detail


def test_an_object_of_another_day_is_not_this_day(whole: Portal) -> None:
    days = whole.settings.lake_dir / "alice" / "extract" / "orders"
    shutil.copy(days / "dt=2026-01-08" / "data.parquet", days / "dt=2026-01-09" / "data.parquet")
    assert standings(look(whole)[1])["orders"] == ("bad", "missing")


def model(name: str, reads: str) -> DbtAsset:
    said = dict.fromkeys(("description", "path", "compiled", "fqn", "code_version"), "")
    deps = (("alice", *reads.split("/")),)
    more = {"tags": {}, "owners": (), "table": None, "columns": (), "incremental": False}
    return DbtAsset(
        unique_id=f"model.alice.{name}", resource="model", key=("alice", "dbt", name), deps=deps, day_column=None,
        event_time=None, **said, **more,
    )  # fmt: skip


@pytest.fixture
def modelled(whole: Portal, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """With two dbt models, that were built."""
    models = (model("shops", "extract/orders"), model("totals", "dbt/shops"))
    monkeypatch.setattr("etl.portal.gather.last_assets", lambda *_: models)
    build(whole, "shops", "totals")
    return whole


def build(portal: Portal, *made: str) -> None:
    """A run of both models, of which not all are made if it fails."""
    run = DagsterRun("alice_all", status=DagsterRunStatus.SUCCESS if len(made) == 2 else DagsterRunStatus.FAILURE)
    portal.instance.add_run(run)
    keys = {name: AssetKey(["alice", "dbt", name]) for name in ("shops", "totals")}
    for kind, names in (("ASSET_MATERIALIZATION_PLANNED", keys), ("ASSET_MATERIALIZATION", made)):
        for name in names:
            key = keys[name]
            planned = kind.endswith("PLANNED")
            data = (
                AssetMaterializationPlannedData(key) if planned else StepMaterializationData(AssetMaterialization(key))
            )
            event = DagsterEvent(kind, run.job_name, event_specific_data=data)
            at = NOW.timestamp()
            portal.instance.handle_new_event(EventLogEntry(None, 20, "", run.run_id, at, None, run.job_name, event))


def nodes(content: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["label"]: (each["level"], each["note"]) for each in content["lineage"]["nodes"]}


def test_a_model_whose_newest_run_failed_is_not_good(modelled: Portal) -> None:
    page, content, _ = look(modelled)
    assert [nodes(content)[name][0] for name in ("shops", "totals")] == ["good", "good"]
    assert page.level == "notice", "nothing watches"
    build(modelled, "shops")
    page, content, _ = look(modelled)
    assert [nodes(content)[name][0] for name in ("shops", "totals")] == ["good", "bad"]
    assert "its newest run failed; built" in nodes(content)["totals"][1]
    assert (page.level, page.answer.endswith(", but a dbt model failed")) == ("bad", True)
    assert "dbt: the newest run failed for totals." in page.detail
    build(modelled, "shops", "totals")
    assert look(modelled)[0].level == "notice"
