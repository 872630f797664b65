import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from etl.errors import QualityError
from etl.quality import LearnResult, ProfileResult, check, parse_rules
from etl.quality.engine import Strictness
from etl.quality.engines.truthound import TruthoundEngine

ENGINE = TruthoundEngine()
LEVELS: tuple[Strictness, ...] = ("strict", "moderate", "lenient")
FRAME = pl.DataFrame(
    {
        "id": range(100),
        "grade": ["a", "b"] * 50,
        "name": [f"n{number}" for number in range(99)] + [None],
        "share": [0.5, math.nan] * 50,
        "temperature": [each / 10 for each in range(100)],
        "price": pl.Series([Decimal("1.25")] * 100, dtype=pl.Decimal(10, 2)),
        "day": [date(2026, 1, 1)] * 100,
        "nothing": pl.Series([None] * 100, dtype=pl.Int64),
        "tags": [["x"]] * 100,
        "id__min": range(100),
    }
)

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.Int8: st.integers(-128, 127),
    pl.UInt64: st.integers(0, 2**64 - 1),
    pl.Int128: st.integers(-(2**100), 2**100),
    pl.Float64: st.floats(),
    pl.Float32: st.floats(width=32),
    pl.String: st.text(max_size=5),
    pl.Categorical: st.sampled_from(["a", "b", ""]),
    pl.Boolean: st.booleans(),
    pl.Binary: st.binary(max_size=3),
    pl.Date: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    pl.Datetime("us"): st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001
    pl.Datetime("ms", "Asia/Seoul"): st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    pl.Datetime("ns"): st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    pl.Duration("us"): st.timedeltas(timedelta(-999), timedelta(999)),
    pl.Time: st.times(),
    pl.Decimal(20, 3): st.decimals(-(10**9), 10**9, places=3),
    pl.List(pl.Int64): st.lists(st.integers(0, 9), max_size=2),
    pl.Struct({"a": pl.Int64}): st.fixed_dictionaries({"a": st.integers(0, 9)}),
    pl.Enum(["x", "y"]): st.sampled_from(["x", "y"]),
    pl.Null: st.none(),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.sampled_from([0, 1, 2, 5, 30]))
    kinds = draw(st.lists(st.sampled_from([*VALUES]), min_size=1, max_size=4))
    columns = []
    for index, kind in enumerate(kinds):
        values = VALUES[kind] if draw(st.booleans()) else st.none() | VALUES[kind]
        few = draw(st.booleans())
        pool = draw(st.lists(values, min_size=1, max_size=2 if few else 30))
        columns.append(_series(f"c{index}", [pool[row % len(pool)] for row in range(rows)], kind))
    return pl.DataFrame(columns)


def _series(name: str, values: list[Any], kind: Any) -> pl.Series:
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return pl.Series(
            name, [None if each is None else each.replace(tzinfo=UTC) for each in values], pl.Datetime("us", "UTC")
        ).cast(kind)
    if kind is pl.Time:
        return pl.Series(name, [None if each is None else each.replace(tzinfo=None) for each in values], dtype=pl.Time)
    return pl.Series(name, values, dtype=kind, strict=False)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(frame=frames(), level=st.sampled_from(LEVELS), lazy=st.booleans())
@example(frame=FRAME, level="strict", lazy=False)
@example(frame=pl.DataFrame({"t": [time(1), time(23, 59)]}), level="strict", lazy=True)
@example(frame=pl.DataFrame({"x": [math.inf, -math.inf, 1.0]}), level="moderate", lazy=False)
@example(frame=pl.DataFrame({"x": [2**63 - 1, -(2**63)]}), level="moderate", lazy=False)
def test_what_is_learned_passes_on_the_data_it_was_learned_from(
    frame: pl.DataFrame, level: Strictness, *, lazy: bool
) -> None:
    learned = ENGINE.learn(frame.lazy() if lazy else frame, level)
    if learned.rules:
        result = check(frame, learned.rules)
        assert result.is_success, result.describe()
        assert check(frame, learned.rules, engine="polars").is_success
    assert parse_rules(json.loads(json.dumps(learned.to_dict()))["rules"]) == learned.rules
    assert ENGINE.profile(frame).row_count == frame.height


