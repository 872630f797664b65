"""`--help` teaches: every command says what it does and shows a line that can be typed."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from etl.cli.commands import app
from tests.commands import loaded_commands

from .conftest import Etl


def commands(command: typer.core.TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, each in sorted(command.commands.items()):
        if isinstance(each, typer.core.TyperGroup):
            yield from commands(each, (*path, name))
        else:
            yield (*path, name), each


COMMANDS = dict(commands(loaded_commands()))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example_that_can_be_typed(etl: Etl, path: tuple[str, ...]) -> None:
    said = etl(*path, "--help")
    assert said.code == 0
    command = COMMANDS[path]
    assert isinstance(command, typer.core.TyperCommand)
    assert len(command.help or "") > 30
    examples = re.findall(r"`(etl [^`]+)`", f"{command.help} {command.epilog}")
    assert examples, "no example"
    for example in examples:
        words = shlex.split(example)[1:]
        assert tuple(words[: len(path)]) == path
        command.make_context("etl", words[len(path) :])  # every option and argument is one that exists
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{parameter.name} is not explained"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_is_that_of_the_command_and_imports_nothing_heavy(path: tuple[str, ...]) -> None:
    """What is shown comes from the text of the command's file; here it is held against the command itself."""
    line = typer.main.get_command(app).commands[path[0]]  # type: ignore[attr-defined]
    light = line.signature()
    for name in path[1:]:
        light = light.commands[name]
    command = COMMANDS[path]
    assert isinstance(command, typer.core.TyperCommand)
    assert (light.help, light.epilog) == (command.help, command.epilog)
    told = [(p.name, p.opts, p.secondary_opts, p.help, p.required, p.default, p.nargs) for p in light.params]
    assert told == [(p.name, p.opts, p.secondary_opts, p.help, p.required, p.default, p.nargs) for p in command.params]


def test_the_help_of_all_commands_is_read_without_the_libraries_of_any() -> None:
    code = (
        "import sys; from etl.cli.commands import LazyGroup\n"
        "for each in LazyGroup().commands.values(): assert each.signature().help, each.name\n"
        "print(*({'dagster', 'duckdb', 'polars', 'sqlalchemy', 'pyarrow', 'dbt', 'truthound'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_help_that_stands_where_a_value_is_expected_does_nothing(etl: Etl) -> None:
    assert etl("run", "acme", "--job", "--help").code == 2
    assert etl("dbt", "rules", "acme", "--from", "--help").code == 2


def test_the_list_of_commands_is_what_no_argument_shows(etl: Etl) -> None:
    said = etl()
    for path in COMMANDS:
        assert path[0] in said.out + said.err


def test_a_misspelt_command_or_option_is_wrong_usage(etl: Etl) -> None:
    assert etl("dmeo").code == 2
    assert etl("demo", "--tenants", "acme").code == 2
    assert etl("new").code == 2
