"""Shows what a back-fill will do to the others: `etl plan --simulate FROM/TO`.

Belongs here: reading the range, and the table. Not here: the simulation (`etl.planning.simulated_day`).
"""

from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance
from rich.console import Console
from rich.table import Table

from etl.cli.tables import print_table
from etl.config.config_loader import list_tenants, load_tenant
from etl.errors import ConfigError, EtlError, NothingExamined
from etl.planning.simulated_day import BackFillEffect, simulate
from etl.quotas.quotas_file import mistakes_of, read_quotas
from etl.settings import Settings


def show_simulation(
    tenant: str, asked: str, settings: Settings, instance: DagsterInstance, console: Console, *, as_json: bool
) -> bool:
    """Simulate a back-fill and show what it does. Return whether a promise is broken that would be kept without it.

    Raises the error about the file of quotas at the end, if an entry of the file is wrong: it was played without this
    entry.
    """
    first, slash, last = asked.partition("/")
    if not slash or not first or not last:
        raise EtlError(f"`{asked}` is no range", "write the first and the last key: --simulate 2024-11-30/2026-11-29")
    others, left_out = [], list[str]()
    for name in list_tenants(settings):
        if name == tenant:
            continue
        try:
            others.append(load_tenant(name, settings))
        except ConfigError:
            left_out.append(name)
    found = simulate(load_tenant(tenant, settings), others, settings, instance, (first, last), datetime.now(UTC))
    if as_json:
        console.print_json(found.model_dump_json())
    else:
        for line in _lines(found, left_out):
            console.print(line, highlight=False, soft_wrap=True)
        print_table(console, _table(found))
    quotas = read_quotas(settings)
    if wrong := mistakes_of(quotas, settings) if quotas else ():
        raise ConfigError(
            "the queue was played without these entries of the file of quotas:\n"
            + "\n".join(each.problem for each in wrong),
            wrong[0].hint,
        )
    if not found.effects:
        raise NothingExamined(
            f"no schedule of any tenant is due within {_time(found.played)}, so nothing shows what the back-fill does",
            "write a schedule below `jobs` in the tenants' files",
        )
    return any(each.late_with > each.late_without for each in found.effects)


def _lines(found: BackFillEffect, left_out: list[str]) -> list[str]:
    rows = f"about {found.rows:,} rows" if found.rows is not None else "an unknown number of rows"
    what = f"{found.partitions:,} partitions, {rows}, {_time(timedelta(seconds=found.seconds))} of work"
    lines = [f"A back-fill of {found.tenant} from {found.first} to {found.last}: {what}."]
    if found.began_after is None:
        lines.append(f"It does not begin within {_time(found.played)}: other runs take its place.")
    elif found.ended_after is None:
        lines.append(f"It begins after {_time(found.began_after)}, and does not end within {_time(found.played)}.")
    else:
        lines.append(f"It begins after {_time(found.began_after)}, and ends after {_time(found.ended_after)}.")
    if found.days_by_quota is not None and found.days_by_quota > 1:
        lines.append(
            f"`rows_per_day` spreads it over {found.days_by_quota} days in each stage: it is refused when a day is used"
            " up, and continued by itself on the next."
        )
    lines.append(
        f"Meanwhile, runs of {found.tenant} itself wait for its source and its warehouse, which take one run at a time."
    )
    if found.assumed:
        lines.append(f"Assumed to take as long as others, because they never ended here: {', '.join(found.assumed)}.")
    if left_out:
        lines.append(f"Left out, because their files are not valid: {', '.join(left_out)}.")
    lines.append(f"The next {_time(found.played)} on Dagster's queue with {found.places} places, without and with it:")
    return lines


def _table(found: BackFillEffect) -> Table:
    table = Table("tenant", "runs", "promised", "late", "median wait", "longest wait")
    for each in found.effects:
        worse = each.late_with > each.late_without
        late = f"{each.late_without} -> {each.late_with}"
        table.add_row(
            each.tenant,
            str(each.runs),
            str(each.promised),
            f"[bold red]{late}[/]" if worse else late,
            f"{_time(each.median_without)} -> {_time(each.median_with)}",
            f"{_time(each.longest_without)} -> {_time(each.longest_with)}",
        )
    return table


def _time(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