@pytest.mark.parametrize("level", LEVELS)
def test_a_plan_that_computes_is_learned_from_one_run(level: Strictness) -> None:
    runs: list[int] = []

    def seen(frame: pl.DataFrame) -> pl.DataFrame:
        runs.append(1)
        return frame

    ENGINE.learn(FRAME.lazy().map_batches(seen, schema=FRAME.schema, streamable=False), level)
    assert len(runs) == 1


def learned_names(frame: pl.DataFrame, level: Strictness) -> set[str]:
    return {rule.check_name for rule in ENGINE.learn(frame, level).rules}


def test_stricter_learns_more() -> None:
    strict, moderate, lenient = (learned_names(FRAME, each) for each in LEVELS)
    assert {"unique__id", "in_range__id", "in_set__grade", "in_range__day", "length__name"} <= strict
    assert {"unique__id", "in_range__id", "in_set__grade", "not_null__name"} <= moderate
    assert "in_range__day" not in moderate, "time moves on"
    assert {rule.split("__")[0] for rule in lenient} == {"dtype", "not_null", "non_negative"}


def test_moderate_leaves_room() -> None:
    learned = {rule.check_name: rule.to_dict() for rule in ENGINE.learn(FRAME, "moderate", holdout=0).rules}
    assert (learned["in_range__id"]["min"], learned["in_range__id"]["max"]) == (0, 109)
    assert learned["not_null__name"]["mostly"] == 0.96


def test_nan_and_null_are_no_bounds() -> None:
    assert not {"in_range__share", "in_range__nothing", "not_null__nothing"} & learned_names(FRAME, "strict")
    assert ENGINE.profile(FRAME).columns["share"].max == 0.5


def test_values_that_hardly_repeat_are_no_set() -> None:
    frame = pl.DataFrame({"s": [f"v{each}" for each in range(15)] * 2})
    assert "in_set__s" not in learned_names(frame, "strict")


def test_no_digit_is_lost() -> None:
    frame = pl.DataFrame({"n": [2**60 + 1, 2**60 + 3]})
    learned = {rule.check_name: rule.to_dict() for rule in ENGINE.learn(frame, "strict").rules}
    assert (learned["in_range__n"]["min"], learned["in_range__n"]["max"]) == (2**60 + 1, 2**60 + 3)


def test_one_null_is_not_a_unique_value() -> None:
    frame = pl.DataFrame({"n": [1, 2, None]})
    assert "unique__n" not in learned_names(frame, "strict")


def test_an_empty_frame_teaches_types_only() -> None:
    assert {rule.type for rule in ENGINE.learn(FRAME.clear(), "strict").rules} == {"dtype"}


def test_the_profile_has_exact_counts_and_quantiles() -> None:
    profile = ENGINE.profile(FRAME.lazy(), ["id", "share", "tags"])
    assert [*profile.columns] == ["id", "share", "tags"]
    assert profile.columns["id"].extra["quantiles"] == {"25%": 25.0, "50%": 50.0, "75%": 74.0}
    assert profile.columns["share"].extra["quantiles"] == {"25%": 0.5, "50%": 0.5, "75%": 0.5}
    assert profile.engine == "truthound"
    assert ProfileResult.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_a_result_goes_through_json() -> None:
    learned = ENGINE.learn(FRAME, "strict")
    assert LearnResult.from_dict(json.loads(json.dumps(learned.to_dict()))).rules == learned.rules


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(QualityError, match="did you mean `strict`"):
        ENGINE.learn(FRAME, "strickt")  # type: ignore[arg-type]
    with pytest.raises(QualityError, match="did you mean `grade`"):
        ENGINE.profile(FRAME, ["grad"])
