"""The `etl` command: one file per subject, put together here.

Belongs here: the list of commands and how a failure is shown. Does not: what a command does.
"""

import os
import sys

import typer
from dagster._core.secrets.env_file import get_env_var_dict
from rich.console import Console
from rich.markup import escape

from etl.cli import check, dbt, demo, docs, home, metrics, new, quarantine, rules, run, schema, set_aside, sla, verify
from etl.errors import EtlError, NothingExamined
from etl.secrets.scrub import learn_environment
from etl.secrets.streams import scrub_streams
from etl.settings import project_dir

app = typer.Typer(
    help="Tenants from YAML: rows extracted, checked, published, loaded, and watched, in Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("new", epilog="For example: `etl new acme --group NPS`")(new.new)
app.command("demo", epilog="For example: `etl demo --tenant project_01`")(demo.demo)
app.command("run")(run.run)
app.command("set-aside", epilog="For example: `etl set-aside project_01 lot_history --yes`")(set_aside.set_aside)
app.command("verify", epilog="For example: `etl verify project_01 --pipeline lot_history`")(verify.verify)
app.command("check", epilog="For example: `etl check project_01`")(check.check)
app.add_typer(schema.app, name="schema")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(dbt.app, name="dbt")
app.add_typer(sla.app, name="sla")
app.command("metrics", epilog="For example: `etl metrics --output /var/lib/node_exporter/etl.prom`")(metrics.metrics)
app.command("rules", epilog="For example: `etl rules in_range`")(rules.rules)
app.command("home")(home.home)
app.command("docs", epilog="For example: `etl docs --check`")(docs.docs)

# What a script can rely on: failed, wrong usage or configuration, could not be evaluated (docs/exit-codes.md).
EXIT_FAILED, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3


def main() -> None:
    """Run the command; a failure that the product knows is shown as a sentence, not as a traceback."""
    try:
        # As Dagster does for the runs it starts, the file before the process environment: both see the same database.
        os.environ.update(get_env_var_dict(str(project_dir(os.environ))))
        learn_environment(os.environ)
        scrub_streams()
        app()
    except EtlError as error:
        console = Console(stderr=True)
        console.print(f"[bold red]error:[/] {escape(error.problem)}", highlight=False)
        if error.hint:
            console.print(f"[green]  ->[/] {escape(error.hint)}", highlight=False)
        sys.exit(EXIT_UNKNOWN if isinstance(error, NothingExamined) else EXIT_USAGE)
