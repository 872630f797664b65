"""Changes of a table that is there already on a Trino: one day of 365 replaced, and upserts, beside PyIceberg.

    python benchmarks/changes_trino.py --days 365 --rows 1000 --rounds 3
    python benchmarks/changes_trino.py --upserts 100000:1000000 --rounds 1
    python benchmarks/changes_trino.py --upserts 1000000:10000000 --without-peer --megabytes 9000 --rounds 1

Uses the servers of `movement_trino.py`. Each way is measured in one process that has done the same with a small table
before; medians are shown. PyIceberg's peer of a replaced day is `dynamic_partition_overwrite`, and of an upsert
`Table.upsert` with the same key; both get their rows as a table of Arrow, and keep no ledger.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from movement_trino import own_seconds, seconds_of, serving
from movement_warehouse import peak_megabytes

FIRST = date(2026, 1, 1)
COLUMNS = """
    i AS id, (hash(i + {turn}) % 10000000)::BIGINT AS part, (hash(i + 1) % 10000)::BIGINT AS supplier,
    (i % 7)::INTEGER AS line, (hash(i + 2 + {turn}) % 50)::DECIMAL(15, 2) AS quantity,
    ((hash(i + 3) % 10000000) / 100)::DECIMAL(15, 2) AS price, ((hash(i + 4) % 11) / 100)::DECIMAL(15, 2) AS discount,
    ((hash(i + 5) % 9) / 100)::DECIMAL(15, 2) AS tax, ['R', 'A', 'N'][1 + (hash(i + 6) % 3)::INTEGER] AS flag,
    ['O', 'F'][1 + (hash(i + 7) % 2)::INTEGER] AS status, DATE '1992-01-01' + (hash(i + 8) % 2500)::INTEGER AS shipped,
    DATE '1992-01-01' + (hash(i + 9) % 2500)::INTEGER AS committed,
    DATE '1992-01-01' + (hash(i + 10) % 2500)::INTEGER AS received,
    ['COLLECT COD', 'NONE'][1 + (hash(i + 11) % 2)::INTEGER] AS instruction,
    ['AIR', 'RAIL', 'SHIP', 'TRUCK'][1 + (hash(i + 12) % 4)::INTEGER] AS way, 'comment ' || hash(i + 13) AS comment
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=0, help="partitions of the table of which one is replaced")
    parser.add_argument("--rows", type=int, default=1000, help="rows of each of them")
    parser.add_argument("--upserts", nargs="*", default=[], metavar="INTO", help="rows:rows that are there")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--megabytes", type=int, default=1500, help="memory of a Trino of its own")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving(given.megabytes) as server:
        catalog = server.make_catalog(f"changes_{os.getpid()}")
        place = {"port": server.port, "pid": server.pid, "name": catalog.name, "properties": catalog.properties}
        folder = Path(name)
        if given.days:
            replace_days(folder, place, given)
        for each in given.upserts:
            rows, there = map(int, each.split(":"))
            upsert(folder, place, given, rows, there)


def replace_days(folder: Path, place: dict[str, Any], given: argparse.Namespace) -> None:
    """Fill both tables day by day, then replace one day of each."""
    import pyarrow.parquet as pq

    began = time.perf_counter()
    for at in range(given.days):
        load(folder, place, "days", at, made(folder, at * given.rows, given.rows), "replace_partition")
    filled = time.perf_counter() - began
    first = pq.read_table(made(folder, 0, given.rows))
    peer = pyiceberg_table(place, "days", first.schema, is_cut=True)
    for at in range(given.days):
        peer.append(with_day(pq.read_table(made(folder, at * given.rows, given.rows)), at))
    print(f"one of {given.days} days of {given.rows:,} rows; {filled / given.days:.2f} s to load each of them")
    path = made(folder, 5 * given.rows, given.rows, turn=1)
    peer_rows = with_day(pq.read_table(path), 5)
    ways = {
        "load": lambda: load(folder, place, "days", 5, path, "replace_partition"),
        "PyIceberg": lambda: pyiceberg_table(place, "days").dynamic_partition_overwrite(peer_rows),
    }
    show(place, ways, given.rounds)


