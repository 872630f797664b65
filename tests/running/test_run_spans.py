"""Which runs do a range where the assets of a job are cut in different ways; and Dagster's definitions, there and back."""

from datetime import UTC, datetime

import pytest
from dagster import AssetKey

from etl.errors import EtlError
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.running.partition_definitions import Scheme, definition_of, scheme_of
from etl.running.run_spans import (
    Span,
    asked,
    common_partitions,
    key_for,
    newest,
    partition_sets,
    spans,
    spans_of_assets,
    within,
)

NOW = datetime(2026, 1, 6, 12, 30, tzinfo=UTC)
DAYS = TimeScheme("day", "2026-01-01")
LATER = TimeScheme("day", "2026-01-04")
HOURS = TimeScheme("hour", "2026-01-05T2300Z")
WEEKS = TimeScheme("week", "2025-W50-1", None, "Europe/Berlin")
MONTHS = TimeScheme("month", "2025-10", "2025-11", "Asia/Seoul")
REGIONS = StaticKeys("region", ("emea", "apac"))
KINDS: dict[str, Scheme] = {
    "days": DAYS, "later": LATER, "hours": HOURS, "weeks": WEEKS, "months": MONTHS, "regions": REGIONS,
    "whole": WholeTable(),
}  # fmt: skip


def partitions(*names: str) -> dict[AssetKey, object]:
    return {AssetKey([each]): definition_of(KINDS[each]) for each in names}


def told(found: list[Span]) -> list[tuple[str, str]]:
    return [(str(each), " ".join(sorted(key.path[0] for key in each.keys))) for each in found]


@pytest.mark.parametrize("name", [each for each in KINDS if each != "regions"])
def test_a_definition_gives_its_scheme_back(name: str) -> None:
    scheme = KINDS[name]
    assert scheme_of(definition_of(scheme)) == scheme


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize(("unit", "start"), [("day", "2025-10-20"), ("week", "2025-W40-1"), ("month", "2025-09")])
def test_dagsters_windows_are_ours_across_a_change_of_clocks(unit: str, start: str, zone: str) -> None:
    scheme = TimeScheme(unit, start, None, zone)  # type: ignore[arg-type]
    definition = definition_of(scheme)
    keys = scheme.keys(NOW)
    assert definition is not None
    assert definition.get_partition_keys(NOW) == list(keys)
    for key in keys:
        window = definition.time_window_for_partition_key(key)  # type: ignore[attr-defined]
        assert (window.start, window.end) == scheme.window(str(key))


def test_dagsters_hours_are_ours_and_each_has_a_key_of_its_own() -> None:
    scheme = TimeScheme("hour", "2025-10-25T1830Z", "2025-10-27T1730Z", "Asia/Kolkata")
    definition = definition_of(scheme)
    assert definition is not None
    keys = definition.get_partition_keys(NOW)
    assert keys == list(scheme.keys(NOW)) == sorted(set(keys))
    windows = [definition.time_window_for_partition_key(key) for key in keys]  # type: ignore[attr-defined]
    assert [(each.start, each.end) for each in windows] == [scheme.window(key) for key in keys]


def test_the_newest_of_each_kind_has_a_run_of_its_own_and_whole_tables_go_with_the_last() -> None:
    job = partitions("days", "later", "hours", "weeks", "months", "regions", "whole")
    found = spans(job, newest(partition_sets(job), NOW))
    assert told(found) == [
        ("2026-01-06T1100Z", "hours"),
        ("2026-01-05", "days later"),
        ("2026-W01-1", "weeks"),
        ("2025-11", "months"),
        ("emea to apac", "regions whole"),
    ]
    assert [each.size for each in found] == [1, 1, 1, 1, 2]
    assert sum(each.is_all for each in found) == 0


def test_what_is_behind_is_run_again_in_its_own_unit() -> None:
    job = partitions("days", "hours")
    found = spans(job, newest(partition_sets(job), NOW, {"day": 2, "hour": 3}))
    assert told(found) == [("2026-01-06T0800Z to 2026-01-06T1100Z", "hours"), ("2026-01-03 to 2026-01-05", "days")]


def test_assets_of_one_unit_share_what_they_have_in_common() -> None:
    job = partitions("days", "later", "whole")
    wanted = within(partition_sets(job), ("2026-01-02", "2026-01-05"), NOW)
    assert told(spans(job, wanted)) == [
        ("2026-01-02 to 2026-01-03", "days"),
        ("2026-01-04 to 2026-01-05", "days later whole"),
    ]
    assert common_partitions(job) == definition_of(LATER)
    assert common_partitions(partitions("days", "hours")) is None


