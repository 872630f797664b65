"""The list of commands. Listing them imports no command; the file of a command is imported when it is called.

Belongs here: for each command its name, one sentence about it, and its module. Not here: the commands themselves, and
showing errors (`etl.cli.start`).
"""

from importlib import import_module
from typing import Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from etl.cli.signature import names_of_signature

ROOM = "etl.cli"
STYLE: Literal["markdown"] = "markdown"


class LazyCommand(TyperCommand):
    """One line of the list. It becomes the real command when the command is called or its help is shown."""

    def __init__(self, name: str, sentence: str, where: str, example: str, panel: str) -> None:
        """`where` is `module:attribute` in this room: a function, or the `typer.Typer` of a group of commands."""
        super().__init__(name, short_help=sentence, rich_help_panel=panel)
        self._where, self._example = where, example

    def load(self) -> Any:  # noqa: ANN401  a command or a group, which typer exports no common type of
        """Import the command's file and make the command from it."""
        module, _, attribute = self._where.partition(":")
        return self._made(getattr(import_module(f"{ROOM}.{module}"), attribute))

    def signature(self) -> Any:  # noqa: ANN401
        """Return a command that can show its help and do nothing else; the real one where there is no such command."""
        module, _, attribute = self._where.partition(":")
        names = names_of_signature(f"{ROOM}.{module}", attribute)
        return self.load() if names is None or attribute not in names else self._made(names[attribute])

    def _made(self, written: Any) -> Any:  # noqa: ANN401
        if isinstance(written, typer.Typer):
            written.rich_markup_mode = STYLE
            made: Any = typer.main.get_group(written)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=STYLE)
            alone.command(epilog=self._example and f"For example: `{self._example}`")(written)
            made = typer.main.get_command(alone)
        made.name = self.name
        return made

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **options: Any) -> Any:  # noqa: ANN401
        """Make the real command's context, which handles all further arguments. Help alone needs no real command."""
        command = self.signature() if args[-1:] == ["--help"] else self.load()
        return command.make_context(info_name, args, *more, **options)


