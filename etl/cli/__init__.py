"""The `etl` command: one file per subject, listed in `commands`.

Belongs here: the entry point, which works without the extra `dagster` too. Not here: the beginning of a command
(`start`), the list of commands (`commands`).
"""

import sys

NEEDED = ("dagster", "typer", "rich", "dotenv")
"""Libraries of the extra `dagster` that every command needs."""


def main() -> None:
    """Run the command that was given; where only the quality core is installed, say what brings the commands."""
    try:
        from etl.cli.start import start  # noqa: PLC0415  a core alone has none of its libraries
    except ModuleNotFoundError as missing:
        if missing.name not in NEEDED:
            raise
        sys.exit(f"error: the command etl needs {missing.name}\n  -> pip install 'tenant-etl[dagster]'")
    start()
