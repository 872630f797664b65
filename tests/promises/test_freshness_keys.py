"""Promises about hours, weeks, months and keys of a list."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.partitions.keys import Unit
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.promises.freshness import Publish, PublishedKeys, State, judge_deadline, judge_max_age
from etl.promises.pipeline_facts import Facts
from etl.promises.pipeline_log import PipelineLog
from etl.sla.config import FreshnessPromise

NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REGIONS = StaticKeys("region", ("emea", "apac"))
DAY_OLD = FreshnessPromise(max_age_hours=24)


@pytest.mark.parametrize(
    ("unit", "start", "due"),
    [("hour", "2026-01-01T0000Z", "2026-02-03T0800Z"), ("week", "2026-W01-1", "2026-W05-1"), ("month", "2025-10", "2026-01")],
)  # fmt: skip
def test_the_newest_complete_partition_is_due(unit: Unit, start: str, due: str) -> None:
    scheme, promise = TimeScheme(unit, start), FreshnessPromise(deadline="0 9 * * *")
    complete = scheme.complete_at(due)
    early = PublishedKeys((Publish(complete - HOUR / 2, due),), scheme, complete - 90 * 24 * HOUR)
    broken = judge_deadline(promise, early, NOW)
    assert broken is not None
    assert (broken.state, broken.partition) == (State.BROKEN, due)
    good = PublishedKeys((Publish(complete, due),), scheme, complete - 90 * 24 * HOUR)
    kept = judge_deadline(promise, good, NOW)
    assert kept is not None
    assert kept.state is State.ON_TRACK


@pytest.mark.parametrize(
    ("emea", "apac", "state"),
    [(1, 2, State.ON_TRACK), (1, 30, State.BROKEN), (30, 1, State.BROKEN), (1, None, State.BROKEN), (24, 1, State.ON_TRACK)],
)  # fmt: skip
def test_a_list_is_as_old_as_its_oldest_key(emea: int, apac: int | None, state: State) -> None:
    ages = {"emea": emea, "apac": apac}
    publishes = tuple(Publish(NOW - age * HOUR, key) for key, age in ages.items() if age is not None)
    found = judge_max_age(DAY_OLD, PublishedKeys(publishes, REGIONS, NOW - 100 * HOUR), NOW)
    assert found is not None
    assert found.state is state
    if state is State.BROKEN:
        oldest = max(ages, key=lambda key: ages[key] or 1000)
        assert f"the region {oldest} has not arrived" in found.message


def test_of_a_key_the_last_publish_is_remembered_however_many_there_are(tmp_path: Path) -> None:
    keys = tuple(f"r{n}" for n in range(60))
    log = PipelineLog(tmp_path / "log.sqlite")
    log.begin(["orders"], NOW)
    publishes = [("orders", Publish(NOW - age * HOUR, key)) for age in (1, 9) for key in keys]
    log.absorb(Facts(publishes=publishes, known_since={"orders": None}), NOW)
    found = log.histories("acme", {"orders": StaticKeys("r", keys)})["orders"].published
    assert sorted(each.partition or "" for each in found.publishes) == sorted(keys)
    assert {each.at for each in found.publishes} == {NOW - HOUR}
