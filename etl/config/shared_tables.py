"""Finds tables that pipelines of two tenants would load, as far as the tenants' files show.

Belongs here: comparing the tables of tenants. Not here: two pipelines of one tenant (`cross_checks`), and the owner
that the warehouse records, which decides if two files name one database differently (`etl.warehouse.transaction`).
"""

import re
from collections.abc import Iterable

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError

_LOGIN = re.compile(r"//[^/@]*@")

Place = tuple[str, ...]
"""A database and a table in it, as far as they can be compared without resolving a variable."""


def loaded_tables(config: TenantConfig) -> dict[Place, str]:
    """Return the table that each pipeline of a tenant loads; empty if the warehouse is the tenant's own file."""
    warehouse = config.warehouse
    if warehouse.type == "duckdb":
        return {}
    if warehouse.url is not None:
        database: Place = (_LOGIN.sub("//", warehouse.url.text),)
    else:
        parts = (warehouse.host, warehouse.port, warehouse.catalog or warehouse.database)
        database = tuple(part.text if part is not None else "" for part in parts)
    return {
        (warehouse.type, *database, output.target_schema.casefold(), output.target_table.casefold()): name
        for name, pipeline in config.pipelines.items()
        if pipeline.save_to_trino and (output := pipeline.trino_output)
    }


def shared_tables(configs: Iterable[TenantConfig]) -> list[tuple[frozenset[str], ConfigError]]:
    """Return two tenants and the error for each table that a tenant would load although an earlier tenant loads it."""
    taken: dict[Place, tuple[str, str]] = {}
    problems: list[tuple[frozenset[str], ConfigError]] = []
    for config in configs:
        for place, pipeline in loaded_tables(config).items():
            tenant, other = taken.setdefault(place, (config.id, pipeline))
            if tenant == config.id:
                continue
            line = config.line_of("assets", "pipelines", pipeline, "trino_output")
            problem = ConfigError(
                f"{config.origin.path}:{line}: `{pipeline}` of tenant {config.id} and `{other}` of tenant {tenant} load"
                f" the same table {'.'.join(place[-2:])} of one database",
                "give each tenant a `target_schema` of its own",
            )
            problems.append((frozenset({config.id, tenant}), problem))
    return problems
