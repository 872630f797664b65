"""Any order of runs, repetitions, changes of the source and crashes ends in the state of one clean run."""

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from etl import faults
from etl.errors import EtlError
from tests.pipeline.stages import STAGES, lake_rows, ledger, run_stages, table
from tests.tiny_project import DAYS as ALL_DAYS, TinyProject, make_project

DAYS = ALL_DAYS[:2]
SEQUENCES = int(os.environ.get("ETL_TEST_SEQUENCES", "56"))
STEPS = 6
POINTS = {
    "extract": ("extract.start", "extract.copy", "extract.written", "extract.audited", "lake.stamped",
                "lake.before_rename", "lake.renamed", "extract.published"),
    "transfer": ("transfer.start", "transfer.written", "transfer.audited", "lake.before_rename", "lake.renamed",
                 "transfer.published"),
    "load": ("load.start", "warehouse.opened", "warehouse.begin", "warehouse.inserted", "warehouse.ledger",
             "warehouse.before_commit", "warehouse.committed", "load.done"),
}  # fmt: skip
UPSERT = {"trino_output": {"mode": "upsert", "order_column": "amount"}}


class Sequence:
    """One random sequence over one project."""

    def __init__(self, project: TinyProject, seed: int, mode: str) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.mode = mode
        self.next_id = 1000
        self.did: list[str] = []

    def step(self) -> None:
        actions: list[Callable[[], None]] = [self.run_one_stage] * 4 + [self.run_day, self.back_fill, self.crash]
        actions += [self.crash, self.late_row, self.late_row, self.update]
        if self.mode != "upsert":  # a row that is gone from the source stays in a table that is upserted
            actions += [self.delete, self.move]
        self.random.choice(actions)()

    def day(self) -> str:
        return self.random.choice(DAYS)

    def run_one_stage(self) -> None:
        stage, day = self.random.choice(STAGES), self.day()
        self.did.append(f"{stage} {day}")
        with contextlib.suppress(EtlError):  # its input may not be there yet
            run_stages(self.project, (stage,), day, run_id=f"run-{len(self.did)}")

    def run_day(self) -> None:
        day = self.day()
        self.did.append(f"run {day}")
        run_stages(self.project, STAGES, day, run_id=f"run-{len(self.did)}")

    def back_fill(self) -> None:
        days = self.random.sample(DAYS, k=2)
        self.did.append(f"back-fill {days}")
        for stage in STAGES:
            for day in days:
                run_stages(self.project, (stage,), day, run_id=f"run-{len(self.did)}")

    def crash(self) -> None:
        stage, day = self.random.choice(STAGES), self.day()
        point = self.random.choice(POINTS[stage])
        self.did.append(f"crash at {point} of {stage} {day}")
        faults._reached.clear()
        os.environ["ETL_FAULT"] = f"{point}=raise"
        try:
            with contextlib.suppress(EtlError):
                run_stages(self.project, STAGES[: STAGES.index(stage) + 1], day, run_id=f"run-{len(self.did)}")
        finally:
            del os.environ["ETL_FAULT"]

    def late_row(self) -> None:
        self.next_id += 1
        self.sql(f"INSERT INTO orders VALUES ({self.next_id}, 'late', {self.next_id / 4}, '{self.day()} 13:14:15')")

    def update(self) -> None:
        self.sql(f"UPDATE orders SET amount = amount + 100 WHERE order_id % 7 = {self.random.randrange(7)}")

    def delete(self) -> None:
        self.sql(f"DELETE FROM orders WHERE order_id % 11 = {self.random.randrange(11)}")

    def move(self) -> None:
        self.sql(
            f"UPDATE orders SET created_at = '{self.day()} 01:02:03' WHERE order_id % 13 = {self.random.randrange(13)}"
        )

    def sql(self, statement: str) -> None:
        self.did.append(statement)
        with contextlib.closing(sqlite3.connect(self.project.source)) as connection, connection:
            connection.execute(statement)

    def check_now(self) -> None:
        """At every moment the table holds of each day just what the ledger says was loaded last, and no key twice."""
        rows, loads = table(self.project), ledger(self.project)
        if rows.is_empty():
            return
        assert rows["order_id"].is_unique().all() or self.mode != "upsert", self.did
        if self.mode == "upsert":
            return
        last = loads.sort("seq").group_by("partition").last()
        counts = dict(rows.group_by(pl.col("etl_partition").cast(pl.String)).len().rows())
        for partition, loaded in last.select("partition", "rows").rows():
            assert counts.get(partition, 0) == loaded, self.did


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movement")


@pytest.mark.parametrize(
    "seed", [*range(min(20, SEQUENCES)), *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, SEQUENCES))]
)
def test_whatever_happened_before_the_last_clean_run_leaves_no_trace(origin: Path, seed: int) -> None:
    mode = "upsert" if seed % 4 == 3 else "replace_partition"
    changes = {"allow_empty": True, **(UPSERT if mode == "upsert" else {})}
    project = make_project(origin / str(seed))
    project.write_pipeline(changes)
    sequence = Sequence(project, seed, mode)
    for _ in range(STEPS):
        sequence.step()
        if sequence.random.random() < 1 / 3:
            sequence.check_now()
    for day in DAYS:
        run_stages(project, STAGES, day, run_id="last")
    clean = make_project(origin / f"{seed}_clean")
    clean.write_pipeline(changes)
    clean.source.write_bytes(project.source.read_bytes())
    for day in DAYS:
        run_stages(clean, STAGES, day, run_id="clean")
    mine, theirs = lake_rows(project), lake_rows(clean)
    assert list(mine) == list(theirs), sequence.did
    for name, rows in mine.items():
        assert rows.equals(theirs[name]), (name, sequence.did)
    assert table(project).equals(table(clean)), sequence.did
    newest = ledger(project).sort("seq").group_by("partition").last().sort("partition")
    expected = ledger(clean).sort("partition")
    same_columns = ["partition", "version", "rows", "mode"]
    assert newest.select(same_columns).equals(expected.select(same_columns)), sequence.did
    assert project.leftovers() == []
