"""docs/promises.md, run as it stands."""

import re
from pathlib import Path
from textwrap import indent
from typing import Any

import polars as pl
import pytest
import yaml
from dagster import AssetCheckKey, AssetKey, DagsterInstance, SensorDefinition, build_sensor_context

from etl.config import load_tenant
from tests.running.promised_world import make_config, make_settings

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
SUPERSEDED = pytest.mark.filterwarnings("ignore:Function .* is superseded:Warning", "ignore::FutureWarning")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "promises_page"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_the_promise_of_the_page_is_one_that_loads() -> None:
    text, _ = blocks("yaml")
    days = {"date_column": "day", "partitions": {"start": "2026-01-01"}}
    sla = make_config("acme", {"lot_history": {**days, **yaml.safe_load(text)}}).sla_of("lot_history")
    assert sla is not None
    assert sla.freshness is not None
    written = {*sla.model_fields_set, *sla.freshness.model_fields_set}
    assert written >= {"deadline", "max_age_hours", "max_failure_rate", "min_row_count", "max_consecutive_failures"}


def test_the_notifications_of_the_page_are_ones_that_load(tmp_path: Path) -> None:
    _, text = blocks("yaml")
    settings = make_settings(tmp_path)
    path = settings.tenants_dir / "acme" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text('tenant:\n  id: acme\n  owners: ["team:planning"]\n' + indent(text, "  "))
    config = load_tenant("acme", settings)
    assert [each.type for each in config.notifications] == ["log", "slack", "webhook", "email"]


@pytest.mark.parametrize(("emails", "broken"), [(["a@x.org", "b@x.org"], False), (["a@x.org", "a@x.org"], True)])
def test_the_resource_judges_what_a_run_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emails: list[str], broken: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    pl.DataFrame({"user_id": [1, 2], "email": emails}).write_parquet("data/users.parquet")
    code, _ = blocks("python")
    names = run(code)
    with DagsterInstance.ephemeral() as instance:
        job = names["defs"].resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance)
        assert result.success
        (made,) = result.asset_materializations_for_node("validated_users")
    assert made.metadata["sla_violations"].value == int(broken)
    assert made.metadata["sla_pass_rate"].value == (0.5 if broken else 1.0)
    stats = names["counts"].get_stats()
    assert (stats["check_count"], stats["violation_count"]) == (1, int(broken))


@SUPERSEDED
def test_dagsters_own_freshness_checks_and_their_sensor_work(tmp_path: Path) -> None:
    _, code = blocks("python")
    names = run(code)
    key = AssetCheckKey(AssetKey(["posts"]), "freshness_check")
    with DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        job = names["defs"].resolve_implicit_global_asset_job_def()
        assert (
            job.get_subset(asset_selection={AssetKey(["posts"])}, asset_check_selection=set())
            .execute_in_process(instance=instance)
            .success
        )
        assert job.get_subset(asset_check_selection={key}).execute_in_process(instance=instance).success
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert record.evaluation is not None
        assert record.evaluation.passed
        (sensor,) = names["defs"].sensors
        assert isinstance(sensor, SensorDefinition)
        with build_sensor_context(instance=instance, definitions=names["defs"]) as context:
            list(sensor(context) or ())  # type: ignore[call-overload]
