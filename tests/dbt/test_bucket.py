"""Extracts in a bucket: dbt reads them there, in place, and only those of the days that it builds."""

from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from tests.dbt.projects import SHOP, definitions, inside, rows, run, write_dbt
from tests.servers.object_store import ObjectStore
from tests.tiny_project import DAYS, make_project

MODELS = {
    name: SHOP[name]
    for name in ("models/staging/sources.yml", "models/staging/stg_orders.sql", "models/marts/by_day.sql")
}

KEYS = [AssetKey(["acme", *key]) for key in (("extract", "orders"), ("dbt", "stg_orders"), ("dbt", "by_day"))]


def test_models_are_built_over_extracts_in_a_bucket(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_store.client().create_bucket(Bucket="dbt-lake")
    storage = {"bucket": "dbt-lake", "base_path": "raw"}
    project = make_project(tmp_path, {"dbt": {"enabled": True}, "storage": storage})
    write_dbt(project, MODELS)
    for name, value in object_store.environ.items():
        monkeypatch.setenv(name, value)
    with inside(project), DagsterInstance.ephemeral() as instance:
        done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[1]), asset_selection=KEYS)
    assert done.result.success
    assert "raw/acme/extract/orders/dt=2026-01-01/data.parquet" in object_store.keys("dbt-lake")
    assert not (project.data / "lake").exists()
    assert rows(project, "SELECT order_date::VARCHAR, orders FROM dbt.by_day ORDER BY 1") == [
        (day, 20) for day in DAYS[:2]
    ]
    profile = (project.data / "dbt" / "acme" / "profile" / "profiles.yml").read_text(encoding="utf-8")
    assert object_store.secret_key not in profile
