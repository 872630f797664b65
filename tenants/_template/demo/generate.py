"""The demo source: one SQLite file with a table per pipeline, so that a fresh checkout runs with nothing configured.

Delete this folder once the tenant has a database. To reuse it: describe your tables in SCHEMA, fill one frame per table
in `_orders`' manner, and keep the seed, so that the same file comes out every time.
"""

import os
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

SEED = 1
DAYS = 10
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  naive on purpose: the database stores wall time
SECONDS_OF_A_DAY = 86_400

SCHEMA = """
CREATE TABLE orders (
    version_id INTEGER PRIMARY KEY, order_id INTEGER, customer_name TEXT, amount NUMERIC(12,2), status TEXT,
    created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL
);
CREATE INDEX orders_created_at ON orders (created_at);
"""


def make_demo(path: Path) -> None:
    """Write the whole source to `path`, in one step: a reader sees the old file or the new one, never half of one."""
    rng = np.random.default_rng(SEED)
    _write(path, {"orders": _orders(rng)})


def _orders(rng: np.random.Generator) -> pl.DataFrame:
    """Ten thousand orders, a tenth of them changed later; a few amounts and states are wrong, a few keys missing."""
    rows, changed = 10_000, 1_000
    order = np.concatenate([np.arange(rows), np.sort(rng.choice(rows, changed, replace=False))])
    second = np.sort(rng.integers(0, DAYS * SECONDS_OF_A_DAY, rows))[order]
    is_change = np.arange(rows + changed) >= rows
    names = pl.Series(["김민수", " 이서연", "Zoë", "O'Brien", "박지훈 🙂"])
    states = pl.Series(["new", "paid", "sent", "paid ", "???"])
    return pl.DataFrame(
        {
            "order": order,
            "order_known": rng.random(rows + changed) >= 0.002,
            "name": rng.integers(0, len(names), rows + changed),
            "cents": np.where(rng.random(rows + changed) < 0.01, -1, 1) * rng.integers(100, 500_000, rows + changed),
            "state": rng.choice(len(states), rows + changed, p=[0.2, 0.45, 0.3, 0.04, 0.01]),
            "second": second,
            "change": np.where(is_change, rng.integers(60, 4_000, rows + changed), 0),
        },
    ).select(
        pl.int_range(1, pl.len() + 1).alias("version_id"),
        pl.when("order_known").then(pl.col("order") + 1).alias("order_id"),
        pl.lit(names).gather(pl.col("name")).alias("customer_name"),
        (pl.col("cents") / 100).alias("amount"),
        pl.lit(states).gather(pl.col("state")).alias("status"),
        _stamp(pl.col("second")).alias("created_at"),
        _stamp(pl.col("second") + pl.col("change")).alias("updated_at"),
    )


def _stamp(seconds: pl.Expr) -> pl.Expr:
    """Seconds since the first midnight as the text that SQLite keeps."""
    return (pl.lit(FIRST_DAY) + pl.duration(seconds=seconds)).dt.to_string("%Y-%m-%d %H:%M:%S")


def _write(path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    try:
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")
        for name, frame in tables.items():
            marks = ", ".join("?" * frame.width)
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", zip(*frame, strict=True))
        connection.commit()
    finally:
        connection.close()
    unfinished.replace(path)
