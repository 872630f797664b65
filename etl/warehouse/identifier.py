"""Writes names and values in the SQL of a warehouse.

Belongs here: quoting one name, values in the place of parameters. Not here: a table's full name (`session`), names in a
source's dialect (`sql`).
"""

import hashlib
from collections.abc import Sequence

from etl.sql import literal


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def with_values(sql: str, parameters: Sequence[object]) -> str:
    """Write values in the places of the parameters `?`. A statement with parameters contains no names of a tenant."""
    first, *rest = sql.split("?") if parameters else [sql]
    pairs = zip(parameters, rest, strict=True)
    return first + "".join(value_of(each) + text for each, text in pairs)


def value_of(value: object) -> str:
    """Return a value as SQL."""
    if value is None:
        return "NULL"
    return str(value).upper() if isinstance(value, bool | int) else literal("duckdb", str(value))


def without_dots(name: str) -> str:
    """Return a table's name in lower case. One with a dot (of kept rows) gets another, because catalogs refuse it."""
    if "." not in name:
        return name.lower()
    return f"{name.lower().replace('.', '_')}_{hashlib.sha256(name.lower().encode()).hexdigest()[:12]}"
