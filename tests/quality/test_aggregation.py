"""Several engines' results as one: against an oracle that tries out what engines without a verdict could have said."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from etl.errors import QualityError
from etl.quality import CheckResult, CheckStatus, RuleResult, Strategy, aggregate, check, parse_rules

RULE = parse_rules([{"column": "x", "type": "positive"}])[0]
ENGINES = ("a", "b", "c", "d", "e")
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def result(engine: str, *statuses: str, failed: int = 1, rows: int | None = 3) -> CheckResult:
    found = [
        RuleResult(
            rule=RULE,
            check_name=f"rule_{number}",
            status=status,
            failed_count=failed if status == "failed" else 0,
            total_count=3 if status != "error" else 0,
            message=f"{engine} says {status}",
        )
        for number, status in enumerate(statuses)
    ]
    return CheckResult(results=tuple(found), engine=engine, row_count=rows, execution_time_ms=2, timestamp=THEN)


def known(strategy: str, votes: list[str], weights: list[int]) -> bool:
    """Whether the rule passes, where every engine has judged it."""
    good = [vote == "passed" for vote in votes]
    if strategy == "all":
        return False not in good
    if strategy == "any":
        return True in good
    heavy = [1] * len(votes) if strategy == "majority" else weights
    return 2 * sum(w for w, g in zip(heavy, good, strict=True) if g) > sum(heavy)


def expected(strategy: str, votes: list[str], weights: list[int]) -> str:
    """Fill in each answer that the engines without a verdict could have given; passing needs every engine's verdict."""
    silent = [place for place, vote in enumerate(votes) if vote == "error"]
    outcomes = set()
    for answers in product(("passed", "failed"), repeat=len(silent)):
        filled = votes.copy()
        for place, answer in zip(silent, answers, strict=True):
            filled[place] = answer
        outcomes.add(known(strategy, filled, weights))
    if outcomes == {False}:
        return "failed"
    return "error" if silent else "passed"


@given(
    st.sampled_from(get_args(Strategy)),
    st.lists(st.tuples(st.sampled_from(["passed", "failed", "error"]), st.integers(1, 9)), min_size=1, max_size=5),
)
@settings(max_examples=600, deadline=None)
def test_each_strategy_agrees_with_trying_out_every_answer(strategy: Any, cast: list[tuple[str, int]]) -> None:
    votes, weights = [each[0] for each in cast], [each[1] for each in cast]
    names = ENGINES[: len(votes)]
    given_weights = dict(zip(names, weights, strict=True)) if strategy == "weighted" else None
    results = [result(name, vote) for name, vote in zip(names, votes, strict=True)]
    found = aggregate(results, strategy, weights=given_weights).results[0]
    assert found.status == expected(strategy, votes, weights)
    assert found.status in votes, "the counts are those of an engine that says so"
    if "error" in votes:
        assert found.status != "passed", "an engine without a verdict is never outvoted into green"


@given(st.permutations(["passed", "failed", "error", "passed"]), st.sampled_from(["all", "any", "majority"]))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_engines_does_not_matter(votes: list[str], strategy: Any) -> None:
    one = aggregate([result(name, vote) for name, vote in zip("abcd", votes, strict=True)], strategy)
    other = aggregate([result(name, vote) for name, vote in zip("dcba", votes[::-1], strict=True)], strategy)
    assert [each.status for each in one.results] == [each.status for each in other.results]


@pytest.mark.parametrize(
    ("strategy", "votes", "status"),
    [
        ("all", "passed passed", "passed"),
        ("all", "passed failed", "failed"),
        ("all", "passed error", "error"),
        ("all", "failed error", "failed"),
        ("any", "failed passed", "passed"),
        ("any", "failed failed", "failed"),
        ("any", "passed error", "error"),
        ("any", "failed error", "error"),
        ("majority", "passed passed failed", "passed"),
        ("majority", "passed failed", "failed"),
        ("majority", "passed passed error", "error"),
        ("majority", "failed failed error", "failed"),
        ("majority", "failed passed error", "error"),
    ],
)
def test_the_laws_as_they_are_written(strategy: Any, votes: str, status: str) -> None:
    results = [result(name, vote) for name, vote in zip(ENGINES, votes.split(), strict=False)]
    assert aggregate(results, strategy).results[0].status == status


def test_weights_count_exactly() -> None:
    votes = [result("a", "passed"), result("b", "passed"), result("c", "failed")]
    # In floats, 0.1 + 0.2 is more than 0.3.
    assert aggregate(votes, "weighted", weights={"a": 0.1, "b": 0.2, "c": 0.3}).results[0].status == "failed"
    assert aggregate(votes, "weighted", weights={"a": 0.1, "b": 0.21, "c": 0.3}).results[0].status == "passed"


def test_the_result_is_one_of_a_check() -> None:
    found = aggregate([result("a", "passed", "failed"), result("b", "passed", "failed", failed=2, rows=None)], "all")
    assert (found.engine, found.row_count, found.execution_time_ms, found.timestamp) == ("all(a, b)", 3, 4, THEN)
    assert (found.status, found.failed_count, found.passed_count) == (CheckStatus.FAILED, 1, 1)
    assert found.results[1].failed_count == 2, "the most failed rows of those who say so"
    assert CheckResult.from_dict(found.to_dict()) == found


def test_the_message_names_who_says_otherwise() -> None:
    found = aggregate([result("a", "passed"), result("b", "failed"), result("c", "error")], "majority").results[0]
    assert found.message == "c says error; but a: passed, 0 of 3; b: failed, 1 of 3"


def test_real_engines_are_aggregated() -> None:
    frame = pl.DataFrame({"x": [1, -1]})
    rules = [{"column": "x", "type": "positive"}, {"column": "x", "type": "not_null"}]
    results = [check(frame, rules, engine=each) for each in ("polars", "truthound")]
    assert [each.status for each in aggregate(results, "any").results] == ["failed", "passed"]


@pytest.mark.parametrize(
    ("results", "options", "said"),
    [
        ([], {}, "there are no results"),
        ([result("a", "passed")] * 2, {}, "the engine a has two results"),
        ([result("a", "passed"), result("b", "passed", "passed")], {}, "judged different rules"),
        ([result("a", "passed"), result("b", "passed", rows=4)], {}, "judged different data: 3, 4 rows"),
        ([result("a", "passed")], {"strategy": "al"}, "did you mean `all`"),
        ([result("a", "passed")], {"strategy": "weighted"}, "the engine a has no weight"),
        ([result("a", "passed")], {"strategy": "weighted", "weights": {"a": 0}}, "not a positive number"),
        ([result("a", "passed")], {"strategy": "weighted", "weights": {"a": float("nan")}}, "not a positive number"),
        (
            [result("a", "passed")],
            {"strategy": "weighted", "weights": {"a": 1, "b": 1}},
            "a weight for b, but no result",
        ),
        ([result("a", "passed")], {"strategy": "all", "weights": {"a": 1}}, "takes no weights"),
    ],
)
def test_what_cannot_be_aggregated_is_refused(results: Any, options: Any, said: str) -> None:
    with pytest.raises(QualityError, match=said):
        aggregate(results, **options)


def test_no_rules_are_no_pass() -> None:
    assert aggregate([result("a"), result("b")]).status is CheckStatus.ERROR
