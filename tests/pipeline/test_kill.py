"""A run that is killed at any point and run again leaves what a run leaves that nobody disturbed."""

import multiprocessing
import signal
from pathlib import Path

import polars as pl
import pytest

from tests.pipeline.stages import STAGES, lake_rows, ledger, run_stages, run_stages_in_process, table
from tests.tiny_project import TinyProject, make_project

pytestmark = pytest.mark.slow  # processes that are killed

# Where a process dies, and in the course of which stage. A point that is never reached fails its test.
POINTS = [
    ("extract", "extract.start"),
    ("extract", "extract.copy"),
    ("extract", "extract.written"),
    ("extract", "extract.verified"),
    ("extract", "extract.read"),
    ("extract", "extract.staged"),
    ("extract", "extract.audited"),
    ("extract", "lake.staged"),
    ("extract", "lake.verified"),
    ("extract", "lake.stamped"),
    ("extract", "lake.before_rename"),
    ("extract", "lake.renamed"),
    ("extract", "lake.published"),
    ("extract", "extract.published"),
    ("transfer", "transfer.start"),
    ("transfer", "transfer.written"),
    ("transfer", "transfer.staged"),
    ("transfer", "transfer.audited"),
    ("transfer", "lake.before_rename"),
    ("transfer", "lake.renamed"),
    ("transfer", "transfer.published"),
    ("load", "load.start"),
    ("load", "warehouse.locked"),
    ("load", "warehouse.opened"),
    ("load", "warehouse.begin"),
    ("load", "warehouse.deleted"),
    ("load", "warehouse.inserted"),
    ("load", "warehouse.ledger"),
    ("load", "warehouse.before_commit"),
    ("load", "warehouse.committed"),
    ("load", "warehouse.closed"),
    ("load", "load.done"),
]
QUARANTINE_POINTS = [
    ("transfer", "transfer.split"),
    ("transfer", "transfer.quarantined"),
    ("transfer", "lake.renamed"),
    ("transfer", "transfer.published"),
]

# One server that has imported everything; each process that is to die is a fork of it.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.pipeline.stages"])


def die_at(project: TinyProject, point: str, stages: tuple[str, ...], partition: str = "2026-01-02") -> None:
    process = processes.Process(
        target=run_stages_in_process,
        args=(project, stages, partition, "killed", {"ETL_FAULT": f"{point}=kill"}),
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, f"{point} was not reached"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    project = make_project(tmp_path_factory.mktemp("undisturbed"))
    run_stages(project, partition="2026-01-01")
    run_stages(project, partition="2026-01-02")
    return project


@pytest.mark.parametrize(("stage", "point"), POINTS)
def test_killed_and_run_again_is_as_never_killed(
    project: TinyProject, undisturbed: TinyProject, stage: str, point: str
) -> None:
    run_stages(project, partition="2026-01-01")  # another day is there already
    before = STAGES[: STAGES.index(stage)]
    run_stages(project, before, "2026-01-02")
    rows_of_the_other_day = table(project)
    die_at(project, point, (stage,))

    seen = table(project)  # readers see the load wholly or not at all
    assert seen.equals(rows_of_the_other_day) or seen.equals(table(undisturbed))
    for rows in lake_rows(project).values():
        assert rows.height == 20

    run_stages(project, STAGES[STAGES.index(stage) :], "2026-01-02", run_id="again")
    assert_same(project, undisturbed)
    assert project.leftovers() == []


@pytest.mark.parametrize(("stage", "point"), POINTS[::6])
def test_killed_in_the_middle_of_the_first_run_ever(
    project: TinyProject, undisturbed: TinyProject, stage: str, point: str
) -> None:
    assert stage in STAGES
    die_at(project, point, STAGES, "2026-01-01")
    run_stages(project, partition="2026-01-01", run_id="again")
    run_stages(project, partition="2026-01-02", run_id="other")
    assert_same(project, undisturbed)
    assert project.leftovers() == []


@pytest.mark.parametrize(("stage", "point"), QUARANTINE_POINTS)
def test_killed_while_rows_are_set_aside(tmp_path: Path, stage: str, point: str) -> None:
    changes = {
        "quality": {"on_failure": "quarantine", "rules": [{"column": "cents", "type": "in_range", "max": 1500}]},
    }
    disturbed, calm = make_project(tmp_path / "disturbed"), make_project(tmp_path / "calm")
    for project in (disturbed, calm):
        project.write_pipeline(changes)
        run_stages(project, ("extract",), "2026-01-02")
    die_at(disturbed, point, (stage,))
    rest = STAGES[STAGES.index(stage) :]
    run_stages(disturbed, rest, "2026-01-02", run_id="again")
    run_stages(calm, rest, "2026-01-02")
    good, rejected = table(disturbed), lake_rows(disturbed)
    assert good.height == 15
    (set_aside,) = [rows for name, rows in rejected.items() if "quarantine" in name]
    assert good.height + set_aside.height == 20
    assert_same(disturbed, calm, ignore=("_run_id",))
    assert disturbed.leftovers() == []


def assert_same(one: TinyProject, other: TinyProject, ignore: tuple[str, ...] = ()) -> None:
    mine, theirs = (_by_place(lake_rows(each)) for each in (one, other))
    assert list(mine) == list(theirs)
    for name in mine:
        hidden = [column for column in ignore if column in mine[name].columns]
        assert mine[name].drop(hidden).equals(theirs[name].drop(hidden)), name
    assert table(one).equals(table(other))
    assert ledger(one).equals(ledger(other))


def _by_place(objects: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Rejected rows lie under a name that only their own run uses: compare them by their folder, one in each."""
    named = {place.rpartition("/")[0] if "quarantine" in place else place: rows for place, rows in objects.items()}
    assert len(named) == len(objects)
    return named
