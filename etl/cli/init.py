"""`etl init`: makes a new project from files in the package.

Belongs here: which files a new project gets, and where they are read from. Not here: a further tenant (`new`).

The built package has all files of a new project in `new_project`. In a checkout, files that the repository also uses
itself, such as the template of tenants, are read from their place in the repository, so that there is one copy.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from etl.cli.new import make_tenant
from etl.errors import EtlError
from etl.settings import load_settings

PACKAGED = Path(__file__).parent / "new_project"
CHECKOUT = Path(__file__).parents[2]
TENANT = "demo"
PARTS = (
    "pyproject.toml",
    "Makefile",
    "README.md",
    "dagster.yaml",
    ".env.example",
    ".gitignore",
    ".github/workflows/ci.yml",
    "dbt_projects/profiles.yml",
    "dbt_projects/quality",
    "tenants/__init__.py",
    "tenants/tenant.schema.json",
    "tenants/_template",
)
"""The files of a new project, and folders with all their files."""
MADE_BY_RUNNING = {"__pycache__", "target", "logs", "dbt_packages"}
"""Folders that programs make in a checkout. They are not copied into a new project."""


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the new project. Default: this one.")] = Path(),
) -> None:
    """Make a project in a folder: one tenant that runs, the template for more tenants, and the settings.

    A file that exists already is not changed.
    """
    console = Console()
    target = folder.resolve()
    if (target / "tenants").exists():
        raise EtlError(f"{target} has a folder `tenants` already", "give the name of another folder")
    kept = _write(target, PARTS)
    settings = load_settings({**os.environ, "ETL_PROJECT_DIR": str(target)})
    make_tenant(settings, TENANT)
    console.print(f"[green]made[/] a project in {escape(str(target))}, with the tenant `{TENANT}`", soft_wrap=True)
    for part in kept:
        console.print(f"left as it was: {part}", highlight=False)
    place = "" if target == Path.cwd() else f"cd {escape(shlex.quote(str(folder)))} && "
    console.print(f"next: [bold]{place}etl demo[/] runs it, [bold]etl new NAME[/] makes another tenant", soft_wrap=True)


def make_tenants_folder(root: Path) -> None:
    """Make the folder `tenants`, with its template and without a tenant, in the project of somebody else."""
    if not (root / "tenants").exists():
        _write(root, [part for part in PARTS if part.startswith("tenants/")])


def _write(target: Path, parts: Sequence[str]) -> list[str]:
    """Write these parts of a new project. Return those that exist already, which are left as they are."""
    kept = []
    try:
        for part, source in _files(parts):
            path = target / part
            if path.exists():
                kept.append(part)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(source, part, target.name), encoding="utf-8")
    except OSError as error:
        raise EtlError(f"{target} cannot be written to: {error}", "name a folder that you may write to") from error
    return kept


def _files(parts: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield each file of these parts: its place in the project, and the file to copy."""
    for part in parts:
        source = PACKAGED / part if (PACKAGED / part).exists() else CHECKOUT / part
        if source.is_file():
            yield part, source
            continue
        for path in sorted(source.rglob("*")):
            within = path.relative_to(source)
            if path.is_file() and not MADE_BY_RUNNING & {*within.parts}:
                yield f"{part}/{within.as_posix()}", path


def _text(source: Path, part: str, name: str) -> str:
    """Return the file's text with the project's name and the present release filled in."""
    text = source.read_text(encoding="utf-8")
    if part == "pyproject.toml":
        distribution = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "tenants"
        return text.replace("PROJECT", distribution).replace("truthound]>=0", f"truthound]>={version('tenant-etl')}")
    if part == "README.md":
        return text.replace("PROJECT", name)
    if part == ".env.example":
        lines = text.replace("PROJECT_01", TENANT.upper()).splitlines(keepends=True)
        kept = "".join(each for each in lines if not re.match(r"# (DEFAULT|PROJECT_02)_", each))
        return re.sub(r"\n{3,}", "\n\n", kept)  # the lines of tenants that the new project does not have
    return text
