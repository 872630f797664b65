import pytest

from etl.errors import SourceError
from etl.storage.guards import guard_rows


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
