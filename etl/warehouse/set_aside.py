"""Renames a table or view, so that a load can make a new table under its name. Nothing is deleted.

Belongs here: the renaming, and the remedy that names the command for it. Not here: the command (`etl.cli.set_aside`).
"""

from datetime import UTC, datetime

from etl.warehouse.contract import LoadRequest
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session


def set_aside(session: Session, schema: str, table: str) -> str:
    """Rename the table or view. Returns the new name; empty if there is none."""
    kind = session.kind(schema, table)
    if not kind:
        return ""
    name = aside_name(table)
    session.change(f"ALTER {kind.upper()} {session.relation(schema, table)} RENAME TO {quoted(name)}")
    return name


def aside_name(table: str) -> str:
    """Return the new name of a table that is moved away now."""
    return f"{table[:40]}_aside_{datetime.now(UTC):%Y%m%dT%H%M%S}"


def move_away(request: LoadRequest, what: str) -> str:
    """Return the remedy for a load that an existing table or view prevents."""
    return (
        f"load into another table (`trino_output`), or move {what} away with"
        f" `etl set-aside {request.tenant} {request.pipeline} --yes` and load again"
    )
