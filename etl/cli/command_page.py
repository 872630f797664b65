"""The page that lists every command with its arguments and options, made from the commands themselves.

Belongs here: the text of the page. Not here: writing it (`docs`).
"""

import re
from collections.abc import Iterator
from typing import Any

import typer

from etl.cli.commands import LazyCommand, app

_HEAD = """# Commands

Generated from the commands by `etl docs`; do not edit. The option `--help` of a command shows the same in the terminal.
What a command's exit code means is in [Exit codes](exit-codes.md).
"""


def commands_page() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    lines = [_HEAD]
    for name, line in getattr(root, "commands", {}).items():
        command = line.load() if isinstance(line, LazyCommand) else line
        lines += _section(f"etl {name}", command)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(words: str, command: Any) -> Iterator[str]:  # noqa: ANN401  a command or a group of typer
    commands = getattr(command, "commands", None)
    if commands is not None:
        for name, each in commands.items():
            yield from _section(f"{words} {name}", each)
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([words, *(_usage(each) for each in arguments)])
    yield f"## {words}\n"
    yield f"    {usage}{' [OPTIONS]' if options else ''}\n"
    yield _text(command.help)
    if command.epilog:
        yield f"{command.epilog}\n"
    if arguments or options:
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| `{_usage(each)}` | {_cell(each.help)} |" for each in arguments)
        yield from (f"| {_names(each)} | {_cell(each.help)}{_default(each)} |" for each in options)
        yield ""


def _usage(argument: Any) -> str:  # noqa: ANN401
    name = argument.name.upper() + ("..." if argument.nargs == -1 or argument.multiple else "")
    return name if argument.required else f"[{name}]"


def _names(option: Any) -> str:  # noqa: ANN401
    return ", ".join(f"`{each}`" for each in [*option.opts, *option.secondary_opts])


def _default(option: Any) -> str:  # noqa: ANN401
    shown = option.default
    has_default = shown not in (None, False, True, ()) and not callable(shown)
    return f" Default: `{shown}`." if has_default else ""


def _text(help_: str | None) -> str:
    """Return the help as Markdown: paragraphs as they are, wrapped lines joined."""
    paragraphs = re.split(r"\n\s*\n", (help_ or "").strip())
    return "\n\n".join(" ".join(each.split()) for each in paragraphs) + "\n"


def _cell(help_: str | None) -> str:
    return " ".join((help_ or "").split()).replace("|", "\\|")
