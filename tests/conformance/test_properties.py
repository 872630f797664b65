"""What holds for all data in every engine: counts add up over parts, order changes nothing, learnt rules hold."""

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from etl.quality import check, get_engine, parse_rules
from tests.conformance import libraries

assert libraries  # imported for its effect
# How many examples an engine is worth: Great Expectations takes some 6 ms per rule.
EXAMPLES = {"polars": 60, "truthound": 40, "pandera": 25, "great_expectations": 6}
SCHEMA = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "d": pl.Decimal(12, 2), "k": pl.Int32}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | st.integers(-3, 3),
            "f": st.none() | st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, float("nan"), float("inf"), -float("inf")]),
            "s": st.none() | st.text("ab é\n", max_size=3),
            "d": st.none() | st.decimals(-2, 2, places=2),
            "k": st.integers(0, 9),
        }
    ),
    max_size=20,
)
LOCAL = parse_rules(
    [
        {"column": "i", "type": "not_null"},
        {"columns": ["i", "f"], "type": "not_null", "where": "k > 4"},
        {"column": "i", "type": "in_range", "min": -1, "max": 2},
        {"column": "f", "type": "non_negative", "where": "i > 0 OR s = 'a'"},
        {"column": "f", "type": "in_set", "values": [0, 0.5]},
        {"column": "d", "type": "in_range", "max": 0.5, "max_inclusive": False},
        {"column": "s", "type": "length", "min": 1},
        {"column": "s", "type": "regex", "pattern": "^a(b|a)?$"},
        {"column": "s", "type": "not_in_set", "values": ["a", ""]},
        {"type": "compare_columns", "left": "i", "operator": "<=", "right": "f"},
        {"type": "expression", "expression": "i + k > 2 OR s LIKE 'a%'"},
    ]
)
GLOBAL = parse_rules(
    [
        {"column": "i", "type": "unique"},
        {"columns": ["i", "s"], "type": "unique", "where": "k > 3"},
        {"type": "row_count", "min": 3},
        {"column": "i", "type": "sum_between", "min": 0},
        {"column": "k", "type": "mean_between", "min": 2, "max": 5},
    ]
)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def supported(engine: str, rules: Any) -> list[Any]:
    capabilities = get_engine(engine).capabilities
    return [rule for rule in rules if capabilities.refusal(rule, pl.Schema(SCHEMA)) is None]


def counts(engine: str, frame: pl.DataFrame, rules: Any) -> list[tuple[int, int]]:
    results = check(frame, rules, engine=engine).results
    assert all(each.status != "error" for each in results), [each.message for each in results]
    return [(each.failed_count, each.total_count) for each in results]


def examples(engine: str) -> settings:
    return settings(
        max_examples=EXAMPLES[engine], deadline=None, derandomize=True, suppress_health_check=[*HealthCheck]
    )


@pytest.mark.parametrize("engine", EXAMPLES)
def test_counts_of_two_parts_add_up_to_those_of_the_whole(engine: str) -> None:
    rules = supported(engine, LOCAL)
    assert len(rules) >= 8

    @examples(engine)
    @given(ROWS, st.integers(0, 20))
    def holds(rows: list[dict[str, Any]], at: int) -> None:
        frame = frame_of(rows)
        parts = zip(counts(engine, frame[:at], rules), counts(engine, frame[at:], rules), strict=True)
        assert [(a[0] + b[0], a[1] + b[1]) for a, b in parts] == counts(engine, frame, rules)

    holds()


@pytest.mark.parametrize("engine", EXAMPLES)
def test_the_order_of_rows_and_rules_changes_nothing(engine: str) -> None:
    rules = supported(engine, [*LOCAL, *GLOBAL])

    @examples(engine)
    @given(ROWS, st.randoms(use_true_random=False))
    def holds(rows: list[dict[str, Any]], random: Any) -> None:
        expected = dict(zip(rules, counts(engine, frame_of(rows), rules), strict=True))
        random.shuffle(rows)
        shuffled = random.sample(rules, len(rules))
        assert dict(zip(shuffled, counts(engine, frame_of(rows), shuffled), strict=True)) == expected

    holds()


@pytest.mark.parametrize("strictness", ["strict", "moderate", "lenient"])
@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_what_is_learnt_holds_on_what_it_was_learnt_from(engine: str, strictness: Any) -> None:
    @examples("pandera")
    @given(ROWS)
    def holds(rows: list[dict[str, Any]]) -> None:
        frame = frame_of(rows)
        learnt = get_engine(engine).learn(frame, strictness)
        assert all(each.status == "passed" for each in check(frame, learnt.rules, engine=engine).results)

    holds()
