"""Attacks the law of the fence: what the ledger says is held against the table before it is believed.

And an object that nobody can read any more is replaced by the next run, since its source is still there.
"""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

CONTENT = "SELECT * FROM shop.orders WHERE order_id > 0 ORDER BY order_id"
FOREIGN = "SELECT count(*) FROM shop.orders WHERE order_id < 0"


@pytest.mark.slow
def test_a_day_damaged_by_hand_is_mended_by_running_it_again_and_reload_always_loads(target: Target) -> None:
    target.run_days()
    before = target.warehouse(CONTENT)
    assert len(before) == 60
    target.warehouse(
        f"DELETE FROM shop.orders WHERE etl_partition = '{DAYS[0]}'",
        "UPDATE shop.orders SET cents = 0 WHERE order_id = 205",
        "INSERT INTO shop.orders SELECT * REPLACE (-1 AS order_id, NULL AS etl_partition) FROM shop.orders LIMIT 1",
    )
    said = target.run_days(DAYS[0], DAYS[2], "--stage", "load").out
    assert f"warning: acme/orders [{DAYS[2]}] load: shop.orders holds 1 rows that no load brought" in said
    assert (
        f"`etl run acme --pipeline orders --stage load --from {DAYS[2]} --to {DAYS[2]} --reload` removes them" in said
    )
    assert f"warning: acme/orders [{DAYS[0]}] load: loaded again: the rows in the table are not those" in said
    assert target.warehouse(FOREIGN) == [(1,)]
    assert target.warehouse(CONTENT) == before
    loads = "SELECT partition, count(*) FROM etl_ledger.loads GROUP BY ALL ORDER BY ALL"
    assert [count for _, count in target.warehouse(loads)] == [2, 2, 1]  # the third day was still there
    said = target.run_days(DAYS[2], DAYS[2], "--stage", "load", "--reload").out
    assert "they were removed" in said
    assert target.warehouse(FOREIGN) == [(0,)]
    assert target.warehouse(CONTENT) == before
    assert [count for _, count in target.warehouse(loads)] == [2, 2, 2]


@pytest.mark.slow
def test_a_damaged_object_is_named_and_mended_by_running_its_day_again(target: Target) -> None:
    target.run_days()
    for stage, day in (("extract", DAYS[0]), ("transfer", DAYS[1])):
        path = target.object(stage, day)
        path.write_bytes(path.read_bytes()[:-100])
    target.object("extract", DAYS[2]).write_bytes(b"")
    said = target.etl("verify", "acme")
    assert said.code == 1, said.text
    assert "not a complete Parquet file" in said.text
    target.run_days()
    said = target.etl("verify", "acme")
    assert said.code == 0, said.text
