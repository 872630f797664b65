"""Writes cases of the conformance suite to files, with the verdicts of its oracle, which is SQL in DuckDB.

    python -m tests.hosts.oracle_cases FOLDER [NUMBER]

It runs in the main environment. An orchestrator's environment has no DuckDB: its tests read the files.
"""

import pickle
import sys
from pathlib import Path

from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect

RULES_OF_A_FRAME = 8


def write_cases(folder: Path, number: int) -> int:
    """Write so many cases: frames as Parquet, and one file that names frames, rules and the oracle's verdicts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in TABLES.items():
        frame.write_parquet(folder / f"{name}.parquet")
    cases = []
    left, seed = number, 0
    while left > 0:
        kind = KINDS[seed % len(KINDS)]
        frame = make_frame(kind, 1000 + seed)
        rules = make_rules(f"hosts {seed}", 72)  # one of every kind first; a different part of them for each frame
        first = seed * RULES_OF_A_FRAME % len(rules)
        chosen = rules[first : first + min(RULES_OF_A_FRAME, left)]
        wanted = [(each.status, each.failed, each.total) for each in expect(frame, chosen, NOW, TABLES)]
        frame.write_ipc(folder / f"{seed}.arrow", compat_level=None)
        cases.append(
            {"frame": f"{seed}.arrow", "kind": kind, "rules": [each.to_dict() for each in chosen], "expected": wanted}
        )
        left -= len(chosen)
        seed += 1
    with (folder / "cases.pickle").open("wb") as stream:
        pickle.dump({"now": NOW, "cases": cases}, stream)
    return number - left


if __name__ == "__main__":
    write_cases(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300)
