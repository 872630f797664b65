"""Attacks the law "lineage": rows of the source that belong to no partition are never extracted, but not in silence."""

import pytest
from dagster import AssetCheckSeverity

from tests.attack.target import Target
from tests.tiny_project import DAYS

LOST = "INSERT INTO orders VALUES (1, 'a', 1, NULL), (2, 'b', 1, 'soon'), (3, 'c', 1, '2025-12-31 23:59:59'),"
LOST += " (4, 'd', 1, '2026-01-04 00:00:00')"  # after the last day, as before the first one


@pytest.mark.slow
def test_rows_without_a_partition_are_told_once_for_a_range(target: Target) -> None:
    target.run_days()
    target.source(LOST)
    told_by_command = target.run_days().out
    assert "warning: extract orders: undated: 4 rows of the source belong to no partition" in told_by_command
    told = [(day, check) for day, name, check in target.evaluations("extract") if name == "undated"]
    assert [(day, check.passed) for day, check in told] == [(None, True), (None, False)]
    assert told[1][1].severity is AssetCheckSeverity.WARN
    assert str(told[1][1].description).startswith("4 rows of the source belong to no partition and are never extracted")

    assert str(told[1][1].description).endswith(
        "before the first day, 2026-01-01, or is after the last day, 2026-01-03"
    )
    verified = target.etl("verify", "acme")
    assert (verified.code, "4 rows of the source belong to no partition" in verified.text) == (0, True), verified.text
    assert "move `partitions.start` or `partitions.end`, or write `undated: ignore` in tenants/acme" in verified.text
    before = target.object("extract").read_bytes()
    target.project.write_pipeline({"undated": "fail"})
    target.source(f"UPDATE orders SET amount = 7 WHERE created_at LIKE '{DAYS[0]}%'")
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
    assert (said.code, "4 rows of the source belong to no partition" in said.text) == (1, True), said.text
    assert target.object("extract").read_bytes() == before
    assert [check.severity for _, name, check in target.evaluations("extract") if name == "undated"][2:] == [
        AssetCheckSeverity.ERROR
    ]


def test_a_rule_cannot_take_the_checks_name(target: Target) -> None:
    rule = {"column": "cents", "type": "not_null", "stage": "extract", "name": "undated"}
    target.project.write_pipeline({"quality": {"rules": [rule]}})
    said = target.etl("check", "acme")
    assert (said.code != 0, "is called `undated`" in said.text) == (True, True), said.text
