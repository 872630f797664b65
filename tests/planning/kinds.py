"""The kinds of change that `etl plan` is asked about, each as an edit of the small tenant."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from tests.planning.world import DAILY, QUIET, SUMMARY, World
from tests.tiny_project import TRANSFORM

Edit = Callable[[World], None]


def pipeline(name: str, changes: Mapping[str, Any] | None) -> Edit:
    return lambda world: world.edit({"assets": {"pipelines": {name: changes}}})


def orders(**changes: Any) -> Edit:
    return pipeline("orders", changes)


def both(partitions: Mapping[str, Any]) -> Edit:
    """`summary` reads `orders`, so their partitions go together."""
    changes = {"partitions": partitions}
    return lambda world: world.edit({"assets": {"pipelines": {"orders": changes, "summary": changes}}})


def tenant(**changes: Any) -> Edit:
    return lambda world: world.edit(changes)


def transform(code: str, name: str = "orders") -> Edit:
    def edit(world: World) -> None:
        world.project.write_transform(code, name)

    return edit


def rules(*changed: Mapping[str, Any], **more: Any) -> Edit:
    return orders(quality={"rules": list(changed), **more})


def rename(world: World) -> None:
    """`names` becomes `people`, and the table stays."""
    path = world.project.root / "tenants" / "acme" / "config.yaml"
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    pipelines = said["tenant"]["assets"]["pipelines"]
    pipelines["people"] = pipelines.pop("names")
    pipelines["people"]["trino_output"]["target_table"] = "people"
    path.write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), encoding="utf-8")


def strict_new_column(world: World) -> None:
    world.edit({"assets": {"pipelines": {"orders": {"schema_changes": "fail"}}}})
    world.project.write_transform(VAT)


def rule_on_new_column(world: World) -> None:
    """The transform makes a column, and a rule is about it: the rule is judged over what the transform will make."""
    rules(NOT_NULL, UNIQUE, IN_RANGE, {"column": "vat", "type": "in_range", "min": 1, "severity": "warning"})(world)
    world.project.write_transform(VAT)


NOT_NULL = {"column": "order_id", "type": "not_null"}
UNIQUE = {"column": "order_id", "type": "unique"}
IN_RANGE = {"column": "amount", "type": "in_range", "min": 0}
VAT = TRANSFORM.replace('.sort("order_id")', '.with_columns(pl.col("amount").alias("vat")).sort("order_id")')

KINDS: dict[str, Edit] = {
    "nothing": tenant(),
    "new_pipeline": pipeline(
        "late",
        {
            **QUIET,
            "source_table": "orders",
            "date_column": "created_at",
            "partitions": DAILY,
            "columns": ["order_id", "created_at"],
        },
    ),
    "removed_pipeline": pipeline("names", None),
    "renamed_pipeline": rename,
    "changed_query": orders(
        source_table=None,
        query="SELECT * FROM orders WHERE amount > 2 AND created_at >= :window_start AND created_at < :window_end",
    ),
    "changed_transform": transform(VAT),
    "shared_helper": transform("RATE = 2\n", "rates"),
    "removed_column": pipeline("names", {"columns": ["order_id"]}),
    "new_column": pipeline("names", {"columns": ["order_id", "name", "amount"]}),
    "strict_new_column": strict_new_column,
    "dropped_by_transform": transform(TRANSFORM.replace('.sort("order_id")', '.sort("order_id").drop("name")')),
    "retyped": transform(TRANSFORM.replace("pl.Int64", "pl.String")),
    "widened_type": transform(TRANSFORM.replace("pl.Int64", "pl.Int128")),
    "narrowed_type": transform(TRANSFORM.replace("pl.Int64", "pl.Int32")),
    "earlier_start": orders(partitions={"start": "2025-12-31"}),
    "later_start": both({"start": "2026-01-02"}),
    "timezone": both({"timezone": "UTC"}),
    "months": pipeline(
        "summary", {"partitions": {"by": "month", "start": "2026-01", "end": "2026-01"}, "transfer_inputs": ["summary"]}
    ),
    "mode_upsert": orders(trino_output={"mode": "upsert"}),
    "mode_replace": pipeline("names", {"trino_output": {"mode": "replace"}}),
    "target_table": orders(trino_output={"target_table": "orders_2"}),
    "key_columns": orders(trino_output={"key_columns": ["order_id", "name"]}),
    "no_table": orders(save_to_trino=False, trino_output=None),
    "new_rule_passes": rules(NOT_NULL, UNIQUE, IN_RANGE, {"column": "name", "type": "not_null"}),
    "new_rule_fails": rules(NOT_NULL, UNIQUE, IN_RANGE, {"column": "cents", "type": "in_range", "min": 100}),
    "new_rule_sets_aside": rules(
        NOT_NULL, UNIQUE, IN_RANGE, {"column": "cents", "type": "in_range", "min": 100}, on_failure="quarantine"
    ),
    "new_rule_without_column": rules(NOT_NULL, UNIQUE, IN_RANGE, {"column": "colour", "type": "not_null"}),
    "rule_on_new_column": rule_on_new_column,
    "changed_rule": rules(NOT_NULL, UNIQUE, {**IN_RANGE, "max": 15, "severity": "warning"}),
    "deleted_rule": rules(NOT_NULL, IN_RANGE),
    "on_failure_warn": rules(NOT_NULL, UNIQUE, IN_RANGE, on_failure="warn"),
    "changed_promise": orders(sla={"min_row_count": 10}),
    "deleted_promise": orders(sla={"min_row_count": None}),
    "owners": orders(owners=["team:sales"]),
    "schedule": tenant(jobs={"daily_etl": {"schedule": {"cron": "0 7 * * *"}}}),
    "new_job": tenant(jobs={"gold": {"selection": "tag:data_tier=gold"}}),
    "no_notification": tenant(notifications=[{"type": "log"}]),
    "disabled_tenant": tenant(enabled=False),
    "description": orders(description="All orders"),
    "source": tenant(source_database={"host": "${ACME_OTHER_HOST}"}),
    "summary_only": transform(SUMMARY.replace("amount", "order_id"), "summary"),
}
"""By the name of the golden file."""
