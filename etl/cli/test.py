"""`etl test`: runs the unit tests of tenants, and shows which rows differ.

Belongs here: the choice of tests, showing results, exit codes. Not here: what a unit test is (`etl.unit_tests`).
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from etl.cli.asked import asked_tenants
from etl.cli.start import EXIT_FAILED, EXIT_UNKNOWN, EXIT_USAGE
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.settings import Settings, load_settings
from etl.unit_tests.comparison import RowDifference
from etl.unit_tests.discovery import TESTS, TenantTests, find_unit_tests
from etl.unit_tests.judgement import UnitTestResult
from etl.unit_tests.junit import junit_text
from etl.unit_tests.recording import record_unit_test
from etl.unit_tests.running import run_tests

_MARKS = {
    "passed": "[green]ok[/]    ",
    "failed": "[bold red]failed[/]",
    "unknown": "[bold yellow]?[/]     ",
    "unexamined": "[bold yellow]?[/]     ",
    "mistaken": "[bold red]wrong[/] ",
}
_SHOWN_ROWS = 20


def unit_test(
    tenant: Annotated[str | None, typer.Argument(help="The tenant. Default: all tenants.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only the unit tests of this pipeline.")] = None,
    output_format: Annotated[
        str, typer.Option("--format", help="text, or junit: the XML that build servers read.")
    ] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the XML to this file instead of the terminal.")] = None,
    record: Annotated[
        str | None,
        typer.Option(help="Make a unit test of this pipeline from a partition of the lake. Needs --partition."),
    ] = None,
    partition: Annotated[str | None, typer.Option(help="With --record: the partition's key.")] = None,
    rows: Annotated[int, typer.Option(help="With --record: how many rows of each input.", min=1, max=200)] = 10,
) -> None:
    """Run a tenant's unit tests: given rows, the real transform and rules, expected rows. It needs no database.

    No database, lake, warehouse or Dagster is needed. Exit code 1: a test failed. 2: a file has a mistake. 3: nothing
    was examined, or a test could not be judged.
    """
    if record is not None:
        _record(tenant, record, partition, rows)
        return
    if output_format not in ("text", "junit"):
        raise EtlError(f"there is no format `{output_format}`", "text or junit")
    if pipeline is not None and tenant is None:
        raise EtlError("--pipeline needs a tenant", f"for example: etl test acme --pipeline {pipeline}")
    console = Console(stderr=output_format == "junit" and output is None)
    ran = _Ran(load_settings(), console)
    for name in asked_tenants(ran.settings, [tenant] if tenant else []):
        ran.run(name, pipeline)
    if output_format == "junit":
        _write_junit(ran, output)
    _end(ran)


@dataclass
class _Ran:
    """The results so far, and the tenants that do not load."""

    settings: Settings
    console: Console
    results: dict[str, list[UnitTestResult]] = field(default_factory=dict)
    found: dict[str, TenantTests] = field(default_factory=dict)
    is_broken: bool = False

    def run(self, name: str, pipeline: str | None) -> None:
        """Run and show the unit tests of a tenant. If it does not load, the other tenants are still tested."""
        try:
            config = load_tenant(name, self.settings)
            found = find_unit_tests(config, self.settings, pipeline)
        except EtlError as error:
            self.is_broken = True
            self.console.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
            return
        self.found[name], self.results[name] = found, []
        for result in run_tests(found, config, self.settings):
            self.results[name].append(result)
            _show(self.console, name, result)
        _show_gaps(self.console, name, found)


def _record(tenant: str | None, pipeline: str, partition: str | None, rows: int) -> None:
    if tenant is None:
        raise EtlError("--record needs a tenant", "for example: etl test acme --record orders --partition 2026-01-05")
    settings = load_settings()
    made = record_unit_test(load_tenant(tenant, settings), settings, pipeline, partition, rows)
    console = Console()
    path = made.path.relative_to(settings.project_dir).as_posix()
    console.print(Text.from_markup("[green]made[/] ").append(path), soft_wrap=True)
    for each in made.notes:
        console.print(Text(f"  {each}"), soft_wrap=True)


def _write_junit(ran: _Ran, output: Path | None) -> None:
    text = junit_text(ran.results, ran.found)
    if output is None:
        typer.echo(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def _end(ran: _Ran) -> None:
    """Show the sum and end with the exit code."""
    results = [each for listed in ran.results.values() for each in listed]
    if not results and not ran.is_broken:
        untested = [f"{name}/{each}" for name, tests in ran.found.items() for each in tests.untested]
        hint = f"write {TESTS}/<pipeline>/<name>.yaml in the tenant's folder; docs/testing-a-tenant.md shows how"
        more = f"; transforms without a test: {', '.join(untested)}" if untested else ""
        raise NothingExamined(f"nothing was examined: {', '.join(ran.found)} has no unit test{more}", hint)
    count = {status: sum(each.status == status for each in results) for status in _MARKS}
    seconds = sum(each.seconds for each in results)
    parts = [f"[green]{count['passed']} passed[/]"]
    parts += [f"[bold red]{count['failed']} failed[/]"] if count["failed"] else []
    parts += [f"[bold yellow]{count['unknown']} could not be judged[/]"] if count["unknown"] else []
    parts += [f"[bold yellow]{count['unexamined']} examined nothing[/]"] if count["unexamined"] else []
    parts += [f"[bold red]{count['mistaken']} wrong[/]"] if count["mistaken"] else []
    ran.console.print(f"{', '.join(parts)} in {seconds:.1f} s", highlight=False)
    if count["mistaken"] or ran.is_broken:
        sys.exit(EXIT_USAGE)
    if count["unknown"] or count["unexamined"]:
        sys.exit(EXIT_UNKNOWN)
    if count["failed"]:
        sys.exit(EXIT_FAILED)


def _show(console: Console, tenant: str, result: UnitTestResult) -> None:
    test = result.test
    line = Text.from_markup(f"{_MARKS[result.status]} ")
    line.append(f"{tenant}/{test.pipeline}  {test.name}")
    line.append(_types(result), style="dim")
    console.print(line, soft_wrap=True)
    if result.status == "passed":
        return
    console.print(Text(f"       {test.place}", style="dim"), soft_wrap=True)
    for problem in result.problems:
        console.print(Text(f"       {problem}"), soft_wrap=True)
    for title, difference in (("rows", result.rows), ("rejected rows", result.rejected)):
        if difference:
            print_table(console, difference_table(title, difference))


def _types(result: UnitTestResult) -> str:
    said = [f"{count} {origin}" for origin, count in result.outcome.origins.items()]
    skipped = f"; left out: {', '.join(result.test.skip_rules)}" if result.test.skip_rules else ""
    return f"  types: {', '.join(said)}{skipped}" if said else ""


def difference_table(title: str, difference: RowDifference) -> Table:
    """Return a table of all differing rows; a changed cell shows the expected and the actual value."""
    rows = [*difference.missing, *difference.unexpected, *(each.expected for each in difference.changed)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table("", *map(escape, columns), title=f"{title} that differ", title_justify="left")
    lines: list[list[Text]] = [
        [Text("missing", style="red"), *(_cell(row[name], "red") for name in columns)] for row in difference.missing
    ]
    lines += [
        [Text("unexpected", style="yellow"), *(_cell(row[name], "yellow") for name in columns)]
        for row in difference.unexpected
    ]
    for each in difference.changed:
        cells = [
            Text.assemble(_cell(each.expected[name], "red"), " -> ", _cell(each.actual[name], "yellow"))
            if name in each.columns
            else _cell(each.expected[name], "dim")
            for name in columns
        ]
        lines.append([Text("changed", style="bold"), *cells])
    for line in lines[:_SHOWN_ROWS]:
        table.add_row(*line)
    if len(lines) > _SHOWN_ROWS:
        table.caption = f"{len(lines) - _SHOWN_ROWS} more rows differ"
    elif difference.changed:
        table.caption = "changed cells: expected -> actual"
    return table


def _cell(value: Any, style: str) -> Text:  # noqa: ANN401  a value of any type
    return Text("null", style=f"italic {style}") if value is None else Text(str(value), style=style)


def _show_gaps(console: Console, tenant: str, found: TenantTests) -> None:
    for name in found.untested:
        console.print(Text.from_markup(f"[yellow]warning:[/] no unit test examines the transform of {tenant}/{name}"))
    for name in found.disabled:
        console.print(Text.from_markup(f"[yellow]warning:[/] {tenant}/{name} is switched off, its tests did not run"))
