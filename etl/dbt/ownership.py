"""Refuses relations and schemas that dbt may not build because they belong to another owner.

Belongs here: comparing the relations of a prepared project, and the schemas of all tenants, with their owners. Not
here: reserved schemas (`etl.config.identifiers`), the owner of a project (`etl.config.ownership`), running dbt
(`build`). SQL that a project writes by hand, such as a hook, is code of the project and is not checked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from etl.config.identifiers import keeper_of
from etl.config.tenant_config import TenantConfig
from etl.dbt.project import TenantDbt, tenant_dbt
from etl.dbt.target import database_of, open_target, schema_of, target_type
from etl.errors import ConfigError, DbtError
from etl.settings import Settings
from etl.warehouse.contract import TableOwner

_REMEDY = "give it another `schema` or `alias`; the macro `generate_schema_name` decides what becomes of a `schema`"


class DbtRelation(BaseModel):
    """The relation that a node of the project would make or replace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique_id: str
    database: str | None
    schema_name: str
    name: str

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name in lower case, as databases compare them."""
        return self.schema_name.casefold(), self.name.casefold()

    @property
    def shown(self) -> str:
        """The node and its relation, for people."""
        kind, *_, name = self.unique_id.split(".")[:3]
        return f"the {kind} `{name}` would be built as {self.schema_name}.{self.name}"


def refuse_known(config: TenantConfig, project: TenantDbt, relations: Iterable[DbtRelation]) -> None:
    """Refuse reserved schemas, other tenants' schemas and tables that the tenant loads, as far as the files show."""
    kind = target_type(project)
    others = [each for each in project.tenants if each != config.id]
    loaded = {} if kind != config.warehouse.type else loaded_tables(config)
    for each in relations:
        schema = each.schema_name.casefold()
        if keeper := keeper_of(schema, kind):
            raise _refused(config, each, f"the schema belongs to {keeper}")
        if schema in {f"dbt_{other}" for other in others} and database_of(project)[0] != "file":
            raise _refused(config, each, f"that is the dbt schema of tenant {schema.removeprefix('dbt_')}")
        if kind == "duckdb" and each.database in others:
            raise _refused(config, each, f"in the database `{each.database}`, which is tenant {each.database}'s")
        if pipeline := loaded.get(each.place):
            raise _refused(config, each, f"that is the table that the pipeline `{pipeline}` of this tenant loads")


def refuse_loaded(config: TenantConfig, project: TenantDbt, relations: Sequence[DbtRelation]) -> None:
    """Refuse tables in the ledger of dbt's database, and schemas into which only other tenants load."""
    warehouse = open_target(project) if relations else None
    if warehouse is None:
        return
    owners: dict[str, set[str]] = {}
    tables: dict[tuple[str, str], TableOwner] = {}
    for owner in warehouse.owners({each.place[0] for each in relations}):
        owners.setdefault(owner.schema_name.casefold(), set()).add(owner.tenant)
        tables[owner.schema_name.casefold(), owner.table.casefold()] = owner
    own = {schema for schema, _ in loaded_tables(config)}
    for each in relations:
        if loads := tables.get(each.place):
            raise _refused(config, each, f"the pipeline `{loads.pipeline}` of tenant {loads.tenant} loads that table")
        found = owners.get(each.place[0], set())
        if found and config.id not in found and each.place[0] not in own:
            raise _refused(config, each, f"tenant {min(found)} loads its tables into that schema")


def loaded_tables(config: TenantConfig) -> dict[tuple[str, str], str]:
    """Return the pipeline that loads each table, by schema and name in lower case."""
    return {
        (output.target_schema.casefold(), output.target_table.casefold()): name
        for name, pipeline in config.pipelines.items()
        if pipeline.save_to_trino and (output := pipeline.trino_output)
    }


def _refused(config: TenantConfig, relation: DbtRelation, why: str) -> DbtError:
    return DbtError(f"tenant {config.id}: {relation.shown}, but {why}; dbt was not started", _REMEDY)


@dataclass(frozen=True)
class DbtPlace:
    """The database, its type, and the default schema into which a tenant's dbt writes."""

    tenant: str
    database: tuple[str, ...]
    schema: str
    type: str


def dbt_place(config: TenantConfig, settings: Settings) -> DbtPlace | None:
    """Return the place; None if the tenant has no dbt, writes into its own file, or only dbt knows the schema."""
    if not (config.enabled and config.dbt.enabled):
        return None
    try:
        project = tenant_dbt(config, settings)
    except DbtError:  # the tenant has no project, which its own location reports
        return None
    database, schema = database_of(project), schema_of(project)
    return DbtPlace(config.id, database, schema, target_type(project)) if schema and database[0] != "file" else None


def shared_dbt_schemas(
    configs: Iterable[TenantConfig], places: Iterable[DbtPlace | None]
) -> list[tuple[frozenset[str], ConfigError]]:
    """Return the two tenants and the error for each tenant whose dbt would write into a schema of another tenant.

    Two dbt targets are one database if they are the same target of the same profiles.yml. A tenant's warehouse may be
    dbt's database if both have the same type, because the files may name one database in different ways.
    """
    by_id = {each.id: each for each in configs}
    loading: dict[tuple[str, str], set[str]] = {}
    for each in by_id.values():
        for schema, _ in loaded_tables(each) if each.warehouse.type != "duckdb" else ():
            loading.setdefault((each.warehouse.type, schema), set()).add(each.id)
    problems: list[tuple[frozenset[str], ConfigError]] = []
    taken: dict[tuple[str, ...], str] = {}
    for place in filter(None, places):
        config, schema = by_id[place.tenant], place.schema.casefold()
        first = taken.setdefault((*place.database, schema), config.id)
        if first != config.id:
            problems.append(_shared(config, first, place.schema, "dbt writes its models there too"))
        others = sorted(loading.get((place.type, schema), set()) - {config.id, first})
        problems += [_shared(config, each, place.schema, "its pipelines load there") for each in others]
    return problems


def _shared(config: TenantConfig, other: str, schema: str, why: str) -> tuple[frozenset[str], ConfigError]:
    place = f"{config.origin.path}:{config.line_of('dbt', 'schema')}"
    return frozenset({config.id, other}), ConfigError(
        f"{place}: dbt of tenant {config.id} would write into the schema `{schema}`, which is tenant {other}'s: {why}",
        "give each tenant a `dbt: {schema: ...}` of its own, or none for the default `dbt_<tenant>`",
    )
