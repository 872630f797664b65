"""Two runs of the same partition at once, in two processes: one result, whole, and never both in part."""

from pathlib import Path

import pytest

from tests.faults.conftest import Worlds
from tests.faults.world import STAGES, Seen, finish, processes, reporting, same, start


@pytest.mark.parametrize("name", ["plain", "upsert", "quarantine"])
@pytest.mark.parametrize("stages", [STAGES, ("load",)], ids=["all", "load"])
def test_two_runs_of_one_partition_end_as_one(
    worlds: Worlds, tmp_path: Path, name: str, stages: tuple[str, ...]
) -> None:
    end = worlds.undisturbed(name, {})
    world = worlds.prepared(name, tmp_path, {})
    if stages == ("load",):
        world.run(("extract", "transfer"), world.day, "before")
    pipes, running = [], []
    for run_id in ("one", "other", "third"):
        ours, theirs = processes.Pipe()
        running.append(start(reporting, world, stages, world.day, run_id, theirs))
        pipes.append(ours)
    for each in pipes:
        assert each.poll(60)
        assert each.recv() == "ready"
    for each in pipes:
        each.send("go")
    said = []
    for each in pipes:
        assert each.poll(120)
        said.append(each.recv())
    assert [finish(each) for each in running] == [0, 0, 0]
    lost = [each for each in said if each]
    assert len(lost) < len(said), "somebody gets through"
    # Whoever loses says to whom, and that nothing was overwritten.
    assert all("has changed since this run began" in each for each in lost), lost
    world.run(world.stages, world.day, "again")
    seen = Seen.of(world)
    same(seen, end)
    assert world.leftovers() == []
    world.check_agreement()
