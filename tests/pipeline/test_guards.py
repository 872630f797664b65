import pytest

from etl.errors import SourceError
from etl.pipeline.guards import guard_rows, judge_volume


@pytest.mark.parametrize(
    ("previous", "now", "allow_empty", "max_shrink"),
    [
        (None, 0, False, 0.5), (0, 0, False, 0.5), (10, 0, True, None), (10, 0, True, 0.5), (10, 1, False, None),
        (10, 5, False, 0.5), (10, 11, False, 0.0), (10, 10, False, 0.0),
    ],
)  # fmt: skip
def test_counts_that_are_accepted(previous: int | None, now: int, allow_empty: bool, max_shrink: float | None) -> None:
    guard_rows(previous, now, allow_empty=allow_empty, max_shrink=max_shrink)


def test_an_empty_extract_where_rows_are_published_is_refused() -> None:
    with pytest.raises(SourceError, match="no rows where 10 are published") as raised:
        guard_rows(10, 0)
    assert "allow_empty" in raised.value.hint


def test_an_extract_that_shrank_too_much_is_refused_by_how_much() -> None:
    with pytest.raises(SourceError, match="lots: 4 rows where 10 are published: 60% fewer, 50% are allowed"):
        guard_rows(10, 4, max_shrink=0.5, name="lots")


@pytest.mark.parametrize(
    ("now", "previous", "usual", "told"),
    [
        (1, 20, [], "1 rows, more than 50% are gone: 20 when"),
        (10, 20, [], ""),
        (1, None, [20, 30, 25], "1 rows, more than 50% are gone: 20 on this weekday"),
        (1, 1, [20, 30, 25], "1 rows, more than 50% are gone: 20 on this weekday"),
        (1, None, [20, 30, 2], ""),  # one such weekday was a holiday: no alarm
        (0, 5, [], "0 rows, more than 50% are gone: 5 when"),
    ],
)
def test_a_volume_is_judged_by_what_is_known(now: int, previous: int | None, usual: list[int], told: str) -> None:
    verdict = judge_volume(now, previous, usual, 0.5)
    assert verdict.compared
    assert verdict.agrees == (not told)
    assert told in verdict.description


@pytest.mark.parametrize(("previous", "usual"), [(None, []), (0, []), (None, [9, 9]), (0, [0, 9, 9])])
def test_a_volume_that_nothing_is_known_of_says_so(previous: int | None, usual: list[int]) -> None:
    verdict = judge_volume(3, previous, usual, 0.5)
    assert not verdict.compared
    assert "nothing to compare them with" in verdict.description
