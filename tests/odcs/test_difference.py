"""Each kind of change between two contracts: does it break a consumer?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from etl.odcs.difference import contract_changes, version_advice
from etl.odcs.document import Contract

BASE: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "x",
    "version": "1.2.3",
    "status": "active",
    "servers": [{"server": "warehouse", "type": "duckdb", "database": "a.duckdb", "schema": "shop"}],
    "schema": [
        {
            "name": "orders",
            "physicalName": "shop.orders",
            "properties": [
                {
                    "name": "id",
                    "logicalType": "integer",
                    "physicalType": "INTEGER",
                    "primaryKey": True,
                    "primaryKeyPosition": 1,
                    "required": True,
                    "unique": True,
                    "quality": [{"id": "not_null__id", "metric": "nullValues", "mustBe": 0, "severity": "warning"}],
                },
                {"name": "amount", "logicalType": "number", "physicalType": "DECIMAL(10,2)"},
                {"name": "day", "logicalType": "date", "physicalType": "DATE", "partitioned": True},
                {
                    "name": "status",
                    "logicalType": "string",
                    "physicalType": "VARCHAR",
                    "quality": [
                        {"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}, "mustBe": 0},
                        {"metric": "invalidValues", "arguments": {"pattern": "^a"}, "mustBe": 0},
                        {"type": "sql", "query": "SELECT 1", "mustBe": 1, "id": "sql_one"},
                    ],
                },
            ],
            "quality": [
                {"metric": "rowCount", "mustBeBetween": [10, 20]},
                {
                    "type": "custom",
                    "engine": "tenant-etl",
                    "implementation": {
                        "type": "in_range",
                        "column": "amount",
                        "min": 0,
                        "mostly": 0.9,
                        "where": "id > 0",
                    },
                },
            ],
            "customProperties": [
                {"property": "onFailure", "value": "quarantine"},
                {"property": "loadMode", "value": "replace"},
            ],
        }
    ],
    "slaProperties": [
        {"property": "latency", "value": 26, "unit": "h", "element": "orders"},
        {"property": "timeOfAvailability", "value": "0 9 * * *", "scheduler": "cron", "schedule": "0 9 * * *"},
        {"property": "minRowCount", "value": 5},
        {"property": "frequency", "value": 1, "unit": "d"},
    ],
}
ORDERS = BASE["schema"][0]
ID, AMOUNT, DAY, STATUS = range(4)


def table(data: dict[str, Any]) -> dict[str, Any]:
    return data["schema"][0]


def column(data: dict[str, Any], place: int) -> dict[str, Any]:
    return table(data)["properties"][place]


def implementation(data: dict[str, Any]) -> dict[str, Any]:
    return table(data)["quality"][1]["implementation"]


def sla(data: dict[str, Any], place: int) -> dict[str, Any]:
    return data["slaProperties"][place]


# the change, its effect, where, a part of the words
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str, str, str]] = {
    "a table is gone": (lambda d: d["schema"].append({**ORDERS, "name": "more"}) or table(d).update(name="x"), "breaking", "schema.orders", "gone"),
    "a table is renamed": (lambda d: table(d).update(name="sales"), "breaking", "schema", "called `sales`"),
    "a table is new": (lambda d: d["schema"].append({"name": "more"}), "harmless", "schema.more", "new"),
    "another place in the warehouse": (lambda d: table(d).update(physicalName="shop.x"), "breaking", "schema.orders.physicalName", "shop.x"),
    "another server": (lambda d: d["servers"][0].update(database="b.duckdb"), "breaking", "servers.warehouse.database", "b.duckdb"),
    "a server is gone": (lambda d: d.pop("servers"), "breaking", "servers.warehouse", "gone"),
    "a column is gone": (lambda d: table(d)["properties"].pop(AMOUNT), "breaking", "schema.orders.amount", "gone"),
    "a column is renamed": (lambda d: column(d, AMOUNT).update(name="total"), "breaking", "schema.orders.amount", "probably `total`"),
    "a column is new": (lambda d: table(d)["properties"].append({"name": "x"}), "harmless", "schema.orders.x", "new"),
    "a wider integer": (lambda d: column(d, ID).update(physicalType="BIGINT"), "harmless", "schema.orders.id.type", "and more"),
    "a narrower integer": (lambda d: column(d, ID).update(physicalType="SMALLINT"), "breaking", "schema.orders.id.type", "SMALLINT"),
    "a wider decimal": (lambda d: column(d, AMOUNT).update(physicalType="DECIMAL(12,2)"), "harmless", "schema.orders.amount.type", "and more"),
    "a decimal with fewer places": (lambda d: column(d, AMOUNT).update(physicalType="DECIMAL(10,1)"), "breaking", "schema.orders.amount.type", "10,1"),
    "another type": (lambda d: column(d, DAY).update(logicalType="string", physicalType="VARCHAR"), "breaking", "schema.orders.day.type", "VARCHAR"),
    "an unknown type": (lambda d: [column(d, DAY).pop(key) for key in ("logicalType", "physicalType")], "unknown", "schema.orders.day.type", "names none"),
    "may be null": (lambda d: column(d, ID).update(required=False), "breaking", "schema.orders.id.required", "may be null"),
    "is never null": (lambda d: column(d, DAY).update(required=True), "harmless", "schema.orders.day.required", "never null"),
    "may occur twice": (lambda d: column(d, ID).pop("unique"), "breaking", "schema.orders.id.unique", "twice"),
    "no key": (lambda d: column(d, ID).pop("primaryKey"), "breaking", "schema.orders.key", "none"),
    "a longer key": (lambda d: column(d, DAY).update(primaryKey=True, primaryKeyPosition=2), "breaking", "schema.orders.key", "id, day"),
    "another partition": (lambda d: column(d, DAY).pop("partitioned"), "breaking", "schema.orders.day.partitioned", "another way"),
    "personal": (lambda d: column(d, STATUS).update(classification="restricted"), "harmless", "schema.orders.status.classification", "restricted"),
    "a rule is gone": (lambda d: column(d, ID).pop("quality"), "breaking", "schema.orders.not_null(id)", "gone"),
    "a rule is new": (lambda d: column(d, DAY).update(quality=[{"metric": "nullValues", "mustBe": 0}]), "harmless", "schema.orders.not_null(day)", "new"),
    "a milder rule": (lambda d: column(d, ID)["quality"][0].update(severity="info"), "breaking", "schema.orders.not_null(id)", "severity"),
    "a stricter rule": (lambda d: column(d, ID)["quality"][0].update(severity="error"), "harmless", "schema.orders.not_null(id)", "severity"),
    "another description": (lambda d: column(d, ID)["quality"][0].update(description="x"), "", "", ""),
    "more values": (lambda d: column(d, STATUS)["quality"][0]["arguments"]["validValues"].append("c"), "breaking", "schema.orders.in_set(status)", "values"),
    "fewer values": (lambda d: column(d, STATUS)["quality"][0]["arguments"]["validValues"].pop(), "harmless", "schema.orders.in_set(status)", "values"),
    "another pattern": (lambda d: column(d, STATUS)["quality"][1]["arguments"].update(pattern="^b"), "breaking", "schema.orders.regex(status)", "pattern"),
    "another query": (lambda d: column(d, STATUS)["quality"][2].update(query="SELECT 2"), "unknown", "schema.orders.sql_one(status)", "no rule"),
    "fewer rows": (lambda d: table(d)["quality"][0].update(mustBeBetween=[5, 20]), "breaking", "schema.orders.row_count()", "min 10 becomes 5"),
    "more rows at least": (lambda d: table(d)["quality"][0].update(mustBeBetween=[12, 20]), "harmless", "schema.orders.row_count()", "min 10 becomes 12"),
    "a lower bound": (lambda d: implementation(d).update(min=-1), "breaking", "schema.orders.in_range(amount)", "min"),
    "an upper bound": (lambda d: implementation(d).update(max=9), "harmless", "schema.orders.in_range(amount)", "max"),
    "fewer good rows": (lambda d: implementation(d).update(mostly=0.8), "breaking", "schema.orders.in_range(amount)", "mostly"),
    "all rows good": (lambda d: implementation(d).pop("mostly"), "harmless", "schema.orders.in_range(amount)", "mostly"),
    "every row is judged": (lambda d: implementation(d).pop("where"), "harmless", "schema.orders.in_range(amount)", "where"),
    "other rows are judged": (lambda d: implementation(d).update(where="id > 5"), "breaking", "schema.orders.in_range(amount)", "where"),
    "bad rows are delivered": (lambda d: table(d)["customProperties"][0].update(value="warn"), "breaking", "schema.orders.onFailure", "delivered"),
    "bad rows block": (lambda d: table(d)["customProperties"][0].update(value="block"), "harmless", "schema.orders.onFailure", "block"),
    "another load mode": (lambda d: table(d)["customProperties"][1].update(value="append"), "breaking", "schema.orders.loadMode", "append"),
    "later": (lambda d: sla(d, 0).update(value=48), "breaking", "slaProperties.latency(orders)", "weaker"),
    "the same time in days": (lambda d: sla(d, 0).update(value=26 / 24, unit="d"), "", "", ""),
    "earlier": (lambda d: sla(d, 0).update(value=1, unit="d"), "harmless", "slaProperties.latency(orders)", "stronger"),
    "another deadline": (lambda d: sla(d, 1).update(value="0 8 * * *", schedule="0 8 * * *"), "breaking", "slaProperties.timeOfAvailability", "cannot be compared"),
    "another zone": (lambda d: sla(d, 1).update(valueExt="Asia/Seoul"), "breaking", "slaProperties.timeOfAvailability", "cannot be compared"),
    "fewer promised rows": (lambda d: sla(d, 2).update(value=1), "breaking", "slaProperties.minRowCount", "weaker"),
    "more promised rows": (lambda d: sla(d, 2).update(value=9), "harmless", "slaProperties.minRowCount", "stronger"),
    "less often": (lambda d: sla(d, 3).update(unit="w"), "breaking", "slaProperties.frequency", "weaker"),
    "a promise is gone": (lambda d: d["slaProperties"].pop(2), "breaking", "slaProperties.minRowCount", "gone"),
    "a promise is new": (lambda d: d["slaProperties"].append({"property": "errorRate", "value": 0.1}), "harmless", "slaProperties.errorRate", "new"),
    "the end": (lambda d: d.update(status="retired"), "breaking", "status", "retired"),
    "the end is near": (lambda d: d.update(status="deprecated"), "harmless", "status", "deprecated"),
    "another owner": (lambda d: d.update(team={"name": "x"}), "harmless", "team", "new or gone"),
    "no columns": (lambda d: table(d).pop("properties"), "unknown", "schema.orders.properties", "names no column"),
    "no tables": (lambda d: d.pop("schema"), "unknown", "schema", "no table"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "effect", "at", "said"), CHANGES.values(), ids=CHANGES)
def test_a_change_breaks_a_consumer_or_not(
    change: Callable[[dict[str, Any]], object], effect: str, at: str, said: str
) -> None:
    new = copy.deepcopy(BASE)
    change(new)
    changes = contract_changes(Contract(BASE, "old"), Contract(new, "new"))
    if not effect:
        assert changes == ()
        return
    found = [each for each in changes if each.at == at]
    assert [(each.effect, said in each.what) for each in found] == [(effect, True)], changes
    others = {each.effect for each in changes if each.at != at}
    assert "breaking" not in others or effect in ("breaking", "unknown"), changes


def test_the_promises_of_a_renamed_table_are_still_the_same_promises() -> None:
    new = copy.deepcopy(BASE)
    table(new)["name"] = "sales"
    sla(new, 0).update(element="sales")
    changes = contract_changes(Contract(BASE, "old"), Contract(new, "new"))
    assert [each.at for each in changes] == ["schema"]


def test_nothing_differs_from_itself() -> None:
    assert contract_changes(Contract(BASE, "old"), Contract(copy.deepcopy(BASE), "new")) == ()


@pytest.mark.parametrize(
    ("name", "version", "advice"),
    [
        ("a column is gone", "1.2.3", "1.2.3 becomes 2.0.0"),
        ("a column is gone", "1.3.0", "1.2.3 becomes 2.0.0"),
        ("a column is gone", "2.0.0", ""),
        ("a column is new", "1.2.3", "1.2.3 becomes 1.3.0"),
        ("a column is new", "1.3.0", ""),
        ("another description", "1.2.3", ""),
    ],
)
def test_the_version_says_what_a_consumer_has_to_expect(name: str, version: str, advice: str) -> None:
    new = copy.deepcopy(BASE)
    CHANGES[name][0](new)
    new["version"] = version
    old = Contract(BASE, "old")
    changes = contract_changes(old, Contract(new, "new"))
    said = version_advice(old, Contract(new, "new"), changes)
    assert said.endswith(advice)
    assert bool(said) == bool(advice)
