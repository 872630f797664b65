"""Each command of a tenant's life is killed at every one of its points, one after the other, and ends as it should."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Etl
from tests.faults.points import points_in_code
from tests.lifecycle.scan import files_with
from tests.lifecycle.test_killed import killed
from tests.lifecycle.world import PERSON, World, canary

pytestmark = pytest.mark.slow

SUBJECT = (
    "begun", "object_rewritten", "rejected_rewritten", "objects_rewritten", "partition_loaded", "loaded_again",
    "rows_deleted", "versions_removed", "previews_removed", "certified",
)  # fmt: skip
ERASE = (
    "fenced", "begun", "rows_of_history_deleted", "runs_deleted", "tables_dropped", "removed.lake", "certified",
    "erased",
)  # fmt: skip
RENAME = ("fenced", "object_renamed", "objects_renamed", "state_renamed", "files_renamed", "objects_removed")
UNDO = ("objects_back", "state_back")
EXPORT = ("object_exported", "table_exported", "exported")
IMPORT = ("fenced", "table_made", "tables_imported", "object_imported", "objects_imported")


def test_every_point_of_the_room_is_tried() -> None:
    found = {point for _, point in points_in_code() if point.startswith("lifecycle.")}
    tried = {each.removesuffix(".lake") for each in (*SUBJECT, *ERASE, *RENAME, *UNDO, *EXPORT, *IMPORT)}
    assert found == {f"lifecycle.{each}" for each in tried}


def kill_at_each(world: World, points: tuple[str, ...], *command: str) -> None:
    for point in points:
        assert killed(world, f"lifecycle.{point}", *command) == -9, point


def kept_by_the_other(world: World) -> list[str]:
    """What the other tenant has, but for drafts of dead processes, which every command may sweep."""
    return [each for each in files_with(canary("acme_eu"), *world.folders) if not each.startswith("staging/")]


def in_lake(world: World) -> int:
    """How many objects of the lake have rows of the tenant."""
    return sum(each.startswith("lake/") for each in files_with(canary("acme"), *world.folders))


def test_of_erasing_a_person(world: World, etl: Etl) -> None:
    other = kept_by_the_other(world)
    command = ("erase-subject", "acme", "--key", f"person={PERSON}", "--confirm", "acme")
    kill_at_each(world, SUBJECT, *command)
    assert etl("tenant", *command).code in (0, 1)  # 1: everything was done before the last kill, and nobody is left
    there = [each for each in files_with(PERSON, *world.folders) if "acme_eu" not in each]
    assert not [each for each in there if each.startswith(("lake/", "warehouse/", "staging/"))]
    assert kept_by_the_other(world) == other


def test_of_erasing_a_tenant(world: World, etl: Etl) -> None:
    other = files_with(canary("acme_eu"), *world.folders)
    command = ("erase", "acme", "--confirm", "acme")
    kill_at_each(world, ERASE, *command)
    assert etl("tenant", *command).code == 0
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) == other


def test_of_renaming(world: World, etl: Etl) -> None:
    command = ("rename", "acme", "umbrella", "--confirm", "acme")
    kill_at_each(world, RENAME[:3], *command)
    kill_at_each(world, UNDO, "rename", "acme", "--undo", "--confirm", "acme")
    assert etl("tenant", "rename", "acme", "--undo", "--confirm", "acme").code == 0
    before = in_lake(world)
    kill_at_each(world, RENAME, *command)
    assert etl("tenant", *command).code == 0
    assert in_lake(world) == before
    assert not (world.project.root / "tenants" / "acme").exists()


def test_of_export_and_import(world: World, etl: Etl, tmp_path: Path) -> None:
    export = tmp_path / "export"
    for point in EXPORT:
        assert killed(world, f"lifecycle.{point}", "export", "acme", "--out", str(export)) == -9, point
        shutil.rmtree(export, ignore_errors=True)
    assert etl("tenant", "export", "acme", "--out", str(export)).code == 0
    variables = (world.project.root / ".env").read_text()
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    (world.project.root / ".env").write_text(variables)
    command = ("import", str(export), "--over-erased", "acme")
    kill_at_each(world, IMPORT, *command)
    assert etl("tenant", *command).code == 0
    assert files_with(canary("acme"), *world.folders) != []
