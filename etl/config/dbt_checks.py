"""What a tenant's file may not say about dbt.

Belongs here: keys of `dbt:` that are wrong by themselves. Not here: whose the project is (`ownership`), what the
project makes of them (`etl.dbt.ownership`).
"""

from collections.abc import Iterator

from etl.config.findings import Conflict
from etl.config.reserved_schemas import keeper_of
from etl.config.tenant_config import TenantConfig

OWN_VARIABLES = ("tenant", "schema", "partition_start", "partition_end")
"""The dbt variables that the product gives: a file that gave them could read another tenant's lake."""


def dbt_conflicts(config: TenantConfig) -> Iterator[Conflict]:
    """Variables that are the product's to give, and a schema that is nobody's."""
    for name in config.dbt.variables:
        if name in OWN_VARIABLES:
            instead = "`dbt: {schema: ...}`" if name == "schema" else "a variable of another name"
            yield Conflict(("dbt", "vars", name), f"the dbt variable `{name}` is given by the product", instead)
    schema = config.dbt.target_schema
    database = "postgres" if "postgres" in (config.dbt.target, config.warehouse.type) else "duckdb"
    if schema is not None and (keeper := keeper_of(schema, database)):
        yield Conflict(
            ("dbt", "schema"),
            f"the schema `{schema}` belongs to {keeper}",
            "a schema of the tenant's own, or no `schema` for the default",
        )
