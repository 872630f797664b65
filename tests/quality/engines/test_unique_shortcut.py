"""`unique` is first asked how many values there are; only if that leaves a doubt, which rows are double."""

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl.quality import check, parse_rules
from etl.quality.engines import polars as engine
from etl.quality.expressions import ExpressionPlan

NAN = float("nan")
COLUMNS: list[tuple[list[Any], Any, int]] = [
    ([1, 2, None, None], pl.Int8, 0),
    ([1, 2, 1, None], pl.Int64, 2),
    ([2**100, 2**100 + 1], pl.Int128, 0),
    ([NAN, NAN, 1.0], pl.Float64, 2),
    ([NAN, None, None], pl.Float32, 0),
    ([0.0, -0.0], pl.Float64, 2),
    (["a", "a", "b", None, None], pl.String, 2),
    (["a", "b"], pl.Categorical, 0),
    (["a", "a"], pl.Enum(["a", "b"]), 2),
    ([True, False, None], pl.Boolean, 0),
    ([True, True, True], pl.Boolean, 3),
    ([b"a", b""], pl.Binary, 0),
    ([Decimal("1.10"), Decimal("1.1")], pl.Decimal(10, 2), 2),
    ([date(2020, 1, 1)] * 2, pl.Date, 2),
    ([time(1), time(2)], pl.Time, 0),
    ([timedelta(1), timedelta(1)], pl.Duration, 2),
    ([], pl.Int64, 0),
    ([None, None], pl.String, 0),
    ([None, None], pl.Null, 0),
]


@pytest.mark.parametrize("name", ["polars", "truthound"])
@pytest.mark.parametrize("where", [None, "row >= 0"])
@pytest.mark.parametrize(("values", "dtype", "failed"), COLUMNS)
def test_every_type_has_the_same_doubles_with_and_without_the_shortcut(
    values: list[Any], dtype: Any, failed: int, where: str | None, name: str
) -> None:
    frame = pl.DataFrame({"key": pl.Series(values, dtype=dtype), "row": range(len(values))})
    rules = parse_rules([{"type": "unique", "column": "key"} | ({"where": where} if where else {})])
    # a plan that is more than a scan is judged without shortcuts
    for data in (frame, frame.lazy(), frame.lazy().filter(pl.col("row") >= 0)):
        result = check(data, rules, engine=name)
        (only,) = result.results
        judged = sum(each is not None for each in values)
        assert (only.failed_count, only.total_count, result.error_count) == (failed, judged, 0), result.describe()


def test_the_rows_outside_of_where_are_no_doubles() -> None:
    frame = pl.DataFrame({"key": [1, 1, 2, 2], "kind": ["a", "b", "b", "b"]})
    for where, failed in (("kind = 'a'", 0), ("kind = 'b'", 2), ("kind = 'c'", 0)):
        (only,) = check(frame, parse_rules([{"type": "unique", "column": "key", "where": where}])).results
        assert only.failed_count == failed
    (only,) = check(
        frame.with_columns(key=pl.int_range(4)),
        parse_rules([{"type": "unique", "column": "key", "where": "kind = 'b'"}]),
    ).results
    assert (only.failed_count, only.total_count) == (0, 3)


def queries(monkeypatch: pytest.MonkeyPatch, frame: pl.DataFrame) -> int:
    asked: list[ExpressionPlan] = []
    run = engine._select
    monkeypatch.setattr(engine, "_select", lambda plan, data, select: asked.append(plan) or run(plan, data, select))
    rules = [{"type": "unique", "column": "key"}, {"type": "not_null", "column": "key"}]
    assert check(frame, parse_rules(rules), engine="polars").error_count == 0
    return len(asked)


@pytest.mark.parametrize(("values", "expected"), [([1, 2, 3], 1), ([1, None, None], 1), ([1, 1, 2], 2)])
def test_a_second_query_is_asked_only_where_values_are_double(
    values: list[int | None], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queries(monkeypatch, pl.DataFrame({"key": values})) == expected


def test_two_answers_that_contradict_each_other_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is replaced between the two queries: neither answer is the verdict."""
    before, after = pl.DataFrame({"key": [1, 1]}), pl.DataFrame({"key": [1, 2]})
    run = engine._select
    monkeypatch.setattr(
        engine, "_select", lambda plan, _, select: run(plan, before if plan.shortcuts else after, select)
    )
    (only,) = check(before, parse_rules([{"type": "unique", "column": "key"}]), engine="polars").results
    assert (only.status, "changed while it was judged" in str(only.message)) == ("error", True)
