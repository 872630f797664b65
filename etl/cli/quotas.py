"""`etl quotas`: how much of its quotas each tenant has used.

Belongs here: the command and its table. Not here: counting (`etl.quotas`), the order of the queue
(`etl.running.queue_order`).
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.asked import asked_tenants
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.errors import ConfigError, EtlError, NothingExamined, SecretStoreError
from etl.pipeline.stage import lake_of
from etl.quotas.amounts import shown
from etl.quotas.quotas_file import FILE, Quotas, TenantLimits, mistakes_of, quotas_path, read_quotas
from etl.quotas.usage import Use, day_of, usage_of_tenant
from etl.settings import Settings, load_settings

Format = Literal["text", "json"]
_FULL, _WRONG, _UNKNOWN = 1, 2, 3


def quotas(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to show. Default: all.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Show how much of each quota is used, since when it is counted, and when a day's quota is free again.

    Exit code 0: there is room. 1: a quota is used up. 2: tenants/quotas.yaml or a tenant is not valid; the others are
    shown. 3: a limit is set, and how much of it is used is not known; or there is no file of quotas, or it limits none
    of these tenants.
    """
    settings, console = load_settings(), Console()
    names = asked_tenants(settings, tenant or ())
    platform = read_quotas(settings)
    if platform is None:
        raise NothingExamined(
            f"there is no {quotas_path(settings)}, so no tenant has a quota, and nothing is counted",
            f"write tenants/{FILE}; docs/quotas.md has an example",
        )
    found: dict[str, tuple[Use, ...]] = {}
    problems: list[EtlError] = [*mistakes_of(platform, settings)]
    now = datetime.now(UTC)
    for name in names:
        if name in platform.mistaken:
            continue
        try:
            found[name] = _used(name, settings, now)
        except EtlError as error:
            problems.append(error)
    if format_ == "json":
        made = {name: [each.model_dump(mode="json") for each in uses] for name, uses in found.items()}
        sys.stdout.write(json.dumps(made, indent=2) + "\n")
    else:
        for name, uses in found.items():
            for each in _shown(name, uses, platform, now):
                _print(console, each)
    for problem in problems:
        Console(stderr=True).print(f"error: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    _end(found.values(), problems)
    if not any(platform.limits_of(name).limits_something for name in found):
        raise NothingExamined(
            f"{quotas_path(settings)} limits none of these tenants: {', '.join(found)}",
            "write limits below `defaults` or `tenants`; docs/quotas.md has an example",
        )


def _used(name: str, settings: Settings, now: datetime) -> tuple[Use, ...]:
    config = load_tenant(name, settings)
    with lake_of(config, settings) as lake:
        return usage_of_tenant(config, settings, lake, now)


def _print(console: Console, part: Table | str) -> None:
    if isinstance(part, str):
        console.print(part, highlight=False, soft_wrap=True)
    else:
        print_table(console, part)


def _shown(name: str, uses: Sequence[Use], platform: Quotas, now: datetime) -> Iterator[Table | str]:
    """Yield the table of a tenant, and below it what does not fit into it."""
    limits = platform.limits_of(name)
    table = Table("quota", "used", "limit", "share", "since", title=name, title_justify="left")
    begin, end = day_of(limits, now)
    for each in uses:
        table.add_row(
            each.name,
            _used_text(each),
            "-" if each.limit is None else shown(each.name, each.limit),
            _share(each, platform.tell_at),
            f"{each.since.astimezone(begin.tzinfo):%m-%d %H:%M}" if each.since else "-",
        )
    for key in ("concurrent_runs", "backfill_runs"):
        table.add_row(key, "-", _runs(limits, key), "-", "-")
    yield table
    yield f"Times are in {limits.timezone}. The next day begins at {end:%Y-%m-%d %H:%M}."
    yield from (f"{each.name} is unknown: {each.why_unknown}." for each in uses if each.why_unknown)
    yield from (f"{each.name} is not counted: {each.why_uncounted}." for each in uses if each.why_uncounted)
    yield from (
        f"{each.name}: {each.refused} object(s) were refused and wait for room." for each in uses if each.refused
    )


def _used_text(use: Use) -> str:
    if use.used is None:
        return "not counted" if use.why_uncounted else "unknown"
    return ("at least " if use.is_partial else "") + shown(use.name, use.used)


def _runs(limits: TenantLimits, key: str) -> str:
    limit: int | None = getattr(limits, key)
    if limit is not None:
        return shown(key, limit)
    return "half of all" if key == "concurrent_runs" else shown(key, 1)


def _share(use: Use, tell_at: float) -> Text:
    if use.share is None:
        return Text("not known", style="yellow") if use.is_unknown else Text("-")
    style = "bold red" if use.share >= 1 else "yellow" if use.share >= tell_at else "green"
    return Text(f"{use.share:.0%}", style=style)


def _end(found: Iterable[tuple[Use, ...]], problems: Sequence[EtlError]) -> None:
    """End the command with its exit code. What is not known is worse than what is used up."""
    limited = [each for uses in found for each in uses if each.limit is not None]
    if any(isinstance(each, ConfigError) and not isinstance(each, SecretStoreError) for each in problems):
        raise typer.Exit(_WRONG)
    if problems or any(each.is_unknown for each in limited):
        raise typer.Exit(_UNKNOWN)
    if any(each.share is not None and each.share >= 1 for each in limited):
        raise typer.Exit(_FULL)
