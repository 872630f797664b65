"""The law "nothing is green": a command, a check or a location that examined nothing says so.

Exit code 3: could not be evaluated. Exit code 2: wrong usage, such as a tenant that does not exist.
"""

from pathlib import Path

import polars as pl
import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS


def test_a_project_without_tenants_is_no_success(target: Target) -> None:
    (target.project.root / "tenants" / "acme").rename(target.project.root / "acme_elsewhere")
    for command in (("check",), ("dbt", "prepare"), ("sla", "status"), ("metrics", "--output", "etl.prom")):
        said = target.etl(*command)
        assert said.code == 3, (command, said.text)
        assert "there is no tenant in" in said.err
        assert "Traceback" not in said.text


def test_a_folder_that_is_no_project_is_no_success(target: Target, tmp_path: Path) -> None:
    elsewhere = {"ETL_PROJECT_DIR": str(tmp_path / "elsewhere"), "DAGSTER_HOME": str(tmp_path / "home")}
    for command in (["check"], ["docs"], ["docs", "--check"]):
        said = target.etl(*command, environ=elsewhere)
        assert (said.code, "no project here" in said.err) == (2, True), said.text
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "home").exists()


def test_what_has_no_rules_no_dbt_no_promises_and_no_objects_says_so(target: Target) -> None:
    target.project.write_pipeline({"quality": None})
    for command, says in (
        (("dbt", "rules", "acme"), "there is no rule"),
        (("dbt", "prepare"), "no tenant uses dbt"),
        (("sla", "status"), "nothing is promised"),
        (("quarantine", "list"), "nothing was published yet"),
        (("quarantine", "show", "acme", "orders"), "no rejected rows"),
        (("sla", "report", "--month", "2001-02"), "no promise was watched in 2001-02"),
    ):
        said = target.etl(*command)
        assert (said.code, says in said.err) == (3, True), (command, said.text)
    assert target.etl("check").code == 0
    assert target.etl("verify", "acme", "--pipeline", "nothing").code == 2


def test_a_promise_that_nothing_measured_is_not_on_track_and_a_daemon_that_does_not_run_is_said(target: Target) -> None:
    target.project.write_pipeline({"sla": {"min_row_count": 1, "max_consecutive_failures": 3}})
    said = target.etl("sla", "status")
    assert said.code == 3, said.text
    assert said.out.count("unmeasured") == 2
    assert "on track" not in said.out
    assert "daemon does not run (it never ran here)" in said.out


def test_a_job_of_a_tenant_without_pipelines_is_refused_where_it_stands(target: Target) -> None:
    target.project.write_tenant({"assets": {"pipelines": {"orders": None}}})
    said = target.etl("check", "acme")
    assert said.code == 2, said.text
    assert "job `daily_etl` has nothing to run" in said.text
    assert "tenants/acme/config.yaml:" in said.text


def test_a_file_that_suggests_no_rule_is_no_success(target: Target, tmp_path: Path) -> None:
    pl.DataFrame({"c": []}, schema={"c": pl.Categorical}).write_parquet(tmp_path / "empty.parquet")
    said = target.etl("rules", "suggest", str(tmp_path / "empty.parquet"), "--engine", "polars")
    assert (said.code, said.out) == (3, "")


@pytest.mark.slow
def test_after_a_run_what_was_examined_is_a_success(target: Target) -> None:
    target.project.write_pipeline({"sla": {"min_row_count": 1, "max_consecutive_failures": 3}})
    target.run_days(DAYS[-1])
    said = target.etl("sla", "status")
    assert said.code == 0, said.text
    assert "daemon does not run" in said.out
    assert target.etl("metrics").code == 0
    assert target.etl("quarantine", "list").code == 0


def test_a_tenant_whose_python_ends_the_process_does_not_end_the_check(target: Target) -> None:
    target.project.write_tenant({}, "beta")
    for leaving in ("os._exit(0)", "os.execv('/bin/true', ['true'])", "sys.exit(0)"):
        (target.project.root / "tenants" / "beta" / "definitions.py").write_text(f"import os, sys\n\n{leaving}\n")
        said = target.etl("check")
        assert said.code == 2, (leaving, said.text)
        assert "beta" in said.text
