"""Decides whether the outcome of a unit test is the expected one.

Belongs here: verdicts, rules, errors, and rows as they are compared. Not here: running (`sandbox`), showing
(`etl.cli.test`).

What a unit test does not say is expected to be usual: no `verdict` means `passed`, or `quarantined` if rejected rows
are expected; no `rejected` means that no row is rejected. So nothing that goes wrong stays unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from etl.config.findings import ConfigFinding
from etl.config.pipeline_config import PipelineConfig
from etl.config.yaml_source import Mark, Node
from etl.pipeline.quarantine import REASONS
from etl.suggest import nearest
from etl.unit_tests.comparison import RowDifference, compare_rows
from etl.unit_tests.fixture import TestVerdict, UnitTest, WrittenRow
from etl.unit_tests.given import absent_cells, rows_error, wrong_cells
from etl.unit_tests.sandbox import PipelineOutcome
from etl.unit_tests.typed import typed_column

TestStatus = Literal["passed", "failed", "unknown", "unexamined", "mistaken"]
"""unknown: a rule could not be judged. unexamined: no row and no rule was looked at, so that nothing is known.

mistaken: the unit test itself cannot be used.
"""
RULES_COLUMN = "rules"
"""The column of the names of rules, as people see it beside the columns of a rejected row."""
_NULL = Node(None, Mark())


@dataclass(frozen=True)
class UnitTestResult:
    """The result of one unit test."""

    test: UnitTest
    status: TestStatus
    problems: tuple[str, ...] = ()
    rows: RowDifference = field(default_factory=RowDifference)
    rejected: RowDifference = field(default_factory=RowDifference)
    outcome: PipelineOutcome = field(default_factory=PipelineOutcome)
    seconds: float = 0.0


def judge(test: UnitTest, outcome: PipelineOutcome, pipeline: PipelineConfig) -> UnitTestResult:
    """Compare the outcome with what the unit test expects. Raises ConfigError if expected rows have wrong values."""
    expect = test.expect
    if outcome.unjudged:
        return UnitTestResult(test, "unknown", (f"could not be judged: {outcome.unjudged}",), outcome=outcome)
    if expect.error is not None:
        return _judge_error(test, outcome, expect.error)
    if outcome.error:
        return UnitTestResult(test, "failed", (outcome.error,), outcome=outcome)
    problems = []
    wanted = _wanted_verdict(test)
    broken = "; ".join(outcome.audits)
    if outcome.verdict != wanted:
        problems.append(f"the verdict is {outcome.verdict}, expected {wanted}" + (f": {broken}" if broken else ""))
    if expect.failed_rules is not None and {*expect.failed_rules} != {*outcome.failed_rules}:
        problems.append(
            f"the rules that failed are {', '.join(outcome.failed_rules) or 'none'},"
            f" expected {', '.join(expect.failed_rules) or 'none'}" + (f": {broken}" if broken else "")
        )
    rows, rejected = RowDifference(), RowDifference()
    keys = pipeline.trino_output.key_columns if pipeline.trino_output else ()
    if expect.rows is not None and outcome.rows is None:
        problems.append("no rows were published")
    elif expect.rows is not None and outcome.rows is not None:
        rows = _compare(test, expect.rows, outcome.rows, keys)
    if outcome.rejected is not None and not (expect.rejected is None and wanted == "quarantined"):
        rejected = _compare_rejected(test, outcome.rejected, keys)
    if not problems and not rows and not rejected:
        return _judge_examined(test, outcome, pipeline)
    return UnitTestResult(test, "failed", tuple(problems), rows, rejected, outcome)


def _judge_examined(test: UnitTest, outcome: PipelineOutcome, pipeline: PipelineConfig) -> UnitTestResult:
    """Return the result of a test whose expectations hold: they also hold if there was nothing to look at."""
    expect = test.expect
    inputs = pipeline.transfer_inputs if pipeline.has_transfer else (pipeline.name,)
    given = sum(len(each.rows) for each in test.given if each.pipeline in inputs)
    came_out = sum(frame.height for frame in (outcome.rows, outcome.rejected) if frame is not None)
    if not came_out and not outcome.failed_rules:
        if not given:
            problem = "nothing was examined: no row is given and none came out; give a row"
            return UnitTestResult(test, "unexamined", (problem,), outcome=outcome)
        if expect.rows is None:
            problem = (
                f"none of the {given} given rows came out, so that no rule had a row to judge; write `rows: []` if"
                " that is meant"
            )
            return UnitTestResult(test, "failed", (problem,), outcome=outcome)
    if expect.rows is None and not expect.rejected and not outcome.judged_rules:
        problem = "nothing was examined: no rule was judged and no row is expected; expect `rows`, or skip fewer rules"
        return UnitTestResult(test, "unexamined", (problem,), outcome=outcome)
    return UnitTestResult(test, "passed", outcome=outcome)


def _wanted_verdict(test: UnitTest) -> TestVerdict:
    return test.expect.verdict or ("quarantined" if test.expect.rejected else "passed")


def _judge_error(test: UnitTest, outcome: PipelineOutcome, text: str) -> UnitTestResult:
    if not outcome.error:
        problem = f"an error with `{text}` was expected, and the verdict is {outcome.verdict}"
    elif text not in outcome.error:
        problem = f"an error with `{text}` was expected, the error is: {outcome.error}"
    else:
        return UnitTestResult(test, "passed", outcome=outcome)
    return UnitTestResult(test, "failed", (problem,), outcome=outcome)


def _compare(
    test: UnitTest, expected: Sequence[WrittenRow], actual: pl.DataFrame, keys: Sequence[str]
) -> RowDifference:
    columns = list(dict.fromkeys(name for row in expected for name in row))
    frame = _expected_frame(test, expected, columns, actual.schema)
    return compare_rows(
        _as_rows(frame),
        _as_rows(actual.select(columns) if columns else actual),
        columns or actual.columns,
        ordered=test.expect.ordered,
        tolerance=test.expect.tolerance,
        keys=keys,
    )


def _compare_rejected(test: UnitTest, actual: pl.DataFrame, keys: Sequence[str]) -> RowDifference:
    expected = test.expect.rejected or ()
    rows = [each.row for each in expected]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = _expected_frame(test, rows, columns, actual.drop(REASONS).schema)
    named = [", ".join(sorted(each.rules)) for each in expected]
    wanted = [{**row, RULES_COLUMN: names} for row, names in zip(_as_rows(frame, len(rows)), named, strict=True)]
    shown = actual.select(
        *(columns or actual.drop(REASONS).columns), pl.col(REASONS).list.sort().list.join(", ").alias(RULES_COLUMN)
    )
    return compare_rows(
        wanted,
        _as_rows(shown),
        [*(columns or actual.drop(REASONS).columns), RULES_COLUMN],
        tolerance=test.expect.tolerance,
        keys=keys,
    )


def _expected_frame(
    test: UnitTest, rows: Sequence[WrittenRow], columns: Sequence[str], types: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Return the expected rows in the types that came out."""
    findings = [] if test.expect.missing_as_null else absent_cells(rows, columns)
    for name in columns:
        cells = [row.get(name, _NULL) for row in rows]
        if name not in types:
            mark = next((row[name].mark for row in rows if name in row), test.mark)
            close = nearest(name, types) or ""
            problem = f"the result has no column `{name}`"
            findings.append(ConfigFinding((), problem, mark.line, mark.column, "", ", ".join(types), close))
        else:
            findings += wrong_cells(name, cells, types[name])
    if findings:
        raise rows_error(test.shown_path, findings)
    return pl.DataFrame([typed_column(name, [row.get(name, _NULL) for row in rows], types[name]) for name in columns])


def _as_rows(frame: pl.DataFrame, height: int = 0) -> list[dict[str, Any]]:
    """Return the rows as Python values. A moment that is finer than Python's becomes a text."""
    if not frame.width:
        return [{} for _ in range(height)]
    fine = [name for name, dtype in frame.schema.items() if dtype in (pl.Datetime("ns"), pl.Duration("ns"))]
    return frame.with_columns(pl.col(name).cast(pl.Int64) for name in fine).rows(named=True)
