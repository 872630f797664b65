"""The `etl` command: one file per subject, put together here.

Belongs here: the list of commands and how a failure is shown. Does not: what a command does.
"""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from etl.cli import check, dbt, demo, docs, metrics, new, quarantine, rules, run, sla, verify
from etl.errors import EtlError

app = typer.Typer(
    help="Tenants from YAML: rows extracted, checked, published, loaded, and watched, in Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("new", epilog="For example: `etl new acme --group NPS`")(new.new)
app.command("demo", epilog="For example: `etl demo --tenant project_01`")(demo.demo)
app.command("run")(run.run)
app.command("verify", epilog="For example: `etl verify project_01 --pipeline lot_history`")(verify.verify)
app.command("check", epilog="For example: `etl check project_01`")(check.check)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(dbt.app, name="dbt")
app.add_typer(sla.app, name="sla")
app.command("metrics", epilog="For example: `etl metrics --output /var/lib/node_exporter/etl.prom`")(metrics.metrics)
app.command("rules", epilog="For example: `etl rules in_range`")(rules.rules)
app.command("docs", epilog="For example: `etl docs --check`")(docs.docs)

# What a script can rely on: passed or warned, failed, wrong usage or configuration, could not be evaluated.
EXIT_FAILED, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3


def main() -> None:
    """Run the command; a failure that the product knows is shown as a sentence, not as a traceback."""
    try:
        app()
    except EtlError as error:
        console = Console(stderr=True)
        console.print(f"[bold red]error:[/] {escape(error.problem)}", highlight=False)
        if error.hint:
            console.print(f"[green]  ->[/] {escape(error.hint)}", highlight=False)
        sys.exit(EXIT_USAGE)
