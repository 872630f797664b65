# ruff: noqa: DTZ001  moments without a zone are part of what is tested
import json
import math
import threading
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, strategies as st

from etl.errors import QualityError
from etl.quality import (
    Capabilities,
    CheckResult,
    CheckStatus,
    DataQualityError,
    EngineMethods,
    EngineReport,
    Outcome,
    QualityCounts,
    check,
    compare_engines,
    parse_rules,
)
from etl.quality.results import within_mostly
from etl.quality.rules import RULE_TYPES

FRAME = pl.DataFrame({"id": [1, 2, 2, None], "s": ["a", "b", None, "secret"], "ok": [1, 2, 3, 4]})
RULES = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "unique", "severity": "warning"},
    {"column": "ok", "type": "positive"},
]


class Answers(EngineMethods):
    """An engine that answers what it is told to."""

    name = "answers"
    capabilities = Capabilities(rules=frozenset(RULE_TYPES))

    def __init__(self, *outcomes: Any, raises: Any = None, wait: float = 0.0) -> None:
        self.outcomes, self.raises, self.wait, self.seen = outcomes, raises, wait, []
        self.has_answered = False

    def judge(self, data: Any, rules: Any, context: Any) -> Any:
        self.seen.append((data, rules, context))
        time.sleep(self.wait)
        self.has_answered = True
        if self.raises is not None:
            raise self.raises
        return EngineReport(self.outcomes, 4)


def statuses(engine: Any, rules: Any = RULES) -> Any:
    return [each.status for each in check(FRAME, rules, engine=engine).results]


def test_frames_lazy_frames_and_files_give_the_same_result(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    FRAME.write_parquet(path)
    results = [check(data, RULES, engine="polars").results for data in (FRAME, FRAME.lazy(), path, str(path))]
    assert results[0] == results[1] == results[2] == results[3]
    assert [(each.status, each.failed_count, each.total_count) for each in results[0]] == [
        ("failed", 1, 4),
        ("failed", 2, 3),
        ("passed", 0, 4),
    ]


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="there is no file"):
        check(tmp_path / "nope.parquet", RULES, engine="polars")


def test_a_broken_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 but nothing else")
    with pytest.raises(QualityError, match="cannot be read"):
        check(path, RULES, engine="polars")


def test_the_verdict_over_all_is_the_worst() -> None:
    def verdict(*rules: Any) -> Any:
        return check(FRAME, rules, engine="polars").status

    good = {"column": "ok", "type": "positive"}
    bad = {"column": "id", "type": "not_null"}
    missing = {"column": "nope", "type": "not_null", "severity": "info"}
    assert verdict(good, bad | {"severity": "info"}) is CheckStatus.PASSED
    assert verdict(good, bad | {"severity": "warning"}) is CheckStatus.WARNING
    assert verdict(bad, bad | {"severity": "warning"}) is CheckStatus.FAILED
    assert verdict(bad, missing) is CheckStatus.ERROR


@pytest.mark.parametrize("engine", ["polars", "truthound", "pandera", "great_expectations"])
def test_no_rules_are_no_check(engine: str) -> None:
    with pytest.raises(QualityError, match="no rules, so nothing would be checked"):
        check(FRAME, [], engine=engine)


def test_no_rules_are_no_comparison() -> None:
    with pytest.raises(QualityError, match="no rules, so nothing would be checked"):
        compare_engines(FRAME, [], ["truthound", "polars"])


def test_a_result_without_rules_is_never_green() -> None:
    nothing = CheckResult(results=(), engine="polars")
    assert (nothing.status, nothing.is_success, nothing.is_blocking) == (CheckStatus.ERROR, False, True)
    assert (nothing.pass_rate, nothing.describe()) == (0.0, "no rule was judged")
    output = QualityCounts.from_result(nothing)
    assert (output.is_success, output.pass_rate) == (False, 0.0)
    assert not output.model_copy(update={"status": CheckStatus.PASSED}).is_success


