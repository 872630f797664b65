"""Expected rows and actual rows: what differs, held against counting and against trying every pairing."""

from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from etl.unit_tests.comparison import RowDifference, compare_rows

CELLS = st.sampled_from([None, 0, 1, 1.0, True, "1", "", 0.5])
ROWS = st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), max_size=5)


def rows_of(difference: RowDifference) -> tuple[list[Any], list[Any]]:
    """The rows that differ: all that were expected, and all that came out."""
    expected = [*difference.missing, *(each.expected for each in difference.changed)]
    return expected, [*difference.unexpected, *(each.actual for each in difference.changed)]


def counted(rows: list[Any]) -> Counter[str]:
    return Counter(repr(sorted(each.items())) for each in rows)  # 1, 1.0, True and "1" are different values


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_without_an_order_rows_are_compared_as_often_as_they_occur(one: list[Any], other: list[Any]) -> None:
    difference = compare_rows(one, other, ["a", "b"])
    expected, actual = rows_of(difference)
    assert counted(expected) == counted(one) - counted(other)
    assert counted(actual) == counted(other) - counted(one)
    assert bool(difference) == (counted(one) != counted(other))


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_with_an_order_rows_are_compared_by_their_places(one: list[Any], other: list[Any]) -> None:
    same = [repr(sorted(each.items())) for each in one] == [repr(sorted(each.items())) for each in other]
    assert bool(compare_rows(one, other, ["a", "b"], ordered=True)) != same


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.data())
def test_a_tolerance_pairs_as_many_rows_as_can_be_paired(numbers: list[int], data: st.DataObject) -> None:
    size = len(numbers)
    others = data.draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    difference = compare_rows(
        [{"x": each / 2} for each in numbers], [{"x": each / 2} for each in others], ["x"], tolerance={"x": 0.5}
    )
    close = max(sum(abs(a - b) <= 1 for a, b in zip(numbers, each, strict=True)) for each in permutations(others))
    expected, actual = rows_of(difference)
    if close == size:
        assert not difference
    else:
        assert len(expected) >= size - close
        assert len(actual) >= size - close


def test_nan_is_nan_and_a_tolerance_is_only_for_its_column() -> None:
    nan = float("nan")
    assert not compare_rows([{"a": nan, "b": 1.0}], [{"a": nan, "b": 1.0}], ["a", "b"])
    difference = compare_rows([{"a": 1.0, "b": 1.0}], [{"a": 1.1, "b": 1.1}], ["a", "b"], tolerance={"a": 0.2})
    assert difference.changed[0].columns == ("b",)
    assert not compare_rows([{"a": [1.0]}], [{"a": [1.05]}], ["a"], tolerance={"": 0.1})
    assert compare_rows([{"a": [1.0]}], [{"a": [1.05]}], ["a"])


def test_a_changed_row_is_shown_as_one_row_found_by_its_key() -> None:
    one = [{"id": 1, "a": 1, "b": 1, "c": 1}, {"id": 2, "a": 2, "b": 2, "c": 2}]
    other = [{"id": 2, "a": 9, "b": 9, "c": 9}, {"id": 1, "a": 1, "b": 1, "c": 1}]
    (changed,) = compare_rows(one, other, ["id", "a", "b", "c"], keys=["id"]).changed
    assert (changed.expected["id"], changed.columns) == (2, ("a", "b", "c"))
    without = compare_rows(one, other, ["id", "a", "b", "c"])
    assert (len(without.missing), len(without.unexpected), without.changed) == (1, 1, ())


@pytest.mark.parametrize("ordered", [False, True])
def test_surplus_rows_are_named(ordered: bool) -> None:
    difference = compare_rows([{"a": 1}], [{"a": 1}, {"a": 2}], ["a"], ordered=ordered)
    assert difference == RowDifference(unexpected=({"a": 2},))
