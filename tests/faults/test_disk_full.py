"""A disk that really takes no more: the operating system refuses every byte beyond a limit."""

import errno
import os
import resource
from pathlib import Path

import pytest

from tests.faults.conftest import Worlds
from tests.faults.world import STAGES, Seen, World, finish, processes, reporting, same, start


def limited(world: World, stage: str, limit: int, pipe: object) -> None:
    """No file of this process may become larger than `limit` bytes; Python ignores the signal and sees the error."""
    os.environ.update(world.environ)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    reporting(world, (stage,), world.day, "full", pipe)  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("limit", [300, 1000])
def test_a_file_that_cannot_grow_is_named_and_publishes_nothing(
    worlds: Worlds, tmp_path: Path, stage: str, limit: int
) -> None:
    end = worlds.undisturbed("plain", {})
    world = worlds.prepared("plain", tmp_path, {})
    world.run(STAGES[: STAGES.index(stage)], world.day, "before")
    before = Seen.of(world)
    ours, theirs = processes.Pipe()
    process = start(limited, world, stage, limit, theirs)
    assert ours.recv() == "ready"
    ours.send("go")
    assert ours.poll(60)
    said = ours.recv()
    assert finish(process) == 0
    assert "[2026-01-02]" in said or "shop.orders" in said or "acme.duckdb" in said
    assert os.strerror(errno.EFBIG) in said or "rite" in said
    assert "->" in said
    same(Seen.of(world), before)
    world.run(STAGES[STAGES.index(stage) :], world.day, "again")
    same(Seen.of(world), end)
    assert world.leftovers() == []
