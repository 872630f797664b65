"""Examines what each tenant keeps beside the lake: its dbt project's index, and its DuckDB file.

Belongs here: things of one tenant. Not here: its configuration (`etl check`), its objects (`formats`).
"""

from collections.abc import Iterator

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import fresh_index
from etl.dbt.project import tenant_dbt
from etl.errors import EtlError
from etl.health.finding import Finding, State, good, size
from etl.resources.warehouse import warehouse_of_tenant
from etl.running.dbt_prepare import prepare
from etl.settings import Settings
from etl.warehouse.duckdb import DuckDBWarehouse

FREE_SHARE, FREE_BYTES = 0.5, 64 << 20
"""A DuckDB file of which more than this is free is said to be bloated."""


def examine_tenant(config: TenantConfig, settings: Settings) -> Iterator[Finding]:
    """Yield the state of one tenant."""
    try:
        yield from _dbt(config, settings)
    except EtlError as error:
        yield Finding(config.id, "dbt", State.BAD, error.problem, error.hint)
    try:
        yield from _duckdb(config)
    except EtlError as error:
        yield Finding(config.id, "warehouse", State.UNKNOWN, error.problem, error.hint)


def _dbt(config: TenantConfig, settings: Settings) -> Iterator[Finding]:
    if not config.dbt.enabled:
        return
    project = tenant_dbt(config, settings)
    if fresh_index(config, project) is not None:
        yield good(config.id, "dbt", f"the index of {project.folder.name} is of the present files")
        return

    def parse() -> str:
        return f"prepared {project.folder.name}: {len(prepare(config, project).assets)} assets"

    yield Finding(
        config.id,
        "dbt",
        State.WARNING,
        f"the index of {project.folder.name} is missing or older than the project: the next load parses it",
        f"etl dbt prepare {config.id}",
        parse,
    )


def _duckdb(config: TenantConfig) -> Iterator[Finding]:
    warehouse = warehouse_of_tenant(config).open(config)
    if not isinstance(warehouse, DuckDBWarehouse):
        return
    space = warehouse.space()
    if space is None:
        yield good(config.id, "warehouse", "no file yet: the first load makes it")
        return
    total, free = space
    said = f"{size(total)}, of which {size(free)} are free"
    if free <= FREE_BYTES or free <= FREE_SHARE * total:
        yield good(config.id, "warehouse", said)
        return

    def rewrite() -> str:
        before, after = warehouse.rewrite("doctor")
        return f"wrote the file again: {size(before)} before, {size(after)} now"

    yield Finding(
        config.id,
        "warehouse",
        State.WARNING,
        f"{said}: DuckDB does not give back the space of deleted rows in the middle of a file",
        f"etl doctor {config.id} --fix writes the file again, while no run of the tenant is at work",
        rewrite,
    )
