"""Assembles the Dagster definitions of one tenant, or of many tenants in one code location: all, or those of a shard.

Belongs here: joining the definitions that the factories make, once per process (`one_tenant`, `location`); what is done
about tenants that cannot be built (`trying_out`, `last_good_served`). Not here: making single definitions
(`etl.factories`).
"""

from etl.definitions.location import build_all_definitions, get_all_definitions
from etl.definitions.merging import explain_merging
from etl.definitions.one_tenant import build_tenant_definitions, built_config, definitions_of, load_location
from etl.definitions.trying_out import served_config, tried_out, troubles_of

__all__ = [
    "build_all_definitions",
    "build_tenant_definitions",
    "built_config",
    "definitions_of",
    "get_all_definitions",
    "load_location",
    "served_config",
    "tried_out",
    "troubles_of",
]

explain_merging()  # here, because `Definitions.merge(build_tenant_definitions(...))` looks `merge` up before it builds
