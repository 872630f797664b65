"""`etl set-aside`: renames a table or view that has the name of a pipeline's table.

Belongs here: the command. Not here: the renaming (`etl.warehouse.set_aside`), refusing a load.
"""

from typing import Annotated

import typer
from rich.console import Console

from etl.config.config_loader import load_tenant
from etl.errors import EtlError
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import load_settings
from etl.suggest import nearest


def set_aside(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    pipeline: Annotated[str, typer.Argument(help="The pipeline whose table is to be made anew.")],
    yes: Annotated[bool, typer.Option("--yes", help="Rename it. Without --yes nothing is done.")] = False,
) -> None:
    """Rename the table or view that a pipeline cannot load, so that the next loads make a new one.

    Nothing is deleted. Use it for a table that somebody else made or that another pipeline loaded, for a view, or for
    a table whose columns have changed. Run all partitions again afterwards.
    """
    config = load_tenant(tenant, load_settings())
    if pipeline not in config.pipelines:
        close = nearest(pipeline, config.pipelines)
        hint = f"did you mean `{close}`?" if close else f"its pipelines: {', '.join(sorted(config.pipelines))}"
        raise EtlError(f"tenant {tenant} has no pipeline `{pipeline}`", hint)
    output = config.pipelines[pipeline].trino_output
    if output is None or not config.pipelines[pipeline].save_to_trino:
        raise EtlError(f"{tenant}/{pipeline} loads no table", "write `save_to_trino: true`")
    target = f"{output.target_schema}.{output.target_table}"
    if not yes:
        raise EtlError(f"{target} would be renamed; nothing was done", "write --yes to do it")
    warehouse = warehouse_of_tenant(config).open(config)
    with warehouse.writing(output.target_schema, output.target_table, "set-aside") as table:
        name = table.set_aside()
    if not name:
        raise EtlError(f"there is no {target} in the warehouse of {tenant}", "run the pipeline: a load can create it")
    Console().print(f"{target} is now called {output.target_schema}.{name}; run every day of {tenant}/{pipeline} again")
