"""The command `etl` with all its commands loaded: what help, completion and the pages speak of."""

import typer

from etl.cli.commands import LazyCommand, app


def loaded_commands() -> typer.core.TyperGroup:
    """The list that `etl` shows has one line a command; here each line is the command itself."""
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    for name, line in root.commands.items():
        assert isinstance(line, LazyCommand)
        root.commands[name] = line.load()
    return root
