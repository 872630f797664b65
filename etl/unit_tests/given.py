"""Turns the given rows of a unit test into a frame, and says where the types of its columns come from.

Belongs here: the type of each column, rows that lack columns, mistakes with their places. Not here: one cell (`typed`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from etl.config.findings import ConfigFinding
from etl.config.yaml_source import Mark, Node
from etl.errors import ConfigError
from etl.quality.rules.dtypes import exact_dtype
from etl.suggest import nearest
from etl.unit_tests.fixture import GivenInput, WrittenRow
from etl.unit_tests.typed import cell_value, typed_column, written_dtype

WRITTEN, STATED, PUBLISHED = "as written", "from `types`", "from the last published object"
PublishedTypes = Callable[[str, str], Mapping[str, pl.DataType]]
"""The columns that a stage of a pipeline has published last; none if nothing is published."""
_NULL = Node(None, Mark())
_SHOWN = 10


@dataclass(frozen=True)
class GivenFrame:
    """The rows of one input, and from where the types of its columns come."""

    frame: pl.DataFrame
    origins: Counter[str]


def given_frame(given: GivenInput, stage: str, published: PublishedTypes, shown: str) -> GivenFrame:
    """Return the given rows as a frame. Raises one ConfigError that lists all mistakes with their lines."""
    findings: list[ConfigFinding] = []
    stated = {name: found for name, node in given.types.items() if (found := _stated(name, node, findings))}
    named = list(dict.fromkeys(name for row in given.rows for name in row))
    known = published(given.pipeline, stage) if given.missing_as_null or any(n not in stated for n in named) else {}
    columns = _columns(given, named, known)
    findings += _unknown(given, known)
    if not given.missing_as_null:
        findings += absent_cells(given.rows, columns)
    if not columns:
        findings.append(_at(given.mark, "no column is known", "rows, or `types` with the name of each column"))
    frame: dict[str, pl.Series] = {}
    origins: Counter[str] = Counter()
    for name in columns:
        cells = [row.get(name, _NULL) for row in given.rows]
        origin = STATED if name in given.types else PUBLISHED if name in known else WRITTEN
        dtype = stated.get(name) or (None if name in given.types else known.get(name))
        if dtype is None and origin == WRITTEN:
            dtype = _written(name, cells, given.mark, findings)
        if dtype is None:
            continue
        wrong = wrong_cells(name, cells, dtype)
        findings += wrong
        if not wrong:
            frame[name] = _column(name, cells, dtype, given.mark, findings)
        origins[origin] += 1
    if findings:
        raise rows_error(shown, findings)
    return GivenFrame(pl.DataFrame(list(frame.values())), origins)


def wrong_cells(name: str, cells: Sequence[Node], dtype: pl.DataType) -> list[ConfigFinding]:
    """Return a finding for each cell that is no value of the type."""
    findings = []
    for each in cells:
        try:
            cell_value(each, dtype)
        except ValueError as error:
            findings.append(_at(each.mark, f"column `{name}`: {error}"))
    return findings


def rows_error(shown: str, findings: Sequence[ConfigFinding]) -> ConfigError:
    """Return the error that lists mistakes in the rows of a file."""
    problems = [each.render(shown) for each in dict.fromkeys(findings)]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return ConfigError(
        f"the rows in {shown} cannot be used",
        "write values of the column's type; `types` of an input names the types",
        problems=[*problems[:_SHOWN], *more],
    )


def _columns(given: GivenInput, named: Sequence[str], known: Mapping[str, pl.DataType]) -> list[str]:
    """Return the columns in the order of the published object, then those of `types`, then those of the rows."""
    present = {*given.types, *named}
    first = [name for name in known if given.missing_as_null or name in present]
    return list(dict.fromkeys([*first, *given.types, *named]))


def _stated(name: str, node: Node, findings: list[ConfigFinding]) -> pl.DataType | None:
    try:
        return exact_dtype(node.text)
    except ValueError as error:
        findings.append(_at(node.mark, f"type of `{name}`: {error}"))
        return None


def _written(name: str, cells: Sequence[Node], mark: Mark, findings: list[ConfigFinding]) -> pl.DataType | None:
    try:
        dtype = written_dtype(cells)
        problem = f"no value of the column `{name}` tells its type" if dtype is None else ""
    except ValueError as error:
        dtype, problem = None, f"column `{name}`: {error}"
    if problem:
        findings.append(_at(mark, problem, f"`types: {{{name}: Int64}}` or another type"))
    return dtype


def _column(
    name: str, cells: Sequence[Node], dtype: pl.DataType, mark: Mark, findings: list[ConfigFinding]
) -> pl.Series:
    try:
        return typed_column(name, cells, dtype)
    except ValueError as error:
        findings.append(_at(mark, f"column `{name}`: {error}"))
        return pl.Series(name, [], dtype=dtype)


def _unknown(given: GivenInput, known: Mapping[str, pl.DataType]) -> list[ConfigFinding]:
    """Return a finding for each column that the published object does not have and `types` does not name."""
    if not known:
        return []
    names = {name: node for row in given.rows for name, node in row.items()}
    return [
        ConfigFinding(
            (),
            f"`{given.pipeline}` has no column `{name}`",
            node.mark.line,
            node.mark.column,
            allowed=f"{', '.join(known)}; a new column needs its type in `types`",
            suggestion=nearest(name, known) or "",
        )
        for name, node in names.items()
        if name not in known and name not in given.types
    ]


def absent_cells(rows: Sequence[WrittenRow], columns: Sequence[str]) -> list[ConfigFinding]:
    """Return a finding for each row that does not name all columns."""
    findings = []
    for number, row in enumerate(rows, start=1):
        if gone := [name for name in columns if name not in row]:
            mark = next((each.mark for each in row.values()), Mark())
            problem = f"row {number} has no value for {', '.join(f'`{name}`' for name in gone)}"
            findings.append(_at(mark, problem, "null for each, or `missing_as_null: true`"))
    return findings


def _at(mark: Mark, problem: str, allowed: str = "") -> ConfigFinding:
    return ConfigFinding((), problem, mark.line, mark.column, allowed=allowed)
