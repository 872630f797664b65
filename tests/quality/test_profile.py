import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import LearnOutput, LearnResult, ProfileOutput, ProfileResult, check, get_engine, parse_rules
from etl.quality.engine import Strictness

ENGINE = get_engine("polars")
FRAME = pl.DataFrame(
    {
        "id": range(100),
        "grade": ["a", "b"] * 50,
        "name": [f"n{number}" for number in range(99)] + [None],
        "share": [0.5, math.nan] * 50,
        "price": pl.Series([Decimal("1.25")] * 100, dtype=pl.Decimal(10, 2)),
        "day": [date(2026, 1, 1)] * 100,
        "at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * 100),
        "nothing": pl.Series([None] * 100, dtype=pl.Int64),
        "tags": [["x"]] * 100,
        "flag": [True, None] * 50,
    }
)


def test_a_profile_counts_exactly_and_nulls_are_no_values() -> None:
    profile = ENGINE.profile(FRAME)
    assert profile.row_count == 100
    assert (profile.columns["name"].null_count, profile.columns["name"].unique_count) == (1, 99)
    assert (profile.columns["id"].min, profile.columns["id"].max, profile.columns["id"].mean) == (0, 99, 49.5)
    assert profile.columns["share"].max == 0.5
    assert profile.columns["price"].max == "1.25"
    assert (profile.columns["nothing"].null_count, profile.columns["nothing"].mean) == (100, None)
    assert ProfileResult.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_a_profile_of_some_columns() -> None:
    assert [*ENGINE.profile(FRAME.lazy(), ["id"]).columns] == ["id"]
    with pytest.raises(QualityError, match="did you mean `grade`"):
        ENGINE.profile(FRAME, ["grad"])


@pytest.mark.parametrize("strictness", ["strict", "moderate", "lenient"])
@pytest.mark.parametrize(
    "frame", [FRAME, FRAME.lazy(), FRAME.clear(), FRAME.head(1)], ids=["frame", "lazy", "empty", "one row"]
)
def test_what_is_learned_passes_on_the_same_data(frame: Any, strictness: Strictness) -> None:
    learned = ENGINE.learn(frame, strictness)
    assert check(frame, learned.rules, engine="polars").is_success
    assert LearnResult.from_dict(json.loads(json.dumps(learned.to_dict()))).rules == learned.rules
    assert parse_rules(learned.to_dict()["rules"]) == learned.rules


def test_stricter_learns_more() -> None:
    counts = [len(ENGINE.learn(FRAME, strictness).rules) for strictness in ("lenient", "moderate", "strict")]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_learned_rules_notice_other_data() -> None:
    learned = ENGINE.learn(FRAME, "moderate")
    other = FRAME.with_columns(grade=pl.lit("c"), id=pl.lit(-1, dtype=pl.Int64))
    failed = {
        each.check_name for each in check(other, learned.rules, engine="polars").results if each.status == "failed"
    }
    assert {"in_set__grade", "unique__id", "in_range__id"} <= failed


def test_an_empty_frame_teaches_types_only() -> None:
    assert {rule.type for rule in ENGINE.learn(FRAME.clear(), "strict").rules} == {"dtype"}


def test_an_unknown_strictness_is_refused() -> None:
    with pytest.raises(QualityError, match="did you mean `strict`"):
        ENGINE.learn(FRAME, "strickt")


@pytest.mark.parametrize("strictness", ["strict", "moderate", "lenient"])
@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_durations_and_times_are_learned_from_too(engine: str, strictness: Strictness) -> None:
    frame = pl.DataFrame({"took": [timedelta(0), timedelta(seconds=-1.5), None], "at": [time(9), time(10), None]})
    learned = get_engine(engine).learn(frame, strictness)
    assert {rule.check_name for rule in learned.rules} >= {"dtype__took", "dtype__at"}
    assert check(frame, learned.rules, engine=engine).is_success


@pytest.mark.parametrize("engine", ["polars", "truthound"])
def test_among_infinite_values_there_is_no_mean(engine: str) -> None:
    profile = get_engine(engine).profile(pl.DataFrame({"x": [1.0, math.inf, -math.inf], "y": [1.0, math.inf, 2.0]}))
    assert [(each.mean, each.std) for each in profile.columns.values()] == [(None, None)] * 2
    text = json.dumps(profile.to_dict(), allow_nan=False)
    assert ProfileResult.from_dict(json.loads(text)) == profile


def test_the_integrations_names_mean_the_same_results() -> None:
    assert LearnOutput is LearnResult
    assert ProfileOutput is ProfileResult
