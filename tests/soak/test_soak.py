"""The kill test, bounded: some rounds; and whether its judge would have told."""

from pathlib import Path

import pytest

from tests.amounts import amount
from tests.servers.object_store import ObjectStore, object_store
from tests.servers.postgres import PostgresServer, postgres_server
from tests.soak.damage import DAMAGE
from tests.soak.judge import wrong
from tests.soak.rounds import soak
from tests.soak.world import World

__all__ = ["object_store", "postgres_server"]
ROUNDS = amount(6, whole=20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_some_rounds(tmp_path: Path, postgres_server: PostgresServer, object_store: ObjectStore) -> None:
    world = World(tmp_path, postgres_server, object_store)
    world.make()
    figures = soak(world, rounds=ROUNDS, seed=20, say=lambda _: None)
    assert figures.problems == [], "\n".join([str(figures), *figures.problems])
    assert len(figures.kills) >= ROUNDS // 2, str(figures)
    assert figures.looks > 5 * ROUNDS, str(figures)
    assert all(figures.compared[each] > 10 for each in ("events", "codes", "snaps")), str(figures)

    known: set[str] = set()
    unseen = []
    for name, damage in DAMAGE.items():
        damage(world)
        told = set(wrong(world))
        unseen += [] if told - known else [name]
        known |= told
    assert not unseen
