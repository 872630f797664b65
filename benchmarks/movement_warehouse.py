"""Parquet into DuckDB: the load with its transaction and ledger beside a bare CREATE TABLE AS, and replacing one day.

    python benchmarks/movement_warehouse.py --rows 1000000 6000000 --rounds 5 --json benchmarks/results/warehouse.json

Prints a table and writes the JSON with a chart beside it. Each case is a process of its own, the cases take turns,
medians are shown. A load is measured whole: checking the object, waiting for locks, opening the file, the transaction,
closing. Memory is the whole process with its imports.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import Result, chart

FIRST_DAY = date(2026, 1, 1)
DAY_ROWS = 2534


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 6_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        run_case(*given.case)
        return
    results = []
    with tempfile.TemporaryDirectory() as name:
        for rows in given.rows:
            results += measure(Path(name) / str(rows), rows, given.rounds)
    show(results)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=2) + "\n")
        given.json.with_suffix(".svg").write_text(chart([as_result(each, results) for each in results], "warehouse"))


def as_result(found: dict, results: list[dict]) -> Result:
    """A case as the chart wants it: its seconds over those of the bare CREATE TABLE AS."""
    bare = next(each["seconds"] for each in results if (each["rows"], each["case"]) == (found["rows"], "bare"))
    seconds, name = found["seconds"], "floor" if found["case"] == "bare" else "etl"
    title = "floor: bare CREATE TABLE AS" if found["case"] == "bare" else found["case"]
    memory = found["memory_mb"]
    return Result(name, title, found["rows"], seconds, found["cpu_seconds"], memory, seconds / bare, found["rounds"])


def measure(folder: Path, rows: int, rounds: int) -> list[dict]:
    folder.mkdir()
    make_objects(folder, rows)
    cases = ["bare", "load", "load again", "replace one day", "replace one day, bare"]
    found: dict[str, list[dict]] = {case: [] for case in cases}
    for at in range(rounds):
        for case in cases:
            done = subprocess.run(
                [sys.executable, __file__, "--case", case, str(folder), str(at)],
                check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            )  # fmt: skip
            found[case].append(json.loads(done.stdout))
    return [
        {"rows": rows, "case": case, "rounds": rounds}
        | {key: round(statistics.median(each[key] for each in runs), 4) for key in runs[0]}
        | {"best_seconds": round(min(each["seconds"] for each in runs), 4)}
        for case, runs in found.items()
    ]


def make_objects(folder: Path, rows: int) -> None:
    """A table like TPC-H lineitem as one object per use: all of it, and two versions of one more day."""
    import duckdb

    columns = """
        i AS l_orderkey, (hash(i) % 200000)::BIGINT AS l_partkey, (hash(i + 1) % 10000)::BIGINT AS l_suppkey,
        (i % 7)::INTEGER AS l_linenumber, (hash(i + 2) % 50 + 1)::DECIMAL(15, 2) AS l_quantity,
        ((hash(i + 3) % 10000000) / 100)::DECIMAL(15, 2) AS l_extendedprice,
        ((hash(i + 4) % 11) / 100)::DECIMAL(15, 2) AS l_discount, ((hash(i + 5) % 9) / 100)::DECIMAL(15, 2) AS l_tax,
        ['R', 'A', 'N'][1 + (hash(i + 6) % 3)::INTEGER] AS l_returnflag,
        ['O', 'F'][1 + (hash(i + 7) % 2)::INTEGER] AS l_linestatus,
        DATE '1992-01-01' + (hash(i + 8) % 2500)::INTEGER AS l_shipdate,
        DATE '1992-01-01' + (hash(i + 9) % 2500)::INTEGER AS l_commitdate,
        DATE '1992-01-01' + (hash(i + 10) % 2500)::INTEGER AS l_receiptdate,
        ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + (hash(i + 11) % 4)::INTEGER]
          AS l_shipinstruct,
        ['AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL'][1 + (hash(i + 12) % 5)::INTEGER] AS l_shipmode,
        'comment ' || hash(i + 13)::VARCHAR AS l_comment
    """
    for name, first, count in (("all", 0, rows), ("day-0", rows, DAY_ROWS), ("day-1", rows + 1, DAY_ROWS)):
        duckdb.connect().execute(
            f"COPY (SELECT {columns} FROM range({first}, {first + count}) t(i)) TO '{folder}/{name}.parquet'"
            " (FORMAT parquet, COMPRESSION zstd)"
        )


def run_case(case: str, folder_name: str, turn: str) -> None:
    folder = Path(folder_name)
    import duckdb

    if case == "bare":
        path = folder / "bare.duckdb"
        path.unlink(missing_ok=True)
        started = time.perf_counter()
        with duckdb.connect(path) as connection:
            connection.execute(f"CREATE TABLE lineitem AS SELECT * FROM read_parquet('{folder}/all.parquet')")
        seconds = transaction = time.perf_counter() - started
    elif case == "replace one day, bare":
        started = time.perf_counter()
        with duckdb.connect(folder / "warehouse" / "bench.duckdb") as connection:
            begun = time.perf_counter()
            connection.execute("BEGIN")
            connection.execute("DELETE FROM main.lineitem WHERE etl_partition = '2026-01-02'")
            columns = "*, DATE '2026-01-02'"
            connection.execute(
                f"INSERT INTO main.lineitem SELECT {columns} FROM read_parquet('{folder}/day-0.parquet')"
            )
            connection.execute("COMMIT")
            transaction = time.perf_counter() - begun
        seconds = time.perf_counter() - started
    else:
        seconds, transaction = load(case, folder, int(turn))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer = {
        "seconds": seconds, "transaction_seconds": transaction,
        "cpu_seconds": usage.ru_utime + usage.ru_stime, "memory_mb": peak_megabytes(),
    }  # fmt: skip
    print(json.dumps(answer))


def peak_megabytes() -> float:
    """Of this process only: what `getrusage` says begins with the peak of the process that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def load(case: str, folder: Path, turn: int) -> tuple[float, float]:
    import shutil

    from etl.lake.lake import ObjectRef, Provenance, open_lake
    from etl.settings import Settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import LoadRequest, WarehousePlace

    settings = Settings(project_dir=folder, data_dir=folder)
    warehouse = open_warehouse(WarehousePlace(), settings, "bench")
    lake = open_lake(settings)
    name = f"day-{turn % 2}" if case == "replace one day" else "all"
    if case == "load":
        (folder / "warehouse" / "bench.duckdb").unlink(missing_ok=True)
    day = FIRST_DAY + timedelta(days=name != "all")
    ref = ObjectRef(tenant="bench", stage="transfer", pipeline="lineitem", partition=day.isoformat())
    with lake.draft(ref) as staged:
        shutil.copyfile(folder / f"{name}.parquet", staged)
        rows = rows_of(staged)
        published = lake.publish(
            ref,
            staged,
            Provenance(
                **ref.model_dump(exclude={"attempt"}),
                run_id="bench",
                config_hash="",
                rows=rows,
                audit="",
                rows_read=rows,
                rows_quarantined=0,
                created_at=datetime.now(UTC),
            ),
        )
    request = LoadRequest(
        tenant="bench", pipeline="lineitem", partition=ref.partition, schema_name="main", table="lineitem",
        version=published.version, rows=rows, run_id=f"bench-{turn}",
    )  # fmt: skip
    source = lake.local_copy(ref)
    transaction = timed_transaction()
    started = time.perf_counter()
    with warehouse.writing(request.schema_name, request.table, request.run_id) as table:
        report = table.load(request, source)
    seconds = time.perf_counter() - started
    if report.changed == (case == "load again"):
        raise SystemExit(f"{case}: changed is {report.changed}")
    return seconds, transaction[0]


