"""Judges a table that comes in pieces, as if it came whole.

    check_batches((pl.from_dicts(page) for page in pages), rules)

Belongs here: keeping the pieces on disk until all are there. Not here: judging, several files (`check` reads those).

Some rules need the whole table: a key that occurs in two pieces, values that have to rise, a mean. So the columns that
the rules need are kept in temporary files, and one check reads them all. Memory holds one piece at a time.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.baseline import Baseline, with_baseline
from etl.quality.checking import check, refuse_no_rules
from etl.quality.data import Readable, open_data
from etl.quality.files import read_schema
from etl.quality.results import CheckResult
from etl.quality.rules import AnyRule, ColumnExists, Truthound, parse_rules

ROWS_PER_FILE = 250_000
"""Pieces are put together up to this number of rows: thousands of small files would cost more than their rows."""


def check_batches(
    batches: Iterable[Readable],
    rules: Sequence[AnyRule | Mapping[str, Any]] = (),
    *,
    folder: Path | str | None = None,
    auto_schema: str | Baseline | bool | None = None,
    baselines: Path | str | None = None,
    **arguments: Any,  # noqa: ANN401  the keyword arguments of check()
) -> CheckResult:
    """Judge rules over all rows of an iterable of frames, rows or files. The verdict is that of the whole table.

    Every piece needs the columns and types of the first. `folder` is where the temporary files are written; the
    system's own folder if it is None. No piece at all is an error, because nothing would be examined.
    """
    parsed = with_baseline(parse_rules(rules), auto_schema, baselines)
    refuse_no_rules(parsed)
    with tempfile.TemporaryDirectory(prefix="etl-batches-", dir=folder) as place:
        files = _write(batches, _wanted(parsed, arguments), Path(place))
        return check(pl.scan_parquet(files, glob=False), parsed, **arguments)


def _wanted(rules: Sequence[AnyRule], arguments: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the columns that the rules and the samples need. None: all, because a validator may look at any."""
    if any(isinstance(rule, Truthound) and not rule.judged_columns for rule in rules):
        return None
    shown = (*arguments.get("key_columns", ()), *arguments.get("safe_columns", ()))
    asked = [rule.column for rule in rules if isinstance(rule, ColumnExists)]
    return frozenset([*shown, *asked]).union(*(rule.columns_needed for rule in rules))


def _write(batches: Iterable[Readable], wanted: frozenset[str] | None, place: Path) -> list[Path]:
    """Write the pieces in their order, small ones together, and return the files."""
    files: list[Path] = []
    waiting: list[pl.DataFrame] = []

    def write(piece: pl.LazyFrame) -> None:
        files.append(place / f"{len(files):06}.parquet")
        piece.sink_parquet(files[-1], compression="lz4", statistics=False, engine="streaming")

    for piece in _alike(batches, wanted):
        if isinstance(piece, pl.DataFrame):
            waiting.append(piece)
        if waiting and (piece is not waiting[-1] or sum(each.height for each in waiting) >= ROWS_PER_FILE):
            write(pl.concat(waiting, rechunk=False).lazy())
            waiting = []
        if isinstance(piece, pl.LazyFrame):
            write(piece)
    if waiting:
        write(pl.concat(waiting, rechunk=False).lazy())
    if not files:
        raise QualityError("there is no batch, so nothing would be checked", "give at least one, even without rows")
    return files


def _alike(batches: Iterable[Readable], wanted: frozenset[str] | None) -> Iterator[pl.DataFrame | pl.LazyFrame]:
    """Open the pieces, refuse one that has other columns than the first, and leave out what no rule needs."""
    schema: pl.Schema | None = None
    for number, batch in enumerate(batches):
        data = open_data(batch)
        found = read_schema(data)
        if schema is not None and found != schema:
            raise QualityError(
                f"batch {number} has other columns than the first: {_difference(schema, found)}",
                "give every batch the same columns and types",
            )
        if schema is None and wanted is not None and not wanted <= found.keys():
            wanted = None  # a rule names a column that is not there; its error lists those that are
        schema = found
        yield data.select([name for name in found if wanted is None or name in wanted] or [*found][:1])


def _difference(first: pl.Schema, other: pl.Schema) -> str:
    for name in dict.fromkeys((*first, *other)):
        if name not in other:
            return f"`{name}` is missing"
        if name not in first:
            return f"`{name}` is new"
        if first[name] != other[name]:
            return f"`{name}` is {other[name]}, not {first[name]}"
    return "their order differs"
