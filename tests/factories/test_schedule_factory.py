"""A tick is about the newest day that is complete when it comes, whatever the clocks do."""

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, ScheduleDefinition, SkipReason, build_schedule_context
from dagster._utils.schedules import schedule_execution_time_iterator

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.pipeline.stage import StageRun
from etl.settings import load_settings
from tests.tiny_project import ORDERS, TinyProject, make_project

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def definitions(project: TinyProject, pipeline: Mapping[str, Any], schedule: Mapping[str, Any]) -> Definitions:
    project.write_tenant(
        {
            "assets": {"pipelines": {"orders": {"partitions": {"end": None, **pipeline}}}},
            "jobs": {"daily_etl": {"schedule": schedule}},
        }
    )
    return definitions_of(load_tenant("acme", load_settings()))


def schedule_of(found: Definitions) -> ScheduleDefinition:
    (only,) = found.get_repository_def().schedule_defs
    return only


def ticks(schedule: ScheduleDefinition, first: datetime, count: int) -> Iterator[datetime]:
    """The moments at which Dagster itself would evaluate the schedule."""
    every = schedule_execution_time_iterator(
        first.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone
    )
    return itertools.islice(every, count)


def asked_for(found: Definitions, at: datetime) -> RunRequest | SkipReason:
    schedule = schedule_of(found)
    with DagsterInstance.ephemeral() as instance:
        context = build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=found.get_repository_def()
        )
        data = schedule.evaluate_tick(context)
    if data.skip_message:
        return SkipReason(data.skip_message)
    (request,) = data.run_requests or ()
    return request


def newest_complete_day(at: datetime, zone: str) -> str:
    return (at.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)).isoformat()


# Where and when clocks change, and at which hour: in the night, at midnight itself, by half an hour.
CHANGES = [
    ("America/New_York", "2026-03-05"),
    ("America/New_York", "2026-10-29"),
    ("America/Santiago", "2026-04-01"),
    ("America/Santiago", "2026-09-02"),
    ("Africa/Cairo", "2026-04-20"),
    ("Australia/Lord_Howe", "2026-04-01"),
    ("Asia/Seoul", "2026-03-05"),
]


@pytest.mark.parametrize(("zone", "first"), CHANGES)
@pytest.mark.parametrize("cron", ["0 0 * * *", "30 2 * * *", "0 6 * * *"])
def test_a_tick_is_about_the_day_before_it_when_clocks_change(
    project: TinyProject, zone: str, first: str, cron: str
) -> None:
    found = definitions(project, {"timezone": zone}, {"cron": cron, "timezone": zone})
    begin = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone))
    days = []
    for at in ticks(schedule_of(found), begin, 8):
        request = asked_for(found, at)
        assert isinstance(request, RunRequest)
        assert request.partition_key == newest_complete_day(at, zone)
        days.append(date.fromisoformat(str(request.partition_key)))
    assert days == [days[0] + timedelta(days=position) for position in range(8)]  # none twice, none left out


@pytest.mark.parametrize(("zone", "first"), CHANGES)
def test_the_day_that_is_read_is_the_day_that_dagster_means(project: TinyProject, zone: str, first: str) -> None:
    definitions(project, {"timezone": zone}, {"cron": "0 6 * * *"})
    config = load_tenant("acme", load_settings())
    partitions = definitions_of(config).resolve_job_def("acme_daily_etl").partitions_def
    assert partitions is not None
    before = None
    for day in (date.fromisoformat(first) + timedelta(days=each) for each in range(8)):
        run = StageRun(
            config=config,
            pipeline=config.pipelines["orders"],
            partition=day.isoformat(),
            run_id="r",
            settings=load_settings(),
        )
        window = run.window()
        assert window is not None
        theirs = partitions.time_window_for_partition_key(day.isoformat())  # type: ignore[attr-defined]
        assert (window.start, window.end) == (theirs.start.astimezone(UTC), theirs.end.astimezone(UTC))
        assert before in (None, window.start)  # no gap and no overlap between two days
        before = window.end


def test_the_schedules_zone_and_the_partitions_zone_may_differ(project: TinyProject) -> None:
    found = definitions(project, {"timezone": "Asia/Seoul"}, {"cron": "0 16 * * *", "timezone": "UTC"})
    request = asked_for(found, datetime(2026, 3, 1, 16, tzinfo=UTC))  # 01:00 of March 2 in Seoul
    assert isinstance(request, RunRequest)
    assert request.partition_key == "2026-03-01"
    before_midnight = asked_for(found, datetime(2026, 3, 1, 14, 59, tzinfo=UTC))
    assert isinstance(before_midnight, RunRequest)
    assert before_midnight.partition_key == "2026-02-28"


