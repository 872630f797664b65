"""The columns of an extract beside those that readers know: a changed source is named, never passed on silently.

Belongs here: the comparison of two Parquet schemas. Does not: the warehouse's tables (`etl.warehouse.schema_change`).
"""

from typing import Literal

import pyarrow as pa

from etl.errors import SourceError


def guard_schema(
    known: pa.Schema, now: pa.Schema, policy: Literal["evolve", "fail"], *, name: str, remedy: str = ""
) -> None:
    """Raise with every difference that `policy` refuses; `remedy` says how the change is accepted, if it is wanted."""
    problems = differences(known, now, policy)
    if problems:
        raise SourceError(
            f"{name}: the source's columns have changed: {'; '.join(problems)}", f"nothing was published; {remedy}"
        )


def differences(known: pa.Schema, now: pa.Schema, policy: Literal["evolve", "fail"]) -> list[str]:
    """Every difference that `policy` refuses. `evolve` takes a new nullable column, and nothing else."""
    problems = [f"column `{each.name}` ({each.type}) is gone" for each in known if each.name not in now.names]
    for each in now:
        if each.name not in known.names:
            if policy == "fail" or not each.nullable:
                problems.append(f"column `{each.name}` ({each.type}) is new")
        elif _kind(known.field(each.name).type) != _kind(each.type):
            problems.append(f"column `{each.name}` was {known.field(each.name).type} and is {each.type} now")
    return problems


def _kind(of: pa.DataType) -> pa.DataType:
    """The type without the width of its offsets: who wrote the file decides that, not the source."""
    if pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return pa.string()
    if pa.types.is_large_binary(of) or pa.types.is_binary_view(of):
        return pa.binary()
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return pa.list_(_kind(of.value_type))
    return of
