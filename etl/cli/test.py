"""`etl test`: runs the unit tests of tenants, and shows which rows differ.

Belongs here: the choice of tests, showing results, exit codes. Not here: what a unit test is (`etl.unit_tests`).
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from etl.cli.asked import asked_tenants
from etl.cli.start import EXIT_FAILED, EXIT_UNKNOWN, EXIT_USAGE
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.settings import load_settings
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
    """Run a tenant's unit tests, `tests/<pipeline>/*.yaml`: the given rows, the real transform and rules, and a diff.

    No database, lake, warehouse or Dagster is needed. Exit code 1: a test failed. 2: a file has a mistake. 3: nothing
    was examined, or a test could not be judged.
    """
    settings = load_settings()
    if record is not None:
        if tenant is None:
            raise EtlError(
                "--record needs a tenant", "for example: etl test acme --record orders --partition 2026-01-05"
            )
        made = record_unit_test(load_tenant(tenant, settings), settings, record, partition, rows)
        _show_recorded(made.path.relative_to(settings.project_dir).as_posix(), made.notes)
        return
    if output_format not in ("text", "junit"):
        raise EtlError(f"there is no format `{output_format}`", "text or junit")
    console = Console(stderr=output_format == "junit" and output is None)
    results: dict[str, list[UnitTestResult]] = {}
    found: dict[str, TenantTests] = {}
    for name in asked_tenants(settings, [tenant] if tenant else []):
        config = load_tenant(name, settings)
        found[name] = find_unit_tests(config, settings, pipeline if tenant else _own(pipeline, config.assets.pipelines))
        results[name] = []
        for result in run_tests(found[name], config, settings):
            results[name].append(result)
            _show(console, name, result)
        _show_gaps(console, name, found[name])
    if output_format == "junit":
        text = junit_text(results, found)
        if output is None:
            typer.echo(text)
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(text, encoding="utf-8")
    _end(console, [each for listed in results.values() for each in listed], tenant, found)


def _own(pipeline: str | None, pipelines: Mapping[str, object]) -> str | None:
    """Return the pipeline if the tenant has it; refuse --pipeline for all tenants otherwise."""
    if pipeline is not None and pipeline not in pipelines:
        raise EtlError(f"not every tenant has a pipeline `{pipeline}`", "name the tenant too: etl test acme --pipeline")
    return pipeline


def _end(
    console: Console, results: Sequence[UnitTestResult], tenant: str | None, found: Mapping[str, TenantTests]
) -> None:
    """Show the sum and end with the exit code."""
    if not results:
        names = ", ".join(found)
        untested = [f"{name}/{each}" for name, tests in found.items() for each in tests.untested]
        hint = f"write {TESTS}/<pipeline>/<name>.yaml in the tenant's folder; docs/testing-a-tenant.md shows how"
        more = f"; transforms without a test: {', '.join(untested)}" if untested else ""
        raise NothingExamined(f"nothing was examined: {tenant or names} has no unit test{more}", hint)
    count = {status: sum(each.status == status for each in results) for status in _MARKS}
    seconds = sum(each.seconds for each in results)
    parts = [f"[green]{count['passed']} passed[/]"]
    parts += [f"[bold red]{count['failed']} failed[/]"] if count["failed"] else []
    parts += [f"[bold yellow]{count['unknown']} could not be judged[/]"] if count["unknown"] else []
    parts += [f"[bold red]{count['mistaken']} wrong[/]"] if count["mistaken"] else []
    console.print(f"{', '.join(parts)} in {seconds:.1f} s", highlight=False)
    if count["mistaken"]:
        sys.exit(EXIT_USAGE)
    if count["unknown"]:
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
            console.print(difference_table(title, difference))


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


def _show_recorded(path: str, notes: Sequence[str]) -> None:
    console = Console()
    console.print(Text.from_markup("[green]made[/] ").append(path), soft_wrap=True)
    for each in notes:
        console.print(Text(f"  {each}"), soft_wrap=True)
