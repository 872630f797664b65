"""Writes names and values as SQL. Quoting makes sure that a name stays a name and a value stays a value.

Belongs here: quoting per dialect, literals, file names for DuckDB. Not here: a tenant's query and its window
(`etl.source.query`), connections.
"""

import re
from pathlib import Path
from typing import Literal

from etl.errors import SourceError

Dialect = Literal["postgresql", "sqlite", "mysql", "duckdb"]


def quote(dialect: Dialect, name: str) -> str:
    """Return a quoted identifier, which SQL cannot read as anything else."""
    if not name or "\x00" in name:
        raise SourceError(f"{name!r} cannot be the name of a table or column", "correct the name in the configuration")
    if dialect == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'


def literal(dialect: Dialect, value: str) -> str:
    """Return a text value. For MySQL, which may read a backslash as an escape, text with one is hexadecimal."""
    if "\x00" in value:
        raise SourceError("a value holds the character NUL", "remove it")
    if dialect == "mysql" and "\\" in value:
        return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"
    return "'" + value.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Return a file name for DuckDB that matches only this file, even if the name looks like a pattern."""
    return literal("duckdb", file_pattern(str(path)))


def file_pattern(path: str) -> str:
    """Return the pattern that matches only this path, because DuckDB reads every path as a pattern."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)
