"""Building definitions reads files and nothing else, once per process, and takes no other tenant down."""

import builtins
import os
import runpy
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import AssetKey, DagsterInstance, Definitions, materialize

from etl import all as every_location
from etl.cli.locations import unserved
from etl.config import load_tenant
from etl.definitions import build_all_definitions, build_tenant_definitions, definitions_of, one_tenant, process
from etl.errors import ConfigError, EtlError
from etl.running.compat import AssetGraph
from etl.settings import load_settings
from tests.installation import REPOSITORY, TENANTS, Installation
from tests.tiny_project import TinyProject, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyProject]:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    forget_tenants(monkeypatch)
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    yield made
    forget_packages()


def forget_packages() -> None:
    """Let the package `tenants` be imported again, of this project or of another."""
    for name in [each for each in sys.modules if each == "tenants" or each.startswith("tenants.")]:
        del sys.modules[name]


def forget_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package `tenants` of another project may have been imported before; and let the path be as it was after."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each or ".").resolve() != REPOSITORY])
    for name in [each for each in sys.modules if each == "tenants" or each.startswith("tenants.")]:
        monkeypatch.delitem(sys.modules, name)


def refuse(what: str) -> Callable[..., Any]:
    def refused(*args: object, **kwargs: object) -> object:
        raise AssertionError(f"{what}: {args} {kwargs}")

    return refused


