"""Attacks "nothing is lost": a day that has far fewer rows when it is extracted again is published, but not in silence."""

import pytest
from dagster import AssetCheckSeverity

from tests.attack.target import Target
from tests.tiny_project import DAYS


@pytest.mark.slow
def test_a_day_that_shrinks_is_told(target: Target) -> None:
    target.run_days(DAYS[0], DAYS[0])
    assert [name for _, name, _ in target.evaluations("extract") if name == "volume"] == [], "nothing to compare with"
    target.source("DELETE FROM orders WHERE order_id > 100 AND order_id < 200")
    target.run_days(DAYS[0], DAYS[0])
    assert target.rows_of("extract").height == 1
    (again,) = (told for _, name, told in target.evaluations("extract") if name == "volume")
    assert not again.passed
    assert again.severity is AssetCheckSeverity.WARN
    assert again.description == "1 rows, more than 50% are gone: 20 when it was extracted before"

    target.project.write_pipeline({"volume": False})  # what YAML makes of `off`
    target.run_days(DAYS[0], DAYS[0])
    assert len([name for _, name, _ in target.evaluations("extract") if name == "volume"]) == 1


def test_what_no_limit_can_be_is_refused(target: Target) -> None:
    target.project.write_pipeline({"volume": {"max_shrink": 2}})
    said = target.etl("check", "acme")
    assert said.code != 0
    assert "less than or equal to 1" in said.text
