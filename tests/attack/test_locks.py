"""Attack on the law "any host": what is left behind does not grow with the number of partitions.

A lock file for each partition stayed for ever.
"""

import pytest

from tests.attack.target import Target

DAYS = 12


@pytest.mark.slow
def test_lock_files_do_not_grow_with_the_days(target: Target) -> None:
    rules = [{"column": "order_id", "type": "in_range", "max": 1000}]
    target.project.write_pipeline(
        {"partitions": {"end": "2026-01-31"}, "quality": {"on_failure": "quarantine", "rules": rules}}
    )
    target.run_days("2026-01-01", "2026-01-01")
    locks = target.project.data / "locks"
    before = sorted(each for each in locks.rglob("*") if each.is_file())
    assert before
    target.run_days("2026-01-02", f"2026-01-{DAYS + 1:02d}")
    assert sorted(each for each in locks.rglob("*") if each.is_file()) == before
