"""`etl schema print` and `etl schema editor`: what editors need to complete and check a tenant's file.

Belongs here: the commands. Not here: the schema (`etl.config.schema`), an editor's settings (`etl.config.editors`).
"""

import sys
from typing import Annotated

import typer
from rich.console import Console

from etl.config.editors import EDITORS, SCHEMA_FILE
from etl.config.schema import rules_schema_text, schema_text
from etl.errors import EtlError
from etl.settings import load_settings
from etl.suggest import nearest


def print_schema(
    rules: Annotated[bool, typer.Option("--rules", help="The schema of a list of quality rules alone.")] = False,
) -> None:
    """Print the JSON Schema of a tenant's file, or of a list of rules, for an editor or a validator of your own.

    The schema is of draft 7. It refuses no file that loads, and not every file that does not load.
    """
    sys.stdout.write(rules_schema_text() if rules else schema_text())


def editor(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(EDITORS)}.")],
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
