"""The last good configuration is served while the present one is broken, is marked, and never does what was withdrawn."""

import json
from collections.abc import Callable

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, build_sensor_context

from etl.definitions import troubles_of
from etl.definitions.last_good_served import unpin
from etl.errors import ConfigError
from etl.last_good import kept
from etl.settings import load_settings
from tests.factories.test_building import project
from tests.tiny_project import TRANSFORM, TinyProject
from tests.trial.dump import dump_by_tenant
from tests.trial.served import build
from tests.trial.ways import WAYS, python

__all__ = ["project"]
BROKEN = AssetKey(["acme", "broken", "configuration"])
TRANSFER = AssetKey(["acme", "transfer", "orders"])
LOAD = AssetKey(["acme", "load", "orders"])


@pytest.fixture
def two(project: TinyProject) -> TinyProject:
    """Two tenants, of which the last good configuration is kept."""
    (project.root / "pyproject.toml").write_text("[tool.etl]\nkeep_last_good = true\npython_seconds = 5\n")
    project.write_tenant(tenant="beta")
    build()
    return project


def keys(found: Definitions) -> set[AssetKey]:
    return set(found.resolve_asset_graph().get_all_asset_keys())


def said(found: Definitions) -> str:
    return found.resolve_asset_graph().get(BROKEN).description or ""


def a_rule_that_is_none(two: TinyProject) -> None:
    two.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_nul"}]}})


KEPT: dict[str, Callable[[TinyProject], object]] = {
    "python": lambda two: python("raise ValueError", "").change(two.root / "tenants" / "acme"),
    "python that hurts": lambda two: WAYS["os_abort"].change(two.root / "tenants" / "acme"),
    "a transform": lambda two: two.write_transform("def other(): ...\n"),
    "a rule": a_rule_that_is_none,
    "a new pipeline": lambda two: two.write_tenant({"assets": {"pipelines": {"more": {"source_tabel": "x"}}}}),
}


@pytest.mark.parametrize("what", sorted(KEPT))
def test_the_last_good_configuration_is_served_and_marked(two: TinyProject, what: str) -> None:
    before = dump_by_tenant(build())["beta"]
    digest = kept("acme", load_settings()).digest[:12]  # type: ignore[union-attr]
    KEPT[what](two)
    found = build()
    assert {LOAD, BROKEN} <= keys(found)
    assert f"Its last good configuration is served: {digest} of " in said(found)
    assert found.resolve_asset_graph().get(LOAD).tags["etl/last_good"] == digest
    assert dump_by_tenant(found)["beta"] == before
    unpin("acme")  # a command has no location in its process
    (trouble,) = troubles_of(["acme", "beta"], load_settings(), {"acme"}).values()
    assert str(trouble) in said(found)
    (job,) = [each for each in found.resolve_all_job_defs() if each.name == "acme_daily_etl"]
    assert job.tags["etl/last_good"] == digest  # so the run says which configuration it had


def without(name: str) -> Callable[[TinyProject], object]:
    return lambda two: two.write_tenant({name: None, "sla": {"max_failure_rat": 1}})


