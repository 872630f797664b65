"""`etl schema`: accepts changed columns of a source; the schema of a tenant's file for editors.

Belongs here: the commands. Not here: comparing the columns (`etl.pipeline.schema_guard`), the warehouse's table
(`etl.cli.set_aside`), the schema (`etl.config.schema`), the settings of an editor (`etl.config.editors`).
"""

import getpass
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from etl.config.config_loader import load_tenant
from etl.config.editors import EDITORS, SCHEMA_FILE
from etl.config.schema import rules_schema_text, schema_text
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.partitions.scheme import complete_range
from etl.pipeline.extract import extract_request
from etl.pipeline.schema_guard import accept, wanted_change
from etl.pipeline.stage import StageRun
from etl.resources.rdb import rdb_resource
from etl.settings import Settings, load_settings
from etl.source.reading import planned_schema
from etl.suggest import nearest

app = typer.Typer(help="Accept changed columns of a source; help editors with tenants' files.", no_args_is_help=True)


@app.callback()
def _schema() -> None:
    """Accept changed columns of a source; help editors with tenants' files."""


@app.command("accept", epilog="For example: `etl schema accept project_01 lot_history --yes`")
def accept_change(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    pipeline: Annotated[str, typer.Argument(help="The pipeline whose source has changed.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept the change that is shown.")] = False,
) -> None:
    """Show how the source's columns differ from the published ones. With --yes, the next extracts accept them.

    Nothing is published or deleted. Another change stops the extracts again.
    """
    settings = load_settings()
    config = load_tenant(tenant, settings)
    run = _run(config, settings, pipeline)
    try:
        url = rdb_resource(config, str(settings.demo_dir / f"{tenant}.sqlite")).url(config)
        now = planned_schema(url, extract_request(run))
        changes = wanted_change(run, now)
        if not changes:
            raise EtlError(f"the source of {tenant}/{pipeline} has the published columns", f"`etl run {tenant}` works")
        for each in changes:
            Console().print(f"- {each}", highlight=False, markup=False)
        if not yes:
            raise EtlError("nothing was accepted yet", "write --yes to accept this change")
        accept(run, now)
    finally:
        run.close()
    Console().print(_what_follows(config, pipeline), highlight=False, markup=False)


@app.command("print", epilog="For example: `etl schema print --rules`")
def print_schema(
    rules: Annotated[bool, typer.Option("--rules", help="The schema of a list of quality rules alone.")] = False,
) -> None:
    """Print the JSON Schema of a tenant's file, or of a list of rules, for an editor or a validator of your own.

    The schema is of draft 7. It refuses no file that loads, and not every file that does not load.
    """
    sys.stdout.write(rules_schema_text() if rules else schema_text())


@app.command("editor", epilog="For example: `etl schema editor vscode --write`")
def editor(
    name: Annotated[str, typer.Argument(help="vscode, jetbrains, helix, neovim, emacs, zed or sublime.")],
    write: Annotated[
        bool, typer.Option("--write", help="Write the file. A file that exists is never changed.")
    ] = False,
) -> None:
    """Print the settings with which an editor completes and checks tenants' files; with --write, write the file."""
    if name not in EDITORS:
        close = nearest(name, EDITORS)
        hint = f"did you mean `{close}`?" if close else f"known: {', '.join(EDITORS)}"
        raise EtlError(f"there are no settings for an editor `{name}`", hint)
    wanted = EDITORS[name]
    console = Console(stderr=not write)
    console.print(f"file: {wanted.path}; needs: {wanted.needs}", highlight=False, markup=False)
    if not write:
        sys.stdout.write(wanted.text)
        return
    project = load_settings().project_dir
    path = project / wanted.path
    if path.exists():
        raise EtlError(f"{wanted.path} exists already", f"add to it what `etl schema editor {name}` prints")
    if not (project / SCHEMA_FILE).is_file():
        (project / SCHEMA_FILE).parent.mkdir(parents=True, exist_ok=True)
        (project / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
        console.print(f"written: {SCHEMA_FILE}", highlight=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted.text, encoding="utf-8")
    console.print(f"written: {wanted.path}", highlight=False)


def _run(config: TenantConfig, settings: Settings, pipeline: str) -> StageRun:
    if pipeline not in config.pipelines:
        close = nearest(pipeline, config.pipelines)
        hint = f"did you mean `{close}`?" if close else f"its pipelines: {', '.join(sorted(config.pipelines))}"
        raise EtlError(f"tenant {config.id} has no pipeline `{pipeline}`", hint)
    found = config.pipelines[pipeline]
    key = found.scheme.first  # any key: a query may need a window
    by = f"accepted by {getpass.getuser()}"
    return StageRun(config=config, pipeline=found, partition=key, run_id=by, settings=settings)


def _what_follows(config: TenantConfig, pipeline: str) -> str:
    """Return the next commands, in order."""
    found = config.pipelines[pipeline]
    lines = ["accepted; next:"]
    if found.save_to_trino:
        lines.append(
            f"- `etl set-aside {config.id} {pipeline} --yes`, if the table of the warehouse must change as well"
        )
    known = complete_range([found.scheme], datetime.now(UTC))
    days = f" --from {known[0]} --to {known[1]}" if known else ""
    which = "; name a later `--from`, if only later ones should have them" if known else ""
    command = f"`etl run {config.id} --pipeline {pipeline}{days}`"
    lines.append(f"- {command} reads all rows again with the new columns{which}")
    return "\n".join(lines)
