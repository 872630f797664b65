"""A contract that promises less than before is never called the same: each key of a pipeline that weakens it."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.config import load_tenant
from etl.odcs.changes import ContractChange
from etl.odcs.difference import contract_changes
from etl.odcs.document import Contract, contract_text, read_contract
from etl.odcs.exporting import export_contract
from etl.odcs.importing import import_contract
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl, project
from tests.pipeline.stages import run_stage
from tests.tiny_project import TinyProject, laid_over, make_project

__all__ = ["etl", "project"]

QUALITY: dict[str, Any] = {
    "on_failure": "quarantine",
    "max_quarantine_rate": 0.1,
    "timeout_seconds": 60,
    "rules": [
        {"column": "order_id", "type": "not_null"},
        {"column": "name", "type": "regex", "pattern": "^a"},
        {"column": "amount", "type": "dtype", "dtype": "number"},
        {"column": "created_at", "type": "not_future", "timezone": "Asia/Seoul"},
        {"type": "expression", "expression": "amount >= 0"},
        {"column": "amount", "type": "in_range", "min": 0},
    ],
}
BASE: dict[str, Any] = {
    "has_transfer": False,
    "columns": ["order_id", "name", "amount", "created_at"],
    "partitions": {"start": "2025-01-01", "end": None, "lookback_days": 3},
    "max_shrink": 0.1,
    "undated": "fail",
    "schema_changes": "fail",
    "quality": QUALITY,
    "sla": {
        "min_row_count": 1,
        "alert_on_warning": True,
        "alert_level": "error",
        "freshness": {"deadline": "0 9 * * *", "timezone": "Asia/Seoul", "max_age_hours": 24},
    },
}


def contract_of(project: TinyProject, changes: Mapping[str, Any], name: str = "now") -> Contract:
    taken_away = {key: None for key, value in changes.items() if value is None}
    project.write_pipeline({**laid_over(BASE, changes), **taken_away})
    settings = load_settings(project.environ)
    made = export_contract(load_tenant("acme", settings, project.environ), settings, "orders")
    return Contract(made.data, name, columns_are_sure=made.columns_are_sure)


def effects(changes: tuple[ContractChange, ...]) -> set[str]:
    return {each.effect for each in changes}


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """A project whose pipeline has published a day as BASE says it."""
    made = make_project(tmp_path_factory.mktemp("contracts"))
    made.write_pipeline({**BASE, "quality": {"engine": "polars"}})
    run_stage(made, "extract")
    return made


@pytest.fixture(scope="module")
def old(fixed: TinyProject) -> Contract:
    """The contract of BASE, which is the same when it is made again."""
    made = contract_of(fixed, {}, "old")
    assert contract_changes(made, contract_of(fixed, {})) == ()
    return made


def rule(place: int, **keys: object) -> dict[str, Any]:
    rules = copy.deepcopy(QUALITY["rules"])
    rules[place] |= keys
    return {"quality": {"rules": rules}}


# a change of the YAML, its worst effect, and the end of the place where it is told
WEAKER: dict[str, tuple[dict[str, Any], str, str]] = {
    "a column is not read": ({"columns": ["order_id", "amount", "created_at"], **rule(1, column="order_id")}, "breaking", "orders.name"),
    "promises are off": ({"sla": {"enabled": False}}, "breaking", "judged(orders)"),
    "no promises": ({"sla": None}, "breaking", "latency(orders)"),
    "only business days": ({"sla": {"freshness": {"business_days": True}}}, "breaking", "businessDaysOnly(orders)"),
    "a quieter alert": ({"sla": {"alert_level": "info"}}, "breaking", "alertLevel(orders)"),
    "a louder alert": ({"sla": {"alert_level": "critical"}}, "harmless", "alertLevel(orders)"),
    "no alert on a warning": ({"sla": {"alert_on_warning": None}}, "breaking", "alertOnWarning(orders)"),
    "another deadline": ({"sla": {"freshness": {"deadline": "0 8 1 * *"}}}, "breaking", "timeOfAvailability(orders)"),
    "more may be rejected": ({"quality": {"max_quarantine_rate": 0.9}}, "breaking", "maxQuarantineRate"),
    "all may be rejected": ({"quality": {"max_quarantine_rate": None}}, "breaking", "maxQuarantineRate"),
    "fewer may be rejected": ({"quality": {"max_quarantine_rate": 0}}, "harmless", "maxQuarantineRate"),
    "no timeout": ({"quality": {"timeout_seconds": None}}, "harmless", "timeoutSeconds"),
    "an end": ({"partitions": {"end": "2026-06-01"}}, "breaking", "partitions.end"),
    "a later start": ({"partitions": {"start": "2025-06-01"}}, "breaking", "partitions.start"),
    "an earlier start": ({"partitions": {"start": "2024-06-01"}}, "harmless", "partitions.start"),
    "another zone": ({"partitions": {"timezone": "UTC"}}, "breaking", "partitions.timezone"),
    "another zone of values": ({"partitions": {"naive_timezone": "UTC"}}, "breaking", "partitions.naive_timezone"),
    "late rows are missed": ({"partitions": {"lookback_days": None}}, "breaking", "partitions.lookback_days"),
    "speed": ({"partitions": {"in_flight": 3}}, "harmless", "partitions.in_flight"),
    "undated rows": ({"undated": "ignore"}, "breaking", "undated"),
    "undated rows as usual": ({"undated": None}, "breaking", "undated"),
    "it may shrink": ({"max_shrink": None}, "breaking", "maxShrink"),
    "it may shrink more": ({"max_shrink": 0.5}, "breaking", "maxShrink"),
    "it may be empty": ({"allow_empty": True}, "breaking", "allowEmpty"),
    "no look at the volume": ({"volume": "off"}, "breaking", "volume"),
    "a sharper look": ({"volume": {"max_shrink": 0.1}}, "harmless", "volume"),
    "columns may come": ({"schema_changes": None}, "breaking", "schemaChanges"),
    "elsewhere": ({"environments": {"prod": {"quality": {"on_failure": "warn"}}}}, "unknown", "environments.prod"),
    "another table": ({"source_table": "other"}, "unknown", "readsFrom"),
    "another schema": ({"source_schema": "other"}, "unknown", "readsFrom"),
    "a query": ({"source_table": None, "columns": None, "query": "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"}, "unknown", "readsFrom"),
    "a transform": ({"has_transfer": True}, "unknown", "orders.name.type"),
    "a description": ({"description": "Orders."}, "harmless", "orders.description"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "effect", "at"), WEAKER.values(), ids=WEAKER)
def test_a_weaker_pipeline_is_never_called_harmless(
    fixed: TinyProject, old: Contract, changes: dict[str, Any], effect: str, at: str
) -> None:
    found = contract_changes(old, contract_of(fixed, changes))
    assert [each.effect for each in found if each.at.endswith(at)] == [effect], found
    if effect == "harmless":
        assert effects(found) == {"harmless"}


@pytest.mark.parametrize(
    "keys",
    [
        (1, {"pattern": "^b"}),
        (2, {"dtype": "float"}),
        (3, {"timezone": "UTC"}),
        (4, {"expression": "amount >= -1"}),
    ],
)
def test_a_rule_that_cannot_be_put_in_order_says_so_and_counts(
    fixed: TinyProject, old: Contract, keys: tuple[int, dict[str, Any]]
) -> None:
    found = contract_changes(old, contract_of(fixed, rule(keys[0], **keys[1])))
    assert [(each.effect, "put in order" in each.what, "allows more" in each.what) for each in found] == [
        ("breaking", True, False)
    ]


def test_a_condition_where_there_was_none_allows_more(fixed: TinyProject, old: Contract) -> None:
    found = contract_changes(old, contract_of(fixed, rule(5, where="amount < 5")))
    assert [(each.effect, "allows more" in each.what) for each in found] == [("breaking", True)]


def test_a_contract_by_hand_is_not_compared_with_columns_of_an_earlier_yaml(fixed: TinyProject, old: Contract) -> None:
    data = yaml.safe_load(contract_text(old.data))
    table = data["schema"][0]
    table["customProperties"] = [each for each in table["customProperties"] if each["property"] != "readsFrom"]
    found = contract_changes(Contract(data, "by hand"), contract_of(fixed, {"source_table": "other"}))
    assert "unknown" in effects(found)


def test_a_transform_that_changed_makes_the_columns_unknown(project: TinyProject, etl: Etl) -> None:
    for stage in ("extract", "transfer"):
        run_stage(project, stage)
    assert etl("contract", "export", "acme/orders", "--out", "old.yaml").code == 0
    assert etl("contract", "diff", "old.yaml", "acme/orders").code == 0
    project.write_transform(
        "import polars as pl\n\n\ndef orders(orders: pl.LazyFrame) -> pl.LazyFrame:\n    return orders\n"
    )
    said = etl("contract", "diff", "old.yaml", "acme/orders")
    assert (said.code, "nobody knows the columns" in said.out) == (3, True), said


def test_another_table_that_is_published_is_known_again(project: TinyProject, etl: Etl) -> None:
    project.write_pipeline({"has_transfer": False})
    run_stage(project, "extract")
    assert etl("contract", "export", "acme/orders", "--out", "old.yaml").code == 0
    project.write_pipeline({"has_transfer": False, "source_table": None, "query": (
        "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"
    )})  # fmt: skip
    before = etl("contract", "diff", "old.yaml", "acme/orders")
    assert before.code == 3, before
    shown = etl("contract", "export", "acme/orders")
    assert "has changed since the newest object" in shown.err
    assert "SELECT" not in shown.out
    run_stage(project, "extract", run_id="run-2")
    after = etl("contract", "diff", "old.yaml", "acme/orders")
    assert (after.code, "readsFrom" in after.out) == (0, True), after


def test_a_pipeline_that_is_switched_off_is_a_sentence(project: TinyProject, etl: Etl) -> None:
    assert etl("contract", "export", "acme/orders", "--out", "old.yaml").code == 0
    project.write_pipeline({"enabled": False})
    for arguments in (("export", "acme/orders"), ("diff", "old.yaml", "acme/orders")):
        said = etl("contract", *arguments)
        assert (said.code, "is switched off" in said.err, "Traceback" in said.err) == (2, True, False), said
    project.write_tenant({"enabled": False})
    said = etl("contract", "export", "acme/orders")
    assert (said.code, "is switched off" in said.err) == (2, True), said


def test_the_values_of_environments_are_named_as_left_out_and_never_written(project: TinyProject, etl: Etl) -> None:
    project.write_pipeline({"environments": {"prod": {"description": "not-for-consumers"}}})
    said = etl("contract", "export", "acme/orders")
    assert "left out: the values for prod" in said.err
    assert "not-for-consumers" not in said.out


PROMISES = [
    ({"property": "latency", "value": 2, "unit": "h", "valueExt": 5, "element": "sales.id"}, {"valueExt", "element"}),
    ({"property": "minRowCount", "value": 5, "driver": "analytics", "schedule": "x"}, {"driver", "schedule"}),
    ({"property": "errorRate", "value": 5, "unit": "percent"}, set()),
    ({"property": "executionTime", "value": 5, "unit": "min"}, set()),
    ({"property": "executionTime", "value": 5, "unit": "parsec"}, {"slaProperties[0]"}),
    ({"property": "maxRowCount", "value": 5, "unit": "million"}, {"slaProperties[0]"}),
    ({"property": "timeOfAvailability", "value": "0 9 * * *", "valueExt": "UTC", "description": "x"}, {"description"}),
]


@pytest.mark.parametrize(("promise", "left"), PROMISES)
def test_what_was_not_read_of_a_promise_is_listed(
    fixed: TinyProject, tmp_path: Path, promise: dict[str, Any], left: set[str]
) -> None:
    imported = imported_from(fixed, tmp_path, [promise])
    told = {at.removeprefix("slaProperties[0].") for at, _ in imported.left if at.startswith("slaProperties")}
    assert told == left
    sla = imported.keys.get("sla", {})
    assert sla.get("max_failure_rate", 0.05) == 0.05
    assert sla.get("max_execution_time_seconds", 300) == 300


def test_what_was_not_read_of_a_rule_is_listed(fixed: TinyProject, tmp_path: Path) -> None:
    quality = [
        {"metric": "rowCount", "mustBe": 5, "unit": "percent"},
        {"metric": "rowCount", "mustBe": 5, "method": "reconciliation", "scheduler": "cron"},
    ]
    imported = imported_from(fixed, tmp_path, [], quality)
    told = {at for at, _ in imported.left if "quality" in at}
    at = "schema[0].quality"
    assert told == {f"{at}[0].unit", f"{at}[1].method", f"{at}[1].scheduler"}


def imported_from(
    project: TinyProject, folder: Path, promises: list[dict[str, Any]], quality: list[dict[str, Any]] | None = None
) -> Any:
    table = {"name": "sales", "properties": [{"name": "id"}], "quality": quality or []}
    data = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
    file = folder / "sales.yaml"
    file.write_text(yaml.safe_dump({**data, "schema": [table], "slaProperties": promises}), encoding="utf-8")
    project.write_pipeline(BASE)
    config = load_tenant("acme", load_settings(project.environ), project.environ)
    (imported,) = import_contract(read_contract(file), config)
    return imported


def by_hand(**keys: Any) -> Contract:
    table = {"name": "sales", "properties": [{"name": "id", "logicalType": "integer"}]}
    return Contract({"schema": [table | keys.pop("table", {})], **keys}, "by hand")


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ({}, {"slaProperties": [{"property": "quality9", "value": 1}]}, "unknown"),
        ({"slaProperties": [{"property": "quality9", "value": 1}]}, {}, "unknown"),
        ({}, {"slaProperties": [{"property": "endOfLife", "value": "2027-01-01"}]}, "breaking"),
        ({}, {"slaProperties": [{"property": "ly", "value": 1, "unit": "h"}]}, "harmless"),
        ({"slaProperties": [{"property": "latency", "value": 60, "unit": "min"}]}, {"slaProperties": [{"property": "ly", "value": 1, "unit": "h"}]}, ""),
        ({"slaProperties": [{"property": "errorRate", "value": 1}, {"property": "errorRate", "value": 2}]}, {"slaProperties": [{"property": "errorRate", "value": 2}]}, "breaking"),
        ({}, {"table": {"customProperties": [{"property": "colour", "value": 1}]}}, "unknown"),
        ({}, {"table": {"customProperties": [{"property": "undated", "value": "blue"}]}}, "unknown"),
        ({}, {"table": {"customProperties": [{"property": "orderColumn", "value": "id"}]}}, "breaking"),
        ({"customProperties": [{"property": "x", "value": 1}]}, {}, "unknown"),
        ({"table": {"relationships": [{"to": "a.b"}]}}, {}, "breaking"),
    ],
)  # fmt: skip
def test_what_nobody_knows_is_not_called_harmless(old: dict[str, Any], new: dict[str, Any], effect: str) -> None:
    assert effects(contract_changes(by_hand(**old), by_hand(**new))) == ({effect} if effect else set())
