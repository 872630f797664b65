"""The `etl` command: one file per subject, listed in `commands`.

Belongs here: the entry point, which works without the extra `dagster` too. Not here: the beginning of a command
(`start`), the list of commands (`commands`).
"""

import sys

NEEDED = ("dagster", "typer", "rich", "dotenv")
"""Libraries of the extra `dagster` that every command needs."""


def main() -> None:
    """Run the given command. If the extra `dagster` is not installed, name the package that has the commands."""
    try:
        from etl.cli.start import start  # noqa: PLC0415  the quality core is installed without these libraries
    except ModuleNotFoundError as missing:
        if missing.name not in NEEDED:
            raise
        sys.exit(f"error: the command etl needs {missing.name}\n  -> pip install 'tenant-etl[dagster]'")
    start()
