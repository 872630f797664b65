"""A range of days as one real run: killed in the middle and begun again, it goes on where the dead one stopped."""

import os
import signal
import sqlite3
import uuid
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, MetadataValue

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.lake.lake import ObjectRef, Published, open_lake
from etl.resources.run_worker import release_dead_runs
from etl.running.worker_process import recorded_worker
from etl.settings import load_settings
from tests.faults.world import finish, start
from tests.pipeline.stages import lake_rows, ledger, table
from tests.tiny_project import DAYS, ROWS_PER_DAY, TinyProject, make_project

RANGE = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}


def back_fill(
    project: TinyProject, fault: str = "", tags: Mapping[str, str] = MappingProxyType(RANGE)
) -> tuple[str, list[str]]:
    """One run, over all days if its tags say nothing else, in this process; gives its id and what it logged."""
    os.environ.update(project.environ)
    if fault:
        os.environ["ETL_FAULT"] = fault
    with DagsterInstance.get() as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        run = DagsterRun(job_name=job.name, run_id=str(uuid.uuid4()))
        with recorded_worker(instance, run):
            result = job.execute_in_process(instance=instance, tags=dict(tags), run_id=run.run_id)
        assert result.success
        return result.run_id, [each.user_message for each in instance.all_logs(result.run_id)]


def in_flight(project: TinyProject, days: int) -> None:
    project.write_pipeline({"partitions": {"in_flight": days}})


def published(project: TinyProject, stage: str, day: str) -> Published | None:
    lake = open_lake(load_settings(project.environ))
    return lake.find(ObjectRef(tenant="acme", stage=stage, pipeline="orders", partition=day))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The same range, undisturbed."""
    project = make_project(tmp_path_factory.mktemp("calm"))
    with pytest.MonkeyPatch.context() as patch:
        for name in project.environ:
            patch.setenv(name, "")
        back_fill(project)
    return project


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ("transfer.audited@2", DAYS[:1]),
        pytest.param("extract.published@3", DAYS[:2], marks=pytest.mark.slow),
        pytest.param("warehouse.before_commit@2", (), marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_middle_it_goes_on_with_what_is_missing(
    project: TinyProject, calm: TinyProject, point: str, kept: tuple[str, ...]
) -> None:
    assert finish(start(back_fill, project, f"{point}=kill")) == -signal.SIGKILL
    stage = point.partition(".")[0]
    with DagsterInstance.get() as instance:
        (dead,) = release_dead_runs(instance)
        run = instance.get_run_by_id(dead)
        assert run is not None
        assert run.status == DagsterRunStatus.FAILURE
    if stage in {"extract", "transfer"}:
        assert all(_run_of(project, stage, day) == dead for day in kept)
    again, said = back_fill(project)
    # A stage that was in the middle goes on: the days that the dead run had published are not read again.
    resumed = [each for each in said if "not made again, because a run that was killed" in each]
    assert len(resumed) == len(kept)
    assert all(any(f"[{day}]" in each for each in resumed) for day in kept)
    for day in kept:
        assert _run_of(project, stage, day) == dead
    if stage in {"extract", "transfer"}:
        assert _run_of(project, "transfer", DAYS[-1]) == again
    same_as(project, calm)


@pytest.mark.slow
def test_a_transfer_is_made_again_where_its_extract_is_another_now(project: TinyProject) -> None:
    """The extract was done, the transfer of the first day too. Then the source changes, and the range is run again."""
    assert finish(start(back_fill, project, "transfer.audited@2=kill")) == -signal.SIGKILL
    with DagsterInstance.get() as instance:
        release_dead_runs(instance)
    with sqlite3.connect(project.source) as connection:
        connection.execute("UPDATE orders SET amount = 77.5 WHERE order_id = 101")
    connection.close()
    back_fill(project)
    assert table(project).filter(order_id=101)["amount"].to_list() == [77.5]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["extract.published@2", "transfer.audited@2", "warehouse.before_commit@2"])
def test_no_journal_is_left_where_a_larger_range_is_done(project: TinyProject, point: str) -> None:
    few = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[1]}
    assert finish(start(back_fill, project, f"{point}=kill", few)) == -signal.SIGKILL
    with DagsterInstance.get() as instance:
        release_dead_runs(instance)
    back_fill(project)
    assert project.leftovers() == []


@pytest.mark.slow
def test_it_goes_on_from_days_whose_volume_had_something_or_nothing_to_be_compared_with(project: TinyProject) -> None:
    """The first day was extracted before, so that its check `volume` has a result; that of the second day has none."""
    back_fill(project, tags={"dagster/partition": DAYS[0]})
    with sqlite3.connect(project.source) as connection:
        connection.execute("UPDATE orders SET amount = 7 WHERE order_id = 105")
    connection.close()
    assert finish(start(back_fill, project, "extract.published@3=kill")) == -signal.SIGKILL
    with DagsterInstance.get() as instance:
        (dead,) = release_dead_runs(instance)
    again, said = back_fill(project)
    assert [
        day for day in DAYS if any(f"[{day}]: not made again, because a run that was killed" in each for each in said)
    ] == [*DAYS[:2]]
    with DagsterInstance.get() as instance:
        entries = instance.all_logs(again, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        told = [each.dagster_event.asset_check_evaluation_data for each in entries if each.dagster_event]
    volumes = {each.partition: each.metadata.get("judged_by_run") for each in told if each.check_name == "volume"}
    assert volumes == {DAYS[0]: MetadataValue.text(dead), DAYS[2]: None}


@pytest.mark.parametrize("point", ["", pytest.param("transfer.published@2", marks=pytest.mark.slow)])
def test_several_days_in_flight_make_the_same(project: TinyProject, calm: TinyProject, point: str) -> None:
    in_flight(project, 2)
    if point:
        assert finish(start(back_fill, project, f"{point}=kill")) == -signal.SIGKILL
        with DagsterInstance.get() as instance:
            assert len(release_dead_runs(instance)) == 1
    back_fill(project)
    same_as(project, calm)


def test_progress_is_logged_by_day_with_speed_and_estimate(project: TinyProject) -> None:
    _, said = back_fill(project)
    for stage in ("extract", "transfer", "load"):
        lines = [each for each in said if each.startswith(f"acme/orders {stage} [")]
        assert [each.split("[")[1][:10] for each in lines] == list(DAYS)
        assert all(f"{ROWS_PER_DAY} rows in" in each and "rows/s" in each for each in lines)
        assert [f"{n} of 3" in each for n, each in enumerate(lines, start=1)] == [True] * 3
        assert "s left" in lines[0]
        assert "s left" not in lines[-1]


def test_every_day_is_materialized_on_its_own(project: TinyProject) -> None:
    run_id, _ = back_fill(project)
    with DagsterInstance.get() as instance:
        for stage in ("extract", "transfer", "load"):
            found = instance.get_materialized_partitions(AssetKey(["acme", stage, "orders"]))
            assert found == set(DAYS)
    assert run_id
    assert table(project).height == ROWS_PER_DAY * len(DAYS)


def same_as(project: TinyProject, calm: TinyProject) -> None:
    mine, theirs = lake_rows(project), lake_rows(calm)
    assert list(mine) == list(theirs)
    assert all(rows.equals(theirs[name]) for name, rows in mine.items())
    assert table(project).equals(table(calm))
    assert ledger(project).equals(ledger(calm))
    assert project.leftovers() == []


def _run_of(project: TinyProject, stage: str, day: str) -> str | None:
    found = published(project, stage, day)
    return found.provenance.run_id if found else None
