"""`etl docs`: writes the pages and the schema that are generated from the code.

Belongs here: the place of each generated page. Not here: the text of the pages (`reference`).
"""

from typing import Annotated

import typer
from rich.console import Console

from etl.cli.command_page import commands_page
from etl.config.reference import reference_text
from etl.config.schema import schema_text
from etl.conventions.reference import conventions_page
from etl.errors import EtlError
from etl.integrations.reference import api_page
from etl.quality.reference import rules_page
from etl.settings import load_settings


def docs(
    check: Annotated[bool, typer.Option(help="Write nothing; exit 1 if a page is out of date.")] = False,
) -> None:
    """Write the reference pages and the editors' schema from the models."""
    project = load_settings().project_dir
    pages = {
        project / "docs" / "yaml-reference.md": reference_text(),
        project / "docs" / "conventions.md": conventions_page(),
        project / "docs" / "quality-api.md": api_page(),
        project / "docs" / "commands.md": commands_page(),
        project / "docs" / "quality-rules.md": rules_page(),
        project / "tenants" / "tenant.schema.json": schema_text(),
    }
    for folder in sorted({path.parent for path in pages}):
        if not folder.is_dir():
            raise EtlError(f"there is no folder {folder}", "run the command inside the project's folder")
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    console = Console()
    if not check:
        for path in stale:
            path.write_text(pages[path], encoding="utf-8")
    for path in stale:
        console.print(f"{'out of date' if check else 'written'}: {path.relative_to(project)}")
    if check and stale:
        raise typer.Exit(1)
