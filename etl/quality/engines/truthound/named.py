"""Runs other validators of the library by name. A verdict counts only if the validator really looked at the data.

Belongs here: building a validator, watching what it judges, turning its issues into an outcome. Not here: arguments.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.engine import CheckContext, Outcome
from etl.quality.engines.truthound.arguments import read
from etl.quality.engines.truthound.catalogue import Known, find
from etl.quality.engines.truthound.library import library
from etl.quality.frames import collect
from etl.quality.rules import Truthound
from etl.suggest import did_you_mean

_EVERY_ROW = 1 << 40
# One issue per column, whose count is the number of failing rows; a test compares each with an oracle.
_COUNTS_ROWS = frozenset(
    {
        "between",
        "date_format",
        "empty_string",
        "finite",
        "in_set",
        "json_parseable",
        "latitude",
        "length",
        "like_pattern",
        "longitude",
        "non_negative",
        "not_in_set",
        "not_like_pattern",
        "not_nan",
        "not_null",
        "null",
        "positive",
        "whitespace_only",
    }
)
_JUDGES_NULL = frozenset({"null", "not_null"})
_JUDGES_NAN = frozenset({"nan", "not_nan", "nan_ratio", "finite", "infinity"})
_NAN_BLIND = frozenset(
    {
        "aggregate",
        "anomaly",
        "cross_table",
        "distribution",
        "drift",
        "geospatial",
        "ml_feature",
        "multi_column",
        "profiling",
        "schema",
        "timeseries",
    }
)
# Below so many complete rows these validators return no issue, whatever the data.
# Categories, and one name.
_BLANK_BLIND = frozenset({"alphanumeric", "business_rule", "localization"})
_FEWEST = {"anomaly": 10, "timeseries": 2}
_FEWEST_BY_NAME = {"seasonality": 10, "trend": 10, "trend_break": 20, "seasonal_decomposition": 4}
_BROKEN = re.compile(r"(_error|_check_failed|_computation_failed|_not_found)$")
_SHOWN = 5


class UnseenError(QualityError):
    """The validator gave no verdict that can be trusted."""


@dataclass(frozen=True, slots=True)
class _SeenRules:
    """What the named columns look like."""

    rows: int
    complete: int
    """Rows in which no named column is null."""
    values: dict[str, int]
    nans: dict[str, int]
    blanks: dict[str, int]


def judge(rule: Truthound, position: int, lf: pl.LazyFrame, context: CheckContext) -> Outcome:
    """Run one validator. Raises an error if its verdict cannot be trusted."""
    known = find(rule.validator)
    if isinstance(known, str):
        raise UnseenError(known)
    values, problem = read(known, rule.args)
    if problem is not None:
        raise UnseenError(f"Truthound's `{rule.validator}`: {problem}")
    tables = {name: _table(name, values, context.tables) for name in known.table_parameters if name in values}
    columns = known.columns(rule.args)
    for table in tables.values():
        _require_reference(known, rule.args, table)
    validator = _build(known, values | tables)
    issues = [each for each in validator.validate(lf) if not getattr(each, "success", False)]
    broken = [each for each in issues if each.exception_info is not None or _BROKEN.search(each.issue_type)]
    if broken:
        reason = getattr(broken[0].exception_info, "exception_type", None) or broken[0].issue_type
        raise UnseenError(f"Truthound's `{rule.validator}` could not judge: {reason}")
    seen = _look(lf, columns, context.schema)
    if issues:
        return _failed(known, position, issues, columns, seen)
    _doubt(known, rule, seen)
    if seen.rows == 0 or (columns and not any(seen.values.values()) and rule.validator not in _JUDGES_NULL):
        return Outcome(position, 0, 0, message="no row to judge: there is no value in its columns")
    if rule.validator in _COUNTS_ROWS and len(columns) == 1:
        return Outcome(position, 0, _applies(known, seen, columns[0]))
    return Outcome(position, 0, 1, message=f"Truthound's `{rule.validator}` found nothing")


def _table(name: str, values: Mapping[str, Any], tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    wanted = values[name]
    if wanted not in tables:
        raise UnseenError(
            f"`{name}`: there is no table `{wanted}`{did_you_mean(wanted, [*tables])}", "give it in `tables`"
        )
    # The table is collected, because the library runs a LazyFrame once for every number that it computes.
    return tables[wanted].collect().lazy()


def _require_reference(known: Known, args: Mapping[str, Any], table: pl.LazyFrame) -> None:
    """Require that the other table has the compared column with values: a comparison with nothing always passes."""
    schema = table.collect_schema()
    given = args.get("reference_column") or args.get("column")
    wanted = [given] if given is not None else [*args.get("columns", ())]
    for column in wanted:
        if column not in schema:
            raise UnseenError(f"the other table has no column `{column}`{did_you_mean(column, schema)}")
        if known.category in ("drift", "distribution") and collect(table.select(pl.col(column).count())).item() == 0:
            raise UnseenError(f"the other table has no value in `{column}`: there is nothing to compare with")


def _build(known: Known, values: Mapping[str, Any]) -> Any:  # noqa: ANN401  the library has no types
    validator = known.make(**values)
    # Never a sample.
    validator.early_termination_min_rows = _EVERY_ROW
    validator.sampling_threshold = _EVERY_ROW
    validator.config = validator.config.replace(result_format="boolean_only", max_retries=0)
    validator._get_target_columns = _watched(validator._get_target_columns, validator.config.columns or ())  # noqa: SLF001
    return validator


def _watched(pick: Callable[..., list[str]], wanted: Sequence[str]) -> Callable[..., list[str]]:
    """Raise an error where the library would silently drop columns of a type that the validator does not judge."""

    def picked(lf: pl.LazyFrame, dtype_filter: Any = None) -> list[str]:  # noqa: ANN401
        chosen = pick(lf, dtype_filter)
        skipped = [column for column in wanted if column not in chosen]
        if skipped:
            dtype = lf.collect_schema().get(skipped[0])
            raise UnseenError(f"it skips the column `{skipped[0]}`, whose type is {dtype}")
        return chosen

    return picked


def _look(lf: pl.LazyFrame, columns: Sequence[str], schema: pl.Schema) -> _SeenRules:
    floats = [column for column in columns if schema[column].is_float()]
    numbers = [pl.len().alias("rows")]
    if columns:
        numbers.append(pl.all_horizontal(pl.col(columns).is_not_null()).sum().alias("complete"))
    numbers += [pl.col(column).count().alias(f"values {index}") for index, column in enumerate(columns)]
    numbers += [pl.col(column).is_nan().sum().alias(f"nans {index}") for index, column in enumerate(floats)]
    texts = [column for column in columns if isinstance(schema[column], pl.String)]
    blank = [pl.col(column).str.strip_chars() == "" for column in texts]
    numbers += [each.sum().alias(f"blanks {index}") for index, each in enumerate(blank)]
    row = collect(lf.select(numbers)).row(0, named=True)
    values = {column: int(row[f"values {index}"]) for index, column in enumerate(columns)}
    nans = {column: int(row[f"nans {index}"] or 0) for index, column in enumerate(floats)}
    blanks = {column: int(row[f"blanks {index}"] or 0) for index, column in enumerate(texts)}
    return _SeenRules(int(row["rows"]), int(row.get("complete", row["rows"])), values, nans, blanks)


def _doubt(known: Known, rule: Truthound, seen: _SeenRules) -> None:
    """Refuse a pass that the library would give for any data."""
    blind = [column for column, count in seen.nans.items() if count]
    if blind and known.category in _NAN_BLIND and known.name not in _JUDGES_NAN:
        raise UnseenError(f"the column `{blind[0]}` holds NaN, which Truthound's `{known.name}` passes over")
    blank = [column for column, count in seen.blanks.items() if count]
    if blank and (known.category in _BLANK_BLIND or known.name in _BLANK_BLIND):
        raise UnseenError(f"the column `{blank[0]}` holds blank text, which Truthound's `{known.name}` passes over")
    args = rule.args
    compares = 1 if known.table_parameters else 0
    fewest = max(
        compares,
        _FEWEST_BY_NAME.get(known.name, _FEWEST.get(known.category, 0)),
        *(2 * int(str(args[name])) for name in ("window_size", "period") if isinstance(args.get(name), int)),
    )
    if seen.complete < fewest:
        raise UnseenError(
            f"{seen.complete} rows have values in all its columns, and Truthound's `{known.name}` "
            f"always passes with fewer than {fewest}"
        )


def _applies(known: Known, seen: _SeenRules, column: str) -> int:
    return seen.rows if known.name in _JUDGES_NULL else seen.values[column]


def _failed(known: Known, position: int, issues: Sequence[Any], columns: Sequence[str], seen: _SeenRules) -> Outcome:
    told = "; ".join(f"{each.column}: {each.issue_type} ({each.count})" for each in issues[:_SHOWN])
    sees_all = known.name in _JUDGES_NAN | _JUDGES_NULL or not any(seen.nans.values())
    exact = known.name in _COUNTS_ROWS and len(columns) == 1 and len(issues) == 1 and sees_all
    if exact and 0 < issues[0].count <= _applies(known, seen, columns[0]):
        return Outcome(position, int(issues[0].count), _applies(known, seen, columns[0]), message=f"Truthound: {told}")
    return Outcome(position, 1, 1, message=f"Truthound: {told}")


def issues_of(outcome: Outcome, mark: str) -> list[Any]:
    """Return the issues that the library shall report, with the rule's own name."""
    return [library().issue(mark, outcome.failed)] if outcome.failed else []
