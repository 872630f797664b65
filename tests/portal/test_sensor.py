"""The sensor that keeps pages fresh: there is one where a folder is named, and it writes what it has time for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, SensorDefinition, build_sensor_context

from etl.definitions import build_all_definitions, build_tenant_definitions, definitions_of
from etl.errors import EtlError
from etl.factories import page_sensor
from etl.factories.page_sensor import location_page_sensor, tenant_page_sensor
from etl.settings import Settings
from etl.trial.own_error import OwnPythonError
from etl.trial.trouble import TenantTrouble
from tests.portal.world import config_of
from tests.running.promised_world import make_settings
from tests.tiny_project import make_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = make_settings(tmp_path).model_copy(update={"portal_dir": tmp_path / "out"})
    for tenant in ("alice", "bob"):
        (made.tenants_dir / tenant).mkdir(parents=True)
        (made.tenants_dir / tenant / "config.yaml").touch()
    return made


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def tick(sensor: SensorDefinition, instance: DagsterInstance) -> str:
    with build_sensor_context(instance=instance) as context:
        found = sensor.evaluate_tick(context)
    return found.skip_message or ""


def written(settings: Settings) -> list[str]:
    assert settings.portal_dir is not None
    return sorted(each.parent.name for each in settings.portal_dir.rglob("index.html"))


def test_without_a_folder_there_is_no_sensor(tmp_path: Path) -> None:
    assert tenant_page_sensor(config_of("alice"), make_settings(tmp_path)) == []
    assert location_page_sensor({"alice": config_of("alice")}, {}, make_settings(tmp_path)) == []
    assert [each.name for each in definitions_of(config_of("alice")).sensors or ()] == ["alice_sla_sensor"]


def test_a_tenants_sensor_writes_only_its_page(settings: Settings, instance: DagsterInstance) -> None:
    (sensor,) = tenant_page_sensor(config_of("alice"), settings)
    assert (sensor.name, sensor.default_status.value) == ("alice_page_sensor", "RUNNING")
    assert tick(sensor, instance) == "1 page written"
    assert written(settings) == ["alice"]


def test_a_locations_sensor_writes_all_also_of_broken_tenants_and_removes_what_is_gone(
    settings: Settings, instance: DagsterInstance
) -> None:
    carol = location_page_sensor({"carol": config_of("carol")}, {}, settings)[0]
    tick(carol, instance)
    raised = OwnPythonError("SystemExit: 3", told="it raised SystemExit")
    broken = {"bob": TenantTrouble("bob", EtlError("broken by tenant alice")), "alice": TenantTrouble("alice", raised)}
    (sensor,) = location_page_sensor({"alice": config_of("alice"), "bob": None}, broken, settings)
    assert tick(sensor, instance) == "2 pages written"
    assert written(settings) == ["_operator", "alice", "bob"]
    assert settings.portal_dir is not None
    answers = {name: json.loads((settings.portal_dir / name / "page.json").read_text()) for name in ("alice", "bob")}
    assert answers["alice"]["problem"]["lines"] == ["it raised SystemExit"]
    assert answers["alice"]["pipelines"] != []
    assert answers["bob"]["problem"]["lines"] == ["broken by tenant another-tenant"]


def test_what_there_was_no_time_for_comes_first_in_the_next_tick(
    settings: Settings, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_sensor, "SECONDS", -1.0)
    (sensor,) = location_page_sensor({each: config_of(each) for each in ("alice", "bob")}, {}, settings)
    assert tick(sensor, instance) == "1 page written; 1 left for the next tick"
    assert tick(sensor, instance) == "1 page written; 1 left for the next tick"
    assert written(settings) == ["_operator", "alice", "bob"]


def test_a_page_that_cannot_be_written_makes_the_tick_fail(settings: Settings, instance: DagsterInstance) -> None:
    assert settings.portal_dir is not None
    settings.portal_dir.mkdir()
    (settings.portal_dir / "alice").write_text("a file")
    (sensor,) = location_page_sensor({each: config_of(each) for each in ("alice", "bob")}, {}, settings)
    with build_sensor_context(instance=instance) as context, pytest.raises(EtlError, match=r"alice.* is not a folder"):
        sensor.evaluate_tick(context)
    assert written(settings) == ["_operator", "bob"]


def test_a_location_of_all_tenants_has_one_sensor_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    for name, value in {**project.environ, "ETL_PORTAL_DIR": str(tmp_path / "out")}.items():
        monkeypatch.setenv(name, value)
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    sensors = build_all_definitions().sensors or ()
    assert [each.name for each in sensors] == ["page_sensor"]
    assert [each.name for each in build_tenant_definitions("acme").sensors or ()] == ["acme_page_sensor"]
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
