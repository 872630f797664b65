"""The demo source: one SQLite file with a table per pipeline, so that a fresh checkout runs with nothing configured.

Delete this folder once the tenant has a database. To reuse the script, describe your tables in SCHEMA, yield the rows
of each table as `_orders` does, and keep the seed, so that every run makes the same file.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

SEED = 1
DAYS = 10
ORDERS, CHANGED = 10_000, 1_000
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  naive on purpose: the database stores wall time
SECONDS_OF_A_DAY = 86_400
NAMES = ["김민수", " 이서연", "Zoë", "O'Brien", "박지훈 🙂"]
STATES = {"new": 0.2, "paid": 0.45, "sent": 0.3, "paid ": 0.04, "???": 0.01}

SCHEMA = """
CREATE TABLE orders (
    version_id INTEGER PRIMARY KEY, order_id INTEGER, customer_name TEXT, amount NUMERIC(12,2), status TEXT,
    created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL
);
CREATE INDEX orders_created_at ON orders (created_at);
"""


def make_demo(path: Path) -> None:
    """Write the whole source to `path`, in one step: a reader sees the old file or the new one, never half of one."""
    _write(path, {"orders": _orders(Random(SEED))})  # noqa: S311  rows of a demo


def _orders(rng: Random) -> Iterator[tuple[Any, ...]]:
    """Ten thousand orders, a tenth of them changed later; a few amounts and states are wrong, a few keys missing."""
    seconds = sorted(rng.randrange(DAYS * SECONDS_OF_A_DAY) for _ in range(ORDERS))
    changed = sorted(rng.sample(range(ORDERS), CHANGED))
    for version, order in enumerate([*range(ORDERS), *changed], start=1):
        created = FIRST_DAY + timedelta(seconds=seconds[order])
        later = timedelta(seconds=rng.randrange(60, 4_000) if version > ORDERS else 0)
        cents = rng.randrange(100, 500_000) * (-1 if rng.random() < 0.01 else 1)
        yield (
            version,
            order + 1 if rng.random() >= 0.002 else None,
            rng.choice(NAMES),
            cents / 100,
            rng.choices([*STATES], [*STATES.values()])[0],
            str(created),
            str(created + later),
        )


def _write(path: Path, tables: Mapping[str, Iterable[tuple[Any, ...]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    try:
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")
        for name, rows in tables.items():
            columns = len(connection.execute(f"SELECT * FROM {name} LIMIT 0").description)
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * columns)})", rows)
        connection.commit()
    finally:
        connection.close()
    unfinished.replace(path)
