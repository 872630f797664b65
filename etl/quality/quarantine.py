"""Good rows to one Parquet file, rejected rows with their reasons to another, and proof that none is lost.

Belongs here: splitting by row rules. Does not: deciding whether a pipeline quarantines, publishing the files.

One streaming pass reads the rows once and writes both files. Rules about single rows decide; rules about the table as
a whole (row_count, mean_between, ...) never reject a row. `unique` needs to know which keys occur twice, and
`foreign_key` which exist, before the first row can be judged: those keys, and only those, are gathered first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.check import open_data, read_schema
from etl.quality.expressions import Scope, Unjudgeable, compile_rules
from etl.quality.rules import AnyRule, check_names, parse_rules

RULES = "_rules"
_READ = "read"


@dataclass(frozen=True, slots=True)
class Split:
    """How many rows went where."""

    read: int
    good: int
    rejected: int
    per_rule: dict[str, int]
    """Rejected rows per check name; a row that broke two rules counts for both."""


def split(
    data: pl.LazyFrame | pl.DataFrame | Path | str,
    rules: Sequence[AnyRule | Mapping[str, Any]],
    good: Path,
    rejected: Path,
    *,
    extra: Mapping[str, str] | None = None,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Split:
    """Write the rows that break no row rule to `good` and the others to `rejected`.

    Rejected rows keep their values, and carry `_rules` (names of the rules they broke) and one column per item of
    `extra`. `metadata` goes into the footer of both files. Raises if a rule cannot be judged: then no row is
    known to be good.
    """
    parsed = parse_rules(rules)
    lazy = open_data(data).lazy()
    schema = read_schema(lazy)
    row_rules = [(rule, name) for rule, name in zip(parsed, check_names(parsed), strict=True) if rule.level == "row"]
    added = dict(extra or {})
    _refuse_clash(schema, [RULES, *added])
    try:
        plan = compile_rules([rule for rule, _ in row_rules], Scope(schema, now or datetime.now(UTC), tables or {}))
    except Unjudgeable as unjudgeable:
        raise QualityError(f"the rows cannot be split: {unjudgeable.problem}", unjudgeable.hint) from unjudgeable
    broken = {
        name: compiled.verdict.not_().fill_null(value=False)
        for (_, name), compiled in zip(row_rules, plan.rules, strict=True)
        if compiled.verdict is not None
    }
    footer = (_footer_of(data) if isinstance(data, Path | str) else {}) | dict(metadata or {})
    counts = _write(plan.prepare(lazy), schema, broken, (good, rejected), added, footer)
    result = Split(
        read=counts[_READ],
        good=_rows_written(good),
        rejected=_rows_written(rejected),
        per_rule={name: counts[f"{index}"] for index, name in enumerate(broken)},
    )
    if result.read != result.good + result.rejected:
        raise QualityError(
            f"{result.read} rows were read, but {result.good} good and {result.rejected} rejected ones written",
            "neither file may be used; report this as a fault of the program",
        )
    return result


def _write(
    lazy: pl.LazyFrame,
    schema: pl.Schema,
    broken: Mapping[str, pl.Expr],
    paths: tuple[Path, Path],
    added: Mapping[str, str],
    footer: dict[str, str],
) -> dict[str, int]:
    """Write both files and count, all in one pass over the rows."""
    original = [pl.col(column) for column in schema]
    if not broken:
        broken = {"": pl.lit(value=False)}
    marks = {f"__etl_broken_{index}": expr for index, expr in enumerate(broken.values())}
    judged = lazy.with_columns(expr.alias(mark) for mark, expr in marks.items())
    is_bad = pl.any_horizontal(pl.col([*marks]))
    reasons = pl.concat_list(
        pl.when(pl.col(mark)).then(pl.lit(name)) for mark, name in zip(marks, broken, strict=True)
    ).list.drop_nulls()
    good = judged.filter(~is_bad).select(original)
    rejected = judged.filter(is_bad).select(
        *original, reasons.alias(RULES), *(pl.lit(value, dtype=pl.String).alias(key) for key, value in added.items())
    )
    numbers = judged.select(
        pl.len().alias(_READ), *(pl.col(mark).sum().alias(f"{index}") for index, mark in enumerate(marks))
    )
    counted = pl.collect_all(
        [
            numbers,
            good.sink_parquet(paths[0], metadata=dict(footer), lazy=True),
            rejected.sink_parquet(paths[1], metadata=dict(footer), lazy=True),
        ],
        engine="streaming",
    )[0]
    return {key: int(value) for key, value in counted.row(0, named=True).items()}


def _rows_written(path: Path) -> int:
    """Count the rows of a file by reading it back, not by what was meant to be written."""
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _footer_of(path: Path | str) -> dict[str, str]:
    """Carry on what the footer of the file says; Arrow's own entry describes that file only."""
    return {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}


def _refuse_clash(schema: pl.Schema, names: Sequence[str]) -> None:
    clash = [name for name in names if name in schema]
    if clash:
        raise QualityError(
            f"the rows have columns called {', '.join(clash)} already, which rejected rows carry besides",
            "rename them in the query or the transform",
        )
