"""Names and values as SQL: identifiers are quoted, values rendered, so that neither can be anything else.

Belongs here: quoting per dialect, literals, files as DuckDB reads them. Does not: a tenant's query and its window
(`etl.source.query`), connections.
"""

import re
from pathlib import Path
from typing import Literal

from etl.errors import SourceError

Dialect = Literal["postgresql", "sqlite", "mysql", "duckdb"]


def quote(dialect: Dialect, name: str) -> str:
    """An identifier that can be nothing else than an identifier."""
    if not name or "\x00" in name:
        raise SourceError(f"{name!r} cannot be the name of a table or column", "correct the name in the configuration")
    if dialect == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'


def literal(dialect: Dialect, value: str) -> str:
    """A text value. MySQL may read a backslash as an escape, so text with one is sent as hexadecimal there."""
    if "\x00" in value:
        raise SourceError("a value holds the character NUL", "remove it")
    if dialect == "mysql" and "\\" in value:
        return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"
    return "'" + value.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """A file for DuckDB to read: this one, although its name may read as a pattern that other files match."""
    return literal("duckdb", file_pattern(str(path)))


def file_pattern(path: str) -> str:
    """The pattern that matches only this path, for DuckDB, which takes every path for a pattern."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)