def upsert(folder: Path, place: dict[str, Any], given: argparse.Namespace, rows: int, there: int) -> None:
    """Fill both tables with one day, then bring in another day, half of whose keys are there already."""
    import pyarrow.parquet as pq

    for name, count in (("few", 1000), (f"upsert_{there}", there)):
        load(folder, place, name, 0, made(folder, 0, count), "upsert")
    begin = there - rows // 2
    turns = iter(range(1, 100))

    def ours() -> None:
        turn = next(turns)
        load(folder, place, f"upsert_{there}", turn, made(folder, begin, rows, turn), "upsert")

    load(folder, place, "few", 1, made(folder, 500, 1000, 1), "upsert")
    ways: dict[str, Callable[[], Any]] = {"load": ours}
    if not given.without_peer:
        filled = pq.read_table(made(folder, 0, there))
        pyiceberg_table(place, f"upsert_{there}", filled.schema).append(filled)
        del filled
        changed = pq.read_table(made(folder, begin, rows, 1))
        ways["PyIceberg"] = lambda: pyiceberg_table(place, f"upsert_{there}").upsert(changed, join_cols=["id"])
    print(f"upsert of {rows:,} rows into {there:,}")
    show(place, ways, given.rounds)


def show(place: dict[str, Any], ways: dict[str, Callable[[], Any]], rounds: int) -> None:
    print(f"{'':24}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'Trino CPU s':>13}")
    for name, way in ways.items():
        found = []
        for _ in range(rounds):
            begin, before, began = own_seconds(), seconds_of(place["pid"]), time.perf_counter()
            way()
            wall = time.perf_counter() - began
            found.append((own_seconds() - begin, wall, peak_megabytes(), seconds_of(place["pid"]) - before))
        cpu, wall, megabytes, there = (statistics.median(each) for each in zip(*found, strict=True))
        print(f"{name:24}{cpu:8.2f}{wall:8.2f}{megabytes:9.0f}{there:13.1f}", flush=True)


def made(folder: Path, first: int, rows: int, turn: int = 0) -> Path:
    """Make an object of these rows."""
    import duckdb

    path = folder / f"{first}-{rows}-{turn}.parquet"
    if not path.exists():
        columns = COLUMNS.format(turn=turn)
        with duckdb.connect() as engine:
            select = f"SELECT {columns} FROM range({first}, {first + rows}) t(i)"
            engine.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return path


def with_day(rows: Any, at: int) -> Any:
    import pyarrow as pa

    return rows.append_column("day", pa.repeat(pa.scalar(FIRST + timedelta(days=at)), rows.num_rows))


def pyiceberg_table(place: dict[str, Any], name: str, schema: Any = None, *, is_cut: bool = False) -> Any:
    import pyarrow as pa
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(place["name"], **place["properties"])
    if schema is None:
        return catalog.load_table(("peers", name))
    catalog.create_namespace_if_not_exists("peers")
    if is_cut:
        schema = schema.append(pa.field("day", pa.date32()))
    table = catalog.create_table(("peers", name), schema=schema)
    if is_cut:
        with table.update_spec() as update:
            update.add_identity("day")
    return table


def load(folder: Path, place: dict[str, Any], name: str, at: int, path: Path, mode: str) -> None:
    import pyarrow.parquet as pq
    from pydantic import SecretStr

    from etl.settings import Settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import LoadRequest, TrinoPlace, WarehousePlace

    iceberg = {key: SecretStr(value) for key, value in place["properties"].items()}
    there = TrinoPlace(host="127.0.0.1", port=place["port"], catalog=place["name"], iceberg=iceberg)
    settings = Settings(project_dir=folder, data_dir=folder)
    warehouse = open_warehouse(WarehousePlace(type="trino", trino=there), settings, "bench")
    request = LoadRequest.model_validate({
        "tenant": "bench", "pipeline": "lineitem", "partition": f"{FIRST + timedelta(days=at)}", "schema_name": "bench",
        "table": name, "mode": mode, "key_columns": ("id",) if mode == "upsert" else (), "version": f"{time.time_ns()}",
        "rows": pq.read_metadata(path).num_rows, "run_id": f"{time.time_ns()}",
    })  # fmt: skip
    with warehouse.writing(request.schema_name, request.table, request.run_id) as loader:
        loader.load(request, path)


if __name__ == "__main__":
    main()