def test_counts_add_up_to_the_number_of_rules() -> None:
    rules = [*RULES, {"column": "nope", "type": "not_null"}, {"column": "id", "type": "not_null", "severity": "info"}]
    result = check(FRAME, rules, engine="polars")
    counts = (result.passed_count, result.failed_count, result.warning_count, result.info_count, result.error_count)
    assert counts == (1, 1, 1, 1, 1)
    assert result.pass_rate == 0.2
    assert not result.is_success
    assert result.is_blocking
    assert result.row_count == 4


def test_results_survive_a_round_trip_through_json() -> None:
    rules = [*RULES, {"type": "row_count", "min": 9}, {"column": "nope", "type": "regex", "pattern": "x"}]
    result = check(FRAME, rules, engine="polars", key_columns=["ok"])
    assert CheckResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    output = QualityCounts.from_result(result)
    assert output.total_count == 5
    assert [failure.rule_name for failure in output.failures] == [
        "not_null__id",
        "unique__id",
        "row_count",
        "regex__nope",
    ]
    assert output.failures[0].failure_rate == 0.25


@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_infinity_survives_a_round_trip_through_strict_json(engine: str) -> None:
    frame = pl.DataFrame({"f": [1.0, math.inf, 2.0, -math.inf], "nan": [math.nan, 1.0, 1.0, 1.0], "n": [1, 2, 3, 4]})
    rules: list[dict[str, Any]] = [
        {"column": "f", "type": "in_range", "min": 0, "max": math.inf},
        {"column": "f", "type": "in_set", "values": [1, 2, math.inf]},
        {"column": "n", "type": "not_in_set", "values": [math.inf]},
        {"column": "f", "type": "sum_between", "min": -math.inf},
        {"column": "nan", "type": "mean_between", "min": -math.inf, "max": math.inf},
    ]
    result = check(frame, rules, engine=engine, key_columns=["f"])
    read = CheckResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False)))
    again = check(frame, [each.rule for each in read.results], engine=engine, key_columns=["f"])
    for one in (result, read, again):
        assert [each.status for each in one.results] == ["failed", "failed", "passed", "failed", "failed"]
        assert [each.failed_count for each in one.results] == [1, 1, 0, 1, 1]
    assert (read.results[0].rule, read.results[3].rule) == (result.results[0].rule, result.results[3].rule)


def test_a_set_with_text_that_is_no_number_is_an_error_of_its_rule() -> None:
    frame = pl.DataFrame({"f": [1.0, math.inf], "n": [1, 2]})
    rules = [{"column": column, "type": "in_set", "values": [1, "NaN"]} for column in frame.columns]
    assert [each.status for each in check(frame, rules, engine="polars").results] == ["error", "error"]


def test_the_error_carries_the_result_and_names_the_rules() -> None:
    result = check(FRAME, RULES, engine="polars")
    error = DataQualityError(result)
    assert error.result is result
    assert "not_null__id" in str(error)
    assert DataQualityError("too bad", result=result).result is result


def test_samples_show_key_and_safe_columns_only_and_never_pii() -> None:
    result = check(FRAME, RULES, engine="polars", key_columns=["ok"], safe_columns=["s"], pii_columns=["s"])
    assert result.results[0].sample == ({"ok": 4},)
    assert "secret" not in json.dumps(result.to_dict())
    bare = check(FRAME, RULES, engine="polars")
    assert all(each.sample == () for each in bare.results)


@pytest.mark.parametrize("lazy", [False, True])
def test_samples_are_the_first_failing_rows_and_bounded(lazy: bool) -> None:
    frame = pl.DataFrame({"k": range(1000), "v": [-1] * 1000})
    rules = [{"column": "v", "type": "positive"}, {"column": "v", "type": "unique"}]
    result = check(frame.lazy() if lazy else frame, rules, engine="polars", key_columns=["k"], sample_size=3)
    assert [each.sample for each in result.results] == [({"k": 0}, {"k": 1}, {"k": 2})] * 2
    assert check(frame, rules, engine="polars", key_columns=["k"], sample_size=0).results[0].sample == ()


def test_messages_of_failing_casts_hold_no_values_of_the_data() -> None:
    rule = {"type": "expression", "expression": "CAST(s AS INT) > 0"}
    result = check(FRAME, [rule, *RULES], engine="polars")
    assert [each.status for each in result.results] == ["error", "failed", "failed", "passed"]
    assert "secret" not in result.results[0].message


