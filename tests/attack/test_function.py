"""Attacks the law of function: a table is what one clean load of all published objects leaves, whatever went before."""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS


@pytest.mark.slow
def test_upserted_keys_that_moved_changed_or_vanished_are_as_in_the_source(target: Target) -> None:
    target.project.write_pipeline({"trino_output": {"mode": "upsert"}})
    target.run_days()
    target.source(
        f"UPDATE orders SET created_at = '{DAYS[0]} 12:00:00', amount = 99.5 WHERE order_id = 305",  # to an earlier day
        f"UPDATE orders SET created_at = '{DAYS[2]} 12:00:00', amount = 98.5 WHERE order_id = 101",  # to a later day
        "UPDATE orders SET amount = 97.5 WHERE order_id = 210",
        "DELETE FROM orders WHERE order_id IN (204, 319)",
        f"INSERT INTO orders VALUES (400, 'new', 1.5, '{DAYS[1]} 10:00:00')",
    )
    target.run_days(DAYS[2], DAYS[2])
    target.run_days(DAYS[0], DAYS[1])
    expected = target.source("SELECT order_id, amount, date(created_at) FROM orders ORDER BY order_id")
    found = target.warehouse("SELECT order_id, amount, etl_partition::varchar FROM shop.orders ORDER BY order_id")
    assert found == expected
