"""Attacks the law of function where a range of days fails, is mended, and is run again: every day is made by one code."""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS, TRANSFORM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RANGE = ("run", "acme", "--from", DAYS[0], "--to", DAYS[-1])
FAILS = TRANSFORM.replace(
    "    return orders",
    "    if orders.select(pl.col('order_id').min()).collect().item() >= 300:\n"
    "        raise ValueError('not this day')\n    return orders",
)
MENDED = TRANSFORM.replace("* 100", "* 1000")


def cents(target: Target) -> dict[str, bool]:
    """For each day, whether its rows are those of the mended code."""
    found = {day: target.rows_of("transfer", day) for day in DAYS}
    return {day: (rows["cents"] == (rows["amount"] * 1000).round().cast(int)).all() for day, rows in found.items()}


def test_after_a_failure_every_day_is_made_by_the_mended_code(target: Target) -> None:
    target.project.write_transform(FAILS)
    assert target.etl(*RANGE).code == 1
    target.project.write_transform(MENDED)
    assert target.etl(*RANGE).code == 0
    assert cents(target) == dict.fromkeys(DAYS, True)


def test_after_a_kill_too_if_the_code_was_changed_meanwhile(target: Target) -> None:
    killed = target.etl(*RANGE, environ={"ETL_FAULT": "transfer.start@3=kill"})
    assert killed.code == 1
    assert len(list((target.project.data / "backfills").rglob("transfer__*.json"))) == 1, "the kill came too late"
    target.project.write_transform(MENDED)
    assert target.etl(*RANGE).code == 0
    assert cents(target) == dict.fromkeys(DAYS, True)


def test_after_a_failure_every_day_is_read_again(target: Target) -> None:
    target.source("UPDATE orders SET amount = 'no number' WHERE order_id = 305")
    assert target.etl(*RANGE).code == 1
    target.source("UPDATE orders SET amount = 7 WHERE order_id IN (105, 305)")
    assert target.etl(*RANGE).code == 0
    assert target.rows_of("extract", DAYS[0]).filter(order_id=105)["amount"].to_list() == [7.0]
    assert target.etl("verify", "acme").code == 0