def test_an_engine_that_raises_is_an_error_never_a_pass() -> None:
    assert statuses(Answers(raises=RuntimeError("boom"))) == ["error"] * 3
    assert statuses(Answers(raises=ZeroDivisionError())) == ["error"] * 3


def test_no_two_or_strange_results_are_errors() -> None:
    full = [Outcome(0, 0, 4), Outcome(1, 0, 4), Outcome(2, 0, 4)]
    assert statuses(Answers(*full)) == ["passed"] * 3
    assert statuses(Answers(*reversed(full))) == ["passed"] * 3
    assert statuses(Answers(*full[:2])) == ["passed", "passed", "error"]
    assert statuses(Answers(*full, full[1])) == ["passed", "error", "passed"]
    assert statuses(Answers(*full, Outcome(3))) == ["error"] * 3
    assert statuses(Answers(Outcome(0, 5, 4), Outcome(1, -1, 4), Outcome(2, 0.5, 4))) == ["error"] * 3


def test_an_engine_gets_only_rules_that_can_be_judged() -> None:
    engine = Answers(Outcome(0, 0, 4))
    rules = [
        {"column": "nope", "type": "not_null"},
        {"column": "s", "type": "positive"},
        {"column": "id", "type": "not_null"},
    ]
    result = check(FRAME.lazy(), rules, engine=engine)
    assert [each.status for each in result.results] == ["error", "error", "passed"]
    ((data, seen, _),) = engine.seen
    assert isinstance(data, pl.DataFrame)
    assert seen == [parse_rules(rules)[2]]


def test_a_rule_that_the_engine_does_not_support_is_an_error() -> None:
    engine = Answers()
    engine.capabilities = Capabilities(rules=frozenset({"not_null"}))
    result = check(FRAME, [{"column": "ok", "type": "positive"}], engine=engine)
    assert result.results[0].status == "error"
    assert "not supported" in result.results[0].message


def test_a_timeout_is_an_error_for_every_rule() -> None:
    engine = Answers(wait=5)
    result = check(FRAME, RULES, engine=engine, timeout=0.1)
    assert not engine.has_answered
    assert [each.status for each in result.results] == ["error"] * 3
    assert "0.1 seconds" in result.results[0].message
    assert check(FRAME, RULES, engine="polars", timeout=30).results == check(FRAME, RULES, engine="polars").results
    with pytest.raises(QualityError, match="leaves no time"):
        check(FRAME, RULES, engine="polars", timeout=0)


def test_opening_the_data_is_part_of_the_time() -> None:
    ready = threading.Event()

    class Slow:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            ready.wait(30)
            return FRAME.__arrow_c_stream__(requested_schema)

    result = check(Slow(), RULES, engine="polars", timeout=0.1)
    ready.set()
    assert {each.status for each in result.results} == {"error"}
    assert "no verdict within 0.1 seconds" in result.results[0].message


def test_errors_of_the_call_reach_the_caller_through_a_timeout() -> None:
    with pytest.raises(QualityError, match="cannot be read"):
        check(pl.LazyFrame({"a": [1]}).select("b"), RULES, engine="polars", timeout=30)


def test_now_needs_a_zone() -> None:
    with pytest.raises(QualityError, match="time zone"):
        check(FRAME, RULES, engine="polars", now=datetime(2026, 1, 1))


