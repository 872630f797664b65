"""Attacks "whose fault it is": a disk that takes no more while a transform's rows are written.

The transform is right, so that it must not be blamed, and what it would have replaced stays.
"""

import sys

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
import polars as pl
from etl.cli.commands import app
sys.argv = ["etl", *sys.argv[1:]]
app()
"""
WIDE = '''"""orders, many times over."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Hashes of a million numbers, which no compression makes small."""
    many = pl.LazyFrame({"n": pl.int_range(1_000_000, eager=True)}).select(h=pl.col("n").hash())
    return orders.head(1).join(many, how="cross")
'''


@pytest.mark.slow
def test_a_full_disk_is_told_as_a_full_disk(target: Target) -> None:
    target.run_days(DAYS[0], DAYS[0])
    good = target.object("transfer").read_bytes()
    target.project.write_transform(WIDE)
    said = target.command([sys.executable, "-c", LIMITED, "run", "acme", "--from", DAYS[0], "--to", DAYS[0]])
    assert said.code == 1
    assert "File too large" in said.text
    assert "free space for" in said.text
    assert "the transform" not in said.text
    assert target.object("transfer").read_bytes() == good
