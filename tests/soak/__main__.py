"""`python -m tests.soak --rounds 200 --seed 1`: the kill test with servers of its own; exit code 1 if anything is wrong."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.servers.object_store import serving as serving_objects
from tests.servers.postgres import serving as serving_postgres
from tests.soak.rounds import soak
from tests.soak.world import World


def main() -> int:
    """Run it, print its figures and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="a folder for the data, left behind to look into")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="etl-soak-") as folder,
        serving_postgres(log_statement="none") as postgres,
        serving_objects() as store,
    ):
        world = World(asked.keep or Path(folder), postgres, store)
        world.make()
        figures = soak(world, asked.rounds, asked.seed, _say)
    _say(f"seed {asked.seed}\n{figures}")
    for each in figures.problems:
        _say(f"WRONG: {each}")
    return 1 if figures.problems else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
