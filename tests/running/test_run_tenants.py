from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterRun

from etl.running.run_tenants import run_of_this_process, tenants_of

KNOWN = ("acme", "acme_eu", "beta")


def key(tenant: str) -> AssetKey:
    return AssetKey([tenant, "extract", "orders"])


@pytest.mark.parametrize(
    ("given", "keys", "tenants"),
    [
        ({"asset_selection": {key("acme")}}, (), ["acme"]),
        ({"asset_selection": {key("acme")}}, (key("acme"), key("beta")), ["acme"]),
        ({"asset_selection": {key("acme"), key("beta")}, "tags": {"tenant": "acme"}}, (), ["acme", "beta"]),
        ({"asset_check_selection": {AssetCheckKey(key("beta"), "sla")}}, (), ["beta"]),
        ({"tags": {"tenant": "acme_eu"}}, (), ["acme_eu"]),
        ({"tags": {"tenant": "acme"}}, (key("beta"),), ["beta"]),
        ({"tags": {"tenant": "nobody"}}, (), []),
        ({}, (), []),
        ({"asset_selection": {key("nobody")}, "tags": {"tenant": "acme"}}, (), ["acme"]),
    ],
)
def test_whose_a_run_is(given: dict[str, Any], keys: tuple[AssetKey, ...], tenants: list[str]) -> None:
    assert tenants_of(DagsterRun(job_name="any", **given), KNOWN, keys) == tenants


def test_this_process_was_started_for_no_run() -> None:
    assert run_of_this_process() is None
