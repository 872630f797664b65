"""What `etl plan` and `etl explain` must never miss: each test is something that they once did not say."""

import shutil
from pathlib import Path

import pytest

from etl.planning.apply import Applying, files_of
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl
from tests.planning.world import World, make_world
from tests.tiny_project import TRANSFORM, TinyProject

__all__ = ["etl"]
OTHER = TRANSFORM.replace("* 100", "* 1000")
DAYS = ("2026-01-01", "2026-01-03")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small tenant, of which `orders` was run and everything was recorded as applied."""
    root = tmp_path_factory.mktemp("ran")
    world = make_world(root)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.project.environ.items():
            patch.setenv(name, value)
        assert world.run("orders", ("extract", "transfer", "load"), *DAYS).success
        world.record()
    return root


@pytest.fixture
def world(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it of the test's own."""
    root = tmp_path / "copy"
    shutil.copytree(ran, root)
    own = World(TinyProject(root / "project", root / "data"))
    for name, value in own.project.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(own.project.root)
    return own


def applying(world: World) -> Applying:
    """An apply as the command begins it."""
    return Applying(
        world.config, load_settings(), world.described(), *world.applied(), files_of(world.config, load_settings())
    )


def test_an_apply_that_was_killed_is_told_although_the_edit_was_taken_back(world: World, etl: Etl) -> None:
    assert world.plan().is_empty
    world.project.write_transform(OTHER)
    applying(world).begin()
    assert world.run("orders", ("transfer", "load"), *DAYS).success, "then the command was killed"
    rows = world.table("shop.orders")
    world.project.write_transform(TRANSFORM)
    said = etl("plan", "acme", "--exit-code")
    assert said.code == 1
    assert "nothing has changed" not in said.out
    assert "did not end" in said.out
    assert "orders: transfer, load of 3 days, rewritten" in said.out
    plan = world.plan()
    again = applying(world)
    assert all(each.success for each in world.apply(plan))
    again.end(())
    assert world.table("shop.orders") != rows
    assert world.plan().is_empty


def test_a_file_that_changes_while_the_runs_are_at_work_is_not_recorded(
    world: World, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project.write_transform(OTHER)

    def runs(*_: object, **__: object) -> list[str]:
        world.project.write_transform(OTHER.replace("* 1000", "* 10"))
        return []

    monkeypatch.setattr("etl.cli.plan._Command._run", runs)
    said = etl("plan", "acme", "--apply")
    assert said.code == 3
    assert "its files have changed while its runs were at work" in said.err
    world.project.write_transform(OTHER)
    found = world.plan()
    assert found.changes, "nothing was recorded"
    world.project.write_transform(TRANSFORM)
    assert not world.plan().is_empty


def test_a_tenant_that_was_applied_and_removed_is_told_without_its_name(world: World, etl: Etl) -> None:
    shutil.copytree(world.project.root / "tenants" / "acme", world.project.root / "tenants" / "umbrella")
    shutil.rmtree(world.project.root / "tenants" / "acme")
    text = (world.project.root / "tenants" / "umbrella" / "config.yaml").read_text(encoding="utf-8")
    path = world.project.root / "tenants" / "umbrella" / "config.yaml"
    path.write_text(text.replace("id: acme", "id: umbrella"), encoding="utf-8")
    said = etl("plan")
    assert "- tenant acme" in said.out, said.err
    assert "the tenant is gone" in said.out
    said = etl("plan", "acme", "--apply")
    assert said.code == 2
    assert "--apply --allow" in said.err
    assert etl("plan", "acme", "--apply", "--allow").code == 0
    assert etl("plan", "acme").code == 2, "it is forgotten"
