"""Everything that the three tenants define, beside a file that a person has read.

After a wanted change: `ETL_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/factories/test_golden.py`, then read the diff.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, Definitions

from tests.installation import TENANTS

pytestmark = pytest.mark.xdist_group("project")

GOLDEN = Path(__file__).parents[1] / "golden" / "definitions.json"


def described(definitions: Definitions) -> dict[str, Any]:
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    return {
        "assets": {key.to_user_string(): asset(definitions, key) for key in sorted(graph.get_all_asset_keys())},
        "jobs": {
            job.name: {
                "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
                "partitions": partitions(job.partitions_def),
                "tags": dict(sorted(job.tags.items())),
            }
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            each.name: {
                "job": each.job_name,
                "cron": each.cron_schedule,
                "timezone": each.execution_timezone,
                "status": each.default_status.value,
            }
            for each in sorted(repository.schedule_defs, key=lambda each: each.name)
        },
        "sensors": {
            each.name: {"status": each.default_status.value}
            for each in sorted(repository.sensor_defs, key=lambda each: each.name)
        },
        "resources": sorted(definitions.resources or {}),
    }


def asset(definitions: Definitions, key: AssetKey) -> dict[str, Any]:
    node = definitions.resolve_asset_graph().get(key)
    found: dict[str, Any] = {
        "group": node.group_name,
        "owners": list(node.owners),
        "kinds": sorted(node.kinds),
        "tags": {name: value for name, value in sorted(node.tags.items()) if not name.startswith("dagster/kind/")},
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "partitions": partitions(node.partitions_def),
        "checks": sorted(check.name for check in node.check_keys),
        "pools": sorted(node.pools or ()),
    }
    return {name: value for name, value in found.items() if value}


def partitions(definition: Any) -> str | None:
    if definition is None:
        return None
    return f"{definition.get_first_partition_key()} .. {definition.get_last_partition_key()} {definition.timezone}"


def test_the_tenants_define_what_the_golden_file_says(definitions: Mapping[str, Definitions]) -> None:
    found = {tenant: described(definitions[tenant]) for tenant in TENANTS}
    if os.environ.get("ETL_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_one_location_for_all_defines_what_the_tenants_define(definitions: Mapping[str, Definitions]) -> None:
    together = described(definitions["all"])
    for tenant in TENANTS:
        alone = described(definitions[tenant])
        for kind in ("assets", "jobs", "schedules"):
            assert {name: together[kind].get(name) for name in alone[kind]} == alone[kind]
    assert together["sensors"] == {"sla_sensor": {"status": "RUNNING"}}, "one for all, in place of one for each"
    assert set(together["assets"]) == {name for tenant in TENANTS for name in described(definitions[tenant])["assets"]}
