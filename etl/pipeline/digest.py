"""Compares the rows of two frames regardless of their order, by sums of hashes for each column and for whole rows.

Belongs here: the numbers, and the description of differences. Not here: where the frames come from (`verify`).

The sums of parts can be added up to the sums of the whole, so that no frame has to be held in memory.
"""

from collections.abc import Mapping

import polars as pl

_WHOLE_ROWS = ""  # no column has this name


def digest(frame: pl.LazyFrame) -> dict[str, int]:
    """Return a number for each column and one for whole rows. They depend on every value, but not on the order."""
    names = sorted(frame.collect_schema().names())
    sums = [pl.col(name).hash().cast(pl.Int128).sum().alias(name) for name in names]
    rows = pl.struct(names).hash().cast(pl.Int128).sum().alias(_WHOLE_ROWS)
    return frame.select(*sums, rows).collect(engine="streaming").row(0, named=True)


def differences(one: Mapping[str, int], other: Mapping[str, int], between: str) -> list[str]:
    """Describe the columns that differ, or say that the same values are combined into other rows."""
    differing = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    columns = [f"column `{name}` differs between {between}" for name in differing if name != _WHOLE_ROWS]
    if differing and not columns:
        return [f"the same values stand in other rows: {between} differ"]
    return columns


def missing_rows(some: pl.LazyFrame, all_rows: pl.LazyFrame) -> int:
    """Count the rows of `some` that `all_rows` does not have; a repeated row counts each time."""
    names = sorted(some.collect_schema().names())
    counted = [
        each.select(pl.struct(names).hash().alias("row")).group_by("row").len(name)
        for each, name in ((some, "wanted"), (all_rows, "there"))
    ]
    beside = counted[0].join(counted[1], on="row", how="left").with_columns(pl.col("there").fill_null(0))
    lacking = (pl.col("wanted").cast(pl.Int64) - pl.col("there").cast(pl.Int64)).clip(lower_bound=0).sum()
    return int(beside.select(lacking).collect(engine="streaming").item())


def as_published(rows: pl.DataFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Return a table's rows in the types of their object, because a driver or a wider column may give other types.

    A value that does not fit becomes null, and is then found as a difference.
    """
    return rows.lazy().cast({name: schema[name] for name in rows.columns}, strict=False)
