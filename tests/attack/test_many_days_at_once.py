"""Attacks "nothing is lost or doubled" where one statement reads many days and one connection loads them.

A bad value of the last day, and kills between what the days share, must leave what single days would leave.
"""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

COUNTS = "SELECT etl_partition::VARCHAR, count(*), sum(amount) FROM shop.orders GROUP BY 1 ORDER BY 1"
WANTED = "SELECT substr(created_at, 1, 10), count(*), sum(amount) FROM orders GROUP BY 1 ORDER BY 1"


@pytest.mark.slow
def test_a_bad_value_of_the_last_day_leaves_the_days_before_published(target: Target) -> None:
    target.source("UPDATE orders SET amount = 'x' WHERE order_id = 301")
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[-1])
    assert said.code != 0
    assert "acme/orders [2026-01-03] extract: nothing was published: column `amount`" in said.text
    assert [target.object("extract", day).is_file() for day in DAYS] == [True, True, False]
    assert target.materialized("extract") == list(DAYS[:2])


@pytest.mark.slow
def test_a_range_that_is_killed_twice_leaves_the_rows_of_the_source(target: Target) -> None:
    for point in ("extract.written", "warehouse.before_commit@2"):
        assert target.etl(
            "run", "acme", "--from", DAYS[0], "--to", DAYS[-1], environ={"ETL_FAULT": f"{point}=kill"}
        ).code
    target.source("DELETE FROM orders WHERE order_id = 205", "UPDATE orders SET amount = 0.5 WHERE order_id = 101")
    assert target.run_days().code == 0
    assert target.warehouse(COUNTS) == target.source(WANTED)
    assert target.project.leftovers() == []