def test_lookback_asks_for_the_days_before_too_in_one_run(project: TinyProject) -> None:
    found = definitions(project, {"lookback_days": 2}, {"cron": "0 6 * * *", "timezone": "Asia/Seoul"})
    request = asked_for(found, datetime(2026, 3, 10, 6, tzinfo=ZoneInfo("Asia/Seoul")))
    assert isinstance(request, RunRequest)
    assert request.partition_key is None
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2026-03-07", "2026-03-09")


def test_lookback_is_that_of_the_pipelines_the_job_runs(project: TinyProject) -> None:
    other = {**ORDERS, "has_transfer": False, "trino_output": {"target_table": "late"}, "quality": {}}
    other["partitions"] = {"start": "2026-01-01", "timezone": "Asia/Seoul", "lookback_days": 30}
    pipelines = {"orders": {"partitions": {"end": None, "lookback_days": 1}}, "late": other}
    for selection, oldest in (('key:"acme/transfer/orders"+', "2026-03-08"), ("*", "2026-02-07")):
        schedule = {"cron": "0 6 * * *", "timezone": "Asia/Seoul"}
        project.write_tenant(
            {"assets": {"pipelines": pipelines}, "jobs": {"daily_etl": {"selection": selection, "schedule": schedule}}}
        )
        found = definitions_of(load_tenant("acme", load_settings()))
        request = asked_for(found, datetime(2026, 3, 10, 6, tzinfo=ZoneInfo("Asia/Seoul")))
        assert isinstance(request, RunRequest)
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (oldest, "2026-03-09")


def test_lookback_does_not_reach_before_the_first_day(project: TinyProject) -> None:
    found = definitions(project, {"lookback_days": 5}, {"cron": "0 6 * * *", "timezone": "Asia/Seoul"})
    request = asked_for(found, datetime(2026, 1, 3, 6, tzinfo=ZoneInfo("Asia/Seoul")))
    assert isinstance(request, RunRequest)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2026-01-01", "2026-01-02")


def test_nothing_is_asked_for_before_the_first_day_is_complete(project: TinyProject) -> None:
    found = definitions(project, {}, {"cron": "0 6 * * *", "timezone": "Asia/Seoul"})
    skipped = asked_for(found, datetime(2026, 1, 1, 6, tzinfo=ZoneInfo("Asia/Seoul")))
    assert isinstance(skipped, SkipReason)
    assert "no day is complete" in str(skipped.skip_message)


def test_nothing_is_asked_for_after_the_partitions_have_ended(project: TinyProject) -> None:
    found = definitions(project, {"end": "2026-01-10"}, {"cron": "0 6 * * *", "timezone": "Asia/Seoul"})
    zone = ZoneInfo("Asia/Seoul")
    last = asked_for(found, datetime(2026, 1, 11, 6, tzinfo=zone))
    assert isinstance(last, RunRequest)
    assert last.partition_key == "2026-01-10"
    skipped = asked_for(found, datetime(2026, 1, 13, 6, tzinfo=zone))
    assert isinstance(skipped, SkipReason)
    assert "ended with 2026-01-10" in str(skipped.skip_message)


def test_a_whole_table_has_no_day(project: TinyProject) -> None:
    project.write_tenant(
        {
            "assets": {
                "pipelines": {
                    "orders": {"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}},
                }
            }
        }
    )
    request = asked_for(definitions_of(load_tenant("acme", load_settings())), datetime(2026, 3, 1, tzinfo=UTC))
    assert isinstance(request, RunRequest)
    assert request.partition_key is None
    assert not [name for name in request.tags if "partition" in name]


def test_a_tick_that_is_evaluated_twice_makes_one_run(project: TinyProject) -> None:
    found = definitions(project, {}, {"cron": "0 6 * * *", "timezone": "Asia/Seoul"})
    at = datetime(2026, 3, 1, 6, tzinfo=ZoneInfo("Asia/Seoul"))
    first, second = asked_for(found, at), asked_for(found, at)
    assert isinstance(first, RunRequest)
    assert isinstance(second, RunRequest)
    assert first.run_key == second.run_key is not None


@pytest.mark.parametrize(("auto_start", "status"), [(True, "RUNNING"), (False, "STOPPED"), (None, "STOPPED")])
def test_a_schedule_is_stopped_unless_it_starts_by_itself(
    project: TinyProject, auto_start: bool | None, status: str
) -> None:
    schedule = {"cron": "0 6 * * *"} | ({} if auto_start is None else {"auto_start": auto_start})
    assert schedule_of(definitions(project, {}, schedule)).default_status.value == status
