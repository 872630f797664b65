"""Whether two frames hold the same rows, whatever their order: sums of hashes by column, and over whole rows.

Belongs here: the numbers and the words for what differs. Does not: where the frames come from (`verify`).
"""

import polars as pl

_WHOLE_ROWS = ""  # no column has this name


def digest(frame: pl.LazyFrame) -> dict[str, int]:
    """A number for each column, and one for the rows, that depends on every value and on no order."""
    names = frame.collect_schema().names()
    sums = [pl.col(name).hash().cast(pl.Int128).sum().alias(name) for name in names]
    rows = pl.struct(names).hash().cast(pl.Int128).sum().alias(_WHOLE_ROWS)
    return frame.select(*sums, rows).collect(engine="streaming").row(0, named=True)


def differences(one: pl.LazyFrame, other: pl.LazyFrame, between: str) -> list[str]:
    """What differs, by column; where every column has the same values, whether they stand in the same rows."""
    there, here = digest(one), digest(other)
    differing = [name for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)]
    columns = [f"column `{name}` differs between {between}" for name in differing if name != _WHOLE_ROWS]
    if differing and not columns:
        return [f"the same values stand in other rows: {between} differ"]
    return columns


def as_published(rows: pl.DataFrame, published: pl.LazyFrame) -> pl.LazyFrame:
    """A table's rows in the types of the object that they came from: a driver or a wider column may show others.

    A value that does not fit any more becomes null, and so a difference.
    """
    schema = published.collect_schema()
    return rows.lazy().cast({name: schema[name] for name in rows.columns}, strict=False)
