"""What can be promised, and what cannot."""

import pytest
from pydantic import ValidationError

from etl.sla.config import (
    DEFAULT_SLA_CONFIG,
    LENIENT_SLA_CONFIG,
    STRICT_SLA_CONFIG,
    AlertLevel,
    FreshnessPromise,
    PipelineSLA,
    SLAConfig,
)


def test_every_field_of_the_full_example_is_kept() -> None:
    values = {
        "max_failure_rate": 0.05,
        "min_pass_rate": 0.95,
        "max_execution_time_seconds": 300.0,
        "min_row_count": 1000,
        "max_row_count": 10_000_000,
        "max_consecutive_failures": 3,
        "alert_on_warning": True,
        "alert_level": AlertLevel.ERROR,
        "enabled": True,
    }
    assert SLAConfig.model_validate(values).model_dump() == values


def test_builders_change_one_thing_in_a_copy() -> None:
    config = SLAConfig(max_failure_rate=0.05, min_pass_rate=0.95, min_row_count=5)
    changed = (
        config.with_failure_rate(0.01)
        .with_pass_rate(0.99)
        .with_execution_time(60)
        .with_row_count(1, 10)
        .with_consecutive_failures(2)
        .with_alert_level(AlertLevel.CRITICAL)
        .with_alert_on_warning()
        .with_enabled(False)
    )
    assert changed == SLAConfig(
        max_failure_rate=0.01,
        min_pass_rate=0.99,
        max_execution_time_seconds=60,
        min_row_count=1,
        max_row_count=10,
        max_consecutive_failures=2,
        alert_on_warning=True,
        alert_level=AlertLevel.CRITICAL,
        enabled=False,
    )
    assert config == SLAConfig(max_failure_rate=0.05, min_pass_rate=0.95, min_row_count=5)
    assert isinstance(PipelineSLA().with_pass_rate(0.5), PipelineSLA)


def test_a_builder_validates_like_a_new_configuration() -> None:
    with pytest.raises(ValidationError):
        SLAConfig().with_failure_rate(1.5)
    with pytest.raises(ValidationError, match="min_row_count 9 is more than max_row_count 3"):
        SLAConfig().with_row_count(9, 3)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        SLAConfig().enabled = False  # type: ignore[misc]


@pytest.mark.parametrize(
    "good",
    [
        {"max_failure_rate": 0},
        {"max_failure_rate": 1},
        {"min_pass_rate": 0},
        {"min_pass_rate": 1},
        {"min_row_count": 0, "max_row_count": 0},
        {"max_consecutive_failures": 1},
        {"alert_level": "critical"},
    ],
)
def test_bounds_themselves_are_allowed(good: dict[str, object]) -> None:
    SLAConfig.model_validate(good)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_failure_rate": -0.0001},
        {"max_failure_rate": 1.0001},
        {"max_failure_rate": 5},
        {"max_failure_rate": float("nan")},
        {"max_failure_rate": True},
        {"max_failure_rate": "5%"},
        {"min_pass_rate": 95},
        {"max_execution_time_seconds": 0},
        {"max_execution_time_seconds": float("inf")},
        {"min_row_count": -1},
        {"min_row_count": 1.5},
        {"min_row_count": True},
        {"max_consecutive_failures": 0},
        {"alert_level": "loud"},
        {"max_failure_rates": 0.1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SLAConfig.model_validate(wrong)


def test_the_presets_go_from_strict_to_lenient() -> None:
    presets = (STRICT_SLA_CONFIG, DEFAULT_SLA_CONFIG, LENIENT_SLA_CONFIG)
    assert [each.max_failure_rate for each in presets] == [0.01, 0.05, 0.10]
    assert [each.min_pass_rate for each in presets] == [0.99, 0.95, 0.90]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "needs a deadline, max_age_hours, or both"),
        ({"max_age_hours": 0}, "greater than 0"),
        ({"max_age_hours": 5, "business_days": True}, "needs a deadline"),
        ({"deadline": "9 o'clock"}, "five fields"),
        ({"deadline": "0 24 * * *"}, "`24` is no hour"),
        ({"deadline": "0 9 30 2 *"}, "a day that never comes"),
        ({"deadline": "0 9 * * *", "timezone": "Asia/Soul"}, "`Asia/Soul` is not a time zone"),
        ({"deadline": "0 9 * * *", "timezone": "../etc"}, "not a time zone"),
        ({"deadline": "0 9 * * *", "timezone": "Asia"}, "not a time zone"),
    ],
)
def test_a_freshness_promise_that_says_nothing_clear_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        FreshnessPromise.model_validate(wrong)


def test_a_pipeline_promises_thresholds_and_freshness() -> None:
    sla = PipelineSLA.model_validate(
        {
            "freshness": {"deadline": "0 9 * * *", "timezone": "Asia/Seoul", "max_age_hours": 26},
            "max_failure_rate": 0.05,
            "min_row_count": 1,
            "max_execution_time_seconds": 300,
            "max_consecutive_failures": 3,
        }
    )
    assert sla.freshness == FreshnessPromise(deadline="0 9 * * *", timezone="Asia/Seoul", max_age_hours=26)
