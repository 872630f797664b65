"""A table that comes in pieces gets the verdict of the whole table."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from etl.errors import QualityError
from etl.quality import check, check_batches
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect
from tests.conformance.test_conformance import ENGINES, make_rules

UNIQUE = [{"column": "a", "type": "unique"}]


@pytest.mark.parametrize("lazy", [False, True], ids=["frames", "plans"])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_get_the_oracles_verdicts(kind: str, lazy: bool) -> None:
    for seed in range(2):
        frame = make_frame(kind, seed)
        rules = make_rules(f"{kind} {seed}", ENGINES[0].rules)
        size = 1 + seed * 6
        pieces = [frame[start : start + size] for start in range(0, max(frame.height, 1), size)]
        tables = {name: table.lazy() for name, table in TABLES.items()}
        handed = (piece.lazy() if lazy else piece for piece in pieces)
        found = check_batches(handed, rules, engine="polars", now=NOW, tables=tables)
        assert [(each.status, each.failed_count, each.total_count) for each in found.results] == [
            (each.status, each.failed, each.total) for each in expect(frame, rules, NOW, TABLES)
        ]
        assert found.row_count in (frame.height, None)


@given(st.lists(st.lists(st.integers(0, 5) | st.none(), max_size=4), min_size=1, max_size=6), st.lists(st.booleans()))
@settings(max_examples=60)
def test_frames_and_plans_may_take_turns(pieces: list[list[int | None]], plans: list[bool]) -> None:
    frames: list[Any] = [pl.DataFrame({"a": piece}, schema={"a": pl.Int64}) for piece in pieces]
    whole = pl.concat(frames)
    handed = [each.lazy() if lazy else each for each, lazy in zip(frames, plans + [False] * 6, strict=False)]
    rules = [*UNIQUE, {"column": "a", "type": "monotonic"}, {"type": "row_count", "min": 3}]
    found = check_batches(handed, rules, engine="polars", key_columns=["a"])
    alone = check(whole, rules, engine="polars", key_columns=["a"])
    assert [each.model_dump() for each in found.results] == [each.model_dump() for each in alone.results]


def test_a_key_that_occurs_in_two_pieces_is_found() -> None:
    pieces = (pl.DataFrame({"a": [n], "b": ["x"]}) for n in (1, 2, 1))
    assert check_batches(pieces, UNIQUE).results[0].failed_count == 2


def test_no_piece_is_no_verdict_and_a_piece_without_rows_is() -> None:
    with pytest.raises(QualityError, match="no batch"):
        check_batches([], UNIQUE)
    assert check_batches([pl.DataFrame({"a": []})], [{"type": "row_count", "min": 1}]).status == "failed"
    with pytest.raises(QualityError, match="no rules"):
        check_batches([pl.DataFrame({"a": [1]})], [])


@pytest.mark.parametrize(
    ("second", "word"),
    [({"a": ["x"]}, "`a` is String"), ({"b": [1]}, "`a` is missing"), ({"a": [1], "b": [1]}, "`b` is new")],
)
def test_a_piece_with_other_columns_is_refused(second: dict[str, Any], word: str) -> None:
    with pytest.raises(QualityError, match=f"batch 1 has other columns than the first: {word}"):
        check_batches([pl.DataFrame({"a": [1]}), pl.DataFrame(second)], UNIQUE)


def test_no_file_stays_behind(tmp_path: Path) -> None:
    def pieces() -> Any:
        yield pl.DataFrame({"a": [1]})
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        check_batches(pieces(), UNIQUE, folder=tmp_path)
    check_batches([[{"a": 1}], [{"a": 2}]], UNIQUE, folder=tmp_path)
    assert not [*tmp_path.iterdir()]
