"""Examines what each tenant keeps beside the lake: its dbt project's index, and its DuckDB file.

Belongs here: things of one tenant. Not here: its configuration (`etl check`), its objects (`formats`).
"""

from collections.abc import Iterator

from etl.config.life import FILE, read_life_file
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import fresh_index
from etl.dbt.project import tenant_dbt
from etl.errors import EtlError
from etl.health.finding import Condition, Examined, good, size
from etl.pipeline.life import life_file, life_in, main_lake, refused
from etl.resources.warehouse import warehouse_of_tenant
from etl.running.dbt_prepare import prepare
from etl.settings import Settings
from etl.warehouse.contract import CareRequest

FREE_SHARE, FREE_BYTES = 0.5, 64 << 20
"""A DuckDB file of which more than this is free is said to be bloated."""


def examine_tenant(config: TenantConfig, settings: Settings) -> Iterator[Examined]:
    """Yield the state of one tenant."""
    try:
        yield from _life(config, settings)
    except EtlError as error:
        yield Examined(config.id, "life", Condition.UNKNOWN, error.problem, error.hint)
    try:
        yield from _dbt(config, settings)
    except EtlError as error:
        yield Examined(config.id, "dbt", Condition.BAD, error.problem, error.hint)
    try:
        yield from _duckdb(config)
    except EtlError as error:
        yield Examined(config.id, "warehouse", Condition.UNKNOWN, error.problem, error.hint)


def _life(config: TenantConfig, settings: Settings) -> Iterator[Examined]:
    """Yield whether the tenant works, and whether both places that say so agree."""
    in_file = read_life_file(life_file(config.id, settings))
    with main_lake(config, settings) as lake:
        in_lake = life_in(lake, config.id)
    not_active = next((each for each in (in_lake, in_file) if each is not None and each.state != "active"), None)
    if not_active is None:
        return
    lake_says, file_says = (each.state if each is not None else "active" for each in (in_lake, in_file))
    if lake_says == file_says == "retired":
        yield good(config.id, "life", f"is retired since {not_active.since:%Y-%m-%d}")
        return
    what = f"its lake says {lake_says}, its file {FILE} says {file_says}; the stricter one counts"
    yield Examined(config.id, "life", Condition.WARNING, what, refused(config.id, not_active).hint)


def _dbt(config: TenantConfig, settings: Settings) -> Iterator[Examined]:
    if not config.dbt.enabled:
        return
    project = tenant_dbt(config, settings)
    if fresh_index(config, project) is not None:
        yield good(config.id, "dbt", f"the index of {project.folder.name} is of the present files")
        return

    def parse() -> str:
        return f"prepared {project.folder.name}: {len(prepare(config, project).assets)} assets"

    yield Examined(
        config.id,
        "dbt",
        Condition.WARNING,
        f"the index of {project.folder.name} is missing or older than the project: the next load parses it",
        f"etl dbt prepare {config.id}",
        parse,
    )


def _duckdb(config: TenantConfig) -> Iterator[Examined]:
    """Yield how much of a DuckDB file is free. A server's space is for its owner to watch."""
    if config.warehouse.type != "duckdb":
        return
    warehouse = warehouse_of_tenant(config).open(config)
    looked = next(iter(warehouse.care(CareRequest(run_id="doctor", dry_run=True))), None)
    if looked is None:
        yield good(config.id, "warehouse", "no file yet: the first load makes it")
        return
    if looked.error is not None:
        yield Examined(config.id, "warehouse", Condition.UNKNOWN, looked.error.problem, looked.error.hint)
        return
    total, free = looked.before["bytes"], looked.before["free bytes"]
    said = f"{size(total)}, of which {size(free)} are free; it can be opened, its rows were not read"
    if free <= FREE_BYTES or free <= FREE_SHARE * total:
        yield good(config.id, "warehouse", said)
        return

    def rewrite() -> str:
        (care,) = warehouse.care(CareRequest(run_id="doctor", rewrite=True))
        if care.error is not None:
            raise care.error
        return f"wrote the file again: {size(care.before['bytes'])} before, {size(care.after['bytes'])} now"

    yield Examined(
        config.id,
        "warehouse",
        Condition.WARNING,
        f"{said}: DuckDB does not give back the space of deleted rows in the middle of a file",
        f"`etl maintain {config.id} --rewrite`, while no run of the tenant is at work",
        rewrite,
    )
