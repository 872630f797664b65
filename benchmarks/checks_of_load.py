"""What a load pays for being able to say later whether the table still holds its rows: with these checks and without.

    python benchmarks/checks_of_load.py --rows 1000000 --rounds 5 --json benchmarks/results/checks_of_load.json

DuckDB and a PostgreSQL that is started for it. Cases take turns in one process, medians are shown:

- load: an object into an empty table; the digest of its rows is made, or only their number is counted
- again: the same object once more, which changes nothing; the digest is compared, or believed
- one day: one of 365 days is replaced; rows that no load brought are looked for, or not
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import duckdb
from movement_warehouse import DAY_ROWS, make_objects

from etl.settings import Settings
from etl.warehouse import held, transaction
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import LoadRequest, Warehouse, WarehousePlace
from tests.servers import PASSWORD
from tests.servers.postgres import serving

DAYS = 365
Run = Callable[[str], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_objects(folder, given.rows)
        for path in list(folder.glob("*.parquet")):
            duckdb.sql(f"COPY (FROM '{path}') TO '{path.with_name('plain-' + path.name)}' (COMPRESSION zstd)")
        for kind, open_it in (("duckdb", duckdb_warehouse), ("postgresql", postgres_warehouse)):
            with open_it(folder) as (warehouse, run):
                for _ in range(given.rounds):
                    one_round(warehouse, run, folder, given.rows, found.setdefault(kind, {}))
    results = [
        {"warehouse": kind, "case": case, "seconds": round(statistics.median(seconds), 4), "rounds": given.rounds}
        for kind, cases in found.items()
        for case, seconds in cases.items()
    ]
    for each in results:
        print(f"{each['warehouse']:<12}{each['case']:<24}{each['seconds']:>10.3f}")
    if given.json:
        content = {"cores": os.cpu_count(), "rows": given.rows, "results": results}
        given.json.write_text(json.dumps(content, indent=2) + "\n")


def one_round(warehouse: Warehouse, run: Run, folder: Path, rows: int, found: dict[str, list[float]]) -> None:
    for checked in (True, False):
        word = "with" if checked else "without"
        with unchecked(on=not checked):
            run("DROP TABLE IF EXISTS bench_table.lineitem")
            run("DELETE FROM etl_ledger.loads")
            cases = [("load", "all", rows, 0, "a"), ("again", "all", rows, 0, "a")]
            for case, name, count, day, version in cases:
                found.setdefault(f"{case}, {word}", []).append(
                    load(warehouse, folder / f"plain-{name}", count, day, version)
                )
            spread(run)
            load(warehouse, folder / "plain-day-0", DAY_ROWS, 1, "b")
            seconds = load(warehouse, folder / "plain-day-1", DAY_ROWS, 1, "c")
            found.setdefault(f"one day, {word}", []).append(seconds)


@contextmanager
def unchecked(*, on: bool) -> Iterator[None]:
    """Loads that count instead of making a digest, believe the ledger, and look for no rows of nobody's."""

    def count(session: Any, relation: str, _columns: Any, where: str = "TRUE") -> str:
        return f"{session.algorithm}:1:{session.rows(f'SELECT count(*) FROM {relation} WHERE {where}')[0][0]}:0"

    with ExitStack() as stack:
        if on:
            stack.enter_context(patch.object(transaction, "digest", count))
            stack.enter_context(patch.object(held, "holds", lambda *_: True))
            stack.enter_context(patch.object(transaction, "find_foreign_rows", lambda *_: None))
        yield


def load(warehouse: Warehouse, source: Path, rows: int, day: int, version: str) -> float:
    request = LoadRequest(
        tenant="bench", pipeline="lineitem", partition=f"2026-01-{day + 1:02d}", schema_name="bench_table",
        table="lineitem", version=version, rows=rows, run_id="bench",
    )  # fmt: skip
    started = time.perf_counter()
    with warehouse.writing(request.schema_name, request.table, request.run_id) as table:
        table.load(request, source.with_suffix(".parquet"))
    return time.perf_counter() - started


def spread(run: Run) -> None:
    """Let the rows belong to 365 days, each with its entry in the ledger."""
    run(f"UPDATE bench_table.lineitem SET etl_partition = DATE '2026-01-01' + CAST(l_orderkey % {DAYS} AS INTEGER)")
    run(
        "INSERT INTO etl_ledger.loads (seq, tenant, pipeline, schema_name, table_name, partition, version, run_id,"
        " rows, mode, created_table, loaded_at, format, digest) SELECT seq + n, tenant, pipeline, schema_name,"
        " table_name, CAST(DATE '2026-01-01' + CAST(n AS INTEGER) AS VARCHAR), version, run_id, rows, mode, false,"
        f" loaded_at, format, digest FROM etl_ledger.loads, generate_series(1, {DAYS - 1}) AS g(n)"
    )


@contextmanager
def duckdb_warehouse(folder: Path) -> Iterator[tuple[Warehouse, Run]]:
    def run(sql: str) -> None:
        (folder / "warehouse").mkdir(exist_ok=True)
        with duckdb.connect(folder / "warehouse" / "bench.duckdb") as connection:
            if (
                sql.startswith("DELETE")
                and not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'loads'").fetchall()
            ):
                return
            connection.execute(sql.replace(" partition,", ' "partition",'))

    yield open_warehouse(WarehousePlace(), Settings(project_dir=folder, data_dir=folder), "bench"), run


@contextmanager
def postgres_warehouse(folder: Path) -> Iterator[tuple[Warehouse, Run]]:
    from pydantic import SecretStr

    with serving(shared_buffers="512MB", log_statement="none") as server:
        server.run("CREATE DATABASE bench")

        def run(sql: str) -> None:
            with server.connect("bench") as connection:
                found = connection.execute("SELECT to_regclass('etl_ledger.loads')").fetchone()
                if not sql.startswith("DELETE") or found[0]:
                    connection.execute(sql)
                    connection.execute("ANALYZE")

        url = f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/bench"
        place = WarehousePlace(type="postgres", url=SecretStr(url))
        yield open_warehouse(place, Settings(project_dir=folder, data_dir=folder), "bench"), run


if __name__ == "__main__":
    main()