def test_threads_do_not_disturb_each_other() -> None:
    frames = [pl.DataFrame({"id": [None] * bad + [1] * (50 - bad)}, schema={"id": pl.Int64}) for bad in range(8)]
    found = {}

    def work(bad: int) -> None:
        rules = [{"column": "id", "type": "not_null"}, {"type": "expression", "expression": f"id > {bad}"}]
        found[bad] = [check(frames[bad], rules, engine="polars").results[0].failed_count for _ in range(20)]

    threads = [threading.Thread(target=work, args=(bad,)) for bad in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {bad: [bad] * 20 for bad in range(8)}


def test_a_later_now_is_not_answered_from_an_earlier_one() -> None:
    frame = pl.DataFrame({"t": [datetime(2026, 1, 2)]})
    rules = parse_rules([{"column": "t", "type": "not_future"}])
    early, late = (check(frame, rules, engine="polars", now=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 3))
    assert [early.results[0].status, late.results[0].status] == ["failed", "passed"]


def test_a_verdict_is_not_answered_from_another_schema() -> None:
    rules = parse_rules([{"column": "x", "type": "in_set", "values": [1]}])
    frames = [
        pl.DataFrame({"x": [1]}),
        pl.DataFrame({"x": [1.0]}),
        pl.DataFrame({"x": ["1"]}),
        pl.DataFrame({"y": [1]}),
    ]
    assert [check(frame, rules, engine="polars").results[0].status for frame in frames] == [
        "passed",
        "passed",
        "error",
        "error",
    ]


@pytest.mark.parametrize(("failed", "total", "mostly", "ok"), [
    (1, 10, 0.9, True),
    (2, 10, 0.9, False),
    (1, 100, 0.99, True),
    (3, 10, 0.7, True),
    (0, 0, 0.5, True),
    (0, 5, None, True),
    (1, 5, None, False),
    (1, 10**9, 0.999999999, True),
])  # fmt: skip
def test_mostly_is_judged_on_exact_counts(failed: int, total: int, mostly: Any, ok: bool) -> None:
    assert within_mostly(failed, total, mostly) is ok


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_exactly_the_allowed_number_of_failures_passes(total: int, percent: int) -> None:
    mostly = percent / 100
    allowed = total * (100 - percent) // 100
    assert within_mostly(allowed, total, mostly)
    assert (
        not within_mostly(allowed + 1, total, mostly) or Fraction(allowed + 1) <= Fraction(100 - percent, 100) * total
    )


def test_mostly_counts_over_the_rows_the_rule_applies_to() -> None:
    frame = pl.DataFrame({"x": [-1] + [1] * 9 + [None] * 90})
    rule = {"column": "x", "type": "positive"}
    assert check(frame, [rule | {"mostly": 0.9}], engine="polars").is_success
    assert not check(frame, [rule | {"mostly": 0.91}], engine="polars").is_success


@pytest.mark.parametrize("report", [None, EngineReport([None]), EngineReport(["passed"]), [Outcome(0)]])  # type: ignore[list-item]
def test_something_else_than_a_report_is_an_error(report: Any) -> None:
    class Strange(Answers):
        def judge(self, *_: Any) -> Any:
            return report

    assert [each.status for each in check(FRAME, RULES, engine=Strange()).results] == ["error"] * 3


def test_an_engine_that_raises_when_asked_what_it_can_is_an_error() -> None:
    class Broken(Answers):
        capabilities = Capabilities(rules=frozenset(RULE_TYPES), unsupported=lambda *_: 1 / 0)  # type: ignore[arg-type]

    results = check(FRAME, RULES, engine=Broken(*(Outcome(index) for index in range(3)))).results
    assert [each.status for each in results] == ["error"] * 3
    assert "it raised ZeroDivisionError" in results[0].message


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_leaves_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(QualityError, match="leaves no time"):
        check(FRAME, RULES, timeout=timeout)


def test_a_message_holds_no_value_of_a_wide_column() -> None:
    engine = Answers(raises=TypeError("unexpected value; found value of type Int128: 123456789012345678901"))
    message = check(FRAME, RULES, engine=engine).results[0].message
    assert "Int128" in message
    assert "123" not in message.replace("Int128", "")


def test_a_column_in_another_letter_case_is_the_nearest_one() -> None:
    result = check(pl.DataFrame({"LOT_ID": [1]}), [{"column": "lot_id", "type": "not_null"}]).results[0]
    assert (result.status, result.message) == ("error", "the column `lot_id` does not exist; did you mean `LOT_ID`?")


def test_a_path_is_a_name_and_not_a_pattern(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a1.parquet")
    pl.DataFrame({"a": [None, None]}, schema={"a": pl.Int64}).write_parquet(tmp_path / "a[1].parquet")
    rule = {"column": "a", "type": "not_null"}
    assert check(tmp_path / "a[1].parquet", [rule]).results[0].failed_count == 2
    assert check(str(tmp_path), [rule]).results[0].total_count == 3, "a folder is all its files"
