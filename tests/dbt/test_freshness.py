"""What a project says in dbt of the age of its sources is judged beside the extract, and stops nothing."""

from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance

from tests.dbt.projects import SOURCES, definitions, inside, run, write_dbt
from tests.tiny_project import DAYS, make_project

EXTRACT: dict[str, Any] = {
    "source_table": "orders",
    "date_column": "created_at",
    "partitions": {"start": DAYS[0], "end": DAYS[-1], "timezone": "Asia/Seoul"},
}
FIVE_HOURS_OLD = "now() - interval 5 hour"
TABLES = f"""
      - name: orders
        config: {{loaded_at_field: {FIVE_HOURS_OLD}, freshness: {{warn_after: {{count: 6, period: hour}}}}}}
      - name: slow
        config: {{loaded_at_field: {FIVE_HOURS_OLD}, freshness: {{warn_after: {{count: 4, period: hour}}}}}}
      - name: late
        config:
          loaded_at_field: {FIVE_HOURS_OLD}
          freshness: {{warn_after: {{count: 1, period: hour}}, error_after: {{count: 4, period: hour}}}}
      - name: blind
        config: {{loaded_at_field: nobody_has_this, freshness: {{error_after: {{count: 1, period: day}}}}}}
      - name: unasked
"""
NAMES = ("orders", "slow", "late", "blind", "unasked")


def test_a_source_is_as_old_as_dbt_says(tmp_path: Path) -> None:
    others = {name: EXTRACT for name in NAMES if name != "orders"}
    project = make_project(tmp_path, {"dbt": {"enabled": True}, "assets": {"pipelines": others}})
    sources = SOURCES.split("    tables:")[0] + "    tables:" + TABLES
    model = "select count(*) as n from {{ source('extract', 'unasked') }}"
    write_dbt(project, {"models/staging/sources.yml": sources, "models/marts/counted.sql": model})
    keys = [AssetKey(["acme", "extract", name]) for name in NAMES] + [AssetKey(["acme", "dbt", "counted"])]
    with inside(project), DagsterInstance.ephemeral() as instance:
        done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[0]), asset_selection=keys)
    assert done.result.success  # an old source is no reason to build nothing
    assert "acme/dbt/counted" in done.materialized
    found = {name: verdict for (name, _), verdict in done.evaluations.items() if name.startswith("source_freshness_")}
    assert found == {
        "source_freshness_extract_orders": (True, "ERROR"),
        "source_freshness_extract_slow": (False, "WARN"),
        "source_freshness_extract_late": (False, "ERROR"),
        "source_freshness_extract_blind": (False, "ERROR"),
    }
    said = {each.check_name: each.description or "" for each in done.result.get_asset_check_evaluations()}
    assert "5.0 h old" in said["source_freshness_extract_late"]
    assert "nobody_has_this" in said["source_freshness_extract_blind"]
