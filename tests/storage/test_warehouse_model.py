"""Any sequence of publishing, loading and loading again ends in the state of a model that fits on a page."""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings, strategies as st

from etl.errors import WarehouseError
from etl.storage.warehouses import WarehousePlace, open_warehouse
from tests.storage.objects import load, local_lake, publish, settings_in

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]
Row = tuple[int, int | None]
Table = list[tuple[str | None, int, int | None]]

rows_of_an_object = st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 3)), max_size=5)
steps = st.lists(st.tuples(st.sampled_from(DAYS), rows_of_an_object | st.none()), min_size=1, max_size=7)
"""A day and the rows that the source has now; `None`: the same object is loaded again."""


class Model:
    """What the table should hold, by the words of the documentation only."""

    def __init__(self, mode: str, *, ordered: bool) -> None:
        self.mode, self.ordered, self.table = mode, ordered, list[tuple[str | None, int, int | None]]()
        self.appended: dict[str | None, set[tuple[Row, ...]]] = {}
        self.current: dict[str | None, tuple[Row, ...]] = {}

    def load(self, day: str | None, rows: tuple[Row, ...]) -> bool:
        """Apply one load; False where it must be refused."""
        new = [(day, *row) for row in rows]
        if self.mode == "replace_partition":
            self.table = [each for each in self.table if each[0] != day] + new
        elif self.mode == "replace":
            self.table = new
        elif self.mode == "append":
            seen = self.appended.setdefault(day, set())
            if rows in seen:
                return True
            if seen and day:
                return False
            seen.add(rows)
            self.table += new
        elif self.current.get(day) != rows:
            if not self.ordered and len({key for key, _ in rows}) < len(rows):
                return False
            for row in new:
                self._upsert(row, rows)
            self.current[day] = rows
        return True

    def _upsert(self, row: tuple[str | None, int, int | None], rows: tuple[Row, ...]) -> None:
        day, key, value = row
        ranked = [(_rank(other), at) for at, (k, other) in enumerate(rows) if k == key]
        if self.ordered and (rows[max(ranked)[1]][1] != value):
            return
        for old in self.table:
            later = (_rank(old[2]) if self.ordered else 0, old[0]) > (_rank(value) if self.ordered else 0, day)
            if old[1] == key and old[0] != day and day and later:
                return
        self.table = [old for old in self.table if old[1] != key] + [row]


def _rank(value: int | None) -> int:
    return -1 if value is None else value


def check(mode: str, *, ordered: bool, partitioned: bool, plan: list[tuple[str, list[Row] | None]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = local_lake(folder)
        warehouse = open_warehouse(WarehousePlace(), settings_in(folder), "acme")
        model, published, ledger = Model(mode, ordered=ordered), dict[str | None, tuple[Row, ...]](), 0
        for at, (planned_day, rows) in enumerate(plan):
            day = planned_day if partitioned else None
            if rows is None and day not in published:
                continue
            if rows is not None:
                published[day] = tuple(rows)
                frame = pl.DataFrame(rows, schema={"id": pl.Int64, "qty": pl.Int64}, orient="row")
                publish(lake, frame, day, f"run-{at}")
            arguments: dict[str, Any] = {"mode": mode, "keys": ["id"], "order": "qty" if ordered else None}
            if model.load(day, published[day]):
                ledger += load(lake, warehouse, day, **arguments).changed
            else:
                try:
                    load(lake, warehouse, day, **arguments)
                except WarehouseError:
                    continue
                raise AssertionError((day, rows))
        lake.close()
        columns = "etl_partition::varchar, id, qty" if partitioned else "NULL, id, qty"
        found: Table = []
        if warehouse.ledger():
            found = warehouse.query(f"SELECT {columns} FROM mart.orders").rows()
        assert sorted(found, key=str) == sorted(model.table, key=str)
        assert len(warehouse.ledger()) == ledger


def _property(mode: str, *, ordered: bool, partitioned: bool) -> Any:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(plan=steps)
    def run(plan: list[tuple[str, list[Row] | None]]) -> None:
        check(mode, ordered=ordered, partitioned=partitioned, plan=plan)

    return run


test_replace_partition = _property("replace_partition", ordered=False, partitioned=True)
test_replace_partition_without_partitions = _property("replace_partition", ordered=False, partitioned=False)
test_replace = _property("replace", ordered=False, partitioned=True)
test_upsert_by_order = _property("upsert", ordered=True, partitioned=True)
test_upsert_without_order = _property("upsert", ordered=False, partitioned=True)
test_upsert_without_partitions = _property("upsert", ordered=True, partitioned=False)
test_append = _property("append", ordered=False, partitioned=True)
test_append_without_partitions = _property("append", ordered=False, partitioned=False)
