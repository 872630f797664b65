"""`--help` teaches: every command says what it does and shows a line that can be typed."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

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


def test_the_list_of_commands_is_what_no_argument_shows(etl: Etl) -> None:
    said = etl()
    for path in COMMANDS:
        assert path[0] in said.out + said.err


def test_a_misspelt_command_or_option_is_wrong_usage(etl: Etl) -> None:
    assert etl("dmeo").code == 2
    assert etl("demo", "--tenants", "acme").code == 2
    assert etl("new").code == 2
