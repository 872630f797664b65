"""Attacks the law of silence: a column of personal data that nobody declared is told, and its values are not shown."""

import sqlite3
from contextlib import closing

import pytest

from tests.attack.target import Target


@pytest.mark.slow
def test_a_column_that_looks_personal_is_told_until_it_is_declared(target: Target) -> None:
    with closing(sqlite3.connect(target.project.source)) as source, source:
        source.execute("ALTER TABLE orders ADD COLUMN contact TEXT")
        source.execute("UPDATE orders SET contact = 'customer' || order_id || '@example.org'")
    target.project.write_pipeline({"pii": "scan"})
    assert target.etl("run", "acme", "--from", "2026-01-01", "--to", "2026-01-02").code == 0
    found = [told for _, name, told in target.evaluations("extract") if name == "pii"]
    assert [each.passed for each in found] == [False, False]
    assert all(
        str(each.description).startswith("looks personal and is not in `pii_columns`: `contact` (") for each in found
    )
    assert not [each for each in found if "@example.org" in str(each)]
    target.project.write_pipeline({"pii": "scan", "pii_columns": ["contact"]})
    assert target.etl("run", "acme", "--from", "2026-01-01", "--to", "2026-01-01").code == 0
    again = [told.passed for _, name, told in target.evaluations("extract") if name == "pii"]
    assert sorted(again) == [False, False, True]


def test_a_rule_cannot_take_the_name_of_the_check(target: Target) -> None:
    target.project.write_pipeline(
        {"quality": {"engine": "polars", "rules": [{"column": "order_id", "type": "not_null", "name": "pii"}]}}
    )
    checked = target.etl("check")
    assert checked.code == 2
    assert "`pii`" in checked.text
