"""The JSON texts in which Dagster's storage keeps what a row is about.

Belongs here: reading such texts, and what they name. Not here: whose a row is, and removing it (`dagster_records`).
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa


def bodies(connection: Any, table: sa.Table, key: str = "id") -> Iterator[tuple[Any, object]]:  # noqa: ANN401
    """Yield a column, and the content, of each row of a table whose content is one JSON text."""
    (column,) = [each for each in table.c if each.name in ("job_body", "instigator_body", "tick_body", "body")]
    for number, text in connection.execute(sa.select(table.c[key], column)).fetchall():
        try:
            yield number, json.loads(text)
        except (TypeError, ValueError):
            continue


def value_of(body: object, key: str) -> object:
    """Return the first value of a key, at any depth."""
    if isinstance(body, Mapping):
        if key in body:
            return body[key]
        body = list(body.values())
    if isinstance(body, list):
        for each in body:
            if (found := value_of(each, key)) is not None:
                return found
    return None


def asset_tenants(body: object) -> Iterator[str]:
    """Yield the first part of every asset key in a JSON value."""
    if isinstance(body, Mapping):
        path = body.get("path")
        if body.get("__class__") == "AssetKey" and isinstance(path, list) and path:
            yield str(path[0])
        body = list(body.values())
    if isinstance(body, list):
        for each in body:
            yield from asset_tenants(each)


class Snapshot(NamedTuple):
    """What a snapshot of Dagster's is about: a job, or a plan of a job."""

    job: str | None
    """The job's name; None for a plan."""
    of: str | None
    """For a plan: the snapshot of its job."""


def snapshot_of(body: bytes) -> Snapshot:
    """Return what a packed snapshot is about; without both if it cannot be read."""
    try:
        content = json.loads(zlib.decompress(body))
    except (TypeError, ValueError, zlib.error):
        return Snapshot(None, None)
    if content.get("__class__") == "ExecutionPlanSnapshot":
        return Snapshot(None, content.get("pipeline_snapshot_id"))
    return Snapshot(content.get("name"), None)
