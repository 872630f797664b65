"""Compares an object's columns with the table's columns, and decides which are added, which fit, which are refused.

Belongs here: the decision, for any warehouse. Not here: asking a database for its columns, nor changing a table.

`evolve` adds a new column (nullable) and loads a narrower type into a wider column, which keeps every value. It refuses
a missing column, another type and a wider type: a person must decide. `fail` refuses every difference.
"""

import re
from collections.abc import Collection, Sequence

from etl.errors import WarehouseError
from etl.warehouse.contract import TECHNICAL_COLUMNS, Column, SchemaChanges
from etl.warehouse.identifier import quoted

NO_TYPE = ""
"""The type of a column that holds only nulls and was written without a type."""

_WIDENING: tuple[tuple[str, ...], ...] = (
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    ("FLOAT", "DOUBLE"),
    ("REAL", "DOUBLE PRECISION"),
    ("REAL", "DOUBLE"),
    ("CHARACTER VARYING", "TEXT"),
)
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)\((\d+),(\d+)\)")


def columns_to_add(
    relation: str,
    table: Sequence[Column],
    incoming: Sequence[Column],
    policy: SchemaChanges,
    came_later: Collection[str] = (),
    *,
    retypes: bool = True,
) -> tuple[Column, ...]:
    """Return the columns to add before the object can be inserted. The error names every difference that is refused.

    `relation` is the table's full name in SQL, so that the statements of the remedies can be copied.
    `came_later` are columns that a later partition has added to the table: objects of earlier ones do not have them.
    `retypes` says whether the warehouse can give a column another type.
    """
    have = {each.name.casefold(): each for each in table if each.name not in TECHNICAL_COLUMNS}
    come = {each.name.casefold(): each for each in incoming}
    lost = [each for each in missing_columns(table, incoming) if each.name not in came_later]
    problems = [_lost(relation, each) for each in lost]
    problems += [
        f"column `{each.name}` is {have[key].type} in the table and {each.type} in the object"
        f" (cast it in the transform, or {_retype(relation, have[key].name, each.type, retypes=retypes)})"
        for key, each in come.items()
        if key in have and not _accepted(each.type, have[key].type, policy)
    ]
    new = tuple(each for key, each in come.items() if key not in have and each.type != NO_TYPE)
    if policy == "fail":
        problems += [
            f"column `{each.name}` ({each.type}) is new (drop it in the transform, or set `schema_changes: evolve`)"
            for each in new
        ]
    if problems:
        raise WarehouseError(
            f"the columns of {relation} have changed:\n" + "\n".join(f"  - {each}" for each in problems),
            "nothing was loaded; correct each column as its line says, then run the load again",
        )
    return new


def missing_columns(table: Sequence[Column], incoming: Sequence[Column]) -> list[Column]:
    """Return the columns of the table that the object does not have."""
    come = {each.name.casefold() for each in incoming}
    return [each for each in table if each.name not in TECHNICAL_COLUMNS and each.name.casefold() not in come]


def _lost(relation: str, column: Column) -> str:
    name = quoted(column.name)
    return (
        f"column `{column.name}` ({column.type}) is not in the object any more"
        f" (put it back, or drop it from the table as well: `ALTER TABLE {relation} DROP COLUMN {name}`)"
    )


def _retype(relation: str, name: str, kind: str, *, retypes: bool) -> str:
    if not retypes:
        return "move the table away with `etl set-aside` and load every partition again"
    column = quoted(name)
    return f"`ALTER TABLE {relation} ALTER COLUMN {column} TYPE {kind} USING CAST({column} AS {kind})`"


def _accepted(incoming: str, column: str, policy: SchemaChanges) -> bool:
    if NO_TYPE in (incoming, column) or incoming == column:
        return True
    return policy == "evolve" and fits(incoming.upper(), column.upper())


def fits(narrow: str, wide: str) -> bool:
    """Whether the wide type can hold every value of the narrow type exactly."""
    for kinds in _WIDENING:
        if narrow in kinds and wide in kinds:
            return kinds.index(narrow) <= kinds.index(wide)
    small, large = _DECIMAL.fullmatch(narrow), _DECIMAL.fullmatch(wide)
    if small and wide == "NUMERIC":
        return True
    if not small or not large:
        return False
    digits, scale = int(small[1]), int(small[2])
    return scale <= int(large[2]) and digits - scale <= int(large[1]) - int(large[2])
