"""Starts every command: reads `.env`, removes secrets from the output, shows errors.

Belongs here: the work before any command, exit codes. Not here: the list of commands (`commands`), the commands
themselves.
"""

import os
import sys
from typing import NoReturn

from dotenv import dotenv_values
from rich.console import Console
from rich.markup import escape

from etl.cli.commands import app
from etl.cli.os_errors import told
from etl.errors import EtlError, LakeUnreadableError, NothingExamined
from etl.project import find_project
from etl.secrets.scrub import learn_environment
from etl.secrets.streams import scrub_streams

# What a script can rely on: failed, wrong usage or configuration, could not be evaluated (docs/exit-codes.md).
EXIT_FAILED, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3


def start() -> None:
    """Run the command. An error of the product is shown as problem and remedy, without a traceback."""
    try:
        project = find_project(os.environ)
        if project is not None:
            # As Dagster does for its runs, the file before the process environment: both see the same database.
            said = dotenv_values(project / ".env")
            os.environ.update({name: value for name, value in said.items() if value is not None})
        learn_environment(os.environ)
        scrub_streams()
        app()
    except EtlError as error:
        _end(error)
    except BrokenPipeError:  # whoever reads the output has ended
        raise
    except OSError as error:
        _end(told(error))


def _end(error: EtlError) -> NoReturn:
    console = Console(stderr=True)
    console.print(f"[bold red]error:[/] {escape(error.problem)}", highlight=False)
    if error.hint:
        console.print(f"[green]  ->[/] {escape(error.hint)}", highlight=False)
    sys.exit(EXIT_UNKNOWN if isinstance(error, NothingExamined | LakeUnreadableError) else EXIT_USAGE)
