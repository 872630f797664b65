"""A few rounds of the soak on tables of Iceberg; `python -m tests.soak.iceberg --kills 100` is the long one."""

from pathlib import Path

import pytest

from etl.warehouse.contract import TrinoPlace
from tests.servers.seaweed import seaweed
from tests.servers.trino import in_clear, trino, trino_catalog, trino_place
from tests.soak.iceberg import Soak

__all__ = ["seaweed", "trino", "trino_catalog", "trino_place"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_loads_killed_at_any_moment_and_repeated_leave_what_is_published(
    tmp_path: Path, trino_place: TrinoPlace
) -> None:
    soak = Soak(tmp_path, in_clear(trino_place), seed=7, say=print)
    soak.run(kills=5)
    assert soak.kills >= 5
    assert soak.problems == []