@pytest.mark.xdist_group("project")
@pytest.mark.parametrize("tenant", TENANTS)
def test_building_opens_no_connection_and_starts_no_process(
    definitions: Mapping[str, Definitions], installed: Installation, monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    del definitions  # dbt has been parsed before
    for name in (f"{tenant.upper()}_DB_{part}" for part in ("HOST", "NAME", "USER", "PASSWORD")):
        monkeypatch.setenv(name, "192.0.2.1")  # a database is configured, and cannot be reached
    monkeypatch.setattr(socket.socket, "connect", refuse("a socket was opened"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse("a name was looked up"))
    monkeypatch.setattr(subprocess, "Popen", refuse("a process was started"))
    monkeypatch.setattr(sqlite3, "connect", refuse("a database was opened"))
    monkeypatch.setattr(duckdb, "connect", refuse("a warehouse was opened"))
    written: list[str] = []
    really_open = builtins.open

    def watched(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) & set("wax+"):
            written.append(str(file))
        return really_open(file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", watched)
    built = definitions_of(load_tenant(tenant, load_settings()))
    assert built.resolve_asset_graph().get_all_asset_keys()
    assert built.get_repository_def().schedule_defs
    assert written == []
    assert not (installed.data / "lake").exists()
    assert not (installed.data / "warehouse").exists()


def test_a_location_is_built_once_per_process(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def counted(tenant: str, *args: Any) -> Any:
        loads.append(tenant)
        return load_tenant(tenant, *args)

    monkeypatch.setattr(one_tenant, "load_tenant", counted)
    found = [runpy.run_path(str(project.root / "tenants/acme/definitions.py"))["defs"] for _ in range(14)]
    assert len({id(each) for each in found}) == 1
    build_all_definitions()
    build_all_definitions()
    assert loads == ["acme"]


def test_a_tenant_has_the_jobs_of_its_yaml_and_one_for_everything(project: TinyProject) -> None:
    """Dagster's cost of a location grows with its jobs: none is there that nobody asked for."""
    pipelines = {f"p{number}": {"source_table": "orders"} for number in range(6)}
    project.write_tenant({"assets": {"pipelines": pipelines}, "jobs": {"gold": {"selection": "tag:data_tier=bronze"}}})
    found = build_tenant_definitions("acme").get_repository_def()
    assert {each.name for each in found.get_all_jobs()} == {"acme_all", "acme_daily_etl", "acme_gold", "__ASSET_JOB"}


def test_a_graph_is_resolved_once_for_its_tenant_and_once_for_the_location(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of its jobs."""
    resolved: list[int] = []
    from_assets = AssetGraph.from_assets.__func__  # type: ignore[attr-defined]

    def counted(cls: type[AssetGraph], assets: Any) -> AssetGraph:
        found: AssetGraph = from_assets(cls, assets)
        resolved.append(len(found.executable_asset_keys))
        return found

    monkeypatch.setattr(AssetGraph, "from_assets", classmethod(counted))
    jobs = {f"job_{number}": {"selection": "*"} for number in range(5)}
    for tenant in ("acme", "beta", "gamma"):
        project.write_tenant({"jobs": jobs}, tenant=tenant)
    build_all_definitions().get_repository_def()
    assert len(resolved) == 4
    assert sum(resolved[:3]) == resolved[3]


def test_shards_hold_every_tenant_once_and_one_sensor_each(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = {"acme", *(f"tenant_{number}" for number in range(6))}
    for tenant in tenants:
        project.write_tenant({"notifications": [{"type": "log"}]}, tenant=tenant)
    (project.root / "tenants" / "tenant_5" / "config.yaml").write_text("tenant: {id: nobody}")
    (project.root / "pyproject.toml").write_text("[tool.etl]\nshards = 3\n")
    monkeypatch.setattr(process, "configs", {})
    held: list[str] = []
    for number in (1, 2, 3):
        found = getattr(every_location, f"shard_{number}")
        held += {key.path[0] for key in found.resolve_asset_graph().get_all_asset_keys()}
        assert [each.name for each in found.sensors] == ["sla_sensor"]
        assert f"shard_{number}" not in dir(every_location)
    assert sorted(held) == sorted(tenants)
    for wrong in ("shard_0", "shard_4"):
        with pytest.raises(EtlError, match="there is no shard"):
            getattr(every_location, wrong)
    with pytest.raises(AttributeError):
        _ = every_location.defs_1
    assert dir(every_location) == ["defs"]


def test_check_names_tenants_that_no_location_serves(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    project.write_tenant({}, tenant="beta")

    def said() -> list[str]:
        return [str(each) for each in unserved(load_settings())]

    def serve(*entries: str) -> None:
        rows = "".join(f"  - python_module: {{{each}, working_directory: .}}\n" for each in entries)
        (project.root / "workspace.yaml").write_text(f"load_from:\n{rows}" if rows else "load_from: []\n")

    acme = "module_name: tenants.acme.definitions, location_name: acme"
    serve(acme)
    (warning,) = said()
    assert "no code location of workspace.yaml serves tenant beta" in warning
    assert "`module_name: tenants.beta.definitions`" in warning
    serve(acme, "module_name: tenants.beta.definitions, location_name: another_name")
    assert said() == []
    serve("module_name: etl.all, attribute: defs, location_name: all")
    assert said() == []
    serve(acme, "module_name: my.own, location_name: mine")
    assert said() == [], "which tenants such a module merges is not known"
    (project.root / "pyproject.toml").write_text("[tool.etl]\nshards = 2\n")
    shards = [f"module_name: etl.all, attribute: shard_{each}, location_name: shard_{each}" for each in (1, 2)]
    serve(*shards)
    assert said() == []
    serve(shards[0])
    missing = said()
    assert missing
    assert all("`attribute: shard_2`" in each for each in missing)


def test_a_secret_stays_a_reference_until_a_run(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("HOST", "NAME", "USER"):
        monkeypatch.setenv(f"ACME_DB_{part}", "somewhere")
    monkeypatch.setenv("ACME_DB_PASSWORD", "s3cr3t-value")
    built = build_tenant_definitions("acme")
    snapshot = repr([each.model_dump() for each in (built.resources or {}).values()])
    snapshot += repr([job.get_job_snapshot() for job in built.resolve_all_job_defs()])
    assert "s3cr3t-value" not in snapshot
    assert "${ACME_DB_PASSWORD}" in snapshot


BREAKAGES: dict[str, Callable[[TinyProject], object]] = {
    "yaml": lambda p: p.write_pipeline({"source_tabel": "orders"}),
    "not_yaml": lambda p: (p.root / "tenants/acme/config.yaml").write_bytes(b"\xff{"),
    "python": lambda p: (p.root / "tenants/acme/definitions.py").write_text("raise ValueError('mine')"),
    "syntax": lambda p: (p.root / "tenants/acme/definitions.py").write_text("def"),
    "no_defs": lambda p: (p.root / "tenants/acme/definitions.py").write_text("x = 1"),
    "not_loadable": lambda p: (p.root / "tenants/acme/definitions.py").write_text(
        "import dagster as dg\nfrom etl import build_tenant_definitions\n\n"
        "job = dg.define_asset_job('acme_odd', selection=[['acme', 'load', 'nothing']])\n"
        'defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions(jobs=[job]))\n'
    ),
    "a_name_of_another": lambda p: (p.root / "tenants/acme/definitions.py").write_text(
        "import dagster as dg\nfrom etl import build_tenant_definitions\n\n\n"
        "@dg.asset(key=['other', 'load', 'orders'])\ndef orders() -> None: ...\n\n\n"
        'defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions(assets=[orders]))\n'
    ),
    "system_exit": lambda p: (p.root / "tenants/acme/definitions.py").write_text("raise SystemExit(3)"),
}


@pytest.mark.parametrize("breakage", sorted(BREAKAGES))
def test_a_broken_tenant_stands_there_as_broken_and_harms_no_other(project: TinyProject, breakage: str) -> None:
    project.write_tenant(tenant="other")
    BREAKAGES[breakage](project)
    found = build_all_definitions()
    graph = found.resolve_asset_graph()
    assert AssetKey(["acme", "broken", "configuration"]) in graph.get_all_asset_keys()
    assert AssetKey(["other", "load", "orders"]) in graph.get_all_asset_keys()
    assert {job.name for job in found.resolve_all_job_defs()} >= {"other_all", "other_daily_etl"}
    assert not [job.name for job in found.resolve_all_job_defs() if job.name.startswith("acme")]
    broken = next(each for each in found.assets or () if AssetKey(["acme", "broken", "configuration"]) in each.keys)
    with DagsterInstance.ephemeral() as instance:
        result = materialize([broken], instance=instance, raise_on_error=False)
    assert not result.success  # and this process is still here


def test_a_job_that_has_the_name_of_another_tenants_job_harms_only_its_own_tenant(project: TinyProject) -> None:
    project.write_tenant({"jobs": {"eu_all": {"selection": "*"}}})
    project.write_tenant(tenant="acme_eu")
    found = build_all_definitions()
    graph = found.resolve_asset_graph()
    assert AssetKey(["acme", "broken", "configuration"]) in graph.get_all_asset_keys()
    assert "acme_eu_all" in (graph.get(AssetKey(["acme", "broken", "configuration"])).description or "")
    (job,) = [each for each in found.get_repository_def().get_all_jobs() if each.name == "acme_eu_all"]
    assert {key.path[0] for key in job.asset_layer.selected_asset_keys} == {"acme_eu"}


def test_validation_does_fail_for_a_broken_tenant(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEFS_VALIDATION_CLI", "1")
    project.write_tenant(tenant="other")
    project.write_pipeline({"source_tabel": "orders"})
    with pytest.raises(ConfigError, match="acme") as caught:
        build_all_definitions()
    assert "did you mean `source_table`" in str(caught.value)


def test_a_tenant_may_add_definitions_of_its_own(project: TinyProject) -> None:
    (project.root / "tenants/acme/definitions.py").write_text(
        "import dagster as dg\nfrom etl import build_tenant_definitions\n\n\n"
        "@dg.asset(key=['acme', 'report', 'weekly'], deps=[['acme', 'load', 'orders']])\n"
        "def weekly() -> None: ...\n\n\n"
        'defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions(assets=[weekly]))\n'
    )
    keys = build_all_definitions().resolve_asset_graph().get_all_asset_keys()
    assert AssetKey(["acme", "report", "weekly"]) in keys
    assert AssetKey(["acme", "load", "orders"]) in keys


def test_disabled_pipelines_and_tenants_are_not_built(project: TinyProject) -> None:
    project.write_pipeline({"enabled": False})
    assert not build_tenant_definitions("acme").resolve_asset_graph().get_all_asset_keys()


def test_the_names_of_the_package_are_there(project: TinyProject) -> None:
    import etl

    assert etl.build_tenant_definitions is build_tenant_definitions
    assert etl.get_all_definitions().resolve_asset_graph().get_all_asset_keys()
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = etl.nothing_like_it  # type: ignore[attr-defined]
    assert os.environ["ETL_PROJECT_DIR"] == str(project.root)
