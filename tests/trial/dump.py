"""What a location defines, as text by tenant, so that two locations can be compared."""

import json
import warnings
from collections import defaultdict

from dagster import Definitions
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value


def dump_by_tenant(definitions: Definitions) -> dict[str, str]:
    """All that Dagster would be told about the location, in an order of its own, by tenant."""
    repository = definitions.get_repository_def()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster reads what it has deprecated itself
        snap = RepositorySnap.from_def(repository)
    found: dict[str, list[str]] = defaultdict(list)
    for node in [*snap.asset_nodes, *(snap.asset_check_nodes or ())]:
        found[node.asset_key.path[0]].append(serialize_value(node))
    tenants = sorted(found, key=len, reverse=True)
    for kind in (
        snap.job_datas or (),
        snap.schedules,
        snap.sensors,
        snap.resources or (),
        snap.utilized_env_vars or (),
    ):
        for each in kind:
            name = each if isinstance(each, str) else each.name
            owner = next((tenant for tenant in tenants if name.startswith((f"{tenant}_", f"{tenant.upper()}_"))), "all")
            found[owner].append(serialize_value(each) if not isinstance(each, str) else json.dumps(each))
    found.pop("all", None)  # the sensor of the location counts its tenants
    return {tenant: "\n".join(sorted(parts)) for tenant, parts in found.items()}
