"""`etl sla` and `etl metrics`: what they say after runs of a real project."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance
from prometheus_client.parser import text_string_to_metric_families

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.running.sla_watch import SlaWatch
from etl.settings import load_settings
from tests.tiny_project import TinyProject

from .conftest import Etl

SLA = {"max_failure_rate": 0.05, "min_row_count": 20, "freshness": {"max_age_hours": 26}}


@pytest.fixture
def promised(project: TinyProject) -> TinyProject:
    project.write_pipeline({"sla": SLA, "volume": "off", "undated": "ignore"})
    config = load_tenant("acme", load_settings())
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        job = definitions_of(config).resolve_job_def("acme_all")
        assert job.execute_in_process(partition_key="2026-01-03", instance=instance).success
    return project


def without_time(text: str) -> list[str]:
    return [each for each in text.splitlines() if not each.startswith("etl_metrics_timestamp_seconds{")]


def look(project: TinyProject, *hours: float) -> datetime:
    """What the sensor does, at these hours from now."""
    now = datetime.now(UTC)
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        watch = SlaWatch(load_tenant("acme", load_settings()), load_settings())
        for each in hours:
            watch.tick(instance, now + timedelta(hours=each))
    return now


def test_status_says_how_each_promise_stands(promised: TinyProject, etl: Etl) -> None:
    said = etl("sla", "status")
    assert said.code == 0, said.err
    assert [each for each in ("max_age", "failure_rate", "min_row_count") if each not in said.out] == []
    assert "on track" in said.out
    promised.write_pipeline({"sla": {**SLA, "min_row_count": 21}, "volume": "off", "undated": "ignore"})
    said = etl("sla", "status", "--tenant", "acme")
    assert said.code == 1
    assert "21" in said.out
    assert "broken" in said.out


def test_a_promise_about_data_that_is_gone_is_not_kept(promised: TinyProject, etl: Etl) -> None:
    shutil.rmtree(promised.data / "lake")
    said = etl("sla", "status")
    assert said.code == 3, said.out
    assert said.out.count("unmeasured") == 2
    assert "gone from the lake" in " ".join(said.out.split())
    assert "on track" in said.out, "the share of failed checks is a promise about a run"
    assert 'etl_sla_promises_unmeasured{pipeline="orders",tenant="acme"} 2.0' in etl("metrics").out


def test_a_lake_that_cannot_be_read_is_not_known(promised: TinyProject, etl: Etl) -> None:
    folder = promised.data / "lake" / "acme"
    folder.rename(folder.with_name("aside"))
    folder.write_text("no folder")
    assert etl("sla", "status").code == 3


def test_report_as_table_json_and_html(promised: TinyProject, etl: Etl, tmp_path: Path) -> None:
    now = look(promised, 0, 0.4, 0.8)
    month = f"{now:%Y-%m}"
    said = etl("sla", "report", "--month", month)
    assert said.code == 0
    assert "100.00%" in said.out
    found = json.loads(etl("sla", "report", "--month", month, "--format", "json").out)
    assert [(each["tenant"], each["pipeline"], each["kept_share"]) for each in found] == [("acme", "orders", 1.0)]
    page = tmp_path / "report.html"
    assert etl("sla", "report", "--month", month, "--format", "html", "--output", str(page)).code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert "<svg" in page.read_text()


def test_a_month_that_nobody_watched_says_so(promised: TinyProject, etl: Etl) -> None:
    said = etl("sla", "report", "--month", "2001-02")
    assert said.code == 3
    assert "no promise was watched in 2001-02" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sla", "report", "--month", "January"), "`January` is no month"),
        (("sla", "report", "--timezone", "Mars/Olympus"), "`Mars/Olympus` is not a time zone"),
        (("sla", "report", "--timezone", "Asia"), "`Asia` is not a time zone"),
        (("sla", "report", "--timezone", ""), "`` is not a time zone"),
        (("sla", "report", "--format", "html", "--output", "nowhere/x.html"), "nowhere/x.html cannot be written"),
        (("metrics", "--output", "nowhere/x.prom"), "nowhere/x.prom cannot be written: No such file or directory"),
        (("metrics", "--output", "tenants"), "tenants cannot be written: Is a directory"),
        (("sla", "report", "--tenant", "nobody"), "there is no tenant `nobody`"),
        (("sla", "report", "--objective", "1"), "the objective is 1"),
        (("metrics", "--output", "x", "--port", "1"), "both --output and --port"),
        (("metrics", "--port", "70000"), "70000 is no port"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    project: TinyProject, etl: Etl, arguments: tuple[str, ...], says: str
) -> None:
    said = etl(*arguments)
    assert said.code == 2
    assert says in said.err


def test_metrics_are_a_text_file_that_prometheus_reads(promised: TinyProject, etl: Etl, tmp_path: Path) -> None:
    look(promised, 0, 0.5)
    path = tmp_path / "etl.prom"
    assert etl("metrics", "--output", str(path)).code == 0
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(str(os.getpid()))] == []
    samples = {
        each.name: (each.labels, each.value)
        for family in text_string_to_metric_families(path.read_text())
        for each in family.samples
    }
    labels = {"tenant": "acme", "pipeline": "orders"}
    assert samples["etl_pipeline_rows"] == (labels, 20)
    assert samples["etl_pipeline_runs_total"] == (labels, 1)
    assert samples["etl_pipeline_failures_total"] == (labels, 0)
    assert samples["etl_checks_passed"] == (labels, 2)
    assert samples["etl_sla_promises"] == (labels, 3)
    assert samples["etl_sla_promises_broken"] == (labels, 0)
    assert samples["etl_sla_kept_ratio"] == (labels, 1)
    assert samples["etl_pipeline_size_bytes"][1] > 0
    assert samples["etl_pipeline_duration_seconds"][1] > 0
    assert without_time(etl("metrics").out) == without_time(path.read_text())


def test_a_tenant_that_does_not_load_hides_no_other(promised: TinyProject, etl: Etl, tmp_path: Path) -> None:
    promised.write_tenant({"grup": "CD"}, tenant="broken")
    said = etl("sla", "status")
    assert said.code == 2
    assert "min_row_count" in said.out
    assert "unknown key `grup`" in said.err
    path = tmp_path / "etl.prom"
    said = etl("metrics", "--output", str(path))
    assert said.code == 2
    assert "unknown key `grup`" in said.err
    text = path.read_text()
    assert 'etl_tenant_loaded{pipeline="",tenant="acme"} 1.0' in text
    assert 'etl_tenant_loaded{pipeline="",tenant="broken"} 0.0' in text
    assert 'etl_sla_promises{pipeline="orders",tenant="acme"} 3.0' in text
    assert etl("sla", "status", "--tenant", "acme").code == 0


def test_what_was_not_judged_is_neither_kept_nor_silent(
    promised: TinyProject, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.cli.sla.PATIENCE", -1.0)  # no time to read the event log
    monkeypatch.setattr("etl.cli.metrics.PATIENCE", -1.0)
    said = etl("sla", "status")
    assert said.code == 3
    assert "acme/orders is not judged yet" in said.err
    assert "on track" not in said.out
    text = etl("metrics").out
    assert 'etl_sla_unjudged{pipeline="orders",tenant="acme"} 1.0' in text
    assert "etl_sla_promises" not in text


def test_metrics_are_served_on_the_loopback_interface(promised: TinyProject) -> None:
    command = [sys.executable, "-c", "from etl.cli import main; main()", "metrics", "--port", "0"]
    with subprocess.Popen(
        command, env=promised.process_environ, cwd=promised.root, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(url, timeout=60) as answer:
                text = answer.read().decode()
        finally:
            server.kill()
    assert 'etl_pipeline_rows{pipeline="orders",tenant="acme"} 20.0' in text
