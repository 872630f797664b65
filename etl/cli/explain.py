"""`etl explain`: what happened to a pipeline, why it is late or blocked, and what to do.

Belongs here: the command. Not here: the explanation (`etl.running.explain`, `explain_data`).
"""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.resources.warehouse import warehouse_of_tenant
from etl.running.explain import WRONG, Explanation
from etl.running.explain_data import with_data
from etl.running.sla_watch import SlaWatch
from etl.settings import load_settings
from etl.suggest import did_you_mean

PATIENCE = 60.0
_UNKNOWN = 3


def explain(
    what: Annotated[str, typer.Argument(help="The pipeline, as tenant/pipeline.")],
    partition: Annotated[
        str | None, typer.Option(help="Look at this partition. Default: the newest published one.")
    ] = None,
) -> None:
    """Say what happened to a pipeline, why it is late, blocked, missing or stale, who is told, and what to do.

    Exit code 0: it is healthy, or only at risk. 1: something is wrong. 3: it is not known how it stands.
    """
    settings, now = load_settings(), datetime.now(UTC)
    tenant, _, name = what.partition("/")
    asked_tenants(settings, [tenant])
    config = load_tenant(tenant, settings)
    if name not in config.pipelines:
        raise EtlError(
            f"tenant {tenant} has no pipeline `{name}`{did_you_mean(name, config.pipelines)}",
            "write `etl explain TENANT/PIPELINE`",
        )
    key = _partition(config, name, partition)
    with opened_instance(settings) as instance:
        watch = SlaWatch(config, settings, budget=PATIENCE)
        verdicts, unjudged = watch.judge_with_data(instance, now)
        found = watch.explained(name, verdicts, unjudged, now, instance, key)
        once = watch.published(name, now)
    pipeline = config.pipelines[name]
    found = with_data(found, config, pipeline, settings, warehouse_of_tenant(config).open(config), key, once, now)
    _show(found)
    if found.standing in WRONG:
        raise typer.Exit(1)
    if found.standing == "unknown":
        raise typer.Exit(_UNKNOWN)


def _partition(config: TenantConfig, name: str, asked: str | None) -> str | None:
    if asked is None:
        return None
    try:
        first, last = config.pipelines[name].scheme.range(asked, asked)
    except ValueError as error:
        raise EtlError(str(error), "leave `--partition` out for the newest one") from None
    if first != last:
        raise EtlError(f"`{asked}` is more than one partition", f"name one, such as {first}")
    return first


def _show(found: Explanation) -> None:
    colour = "green" if found.standing == "healthy" else "yellow" if found.standing in ("unknown", "at risk") else "red"
    head, *lines = found.as_text().splitlines()
    console = Console()
    console.print(f"{found.tenant}/{found.pipeline} is {head}", style=f"bold {colour}", markup=False, soft_wrap=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
