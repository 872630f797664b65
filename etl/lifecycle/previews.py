"""Removes rows that Dagster's events show to people: previews of objects, and samples of rows that broke a rule.

Belongs here: finding and removing these parts of events. Not here: everything else of Dagster's storage
(`dagster_records`).

An event shows some rows as a table in Markdown, in which columns may be hidden or shortened. So a single row in it
cannot be found for certain: the whole table is removed, and the event stays.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from etl.lifecycle.dagster_records import DagsterRecords

_SHOWS_ROWS = ("preview", "sample")
REMOVED = "removed: a person's rows were erased"
_COLUMNS = {
    "event_logs": ("id", "event"),
    "asset_keys": ("id", "last_materialization"),
    "asset_check_executions": ("id", "evaluation_event"),
}


def remove_previews(records: DagsterRecords) -> int:
    """Remove the previews and samples from all events of the tenant. Returns the number of changed events."""
    changed = 0
    for opened in records.event_databases():
        path = None
        with opened() as connection:
            here = 0
            for table, number, text in list(_events(records, connection)):
                content, removed = _without_rows(json.loads(text))
                if removed:
                    column = table.c[_COLUMNS[table.name][1]]
                    update = sa.update(table).where(table.c.id == number).values({column: json.dumps(content)})
                    connection.execute(update)
                    here += 1
            if here and connection.dialect.name == "sqlite":
                path = connection.engine.url.database
                path = path or connection.exec_driver_sql("PRAGMA database_list").fetchall()[0][2]
            changed += here
        if path:
            with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed


def _events(records: DagsterRecords, connection: Any) -> Iterator[tuple[sa.Table, int, str]]:  # noqa: ANN401
    """Yield the events of the tenant that may show rows."""
    for table, condition in records.conditions(connection):
        if table.name in _COLUMNS:
            number, text = (table.c[name] for name in _COLUMNS[table.name])
            for row in connection.execute(sa.select(number, text).where(condition)).fetchall():
                if row[1] and any(f'"{label}"' in row[1] for label in _SHOWS_ROWS):
                    yield table, row[0], row[1]


def _without_rows(content: Any) -> tuple[Any, int]:  # noqa: ANN401  any JSON
    """Return the content without tables of rows, and how many there were."""
    if isinstance(content, list):
        parts = [_without_rows(each) for each in content]
        return [part for part, _ in parts], sum(count for _, count in parts)
    if not isinstance(content, dict):
        return content, 0
    data = content.get("entry_data")
    if content.get("label") in _SHOWS_ROWS and isinstance(data, dict) and data.get("md_str", REMOVED) != REMOVED:
        return {**content, "entry_data": {**data, "md_str": REMOVED}}, 1
    found = {key: _without_rows(each) for key, each in content.items()}
    return {key: part for key, (part, _) in found.items()}, sum(count for _, count in found.values())
