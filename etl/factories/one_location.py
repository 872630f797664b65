"""Puts the definitions of several tenants into one code location, and refuses what only one tenant may have there.

Belongs here: names and places that two tenants would have, and what a tenant has only in a location of its own. Not
here: building tenants and merging them (`etl.definitions`).
"""

from collections.abc import Mapping

from dagster import AssetsDefinition, Definitions
from dagster_shared.record import copy

from etl.config.shared_prefixes import shared_prefixes
from etl.config.shared_tables import shared_tables
from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import DbtPlace, shared_dbt_schemas
from etl.errors import EtlError, ForOperatorsError
from etl.factories.own_resources import with_own_resources
from etl.factories.page_sensor import TenantPageSensor
from etl.factories.quota_sensor import TenantQuotaSensor
from etl.factories.sensor_factory import TenantSlaSensor
from etl.running.executors import in_process_executor

EXECUTOR_OF_A_JOB = (
    "leave `executor` out of Definitions(...) and give it to a job: define_asset_job(..., executor_def=...)"
)

_OF_ONE_TENANT = TenantSlaSensor | TenantQuotaSensor | TenantPageSensor


def claim_first(built: Mapping[str, Definitions], taken: dict[tuple[str, str], str]) -> None:
    """Record the names that the tenants have by their YAML, in this order, before any tenant's own Python has some.

    So the tenant whose Python takes a name is refused, and not the one whose YAML has it.
    """
    for tenant, found in built.items():
        for each in names_of(found):
            taken.setdefault(each, f"tenant {tenant}")


def claim(tenant: str, found: Definitions, taken: dict[tuple[str, str], str]) -> None:
    """Record the names of `found` for `tenant`, and refuse a name of another tenant, which would break the location."""
    own = f"tenant {tenant}"
    names = names_of(found)
    for kind, name in names:
        if (other := taken.get((kind, name), own)) != own:
            raise ForOperatorsError(
                f"the {kind} `{name}` of tenant {tenant} is one of {other} too",
                f"rename it in tenants/{tenant}, or serve the tenants apart: dagster dev -w workspace.yaml",
                told=f"a {kind} has a name that is taken; the location of {tenant} shows which",
            )
    taken.update(dict.fromkeys(names, own))
    if found.executor not in (None, in_process_executor):
        raise EtlError(
            f"tenants/{tenant}/definitions.py gives all of its runs an executor of its own",
            f"{EXECUTOR_OF_A_JOB}, or serve the tenants apart: dagster dev -w workspace.yaml",
        )


def names_of(found: Definitions) -> list[tuple[str, str]]:
    """Return the names that only one tenant of a location may have, each with its kind."""
    names = [("job", each.name) for each in found.jobs or ()]
    names += [("schedule", each.name) for each in found.schedules or ()]
    names += [("sensor", each.name) for each in found.sensors or ()]
    names += [("resource", key) for key in found.resources or {}]
    names += [("logger", key) for key in found.loggers or {}]
    specs = [spec for each in found.assets or () for spec in (each.specs if isinstance(each, AssetsDefinition) else ())]
    return [*names, *(("asset", spec.key.to_user_string()) for spec in specs)]


def in_location(found: Definitions) -> Definitions:
    """Return the definitions of a tenant as a location of many has them: without the sensors that the location has.

    The location has one sensor of promises, one of quotas and one of pages for all tenants, and the resources of all.
    """
    return copy(
        found,
        sensors=[each for each in found.sensors or () if not isinstance(each, _OF_ONE_TENANT)],
        assets=with_own_resources(found.assets or ()),
        asset_checks=with_own_resources(found.asset_checks or ()),
    )


def sharing(configs: Mapping[str, TenantConfig], places: Mapping[str, DbtPlace | None]) -> dict[str, EtlError]:
    """Return each tenant that would use an earlier tenant's table, place in a bucket, or schema, with the error."""
    order = list(configs)
    found: dict[str, EtlError] = {}
    for tenants, error in (
        *shared_tables([*configs.values()]),
        *shared_prefixes([*configs.values()]),
        *shared_dbt_schemas([*configs.values()], [places[each] for each in order]),
    ):
        told = "it would use a table, a schema or a place in a bucket that is not its own; `etl check` names it"
        found.setdefault(max(tenants, key=order.index), ForOperatorsError(error.problem, error.hint, told=told))
    return found
