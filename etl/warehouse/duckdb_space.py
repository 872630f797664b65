"""The space that a DuckDB file takes, and writing the file again without the free part.

Belongs here: measuring and rewriting one file. Not here: who may open the file (`duckdb`).
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb

from etl.errors import WarehouseError
from etl.warehouse.identifier import quoted, value_of

_NEW = "etl_rewritten"


def free_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many bytes of the opened file are free."""
    ((block, free),) = connection.execute(
        "SELECT block_size, free_blocks FROM pragma_database_size() WHERE database_name = current_database()"
    ).fetchall()
    return int(block) * int(free)


def rewrite(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copy everything into a new file, compare, and replace the opened file in one step.

    The caller keeps every other process from the file. After an error the file is as it was.
    """
    path = path.resolve()  # a link stays a link
    new = path.with_name(f".{path.name}.rewritten")
    new.unlink(missing_ok=True)
    ((old,),) = connection.execute("SELECT current_database()").fetchall()
    try:
        connection.execute("CHECKPOINT")
        connection.execute(f"ATTACH {value_of(str(new))} AS {_NEW}")
        connection.execute(f"COPY FROM DATABASE {quoted(old)} TO {_NEW}")
        before, after = _content(connection, old), _content(connection, _NEW)
        if before != after:
            different = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
            raise WarehouseError(
                f"the copy of {path.name} differs in {', '.join(different)}, so the file was left as it is",
                "export what you need and make the file again by loading with `etl run`",
            )
        connection.execute(f"DETACH {_NEW}")
        with new.open("rb") as written:
            os.fsync(written.fileno())
        shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _content(connection: duckdb.DuckDBPyConnection, database: str) -> Mapping[str, object]:
    """Return what a database holds: each table with its number of rows and its columns, each view with its text."""
    of = f"database_name = {value_of(database)} AND NOT internal"
    found: dict[str, object] = {}
    tables = connection.execute(f"SELECT schema_name, table_name FROM duckdb_tables() WHERE {of}").fetchall()
    for schema, table in tables:
        relation = f"{quoted(database)}.{quoted(schema)}.{quoted(table)}"
        columns = connection.execute(f"DESCRIBE {relation}").fetchall()
        ((rows,),) = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()
        found[f"{schema}.{table}"] = (rows, [each[:3] for each in columns])
    views = connection.execute(f"SELECT schema_name, view_name FROM duckdb_views() WHERE {of}").fetchall()
    return found | {f"{schema}.{view}": "view" for schema, view in views}
