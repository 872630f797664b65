"""Writes cases of the conformance suite, with the answers of its SQL oracle, into a folder that another environment reads.

Run in the project's own environment, which has DuckDB: `python -m tests.hosts.write_cases FOLDER`.
"""

import json
import random
import sys
from pathlib import Path

from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect

RULES = 22  # for each of the 14 kinds of data
SEED = 41


def write_cases(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in TABLES.items():
        table.write_parquet(folder / f"{name}.parquet")
    frames = []
    for kind in KINDS:
        frame = make_frame(kind, SEED)
        rules = random.Random(f"hosts {kind}").sample(make_rules(f"{kind} {SEED}", 3 * RULES), RULES)
        frame.write_parquet(folder / f"{kind}.parquet")
        expected = expect(frame, rules, NOW, TABLES)
        frames.append(
            {
                "file": f"{kind}.parquet",
                "rules": [rule.to_dict() for rule in rules],
                "expected": [[each.status, each.failed, each.total] for each in expected],
            }
        )
    found = {"now": NOW.isoformat(), "tables": list(TABLES), "frames": frames}
    (folder / "cases.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    write_cases(Path(sys.argv[1]))
