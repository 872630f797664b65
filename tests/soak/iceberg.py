"""`python -m tests.soak.iceberg --kills 100 --seed 1`: loads into tables of Iceberg, six at once, killed at any moment.

What readers see after each round, and what the tables hold after every load was repeated, is compared with the objects
that were published, by SQLite.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from etl.lake.lake import Lake
from etl.warehouse.contract import Warehouse
from tests.lake.objects import load, local_lake, publish
from tests.servers.postgres import serving as serving_postgres
from tests.servers.seaweed import serving as serving_objects
from tests.servers.trino import in_clear, place_of, serving as serving_trino
from tests.warehouse.fault_steps import open_for
from tests.warehouse.test_model import Law, found

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
TABLES: dict[str, tuple[str, str | None, bool]] = {
    "replaced": ("replace_partition", None, True),
    "upserted": ("upsert", None, True),
    "ordered": ("upsert", "qty", True),
    "whole": ("replace", None, False),
    "collected": ("append", None, False),
}
"""Mode, order column, and whether the table has partitions."""
WRITERS = 6
Rows = Sequence[tuple[int, int, str]]
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.warehouse.fault_steps", "etl.warehouse.trino"])


@dataclass
class Soak:
    """A lake, a warehouse, and all objects that were ever published."""

    folder: Path
    url: str
    seed: int
    say: Callable[[str], None]
    kills: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _versions: dict[str | None, dict[str, Rows]] = field(default_factory=dict)
    _seconds: float = 5.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._round = 0

    def run(self, kills: int) -> None:
        """Go on until so many loads were killed."""
        lake, warehouse = local_lake(self.folder), open_for(self.folder, self.url)
        while self.kills < kills:
            self._round += 1
            self._publish(lake)
            self._load_at_once()
            self._check_seen(warehouse)
            began = time.monotonic()
            self._repeat(lake, warehouse)
            self._check_repeated(warehouse)
            self.say(f"round {self._round}: {self.kills} killed, repeated in {time.monotonic() - began:.0f} s")
        lake.close()

    def _publish(self, lake: Lake) -> None:
        for day in (*DAYS, None):
            if day in self._versions and self._random.random() < 0.4:
                continue
            ids = self._random.sample(range(40), self._random.randrange(1, 25))
            rows = [(each, self._random.randrange(5), f"{self._round}") for each in ids]
            frame = pl.DataFrame(rows, schema={"id": pl.Int64, "qty": pl.Int64, "note": pl.String}, orient="row")
            version = publish(lake, frame, day, f"publish-{self._round}").version
            self._versions.setdefault(day, {})[version] = rows

    def _load_at_once(self) -> None:
        """Six loads; most are killed at any moment of them."""
        ends = []
        for number in range(WRITERS):
            table = self._random.choice([*TABLES, "replaced", "upserted"])
            day = self._random.choice(DAYS) if TABLES[table][2] else None
            process = processes.Process(
                target=work, args=(str(self.folder), self.url, table, day, f"run-{self._round}-{number}")
            )
            process.start()
            dies = self._random.random() < 0.8
            ends.append((process, time.monotonic() + self._random.uniform(0, self._seconds) if dies else 0.0))
        began = time.monotonic()
        for process, at in sorted(ends, key=lambda each: each[1] or float("inf")):
            process.join(max(0.0, at - time.monotonic()) if at else 300)
            if process.is_alive() and at:
                process.kill()
                self.kills += 1
            process.join()
            self.ended[str(process.exitcode)] += 1
            if process.exitcode not in (0, 1, -9):
                self.problems.append(f"round {self._round}: a load ended with {process.exitcode}")
        self._seconds = 0.8 * self._seconds + 0.2 * min(30.0, time.monotonic() - began)

    def _check_seen(self, warehouse: Warehouse) -> None:
        """Each partition is one object, whole; an appended object is there once."""
        present = {each.name for each in warehouse.describe(["mart"])}
        if "replaced" in present:
            seen = found(warehouse, "replaced", days=True)
            for day in DAYS:
                self._is_one_of(day, [row[1:] for row in seen if row[0] == day], "replaced")
        if "whole" in present:
            self._is_one_of(None, [row[1:] for row in found(warehouse, "whole", days=False)], "whole")
        if "collected" in present:
            query = "SELECT etl_load, id, qty, note FROM mart.collected"
            loads: dict[int, list[Any]] = {}
            for number, *row in warehouse.query(query).rows():
                loads.setdefault(number, []).append(tuple(row))
            for rows in loads.values():
                self._is_one_of(None, rows, "collected")
            if len({str(sorted(rows)) for rows in loads.values()}) < len(loads):
                self.problems.append(f"round {self._round}: collected holds an object twice")

    def _is_one_of(self, day: str | None, seen: Sequence[Any], table: str) -> None:
        known = [sorted(rows) for rows in self._versions.get(day, {}).values()]
        if seen and sorted(seen) not in known:
            self.problems.append(f"round {self._round}: {table} [{day}] shows no whole object: {sorted(seen)}")

    def _repeat(self, lake: Lake, warehouse: Warehouse) -> None:
        for table, (_, _, is_daily) in TABLES.items():
            for day in DAYS if is_daily else [None]:
                load(lake, warehouse, day, run_id=f"again-{self._round}", **options_of(table))
                if load(lake, warehouse, day, **options_of(table)).changed:
                    self.problems.append(f"round {self._round}: {table} [{day}] was loaded twice")

    def _check_repeated(self, warehouse: Warehouse) -> None:
        """Each table is the function of what is published, and the ledger says so."""
        entries = warehouse.ledger()
        for table, (mode, order, is_daily) in TABLES.items():
            mine = [each for each in entries if each.table_name == table]
            if len({each.seq for each in mine}) < len(mine):
                self.problems.append(f"round {self._round}: two entries about {table} have one number")
            law = Law(mode, order)
            for day in DAYS if is_daily else (None,):
                versions = self._versions[day]
                newest = list(versions)[-1]
                last = [each.version for each in mine if each.partition == day][-1]
                if last != newest:
                    self.problems.append(f"round {self._round}: the last entry of {table} [{day}] is of another object")
                wanted = [each.version for each in mine] if mode == "append" else [newest]
                for version in wanted:
                    law.load(day, versions[version])
            if (seen := found(warehouse, table, days=is_daily)) != law.table():
                self.problems.append(f"round {self._round}: {table} holds {seen}, not {law.table()}")


def options_of(table: str) -> dict[str, Any]:
    """How the table is loaded."""
    mode, order, _ = TABLES[table]
    return {"mode": mode, "keys": ["id"] if mode == "upsert" else [], "order": order, "table": table}


def work(folder: str, url: str, table: str, day: str | None, run: str) -> None:
    """One load, in a process of its own that may be killed."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        load(local_lake(Path(folder)), open_for(Path(folder), url), day, run_id=run, **options_of(table))


def main() -> int:
    """Run it on servers of its own, print its figures and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-soak-")))
        postgres = stack.enter_context(serving_postgres(log_statement="none"))
        server = stack.enter_context(serving_trino(postgres, stack.enter_context(serving_objects())))
        place = place_of(server, server.make_catalog(f"soak_{uuid.uuid4().hex[:8]}"))
        soak = Soak(folder, in_clear(place), asked.seed, _say)
        soak.run(asked.kills)
    _say(f"seed {asked.seed}: {soak.kills} killed, ends {dict(soak.ended)}")
    for each in soak.problems:
        _say(f"WRONG: {each}")
    return 1 if soak.problems else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
