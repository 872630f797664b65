"""One tenant cannot reach another: by name, by selection, by resource; and nothing is ever run again by itself."""

import json
from collections.abc import Mapping

import pytest
from dagster import Definitions, JobDefinition
from dagster._core.definitions.dependency import NodeHandle

from etl.running.naming import LOCATION_SLA_SENSOR
from tests.installation import TENANTS

pytestmark = pytest.mark.xdist_group("project")

LOCATIONS = [*TENANTS, "all"]


def jobs(definitions: Definitions) -> list[JobDefinition]:
    """Those that the tenant declares; Dagster's own implicit job holds whatever a person selects by hand."""
    return [job for job in definitions.get_repository_def().get_all_jobs() if not job.name.startswith("__")]


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_definition_is_run_again_by_itself(definitions: Mapping[str, Definitions], location: str) -> None:
    found = definitions[location]
    for each in found.resolve_asset_graph().assets_defs:
        if each.is_executable:
            assert each.op.retry_policy is None, each.keys
    every_job = found.get_repository_def().get_all_jobs()
    assert every_job
    for job in every_job:
        for tags in (job.tags, job.run_tags):
            assert not [name for name in tags if "retr" in name], job.name
        assert job._op_retry_policy is None, job.name
        assert job.nodes
        for node in job.nodes:
            assert job.get_retry_policy_for_handle(NodeHandle(node.name, None)) is None, f"{job.name}: {node.name}"
    for schedule in found.get_repository_def().schedule_defs:
        assert not [name for name in schedule.tags if "retr" in name]


@pytest.mark.parametrize("location", LOCATIONS)
def test_every_name_begins_with_its_tenant(definitions: Mapping[str, Definitions], location: str) -> None:
    found = definitions[location]
    tenants = TENANTS if location == "all" else (location,)
    assert {key.path[0] for key in found.resolve_asset_graph().get_all_asset_keys()} == set(tenants)
    repository = found.get_repository_def()
    names = [job.name for job in jobs(found)]
    names += [each.name for each in (*repository.schedule_defs, *repository.sensor_defs)]
    names = [each for each in names if each != LOCATION_SLA_SENSOR or location != "all"]
    names += list(found.resources or {})
    names += [each.op.name for each in found.resolve_asset_graph().assets_defs if each.is_executable]
    for name in names:
        assert name.startswith(tuple(f"{tenant}_" for tenant in tenants)), name
    pools = {pool for each in found.resolve_asset_graph().assets_defs if each.is_executable for pool in each.op.pools}
    assert pools == {f"{tenant}_{which}" for tenant in tenants for which in ("source", "warehouse")}


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_job_holds_assets_of_its_own_tenant_only(definitions: Mapping[str, Definitions], location: str) -> None:
    for job in jobs(definitions[location]):
        tenant = str(job.tags["tenant"])
        assert job.name.startswith(f"{tenant}_")
        layer = job.asset_layer
        keys = layer.selected_asset_keys or {each.asset_key for each in layer.asset_graph.asset_check_keys}
        assert keys
        assert {key.path[0] for key in keys} == {tenant}, job.name
        wanted = {key for node in job.nodes for key in node.definition.required_resource_keys or ()}
        assert all(key.startswith(f"{tenant}_") for key in wanted), job.name


def test_everything_means_everything_of_the_tenant_also_among_others(definitions: Mapping[str, Definitions]) -> None:
    for tenant in TENANTS:
        alone = definitions[tenant].resolve_job_def(f"{tenant}_daily_etl")  # its YAML selects `*`
        together = definitions["all"].resolve_job_def(f"{tenant}_daily_etl")
        everything = definitions[tenant].resolve_asset_graph().executable_asset_keys
        assert set(alone.asset_layer.selected_asset_keys) == everything
        assert set(together.asset_layer.selected_asset_keys) == everything


def test_a_job_among_others_holds_no_other_tenants_resources(definitions: Mapping[str, Definitions]) -> None:
    for job in jobs(definitions["all"]):
        tenant = str(job.tags["tenant"])
        foreign = [key for key in job.resource_defs if key.startswith(tuple(f"{t}_" for t in TENANTS if t != tenant))]
        assert foreign == [], job.name


def test_the_demo_tenants_hold_no_secret_in_their_definitions(definitions: Mapping[str, Definitions]) -> None:
    for tenant in TENANTS:
        for resource in (definitions[tenant].resources or {}).values():
            text = json.dumps(resource.model_dump(mode="json"), default=str)
            assert "password" not in text or f"${{{tenant.upper()}_DB_PASSWORD}}" in text
