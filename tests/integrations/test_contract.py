"""The verdict as plain data: exact, small, without a value of a row, and never greener than what it was made from."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from etl.errors import EtlError, QualityError
from etl.integrations.contract import LARGEST, read_verdict, refusal, to_result, verdict
from etl.integrations.rendering import as_line, as_markdown, as_table, exit_code, markdown_table
from etl.quality import CheckResult, RuleResult, check, parse_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.test_conformance import ENGINES, make_rules

SEVERITIES = ("error", "warning", "info")
STATUSES = ("passed", "failed", "error")


def made(pairs: list[tuple[str, str]], name: str = "rule") -> CheckResult:
    """A result with a rule for each pair of status and severity."""
    results = tuple(
        RuleResult(
            rule=parse_rules([{"type": "not_null", "column": "a", "severity": severity, "name": f"{name}{place}"}])[0],
            check_name=f"{name}{place}",
            status=status,  # type: ignore[arg-type]
            failed_count=3 if status == "failed" else 0,
            total_count=9 if status != "error" else 0,
            message="m",
        )
        for place, (status, severity) in enumerate(pairs)
    )
    return CheckResult(results=results, engine="polars", row_count=9)


PAIRS = st.tuples(st.sampled_from(STATUSES), st.sampled_from(SEVERITIES))


@given(st.lists(PAIRS, max_size=12))
def test_a_verdict_comes_back_as_the_result_that_it_was_made_from(pairs: list[tuple[str, str]]) -> None:
    result = made(pairs)
    raw = json.loads(json.dumps(verdict(result, subject="s"), allow_nan=False))
    again = to_result(raw)
    assert again == result
    found = read_verdict(raw)
    assert (found.status, found.is_blocking, found.is_success) == (result.status, result.is_blocking, result.is_success)
    assert raw["pass_rate"] == result.pass_rate


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_and_every_kind_of_data_comes_back(kind: str) -> None:
    rules = make_rules(f"{kind} 0", ENGINES[0].rules)
    tables = {name: table.lazy() for name, table in TABLES.items()}
    frame = make_frame(kind, 0)
    for start in range(0, len(rules), 8):
        result = check(frame, rules[start : start + 8], engine="polars", now=NOW, tables=tables)
        again = to_result(json.loads(json.dumps(verdict(result), allow_nan=False)))
        assert again.status == result.status
        assert [(each.status, each.failed_count, each.total_count, each.check_name) for each in again.results] == [
            (each.status, each.failed_count, each.total_count, each.check_name) for each in result.results
        ]


@given(st.integers(0, 400), st.text(min_size=1, max_size=400), st.lists(PAIRS, min_size=1, max_size=4))
@settings(max_examples=40)
def test_it_is_never_larger_than_it_may_be_and_keeps_the_worst(
    number: int, name: str, pairs: list[tuple[str, str]]
) -> None:
    pairs = [("passed", "error")] * number + pairs
    result = made(pairs)
    raw = verdict(result, subject=name * 100)
    assert len(json.dumps(raw)) <= LARGEST
    found = read_verdict(raw)
    assert (found.status, found.rule_count) == (result.status, len(pairs))
    assert len(found.results) + found.left_off == len(pairs)
    if found.left_off:
        kept = [each.status for each in found.results]
        bad = sum(status != "passed" for status, _ in pairs)
        assert sum(status != "passed" for status in kept) == min(bad, len(kept))
        with pytest.raises(QualityError, match="does not carry"):
            to_result(raw)


def test_a_rule_with_a_long_list_leaves_the_rule_out_and_not_its_verdict() -> None:
    rule = {"column": "a", "type": "in_set", "values": [f"value {n}" for n in range(10_000)]}
    raw = verdict(check(pl.DataFrame({"a": ["x"]}), [rule]))
    assert (raw["results"][0]["rule"], raw["results"][0]["failed_count"]) == (None, 1)
    assert len(json.dumps(raw)) < 2_000


def test_no_value_of_a_row_is_in_it() -> None:
    canary, moment = "canary-7f3a", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    frame = pl.DataFrame({"s": [canary], "n": [918_273], "t": [moment], "f": [0.918273]})
    rules: list[dict[str, Any]] = [
        {"column": "s", "type": "not_in_set", "values": ["a"]},
        {"column": "s", "type": "regex", "pattern": "^x$"},
        {"column": "s", "type": "length", "max": 2},
        {"column": "s", "type": "uuid"},
        {"column": "s", "type": "not_future"},
        {"column": "n", "type": "in_range", "max": 5},
        {"column": "n", "type": "mean_between", "max": 5},
        {"column": "n", "type": "sum_between", "max": 5},
        {"column": "f", "type": "mean_between", "max": 0.1},
        {"column": "t", "type": "recency", "max_age_hours": 1},
        {"type": "expression", "expression": "n < 5"},
        {"type": "expression", "expression": "cast(s as int) < 5"},
        {"truthound": "EmailValidator", "columns": ["s"]},
    ]
    for engine in ("polars", "truthound", "pandera"):
        result = check(frame, rules, engine=engine, key_columns=["s", "n", "t"])
        text = json.dumps(verdict(result))
        for secret in (canary, "918273", "918,273", "2026-01-02", "03:04:05"):
            assert secret not in text, (engine, secret)


def changed(raw: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return raw | changes


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"format": 2}, "format 2"),
        ({"format": "1"}, "not a format number"),
        ({"status": "passed"}, "status"),
        ({"status": "green"}, "status"),
        ({"failed_count": 0}, "add up"),
        ({"failed_count": 0, "passed_count": 2, "status": "passed"}, "others than its counts"),
        ({"failed_count": -1}, "failed_count"),
        ({"failed_count": True}, "failed_count"),
        ({"failed_count": 1.0}, "failed_count"),
        ({"results": []}, "add up"),
        ({"results": None}, "results"),
        ({"more": 1}, "more"),
        ({"execution_time_ms": float("nan")}, "execution_time_ms"),
    ],
)
def test_what_somebody_changed_is_refused(changes: dict[str, Any], word: str) -> None:
    raw = changed(verdict(made([("passed", "error"), ("failed", "error")])), **changes)
    with pytest.raises(EtlError, match=word):
        read_verdict(raw)
    assert refusal(raw) is not None
    assert refusal(raw, min_pass_rate=0.1) is not None


@pytest.mark.parametrize("raw", [None, "passed", 1, [], {}, {"status": "passed"}])
def test_what_is_no_verdict_is_no_permission(raw: Any) -> None:
    assert refusal(raw) is not None
    with pytest.raises(EtlError):
        read_verdict(raw)


@pytest.mark.parametrize(
    ("pairs", "rate", "allowed"),
    [
        ([("passed", "error")], 1.0, True),
        ([("passed", "error"), ("failed", "info")], 1.0, True),
        ([("passed", "error"), ("failed", "warning")], 1.0, False),
        ([("passed", "error"), ("failed", "error")], 0.5, True),
        ([("passed", "error"), ("failed", "error")], 0.51, False),
        ([("passed", "error")] * 9 + [("error", "info")], 0.1, False),
        ([], 0.1, False),
    ],
)
def test_a_consumer_may_rely_on_it(pairs: list[tuple[str, str]], rate: float, allowed: bool) -> None:
    assert (refusal(verdict(made(pairs)), min_pass_rate=rate) is None) is allowed


@pytest.mark.parametrize("rate", [0, -1, 1.1, float("nan")])
def test_a_rate_that_allows_everything_or_nothing_is_refused(rate: float) -> None:
    with pytest.raises(QualityError, match="pass rate"):
        refusal(verdict(made([("passed", "error")])), min_pass_rate=rate)


def test_a_sample_says_that_it_is_one() -> None:
    raw = verdict(made([("passed", "error")]), sampled_from=1_000_000)
    assert raw["sampled_from"] == 1_000_000
    assert "over a sample of 9 of 1,000,000 rows" in as_line(read_verdict(raw))


class TestTexts:
    def test_the_worst_rule_comes_first(self) -> None:
        found = read_verdict(verdict(made([("passed", "error"), ("failed", "warning"), ("error", "error")])))
        assert [each["Status"] for each in as_table(found)] == ["error", "failed", "passed"]
        text = as_markdown(found)
        assert text.startswith("# Quality check: ERROR")
        assert text.count("\n| rule") == 3

    def test_a_line_says_what_was_found(self) -> None:
        found = read_verdict(verdict(made([("passed", "error"), ("failed", "error")]), subject="orders"))
        assert as_line(found) == "orders: failed: 1 of 2 rules passed over 9 rows, 1 failed (rule1: m)"
        assert "no rule was judged" in as_line(read_verdict(verdict(made([]))))

    def test_a_name_does_not_become_a_part_of_the_page(self) -> None:
        hostile = "a|b\n# c <img src=x> `d`"
        result = check(pl.DataFrame({hostile: [None]}), [{"column": hostile, "type": "not_null", "name": hostile}])
        text = as_markdown(read_verdict(verdict(result, subject=hostile)), title=hostile)
        lines = text.splitlines()
        assert "<img" not in text
        assert [each for each in lines if each.startswith("#")] == lines[:1]
        (row,) = [each for each in lines if "not_null" not in each and each.startswith("| ") and "null" not in each][2:]
        assert row.replace("\\|", "").count("|") == 8

    @pytest.mark.parametrize(
        ("pairs", "code"),
        [
            ([("passed", "error")], 0),
            ([("failed", "warning")], 0),
            ([("failed", "error")], 1),
            ([("failed", "error"), ("error", "error")], 3),
            ([], 3),
        ],
    )
    def test_an_exit_code_is_that_of_the_commands(self, pairs: list[tuple[str, str]], code: int) -> None:
        assert exit_code(read_verdict(verdict(made(pairs)))) == code

    def test_a_table_of_any_rows(self) -> None:
        assert markdown_table([]) == []
        assert markdown_table([{"a": "1|2", "b": "<x>"}]) == ["| a | b |", "| --- | --- |", "| 1\\|2 | &lt;x&gt; |"]