class LazyGroup(TyperGroup):
    """The command `etl`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  typer's own
        """Hold the commands of the list below."""
        commands = [LazyCommand(*each, panel) for panel, listed in PANELS.items() for each in listed]
        super().__init__(**{**options, "commands": commands})


PANELS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "Begin": (
        (
            "init",
            "Make a project in a folder: one tenant that runs, the template for more tenants, and the settings.",
            "init:init",
            "etl init my_project",
        ),
        (
            "new",
            "Make a tenant: from the template, with demo data; or from a database, whose tables become pipelines.",
            "new:new",
            "etl new acme --from ACME_DB_URL --tables 'order*'",
        ),
        (
            "migrate",
            "Rewrite a file into a tenant's file, with its comments; show the difference and what a person decides.",
            "migrate:migrate_file",
            "etl migrate tenants/project_01/config.yaml",
        ),
        (
            "demo",
            "Make the demo sources, run every tenant end to end with Dagster, and show the results.",
            "demo:demo",
            "etl demo --tenant project_01",
        ),
    ),
    "Before a change": (
        ("check", "Load tenants and check that they keep the conventions.", "check:check", "etl check project_01"),
        (
            "plan",
            "Show what a change of a tenant's files will do before anything runs, and with --apply do it.",
            "plan:plan",
            "etl plan project_01 --against main",
        ),
        (
            "test",
            "Run a tenant's unit tests: given rows, the real transform and rules, expected rows. It needs no database.",
            "test:unit_test",
            "etl test project_01 --pipeline lot_history",
        ),
        (
            "contract",
            "Data contracts (Open Data Contract Standard): export a pipeline's, import one, say what a change breaks.",
            "contract:app",
            "",
        ),
        ("schema", "Accept changed columns of a source; help editors with tenants' files.", "schema:app", ""),
        (
            "rules",
            "List the quality rules; show one; suggest rules for a file; compare two files; or look for personal data.",
            "rules:rules",
            "etl rules in_range",
        ),
        ("dbt", "Prepare dbt projects; convert rules into dbt tests and back.", "dbt:app", ""),
    ),
    "Every day": (
        (
            "run",
            "Run a tenant's assets: `etl run project_01 --pipeline lot_history --from 2026-01-01 --to 2026-01-05`.",
            "run:run",
            "",
        ),
        (
            "explain",
            "Say what happened to a pipeline, why it is late, blocked, missing or stale, who is told, and what to do.",
            "explain:explain",
            "etl explain project_01/lot_history",
        ),
        (
            "verify",
            "Compare source, lake and warehouse, read-only. The result is also Dagster's asset check `reconciled`.",
            "verify:verify",
            "etl verify project_01 --pipeline lot_history",
        ),
        ("sla", "The present state of promises, and how well they were kept.", "sla:app", ""),
        ("quarantine", "Show, replay or discard rows that broke a rule.", "quarantine:app", ""),
        (
            "set-aside",
            "Rename the table or view that a pipeline cannot load, so that the next loads make a new one.",
            "set_aside:set_aside",
            "etl set-aside project_01 lot_history --yes",
        ),
    ),
    "Watch and care": (
        (
            "metrics",
            "Write numbers of every pipeline, by tenant and pipeline, to a file, a port, a gateway or the terminal.",
            "metrics:metrics",
            "etl metrics --output /var/lib/node_exporter/etl.prom",
        ),
        (
            "traces",
            "Send the spans of runs that have ended since the last call: the run, its wait in the queue, its steps.",
            "traces:traces",
            "etl traces --endpoint http://localhost:4318 --every 30",
        ),
        ("lineage", "From which columns a column comes, and OpenLineage events of runs.", "lineage:app", ""),
        (
            "quotas",
            "Show how much of each quota is used, since when it is counted, and when a day's quota is free again.",
            "quotas:quotas",
            "etl quotas project_01",
        ),
        ("secrets", "Which secrets a tenant names, where they are, and whether they can be read.", "secrets:app", ""),
        (
            "maintain",
            "Care for the tables that a tenant has loaded: join small files, remove what no load and no reader needs.",
            "maintain:maintain",
            "etl maintain project_01 --dry-run",
        ),
        (
            "doctor",
            "Examine the installation: machine, versions, data folder, Dagster's storage, and what each tenant keeps.",
            "doctor:doctor",
            "etl doctor --fix",
        ),
        ("portal", "A page for each tenant, as files that can be given to its people.", "portal:app", ""),
    ),
    "Install, and end": (
        (
            "home",
            "Prepare Dagster's home and say what its dagster.yaml lacks: `etl home`. `make dev` does this first.",
            "home:home",
            "",
        ),
        (
            "deploy",
            "Write the files of a production installation: Docker Compose, Kubernetes, or systemd.",
            "deploy:app",
            "",
        ),
        (
            "backup",
            "Write a backup of Dagster's history, lakes, warehouses and state, while runs are at work.",
            "backup:backup",
            "etl backup --out /var/backups/etl --keep 14",
        ),
        (
            "restore",
            "Read a backup into an empty installation, after looking whether it is whole.",
            "restore:restore",
            "etl restore /var/backups/etl/2026-01-05T013000Z",
        ),
        (
            "tenant",
            "A tenant's life: export, import, rename, retire or erase it; erase the rows of one person.",
            "tenant:app",
            "",
        ),
        ("docs", "Write the reference pages and the editors' schema from the models.", "docs:docs", "etl docs --check"),
    ),
}
"""For each heading of `etl --help` its commands: name, sentence, `module:attribute` in this room, and an example."""

app = typer.Typer(
    cls=LazyGroup,
    help="Extract, check, publish, load and watch the data of tenants, each defined by a YAML file, with Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=STYLE,
)
app.callback()(lambda: None)