def timed_transaction() -> list[float]:
    """Where the seconds from the view of the object to the end of COMMIT will stand."""
    from etl.warehouse import duckdb as module

    found, inner = list[float](), module._transaction  # noqa: SLF001  nothing public begins with BEGIN, ends with COMMIT

    @contextlib.contextmanager
    def outer(*arguments: Any) -> Iterator[None]:
        started = time.perf_counter()
        with inner(*arguments):
            yield
        found.append(time.perf_counter() - started)

    module._transaction = outer  # noqa: SLF001
    return found


def rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def show(results: list[dict]) -> None:
    print(f"{'rows':>10}  {'case':24} {'median s':>9} {'best s':>9} {'in tx s':>9} {'CPU s':>7} {'MB':>5}")
    for each in results:
        print(
            f"{each['rows']:>10,}  {each['case']:24} {each['seconds']:>9.3f} {each['best_seconds']:>9.3f}"
            f" {each['transaction_seconds']:>9.4f} {each['cpu_seconds']:>7.2f} {each['memory_mb']:>5.0f}"
        )
    by_case = {(each["rows"], each["case"]): each for each in results}
    for rows in sorted({each["rows"] for each in results}):
        bare, ours = by_case[rows, "bare"], by_case[rows, "load"]
        print(
            f"{rows:>10,}  load over bare CREATE TABLE AS: {ours['seconds'] / bare['seconds']:.2f} by median,"
            f" {ours['best_seconds'] / bare['best_seconds']:.2f} by best"
        )


if __name__ == "__main__":
    main()
