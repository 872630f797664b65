"""Attacks the law of the fence: what the ledger says is held against the table before it is believed."""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

CONTENT = "SELECT * FROM shop.orders ORDER BY order_id"


@pytest.mark.slow
def test_a_day_damaged_by_hand_is_mended_by_running_it_again_and_reload_always_loads(target: Target) -> None:
    target.run_days()
    before = target.warehouse(CONTENT)
    assert len(before) == 60
    target.warehouse(
        f"DELETE FROM shop.orders WHERE etl_partition = '{DAYS[0]}'",
        "UPDATE shop.orders SET cents = 0 WHERE order_id = 205",
    )
    target.run_days(DAYS[0], DAYS[2], "--job", "gold")
    assert target.warehouse(CONTENT) == before
    loads = "SELECT partition, count(*) FROM etl_ledger.loads GROUP BY ALL ORDER BY ALL"
    assert [count for _, count in target.warehouse(loads)] == [2, 2, 1]  # the third day was still there
    target.run_days(DAYS[2], DAYS[2], "--job", "gold", "--reload")
    assert target.warehouse(CONTENT) == before
    assert [count for _, count in target.warehouse(loads)] == [2, 2, 2]
