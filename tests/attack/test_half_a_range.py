"""Attacks "nothing is lost": a range of days that ends in the middle, by something that is no error of the product.

What was published before stays what readers see, so Dagster has to know of it, whatever ended the range.
"""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

ENDING = '''"""orders, which ends on the last day in a way that nobody foresaw."""

import os
import signal
import time

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Ends the step while its last day is refined."""
    if str(orders.select(pl.col("created_at").max()).collect().item()).startswith("2026-01-03"):
        {how}
    return orders
'''
TERMINATED = "os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "in_flight"),
    [("raise SystemExit(3)", 1), ("raise GeneratorExit", 3), (TERMINATED, 1)],
    ids=["the process wants to end", "a crash among days in flight", "terminated"],
)
def test_days_that_were_published_are_told(target: Target, how: str, in_flight: int) -> None:
    target.project.write_pipeline({"partitions": {"in_flight": in_flight}})
    target.project.write_transform(ENDING.format(how=how))
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[-1])
    assert said.code != 0
    seen = [day for day in DAYS if target.object("transfer", day).is_file()]
    assert seen == list(DAYS[:2])
    assert target.materialized("transfer") == seen, said.text
    assert target.materialized("extract") == list(DAYS)
    assert {day for day, _, _ in target.evaluations("transfer")} == set(seen)
