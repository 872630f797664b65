"""The world of two tenants, made once; each test gets a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import faults
from tests.cli.conftest import etl
from tests.lifecycle.world import World, fill, make_world
from tests.tiny_project import TinyProject

__all__ = ["etl"]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lifecycle")
    with pytest.MonkeyPatch.context() as patch:
        project = TinyProject(root / "project", root / "data")
        for name, value in project.environ.items():
            patch.setenv(name, value)
        fill(make_world(root))
    return root


@pytest.fixture
def world(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the filled world."""
    shutil.copytree(filled, tmp_path / "world")
    return enter(tmp_path / "world", monkeypatch)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], World]:
    """Another installation without a tenant; from the call on, the environment is its."""

    def go() -> World:
        root = tmp_path / "elsewhere"
        (root / "project" / "tenants").mkdir(parents=True)
        (root / "data" / "dagster").mkdir(parents=True)
        shutil.copy(tmp_path / "world" / "project" / "dagster.yaml", root / "data" / "dagster" / "dagster.yaml")
        return enter(root, monkeypatch)

    return go


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(TinyProject(root / "project", root / "data"))
    for name, value in {**found.project.environ, "ETL_PORTAL_DIR": str(root / "data" / "portal")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(found.project.root)
    return found


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the next process stop at a point: here, an error of the operating system at that point."""

    def at(point: str) -> None:
        faults._reached.clear()
        monkeypatch.setenv("ETL_FAULT", f"{point}=raise") if point else monkeypatch.delenv("ETL_FAULT", raising=False)

    return at
