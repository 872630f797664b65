"""A command imports what it needs and nothing else: the list of commands needs no Dagster, no engine and no dbt."""

import inspect
import subprocess
import sys

import pytest
import typer

from etl.cli.commands import LazyCommand, app
from tests.commands import loaded_commands

HEAVY = {"dagster", "dagster_dbt", "dbt", "polars", "pyarrow", "numpy", "duckdb", "sqlalchemy", "yaml", "truthound"}
TYPED = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
sys.argv = ["etl", *sys.argv[1:]]
from etl.cli import main
main()
"""
MODULES = 460
"""So many modules are imported to list the commands (391 to 438 when this was written); rich has most."""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TYPED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Usage" in done.stdout + done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], [], ["dmeo"]], ids=lambda each: " ".join(each) or "nothing")
def test_the_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    found = imported_by(*arguments)
    assert not {name.partition(".")[0] for name in found} & HEAVY
    assert not {name for name in found if name.startswith(("etl.config", "etl.quality", "etl.settings"))}
    assert len(found) <= MODULES


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("rules", {"dagster", "duckdb", "dbt", "sqlalchemy", "truthound"}),
        ("docs", {"dagster", "dbt", "sqlalchemy", "truthound"}),
        ("new", {"dagster", "dbt", "sqlalchemy", "truthound"}),
        ("schema", {"dbt", "truthound"}),
        ("run", {"dbt", "truthound", "sqlalchemy_utils"}),
    ],
)
def test_help_of_a_command_imports_what_that_command_needs(command: str, unneeded: set[str]) -> None:
    assert not {name.partition(".")[0] for name in imported_by(command, "--help")} & unneeded


def test_the_list_says_of_every_command_what_the_command_says_of_itself() -> None:
    lines = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in loaded_commands().commands.items():
        line = lines[name]
        assert isinstance(line, LazyCommand)
        said = inspect.cleandoc(command.help or "").partition("\n\n")[0]
        assert line.short_help == " ".join(said.split()), name
        assert command.name == name


def test_completion_knows_the_options_of_a_command_that_is_not_loaded_yet() -> None:
    words = {"COMP_WORDS": "etl run --re", "COMP_CWORD": "2", "_ETL_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import sys; sys.argv[0] = 'etl'; from etl.cli import main; main()"],
        env=words,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["--reload"], done.stderr
