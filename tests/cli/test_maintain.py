"""`etl maintain` and the job that does the same: what people see, and the exit codes."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance, JobDefinition

from etl.definitions import build_tenant_definitions
from etl.errors import ConfigError
from tests.tiny_project import DAYS, TinyProject

from .conftest import Etl

pytestmark = pytest.mark.usefixtures("project")


def loaded(etl: Etl) -> None:
    said = etl("run", "acme", "--from", DAYS[0], "--to", DAYS[-1])
    assert said.code == 0, said


def file_of(project: TinyProject) -> Path:
    return project.data / "warehouse" / "acme.duckdb"


def test_a_tenant_without_a_loaded_table_is_no_success(etl: Etl) -> None:
    said = etl("maintain", "acme")
    assert said.code == 3, said
    assert "nothing was cared for: the warehouse has no table that acme has loaded" in said.err


def test_a_checkpoint_says_what_it_gained_and_changes_no_row(etl: Etl, project: TinyProject) -> None:
    loaded(etl)
    with duckdb.connect(file_of(project)) as connection:
        connection.execute("CREATE TABLE gone AS SELECT range AS n, hash(range) AS h FROM range(500000)")
    with duckdb.connect(file_of(project)) as connection:
        connection.execute("DROP TABLE gone")
    before = file_of(project).stat().st_size
    planned = etl("maintain", "acme", "--dry-run")
    assert planned.code == 0, planned
    assert re.search(rf"acme\.duckdb +│ would make a checkpoint +│ {before:,} ", planned.out), planned.out
    assert file_of(project).stat().st_size == before
    said = etl("maintain", "acme")
    assert said.code == 0, said
    assert re.search(r"acme\.duckdb +│ made a checkpoint +│ ", said.out), said.out
    assert etl("verify", "acme").code == 0


def test_an_age_that_a_load_may_need_is_refused(etl: Etl) -> None:
    said = etl("maintain", "acme", "--older-than", "0")
    assert said.code == 2, said
    assert "a load that runs may need files that are younger than one day" in said.err
    assert "give one day or more" in said.err


def test_a_file_that_cannot_be_opened_is_named_and_fails(etl: Etl, project: TinyProject) -> None:
    file_of(project).parent.mkdir(parents=True)
    file_of(project).write_bytes(b"no database" * 1000)
    said = etl("maintain", "acme")
    assert said.code == 1, said
    assert "acme.duckdb │ failed" in said.out
    assert "cannot be opened" in said.out


def care_job(project: TinyProject, **more: Any) -> JobDefinition:
    project.write_tenant({"jobs": {"weekly_care": {"maintain": True, **more}}})
    build_tenant_definitions.cache_clear()
    return build_tenant_definitions("acme").resolve_job_def("acme_weekly_care")


def test_there_is_no_job_unless_the_yaml_asks_for_one(project: TinyProject) -> None:
    build_tenant_definitions.cache_clear()
    jobs = {each.name for each in build_tenant_definitions("acme").jobs or ()}
    assert jobs == {"acme_all", "acme_daily_etl"}


def test_the_job_cares_for_the_tables_and_is_run_like_any_other(etl: Etl, project: TinyProject) -> None:
    loaded(etl)
    project.write_tenant({"jobs": {"weekly_care": {"maintain": True, "schedule": {"cron": "0 3 * * 0"}}}})
    said = etl("run", "acme", "--job", "weekly_care")
    assert said.code == 0, said
    with DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        told = [each.user_message for each in instance.all_logs(run.run_id)]
    assert run.job_name == "acme_weekly_care"
    assert any(each.startswith("acme.duckdb: made a checkpoint") for each in told), told


def test_the_job_fails_if_there_is_nothing_to_care_for(project: TinyProject) -> None:
    with DagsterInstance.ephemeral() as instance:
        ended = care_job(project).execute_in_process(instance=instance, raise_on_error=False)
        assert not ended.success
        (failure,) = ended.get_step_failure_events()
    assert "nothing was cared for" in str(failure.event_specific_data)


@pytest.mark.parametrize("more", [{"verify": True}, {"selection": "tag:pipeline=orders"}])
def test_a_job_of_care_is_about_all_tables_and_nothing_else(project: TinyProject, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"`maintain` is about all loaded tables.*config.yaml:\d+.*jobs.weekly_care"):
        care_job(project, **more)
