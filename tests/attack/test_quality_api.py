"""Attacks the quality core as an API of its own: values that change on their way in, engines and verdicts that lie,
and values that come out where only counts belong."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from etl.errors import EtlError, QualityError
from etl.integrations.contract import read_verdict, refusal, verdict
from etl.integrations.rendering import as_line
from etl.quality import Capabilities, DataQualityError, EngineMethods, EngineReport, Outcome, check, split
from etl.quality.listeners.log import LogListener
from etl.quality.rules import RuleError

CANARY = "SECRET42"
NAIVE = datetime.fromisoformat("2020-01-01T23:00:00")
NOT_NULL = [{"column": "a", "type": "not_null"}]
LARGE = [{"column": "a", "type": "in_range", "max": 1}]


# Values that change on their way in


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([Decimal(1) / Decimal(3), Decimal("12345678901.50")], id="decimals of far scales"),
        pytest.param([Decimal("1E+30"), Decimal("1E-30")], id="decimals of 60 digits"),
        pytest.param([[1], [2.5]], id="lists"),
        pytest.param([{"b": 1}, {"b": 2, "c": "x"}], id="dicts"),
        pytest.param([datetime(2026, 1, 1, tzinfo=UTC), NAIVE], id="moments with and without a zone"),
        pytest.param([time(5, tzinfo=timezone(timedelta(hours=9))), time(5)], id="times of day with a zone"),
        pytest.param([2**130, 1], id="an integer of 131 bits"),
    ],
)
def test_rows_that_no_type_holds_are_refused(values: list[Any], tmp_path: Path) -> None:
    rows = [{"a": each} for each in values]
    for work in (
        lambda: check(rows, NOT_NULL),
        lambda: split(rows, NOT_NULL, tmp_path / "good.parquet", tmp_path / "bad.parquet"),
    ):
        with pytest.raises(QualityError, match=r"exactly|zone|types"):
            work()


def test_rows_that_one_type_holds_are_judged() -> None:
    rows = [{"a": Decimal("1.5"), "b": {"x": 1}}, {"a": Decimal("2.25"), "b": {"x": 1, "y": None}}, {"a": None}]
    found = check(rows, LARGE)
    assert (found.results[0].failed_count, found.results[0].total_count) == (2, 2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: pd.DataFrame({"a": [date(2020, 1, 1), NAIVE]}, dtype=object), id="days"),
        pytest.param(lambda: pd.DataFrame({"a": [datetime(2020, 1, 1, tzinfo=UTC), NAIVE]}, dtype=object), id="zones"),
        pytest.param(lambda: pa.table({"a": pa.array([2**61], pa.timestamp("s"))}), id="seconds of Arrow"),
        pytest.param(lambda: pa.table({"a": pa.array([2**62], pa.duration("s"))}), id="durations of Arrow"),
        pytest.param(lambda: pa.table({"a": pa.array([2**61], pa.timestamp("s"))}).to_reader(), id="a reader"),
    ],
)  # fmt: skip
def test_what_polars_would_change_is_refused(data: Callable[[], Any]) -> None:
    with pytest.raises(QualityError):
        check(data(), NOT_NULL)


def test_moments_in_seconds_are_judged() -> None:
    table = pa.table({"a": pa.array([0, 1_750_000_000, None], pa.timestamp("s"))})
    found = check(table, [*NOT_NULL, {"column": "a", "type": "in_range", "min": "2000-01-01T00:00:00"}])
    assert [each.failed_count for each in found.results] == [1, 1]


def test_rows_without_columns_are_rows() -> None:
    assert check([{}, {}], [{"type": "row_count", "max": 0}]).status == "failed"


@pytest.mark.parametrize("text", ["id,a\n1,5\n2,1,000\n", "id,a,b\n1,x,3\n2,Smith, John,-999\n"])
@pytest.mark.parametrize("column", ["id", "a"])
def test_a_row_with_too_many_fields_is_no_pass_for_any_rule(text: str, column: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    for rule in ({"column": column, "type": "not_null"}, {"type": "row_count", "min": 1}):
        assert check(tmp_path / "a.csv", [rule]).status == "error"
    with pytest.raises(EtlError):
        split(
            tmp_path / "a.csv", [{"column": column, "type": "not_null"}], tmp_path / "g.parquet", tmp_path / "b.parquet"
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"a": 9007199254740993}\n{"a": 0.5}\n'),
        ("a.csv", "a\n9007199254740993\n0.5\n"),
        ("a.csv", "a\n0.5\n-9007199254740993\n"),
    ],
)
def test_whole_numbers_that_a_float_cannot_hold_are_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(QualityError, match="15 digits"):
        check(tmp_path / name, LARGE)


def test_floats_as_python_writes_them_are_read(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e300, -5.0, 123456789012345.0]
    pl.DataFrame({"a": values}).write_csv(tmp_path / "a.csv")
    found = check(tmp_path / "a.csv", [*NOT_NULL, {"column": "a", "type": "in_set", "values": values}])
    assert found.is_success, found.describe()


@pytest.mark.parametrize(
    "rule",
    [
        {"column": "t", "type": "in_range", "min": "1970-01-01T00:00:00.000000002Z"},
        {"column": "n", "type": "in_range", "max": "1970-01-01 00:00:00.000000002"},
        {"column": "d", "type": "in_range", "min": "PT0.000000002S"},
        {"column": "c", "type": "in_range", "min": "00:00:00.000000002"},
        {"column": "t", "type": "not_in_set", "values": ["1970-01-01T00:00:00.000000001Z"]},
        {"column": "c", "type": "in_set", "values": ["00:00:00.000000001"]},
        {"type": "expression", "expression": "n >= TIMESTAMP '1970-01-01 00:00:00.000000002'"},
    ],
)
@pytest.mark.parametrize("engine", ["polars", "truthound", "pandera", "great_expectations"])
def test_a_bound_below_a_microsecond_is_never_another_bound(engine: str, rule: dict[str, Any]) -> None:
    numbers = pl.Series([1, 2, 3])
    frame = pl.DataFrame(
        {
            "t": numbers.cast(pl.Datetime("ns", "UTC")),
            "n": numbers.cast(pl.Datetime("ns")),
            "d": numbers.cast(pl.Duration("ns")),
            "c": numbers.cast(pl.Time),
        }
    )
    try:
        found = check(frame, [rule], engine=engine)
    except RuleError as refused:
        assert "microsecond" in str(refused) or "not a number" in str(refused)  # noqa: PT017
        return
    assert found.status == "error", found.describe()


# Engines that lie


class Liar(EngineMethods):
    name = "liar"
    capabilities = Capabilities(rules=frozenset({"not_null"}))

    def __init__(self, rows: Any = 4, **outcome: Any) -> None:
        self.rows, self.outcome = rows, outcome

    def judge(self, *_: Any) -> EngineReport:
        return EngineReport([Outcome(**({"position": 0} | self.outcome))], self.rows)


@pytest.mark.parametrize(
    "engine",
    [
        Liar(error=""),
        Liar(error=False),
        Liar(error=str(AssertionError())),
        Liar(total=400),
        Liar(rows=-4, total=4),
        Liar(rows="x", total=4),
        Liar(rows=True, total=1),
        Liar(position=0.0, total=4),
        Liar(position=True, total=4),
    ],
    ids=lambda each: f"{each.outcome} of {each.rows!r}",
)
def test_what_an_engine_cannot_have_found_is_an_error(engine: Liar) -> None:
    found = check(pl.DataFrame({"a": [1, 2, 3, 4]}), NOT_NULL, engine=engine)
    assert found.status == "error"
    assert found.results[0].message
    assert type(found).from_dict(found.to_dict()).status == "error"


def test_an_engine_does_not_decide_what_is_shown() -> None:
    shown = {"a": 1, "birth": CANARY}
    engine = (
        Liar(failed=2, total=4, sample=(shown, shown), rows=4)
        if False
        else Liar(failed=2, total=4, sample=(shown,) * 9)
    )
    frame = pl.DataFrame({"a": [1, 2, 3, 4], "birth": [CANARY] * 4})
    (hidden,) = check(frame, NOT_NULL, engine=engine, pii_columns=["birth"]).results
    assert hidden.sample == ()
    (some,) = check(
        frame, NOT_NULL, engine=engine, key_columns=["a", "birth"], pii_columns=["birth"], sample_size=2
    ).results
    assert some.sample == ({"a": 1}, {"a": 1})


# Values that come out


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize(
    "data",
    [
        [{"a": {"b": 1}}, {"a": {"b": CANARY}}],
        [{"a": 1}, {"a": CANARY}],
        [{"a": 1}, {"a": int("4242424242") * 10**40}],
        [{"a": Decimal("4242424242" * 4)}],
        pd.DataFrame({"a": [1, CANARY]}, dtype=object),
        pd.DataFrame({"a": [{"b": 1}, CANARY]}, dtype=object),
        f"http://u:{CANARY}@127.0.0.1:9/x.parquet",
        f"http://127.0.0.1:9/x.parquet?sig={CANARY}",
        f"ftp://u:{CANARY}@127.0.0.1:9/x.parquet",
    ],
    ids=str,
)
def test_no_value_and_no_login_is_in_an_error_or_the_log(data: Any, lines: pytest.LogCaptureFixture) -> None:
    with pytest.raises(QualityError) as refused:
        check(data, NOT_NULL, listeners=[LogListener()])
    told = [str(refused.value), repr(refused.value.__cause__), *map(str, (each.__dict__ for each in lines.records))]
    for secret in (CANARY, "4242424242"):
        assert not [text for text in told if secret in text], secret


def test_no_row_of_a_damaged_file_is_in_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'a,b\n1,2\n"{CANARY},3\n')
    try:
        text = json.dumps(verdict(check(tmp_path / "a.csv", NOT_NULL, engine="polars")))
    except QualityError as refused:
        text = str(refused)
    assert CANARY not in text


def test_what_was_measured_of_personal_data_is_not_shown() -> None:
    frame = pl.DataFrame({"a": [4_242_424_242, 1], "k": ["me", "you"], "t": [datetime(2024, 4, 2, tzinfo=UTC)] * 2})
    rules = [
        {"column": "a", "type": "mean_between", "max": 1, "where": "k = 'me'"},
        {"column": "a", "type": "sum_between", "max": 1, "where": "k = 'me'"},
        {"column": "t", "type": "recency", "max_age_hours": 1},
    ]
    hidden = check(frame, rules, pii_columns=["a", "t"])
    told = f"{hidden.describe()} {DataQualityError(hidden)} {hidden.to_dict()}"
    assert "4242424242" not in told
    assert "2024" not in told.replace(str(hidden.timestamp.year), "")
    assert "4242424242" in check(frame, rules).describe(), "who may see it, sees it"


# Verdicts that lie


def good() -> dict[str, Any]:
    return verdict(check(pl.DataFrame({"a": [1, 2, 3]}), NOT_NULL))


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["results"][0].update(failed_count=99),
        lambda raw: raw["results"][0].update(failed_count=3),
        lambda raw: raw["results"][0].update(severity="fatal"),
        lambda raw: raw["results"][0].update(total_count=400),
        lambda raw: raw.update(results=[], left_off=1),
        lambda raw: raw.update(sampled_from=1),
        lambda raw: raw.update(pass_rate=0.0),
        lambda raw: raw.update(pass_rate="failed"),
        lambda raw: raw.update(pass_rate=float("nan")),
        lambda raw: raw.update(timestamp="1"),
        lambda raw: raw.update(timestamp="2026-01-01T00:00:00"),
        lambda raw: raw.pop("sampled_from"),
        lambda raw: raw.pop("left_off"),
        lambda raw: raw.pop("pass_rate"),
        lambda raw: raw.update(format=True),
    ],
)
def test_a_verdict_that_contradicts_itself_is_no_permission(change: Callable[[dict[str, Any]], Any]) -> None:
    raw = json.loads(json.dumps(good()))
    assert refusal(raw) is None
    change(raw)
    assert refusal(raw) is not None
    with pytest.raises(EtlError):
        read_verdict(raw)


@pytest.mark.parametrize("size", [-1, 1.5, "5", True, 1])
def test_a_sample_is_drawn_from_more_rows_than_it_has(size: Any) -> None:
    with pytest.raises(QualityError, match="sample"):
        verdict(check(pl.DataFrame({"a": [1, 2, 3]}), NOT_NULL), sampled_from=size)


def test_a_line_is_one_line() -> None:
    found = verdict(check(pl.DataFrame({"a": [1]}), NOT_NULL), subject="a\nFAKE: passed")
    assert as_line(read_verdict(found)).splitlines() == ["a FAKE: passed: passed: 1 of 1 rules passed over 1 rows"]


# Calls that are wrong


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": float("inf")},
        {"timeout": "x"},
        {"auto_schema": 1},
        {"listeners": LogListener()},
        {"listeners": [LogListener]},
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(QualityError):
        check(pl.DataFrame({"a": [1]}), NOT_NULL, **arguments)


def test_rows_of_other_files_than_parquet_can_be_split(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n5,y\n")
    found = split(tmp_path / "a.csv", LARGE, tmp_path / "good.parquet", tmp_path / "bad.parquet")
    assert (found.read, found.good, found.rejected) == (2, 1, 1)
    assert pl.read_parquet(tmp_path / "good.parquet").rows() == [(1, "x")]
