"""SIGKILL, a full disk and a failing one at every fault point: what readers see then, and what a repetition makes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Worlds
from tests.faults.points import ELSEWHERE, OF_DBT, ON_TRINO, ON_TRINO_IN, REPOSITORY, points_in_code
from tests.faults.scenarios import CASES, is_after
from tests.faults.world import STAGES, Seen, World, failing_at, killed_at, same

Servers = Callable[[str], Mapping[str, Any]]
# A disk fails where files are written: in files, and at the points that write or are about to.
FAILING = [case for case in CASES if case[0] == "plain" or case[2] == "storage/s3_store"]


def test_every_point_of_the_code_is_tried() -> None:
    tried = {(module, point.partition("@")[0]) for _, _, module, point in CASES}
    found = {(module, point) for module, point in points_in_code() if not point.startswith("lifecycle.")}
    # those of a tenant's life are no points of runs: tests/lifecycle/test_every_point.py tries each of them
    elsewhere = {(module, point) for module, point in found if point in {*ELSEWHERE, *OF_DBT}}
    on_trino = {(module, point) for module, point in found if module in ON_TRINO}
    assert tried == found - elsewhere - on_trino, "a new fault point needs a scenario in tests/faults/scenarios.py"
    assert {point for _, point in elsewhere} == {*ELSEWHERE, *OF_DBT}
    assert {module for module, _ in on_trino} == ON_TRINO
    for _, point in on_trino:
        assert f'"{point}"' in (REPOSITORY / ON_TRINO_IN).read_text(encoding="utf-8"), point
    for point, place in ELSEWHERE.items():
        assert point in (REPOSITORY / place).read_text(encoding="utf-8"), point
    assert len({point for _, point in tried}) >= 40


@pytest.mark.parametrize(("name", "stage", "module", "point"), CASES)
def test_killed_there_and_run_again_is_as_never_killed(
    worlds: Worlds, servers: Servers, tmp_path: Path, name: str, stage: str, module: str, point: str
) -> None:
    given = servers(name)
    end = worlds.undisturbed(name, given)
    world = worlds.prepared(name, tmp_path, given)
    before = Seen.of(world)
    killed_at(world, point, stage, world.day)
    check_what_readers_see(world, stage, point, before, end)
    world.run(world.stages[world.stages.index(stage) :], world.day, "again")
    check_end(world, end)


@pytest.mark.parametrize(("name", "stage", "module", "point"), FAILING)
def test_an_error_there_is_named_leaves_nothing_and_is_repeated(
    worlds: Worlds, servers: Servers, tmp_path: Path, name: str, stage: str, module: str, point: str
) -> None:
    given = servers(name)
    end = worlds.undisturbed(name, given)
    world = worlds.prepared(name, tmp_path, given)
    before = Seen.of(world)
    action = "raise" if name == "s3" else "full"
    error = failing_at(world, f"{point}={action}", stage, world.day)
    assert "fault injected" in error.problem
    assert error.hint
    assert world.leftovers() == []
    check_what_readers_see(world, stage, point, before, end)
    world.run(world.stages[world.stages.index(stage) :], world.day, "again")
    check_end(world, end)


@pytest.mark.parametrize(
    ("stage", "point"), [(stage, point) for name, stage, _, point in CASES if name == "plain"][::3]
)
def test_killed_in_the_first_run_ever(worlds: Worlds, tmp_path: Path, stage: str, point: str) -> None:
    """Nothing is published, no table, no warehouse: what comes first must not need what comes later."""
    end = worlds.undisturbed("append", {})  # whose day was never loaded before
    world = worlds.prepared("append", tmp_path, {})
    world.project.write_pipeline({})
    killed_at(world, point, stage, world.day)
    world.run(STAGES, world.day, "again")
    assert world.rows().drop("etl_load").equals(end.rows.drop("etl_load"))  # by `append` alone a row has one
    assert world.leftovers() == []
    world.check_agreement()


def check_what_readers_see(world: World, stage: str, point: str, before: Seen, end: Seen) -> None:
    """Old or new, whole: of the stage that was stopped the new from the moment of publishing on."""
    seen = Seen.of(world)
    order = world.stages.index(stage)
    for name, rows in seen.objects.items():
        old, new = before.objects.get(name), end.objects.get(name)
        is_old, is_new = old is not None and rows.equals(old), new is not None and rows.equals(new)
        assert is_old or is_new, name
        _, folder, _ = name.split("/", 2)
        of, rejected = folder.removesuffix("_quarantine"), folder.endswith("_quarantine")
        if world.stages.index(of) < order:
            assert is_new, name
        elif of != stage or not (is_after(point) or (rejected and point.endswith("@2"))):
            assert is_old, name
    assert set(before.objects) <= set(seen.objects)
    is_loaded = stage == "load" and is_after(point)
    expected = end if is_loaded else before
    assert seen.rows.equals(expected.rows)
    assert seen.ledger == expected.ledger


def check_end(world: World, end: Seen) -> None:
    same(Seen.of(world), end)
    assert world.leftovers() == []
    world.check_agreement()


def test_a_full_disk_is_named_with_the_partition_that_it_stopped(worlds: Worlds, tmp_path: Path) -> None:
    world = worlds.prepared("plain", tmp_path, {})
    error = failing_at(world, "extract.written=full", "extract", world.day)
    assert "acme/orders [2026-01-02]" in error.problem
    assert "no space left on device" in error.problem
