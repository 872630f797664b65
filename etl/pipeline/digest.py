"""Whether two frames hold the same rows, whatever their order: sums of hashes by column, and over whole rows.

Belongs here: the numbers and the words for what differs. Does not: where the frames come from (`verify`).

The sums of two frames that are laid together are the sums of both: nothing has to be held in memory.
"""

from collections.abc import Mapping

import polars as pl

_WHOLE_ROWS = ""  # no column has this name


def digest(frame: pl.LazyFrame) -> dict[str, int]:
    """A number for each column, and one for the rows, that depends on every value and on no order."""
    names = sorted(frame.collect_schema().names())
    sums = [pl.col(name).hash().cast(pl.Int128).sum().alias(name) for name in names]
    rows = pl.struct(names).hash().cast(pl.Int128).sum().alias(_WHOLE_ROWS)
    return frame.select(*sums, rows).collect(engine="streaming").row(0, named=True)


def differences(one: Mapping[str, int], other: Mapping[str, int], between: str) -> list[str]:
    """What differs, by column; where every column has the same values, whether they stand in the same rows."""
    differing = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    columns = [f"column `{name}` differs between {between}" for name in differing if name != _WHOLE_ROWS]
    if differing and not columns:
        return [f"the same values stand in other rows: {between} differ"]
    return columns


def missing_rows(some: pl.LazyFrame, all_rows: pl.LazyFrame) -> int:
    """How many rows of the one frame the other does not have, each as often as it stands there."""
    names = sorted(some.collect_schema().names())
    counted = [
        each.select(pl.struct(names).hash().alias("row")).group_by("row").len(name)
        for each, name in ((some, "wanted"), (all_rows, "there"))
    ]
    beside = counted[0].join(counted[1], on="row", how="left").with_columns(pl.col("there").fill_null(0))
    lacking = (pl.col("wanted").cast(pl.Int64) - pl.col("there").cast(pl.Int64)).clip(lower_bound=0).sum()
    return int(beside.select(lacking).collect(engine="streaming").item())


def as_published(rows: pl.DataFrame, schema: pl.Schema) -> pl.LazyFrame:
    """A table's rows in the types of the object that they came from: a driver or a wider column may show others.

    A value that does not fit any more becomes null, and so a difference.
    """
    return rows.lazy().cast({name: schema[name] for name in rows.columns}, strict=False)