WITHDRAWN: dict[str, tuple[Callable[[TinyProject], object], str]] = {
    "a pipeline": (
        lambda two: two.write_tenant({"assets": {"pipelines": {"orders": None}}, "sla": {"max_failure_rat": 1}}),
        "has no pipeline orders",
    ),
    "a column": (
        lambda two: two.write_pipeline({"columns": ["order_id"], "colums": []}),
        "about columns, colums of pipeline orders",
    ),
    "personal columns": (lambda two: two.write_pipeline({"pii_columns": ["name"], "colums": []}), "pii_columns"),
    "a target": (lambda two: two.write_pipeline({"trino_output": {"target_table": "x y"}}), "trino_output"),
    "the tenant": (lambda two: two.write_tenant({"enabled": False, "sla": {"max_failure_rat": 1}}), "enabled"),
    "a job": (without("jobs"), "has no job daily_etl"),
    "the source": (without("source_database"), "source_database"),
    "everything, perhaps": (
        lambda two: WAYS["yaml_with_a_tab"].change(two.root / "tenants" / "acme"),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("what", sorted(WITHDRAWN))
def test_what_the_present_file_no_longer_says_is_not_done(two: TinyProject, what: str) -> None:
    change, why = WITHDRAWN[what]
    change(two)
    found = build()
    assert BROKEN in keys(found)
    assert LOAD not in keys(found)
    assert "Its last good configuration is not served" in said(found)
    assert why in said(found)


def test_the_present_file_is_served_again_as_soon_as_it_loads(two: TinyProject) -> None:
    a_rule_that_is_none(two)
    build()
    two.write_pipeline({"quality": {"rules": []}})
    found = build()
    assert BROKEN not in keys(found)
    node = found.resolve_asset_graph().get(LOAD)
    assert "etl/last_good" not in node.tags
    assert not [
        key
        for key in found.resolve_asset_graph().asset_check_keys
        if (key.asset_key, key.name) == (TRANSFER, "not_null__order_id")
    ]


def test_the_check_has_failed_for_as_long_as_the_present_file_is_broken(two: TinyProject) -> None:
    a_rule_that_is_none(two)
    found = build()
    (sensor,) = [each for each in found.sensors or () if each.name == "sla_sensor"]
    with DagsterInstance.ephemeral() as instance:
        sensor(build_sensor_context(instance, definitions=found))
        (key,) = [each for each in found.resolve_asset_graph().asset_check_keys if each.asset_key == BROKEN]
        summary = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert summary.status.value == "FAILED"


def test_kept_files_that_were_changed_are_not_used(two: TinyProject) -> None:
    last = kept("acme", load_settings())
    assert last is not None
    (last.folder / "transforms" / "orders.py").write_text(TRANSFORM + "\n# another\n")
    a_rule_that_is_none(two)
    found = build()
    assert LOAD not in keys(found)
    assert "was changed since it was kept" in said(found)


def test_without_being_asked_for_nothing_is_kept(two: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule_that_is_none(two)
    (two.root / "pyproject.toml").write_text("")
    found = build()
    assert LOAD not in keys(found)
    assert "last good" not in said(found)
    (two.root / "pyproject.toml").write_text("[tool.etl]\nkeep_last_good = true\n")
    monkeypatch.setenv("ETL_STRICT", "1")
    with pytest.raises(ConfigError, match="1 tenant"):
        build()


def test_no_path_of_this_host_is_kept(two: TinyProject) -> None:
    for path in (two.data / "last_good").rglob("*"):
        assert not path.is_file() or str(two.root) not in path.read_text(encoding="utf-8")
    says = json.loads((two.data / "last_good" / "acme" / "current.json").read_text())
    assert set(says) == {"format", "digest", "at"}


def test_python_of_its_own_is_that_of_the_kept_files(two: TinyProject) -> None:
    folder = two.root / "tenants" / "acme"
    (folder / "helpers.py").write_text("NAME = 'good'\n")
    own = "import dagster as dg\nfrom .helpers import NAME\n\n\n@dg.asset(key=['acme', 'own', NAME])\ndef mine(): ...\n"
    usual = 'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n'
    merged = f"{own}\n{usual}\ndefs = dg.Definitions.merge(defs, dg.Definitions(assets=[mine]))\n"
    (folder / "definitions.py").write_text(merged)
    build()
    (folder / "helpers.py").write_text("NAME = 'bad'\nraise ValueError\n")
    assert AssetKey(["acme", "own", "good"]) in keys(build())
    (folder / "helpers.py").write_text("NAME = 'new'\n")
    found = keys(build())
    assert AssetKey(["acme", "own", "new"]) in found
    assert BROKEN not in found
