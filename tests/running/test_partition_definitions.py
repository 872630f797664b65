"""Which scheme an asset of a job has: the zone of its own pipeline, though Dagster's definitions do not say it."""

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetSpec, Definitions

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import definitions_of
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.running.partition_definitions import definition_of, scheme_of, schemes_of
from etl.settings import load_settings
from tests.tiny_project import make_project

START = "2026-01-05T0500Z"


def hours(zone: str, start: str) -> dict[str, Any]:
    cut = {"by": "hour", "start": start, "timezone": zone, "naive_timezone": "UTC"}
    return {"source_table": "orders", "date_column": "created_at", "partitions": cut}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TenantConfig:
    project = make_project(tmp_path)
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.root)
    pipelines = {
        "orders": None,
        "london": hours("UTC", "2026-01-05T05:00"),
        "york": hours("America/New_York", "2026-01-05T00:00") | {"pii_columns": ["order_id"]},
        "regions": {"source_table": "orders", "partitions": {"by": "region", "keys": ["a", "b"]}},
        "sites": {"source_table": "orders", "partitions": {"by": "site", "keys": ["a", "b"]}},
        "whole": {"source_table": "orders"},
    }
    project.write_tenant({"assets": {"pipelines": pipelines}, "jobs": None})
    return load_tenant("acme", load_settings())


def extract(name: str) -> AssetKey:
    return AssetKey(["acme", "extract", name])


def test_each_pipeline_has_its_own_zone_and_name(config: TenantConfig) -> None:
    graph = definitions_of(config).resolve_asset_graph()
    found = schemes_of(config, graph, graph.executable_asset_keys)
    assert graph.get(extract("london")).partitions_def == graph.get(extract("york")).partitions_def
    assert found == {
        extract("london"): (TimeScheme("hour", START, None, "UTC"),),
        extract("york"): (TimeScheme("hour", START, None, "America/New_York"),),
        extract("regions"): (StaticKeys("region", ("a", "b")),),
        extract("sites"): (StaticKeys("site", ("a", "b")),),
    }


def test_a_model_has_the_zone_of_the_nearest_pipeline_it_is_made_of(config: TenantConfig) -> None:
    """Two of one place in two zones are both told: a text has to mean the same in both."""
    cut = definition_of(TimeScheme("hour", START))

    def model(name: str, *deps: AssetKey) -> AssetSpec:
        return AssetSpec(AssetKey(["acme", "dbt", name]), deps=deps, partitions_def=cut)

    near, far, both, own = (AssetKey(["acme", "dbt", name]) for name in ("near", "far", "both", "own"))
    made = definitions_of(config)
    models = [
        model("near", extract("york")), model("far", near, extract("whole")),
        model("both", extract("york"), extract("london")), model("own"),
    ]  # fmt: skip
    graph = Definitions.merge(made, Definitions(assets=models)).resolve_asset_graph()
    york, london = config.pipelines["york"].scheme, config.pipelines["london"].scheme
    found = schemes_of(config, graph, [near, far, both, own])
    assert {key: set(each) for key, each in found.items()} == {
        near: {york}, far: {york}, both: {york, london}, own: {scheme_of(cut)},
    }  # fmt: skip
