"""`etl run`: a job by a real Dagster run, and what cannot be run is said before anything is started."""

import shutil

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, MetadataValue
from dagster._core.events import EngineEventData

from etl.cli import runs
from etl.cli.code_servers import launch, workspace
from etl.cli.home import opened_instance
from etl.cli.messages import PlannedRun
from etl.cli.runs import failures
from etl.errors import EtlError
from etl.settings import load_settings
from tests.dbt.projects import only_dbt, rows, write_dbt
from tests.tiny_project import REPOSITORY, TinyProject

from .conftest import Etl


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acmee",), "did you mean `acme`"),
        (("acme", "--to", "2026-01-02"), "--to without --from"),
        (("acme", "--from", "yesterday"), "`yesterday` is no day: write it as 2026-01-31"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    etl: Etl, project: TinyProject, arguments: tuple[str, ...], said: str
) -> None:
    found = etl("run", *arguments)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


def test_a_job_or_a_day_that_is_not_there_is_named_with_what_is(etl: Etl, project: TinyProject) -> None:
    found = etl("run", "acme", "--job", "ordrs")
    assert found.code == 2
    assert "no job `acme_ordrs`" in found.err
    assert "did you mean `--pipeline orders`" in found.err
    found = etl("run", "acme", "--pipeline", "orders", "--from", "2026-01-02", "--to", "2026-01-09")
    assert found.code == 2
    assert "has no day 2026-01-09" in found.err
    assert "from 2026-01-01 to 2026-01-03" in found.err
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        assert instance.get_runs() == []
    assert project.published() == []


def test_a_range_for_whole_tables_is_refused(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}})
    found = etl("run", "acme", "--from", "2026-01-02")
    assert found.code == 2, found.out
    assert "has only whole tables, so no partition or range applies" in found.err
    assert "run it without --from, --to and --partition" in found.err
    assert project.published() == []


def test_a_tenant_that_workspace_yaml_does_not_name_is_told_how_to_get_there(etl: Etl, project: TinyProject) -> None:
    (project.root / "workspace.yaml").write_text("load_from: []\n")
    found = etl("run", "acme")
    assert found.code == 2
    assert "workspace.yaml has no code location `acme`" in found.err
    assert "tenants.acme.definitions" in found.err


@pytest.mark.slow
def test_a_tenant_with_dbt_alone_needs_no_source(etl: Etl, project: TinyProject) -> None:
    shutil.rmtree(project.root / "tenants" / "acme")
    only_dbt(project, "acme")
    (project.root / "tenants" / "acme" / "definitions.py").write_text(
        'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n'
    )
    write_dbt(project, {"models/a.sql": "select 1 as value"})
    found = etl("run", "acme")
    assert found.code == 0, found.err
    assert rows(project, "SELECT value FROM dbt.a") == [(1,)]


@pytest.mark.slow
def test_new_check_run_in_an_empty_project(etl: Etl, project: TinyProject) -> None:
    """The demo source is made by whoever needs it first; no other tenant is started, not even a broken one."""
    shutil.copytree(
        REPOSITORY / "tenants" / "_template",
        project.root / "tenants" / "_template",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (project.root / "tenants" / "acme" / "definitions.py").write_text("import time\n\ntime.sleep(600)\n")
    assert etl("new", "umbrella").code == 0
    assert etl("check", "umbrella").code == 0
    found = etl("run", "umbrella", "--pipeline", "orders", "--from", "2026-01-01", "--to", "2026-01-02")
    assert found.code == 0, found.out + found.err
    assert {path.parent.name for path in project.published() if "extract" in path.parts} == {
        "dt=2026-01-01",
        "dt=2026-01-02",
    }


def test_what_env_says_is_said_to_every_command(etl: Etl, project: TinyProject) -> None:
    """As in the runs that Dagster starts: otherwise a command would look at the demo source, and the run would not."""
    (project.root / ".env").write_text("DAGSTER_ENVIRONMENT=prod\nACME_DB_HOST=db.example.com\n")
    found = etl("check", "acme")
    assert found.code == 2
    assert "not set in prod: ACME_DB_NAME" in found.out
    assert "not set in prod: ACME_DB_HOST" not in found.out


def test_a_code_server_has_ended_when_its_block_has(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def servers() -> list[psutil.Process]:
        return [each for each in psutil.Process().children() if "api" in each.cmdline()]

    monkeypatch.setenv("DAGSTER_HOME", str(project.data / "dagster"))
    with DagsterInstance.get() as instance:
        before = set(servers())
        with workspace(instance, load_settings(), {"acme"}):
            assert len(set(servers()) - before) == 1
        assert set(servers()) <= before


def test_whoever_finds_a_run_dead_is_quoted(project: TinyProject) -> None:
    """The command and the code server look for dead processes at the same time."""
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:

        def said(crash: str, failure: str) -> list[str]:
            run = DagsterRun(job_name="acme_all", status=DagsterRunStatus.STARTED)
            instance.add_run(run)
            instance.report_engine_event("Executing steps", run, EngineEventData({"pid": MetadataValue.text("7")}))
            if crash:
                instance.report_engine_event(crash, run)
            instance.report_run_failed(run, failure)
            return [line.removeprefix(f"{run.run_id}: ") for line in failures(instance, run.run_id)]

        assert said("", "Its process was killed.") == ["Its process was killed."]
        assert said("Its process got signal 9.", "Failed.") == ["Its process got signal 9. Failed."]


def test_a_code_server_that_was_killed_later_is_told_without_a_trace(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(project.data / "dagster"))
    with DagsterInstance.get() as instance, workspace(instance, load_settings(), {"acme"}) as context:
        for each in psutil.Process().children():
            if "api" in each.cmdline():
                each.kill()
                each.wait()
        with pytest.raises(EtlError, match="process of code location `acme` does not answer any more") as told:
            launch(instance, context, "acme", "acme_all", {"dagster/partition": "2026-01-01"})
        assert "run the command again" in told.value.hint


def test_only_some_of_many_runs_load_their_location_at_one_time(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has so many seconds to load; a hundred at once would all be late."""
    loading: list[int] = []

    class Counted:
        waiting = 0

        def __init__(self, *_: object) -> None:
            Counted.waiting += 1
            loading.append(Counted.waiting)

        def planned(self) -> None: ...

        def go(self, *_: object) -> None:
            Counted.waiting -= 1

        def dismiss(self) -> None: ...

    monkeypatch.setattr(runs, "Child", Counted)
    with opened_instance(load_settings()) as instance, runs.runs_of(instance, load_settings(), {"acme"}) as started:
        many = [("acme", PlannedRun(job="acme_all", tags={}))] * 20
        assert len({each.run_id for each in started.start(many)}) == 20
    assert len(loading) == 20
    assert max(loading) == min(runs.AT_ONCE, 20)