def test_what_a_person_asks_for_is_meant_for_those_that_have_it() -> None:
    job = partitions("days", "hours", "regions", "whole")
    cut = {key: (KINDS[key.path[0]],) for key in job if key.path[0] != "whole"}
    days, hours, regions = (AssetKey([each]) for each in ("days", "hours", "regions"))
    assert asked(job, cut, "2026-01-05", "2026-01-05") == {
        days: ("2026-01-05", "2026-01-05"),
        hours: ("2026-01-05T0000Z", "2026-01-05T2300Z"),
        regions: ("emea", "apac"),
    }
    assert asked(job, cut, "apac", "apac") == {regions: ("apac", "apac")}
    for text in ("mars", "2026-01-05"):
        with pytest.raises(EtlError, match=f"no region `{text}`: there are emea, apac") as refused:
            asked({regions: job[regions]}, {regions: cut[regions]}, text, text)
        assert "`--partition` names one of its keys, and without one all are run" in refused.value.hint


def test_a_time_at_which_no_hour_of_the_job_begins_is_refused_though_its_days_have_it() -> None:
    job = partitions("days", "hours", "regions")
    cut = {key: (KINDS[key.path[0]],) for key in job}
    with pytest.raises(EtlError, match="no hour begins at 2026-01-06T01:30"):
        asked(job, cut, "2026-01-06T01:30", "2026-01-06T01:30")


def test_a_time_is_read_in_the_zone_of_each_pipeline_though_all_have_the_same_keys() -> None:
    """Dagster's definitions of these hours are equal, and say no zone."""
    zones = ("UTC", "America/New_York", "Europe/Berlin")
    cut = {AssetKey([zone[:3]]): (TimeScheme("hour", "2026-01-05T0500Z", None, zone),) for zone in zones}
    job = {key: definition_of(scheme) for key, (scheme,) in cut.items()}
    assert len(partition_sets(job)) == 1
    at = "2026-01-05T07:00"
    wanted = asked(job, cut, at, at)
    assert {key.path[0]: keys for key, keys in wanted.items()} == {
        "UTC": ("2026-01-05T0700Z", "2026-01-05T0700Z"),
        "Ame": ("2026-01-05T1200Z", "2026-01-05T1200Z"),
        "Eur": ("2026-01-05T0600Z", "2026-01-05T0600Z"),
    }
    assert told(spans_of_assets(job, wanted)) == [
        ("2026-01-05T0600Z", "Eur"), ("2026-01-05T0700Z", "UTC"), ("2026-01-05T1200Z", "Ame"),
    ]  # fmt: skip
    day = asked(job, cut, "2026-01-06", "2026-01-06")
    assert told(spans_of_assets(job, day)) == [
        ("2026-01-05T2300Z", "Eur"),
        ("2026-01-06T0000Z to 2026-01-06T0400Z", "Eur UTC"),
        ("2026-01-06T0500Z to 2026-01-06T2200Z", "Ame Eur UTC"),
        ("2026-01-06T2300Z", "Ame UTC"),
        ("2026-01-07T0000Z to 2026-01-07T0400Z", "Ame"),
    ]
    key = "2026-01-05T0700Z"
    assert set(asked(job, cut, key, key).values()) == {(key, key)}


def test_what_is_made_of_pipelines_of_different_zones_is_asked_for_in_utc() -> None:
    model = AssetKey(["model"])
    both = tuple(TimeScheme("hour", "2026-01-05T0500Z", None, zone) for zone in ("UTC", "Europe/Berlin"))
    job = {model: definition_of(both[0])}
    with pytest.raises(EtlError, match="in Europe/Berlin and in UTC") as told_so:
        asked(job, {model: both}, "2026-01-05T07:00", "2026-01-05T08:00")
    assert "2026-01-05T0600Z or 2026-01-05T0700Z" in told_so.value.hint
    assert asked(job, {model: both}, "2026-01-05T0700Z", "2026-01-05T0700Z") == {model: ("2026-01-05T0700Z",) * 2}


def test_a_run_without_a_partition_needs_one_that_all_assets_have() -> None:
    assert key_for(partitions("whole")) is None
    assert key_for(partitions("months", "whole")) == "2025-11"
    for job in (("days", "hours"), ("regions",)):
        with pytest.raises(EtlError, match="names no partition"):
            key_for(partitions(*job))
