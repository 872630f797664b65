"""What each built-in engine can judge. Reading these limits does not import the engine's library.

Belongs here: the capabilities of the built-in engines. Not here: how they judge (one module for each engine).

A configuration is read wherever definitions are built, so this module imports Polars and nothing heavier. Only a rule
that names one of Truthound's validators imports Truthound, because only Truthound knows its validators and arguments.
"""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from etl.quality.engine import Capabilities
from etl.quality.engines.tasks import GREAT_EXPECTATIONS_RULES, PANDERA_RULES, Task, refuse_task
from etl.quality.expressions.exact import has_steps, is_text, steps_limits
from etl.quality.rules import RULE_TYPES, AnyRule, ColumnExists, Dtype, RowCount, Truthound

_WIDE = (pl.UInt64, pl.UInt128, pl.Int128)
_LONGEST_DECIMAL = 18
EXACT_FLOATS = 2**53
# pandas matches some patterns with Python's syntax and others with RE2's. So only patterns that Python, RE2 and Rust
# read in the same way are accepted: literals, simple classes, groups, alternatives, anchors and bounded repetition.
# `\d`, `\w` and `\s` mean different characters in the three syntaxes; they are written out.
_PORTABLE = re.compile(
    r"""(?x) \A (?:
        (?: [^\\\[\](){}^$|.*+?] | \\[!-/:-@\[-`{-~] | \\[dwsDWS] | \. | \)
          | \[\^?-?(?:[^\\\[\]^&~|-](?:-[^\\\[\]^&~|-])?|\\[.\]\[\\^$*+?(){}|/-]|\\[dwsDWS])+-?\] )
        (?: (?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\}) \?? (?![*+?{]) )?
      | \((?:\?:)? | [|^$]
    )* \Z"""
)


# Names that mean the same single type in Pandera and here, so without families and without types with parameters.
PANDERA_DTYPES: dict[str, Any] = {
    "Int8": pl.Int8,
    "Int16": pl.Int16,
    "Int32": pl.Int32,
    "Int64": pl.Int64,
    "UInt8": pl.UInt8,
    "UInt16": pl.UInt16,
    "UInt32": pl.UInt32,
    "UInt64": pl.UInt64,
    "Float32": pl.Float32,
    "Float64": pl.Float64,
    "String": pl.String,
    "string": pl.String,
    "str": pl.String,
    "text": pl.String,
    "Boolean": pl.Boolean,
    "boolean": pl.Boolean,
    "bool": pl.Boolean,
    "Date": pl.Date,
    "date": pl.Date,
}


def _great_expectations(rule: AnyRule, schema: pl.Schema | None) -> str | None:
    if isinstance(rule, RowCount):
        return "row_count with `where`: the library counts the whole table" if rule.where is not None else None
    if rule.type == "regex" and not _PORTABLE.match(rule.pattern):
        return (
            "pandas may read this pattern differently; literals, classes, also with \\d, \\w and \\s, groups, anchors "
            "and repetition are safe; \\b, \\p{...}, flags, named groups and sets within sets are not"
        )
    return refuse_task(rule, schema, _pandas_limits)


def _pandas_limits(task: Task, rule: AnyRule, schema: pl.Schema) -> str | None:
    # The library keeps bounds as floats, and pandas turns whole numbers into floats to compare them with floats.
    whole = task.kind == "between" and not task.dtype.is_float()
    if whole and any(each is not None and abs(each) >= EXACT_FLOATS for each in float_bounds(task)):
        return "a bound beyond 2**53 steps, which the library rounds"
    for column in rule.judged_columns:
        dtype = schema[column]
        if isinstance(dtype, _WIDE) or (isinstance(dtype, pl.Decimal) and (dtype.precision or 38) > _LONGEST_DECIMAL):
            return f"the column `{column}` is {dtype}, which does not fit into the 64 bits that pandas compares"
        if task.kind == "unique" and not (has_steps(dtype) or is_text(dtype) or isinstance(dtype, pl.Boolean)):
            return f"the column `{column}` is {dtype}, whose values pandas distinguishes differently"
    return None


def _pandera(rule: AnyRule, schema: pl.Schema | None) -> str | None:
    if isinstance(rule, Dtype):
        return None if rule.dtype in PANDERA_DTYPES else f"Pandera has no type that means exactly `{rule.dtype}`"
    return None if isinstance(rule, ColumnExists) else refuse_task(rule, schema, _pandera_limits)


def _pandera_limits(task: Task, rule: AnyRule, schema: pl.Schema) -> str | None:
    if any(isinstance(each, int) and not -(2**63) <= each < 2**63 for each in task.values):
        return "a set with a value beyond 64 bits, which Pandera does not take beside smaller ones"
    for column in rule.judged_columns:
        if task.kind in ("between", "in_set", "not_in_set") and isinstance(schema[column], pl.UInt128):
            return f"the column `{column}` is {schema[column]}, beside which Pandera has no literal"
        if task.kind == "unique" and isinstance(schema[column], pl.Binary):
            return (
                f"the column `{column}` is {schema[column]}, which Pandera cannot write into its report of duplicates"
            )
    return None


def _truthound(rule: AnyRule, schema: pl.Schema | None) -> str | None:
    if not isinstance(rule, Truthound):
        return None
    from etl.quality.engines.truthound.arguments import refusal  # noqa: PLC0415  loads every validator's module

    return refusal(rule, schema)


def float_bounds(task: Task) -> tuple[Any, Any]:
    """Leave out a bound that every value of the column's type keeps; at least one bound has to stay."""
    if task.dtype.is_float():
        return task.low, task.high
    lowest, highest = steps_limits(task.dtype)
    low = task.low if task.low != lowest else None
    high = task.high if task.high != highest else None
    return (low, high) if low is not None or high is not None else (float(lowest), None)


CAPABILITIES: Mapping[str, Capabilities] = {
    "truthound": Capabilities(rules=frozenset(RULE_TYPES), lazy=True, profile=True, unsupported=_truthound),
    "polars": Capabilities(rules=frozenset(RULE_TYPES) - {"truthound"}, lazy=True),
    "great_expectations": Capabilities(rules=GREAT_EXPECTATIONS_RULES, lazy=True, unsupported=_great_expectations),
    "pandera": Capabilities(rules=PANDERA_RULES, lazy=True, unsupported=_pandera),
}
