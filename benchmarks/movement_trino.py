"""One day into Iceberg tables of a Trino: the load with its ledger and digest, beside PyIceberg's own overwrite.

    python benchmarks/movement_trino.py --rows 1000000 --rounds 3

Starts Trino, PostgreSQL and SeaweedFS of its own (or uses those of `ETL_TEST_TRINO`). Each case is a process of its
own, which first does the same with a few rows: what is measured is a load in a run that has loaded before, without the
import of libraries (`begin`: these CPU seconds). Medians are shown: the CPU and the peak memory of the process, its
wall clock, and the CPU that Trino used meanwhile. `bare file` is the floor: the object as it is, uploaded and
registered, with nothing checked and nothing recorded. `CREATE TABLE AS` is Trino's own way, from such a table.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from movement_warehouse import make_objects, peak_megabytes

CASES = ("bare file", "PyIceberg overwrite", "CREATE TABLE AS", "load", "load again", "upsert")
DAY = "2026-01-01"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(run_case(given.case[0], Path(given.case[1]), int(given.case[2]))))
        return
    with tempfile.TemporaryDirectory() as name, serving() as server:
        folder = Path(name)
        for rows in given.rows:
            catalog = server.make_catalog(f"bench_{rows}_{os.getpid()}")
            place = {"port": server.port, "pid": server.pid, "name": catalog.name, "properties": catalog.properties}
            (folder / "place.json").write_text(json.dumps(place))
            for at, count in ((folder, rows), (folder / "few", 100)):
                at.mkdir(exist_ok=True)
                make_objects(at, count)
            show(rows, given.rounds, {case: measure(case, folder, given.rounds) for case in given.cases})


@contextmanager
def serving(megabytes: int = 1500) -> Iterator[Any]:
    """The servers of `ETL_TEST_TRINO`, or servers while the block runs, with so much memory for Trino."""
    from tests.servers import trino

    if "ETL_TEST_TRINO" in os.environ:
        yield trino.described(json.loads(Path(os.environ["ETL_TEST_TRINO"]).read_text()))
        return
    with (
        trino.postgres.serving() as database,
        trino.seaweed.serving() as store,
        trino.serving(database, store, megabytes=megabytes) as server,
    ):
        yield server


def measure(case: str, folder: Path, rounds: int) -> dict[str, float]:
    found = []
    for turn in range(rounds):
        command = [sys.executable, __file__, "--case", case, str(folder), str(turn)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout))
    return {key: statistics.median(each[key] for each in found) for key in found[0]}


def show(rows: int, rounds: int, results: dict[str, dict[str, float]]) -> None:
    peer = results.get("PyIceberg overwrite", {}).get("cpu")
    print(f"{rows:,} rows, 16 columns, {rounds} rounds")
    print(f"{'case':24}{'begin':>8}{'CPU s':>8}{'wall s':>8}{'MB':>8}{'Trino CPU s':>13}{'of PyIceberg':>14}")
    for case, found in results.items():
        ratio = f"{found['cpu'] / peer:.2f}" if peer else ""
        print(f"{case:24}{found['begin']:8.2f}{found['cpu']:8.2f}{found['wall']:8.2f}{found['mb']:8.0f}", end="")
        print(f"{found['trino']:13.1f}{ratio:>14}")


def run_case(case: str, folder: Path, turn: int) -> dict[str, float]:
    place = json.loads((folder / "place.json").read_text())
    way = {"bare file": bare_file, "PyIceberg overwrite": overwrite, "CREATE TABLE AS": create_as}.get(case, load)
    way(case, folder / "few", turn, place)
    begin, before, began = own_seconds(), seconds_of(place["pid"]), time.perf_counter()
    way(case, folder, turn, place)
    wall = time.perf_counter() - began
    cpu, there = own_seconds() - begin, seconds_of(place["pid"]) - before
    return {"begin": begin, "cpu": cpu, "wall": wall, "mb": peak_megabytes(), "trino": there}


def own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def seconds_of(pid: int) -> float:
    """The CPU seconds of a process so far."""
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def a_table(place: dict[str, Any], name: str, folder: Path) -> Any:
    import pyarrow.parquet as pq
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(place["name"], **place["properties"])
    catalog.create_namespace_if_not_exists("peers")
    name = f"{name}_{folder.name == 'few'}".lower()
    return catalog.create_table_if_not_exists(("peers", name), schema=pq.read_schema(folder / "all.parquet"))


def bare_file(_case: str, folder: Path, turn: int, place: dict[str, Any]) -> None:
    import shutil

    table = a_table(place, "bare", folder)
    uri = f"{table.location()}/data/{turn}.parquet"
    with (folder / "all.parquet").open("rb") as source, table.io.new_output(uri).create() as target:
        shutil.copyfileobj(source, target, 8 << 20)
    table.add_files([uri])


def overwrite(_case: str, folder: Path, _turn: int, place: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    a_table(place, "overwritten", folder).overwrite(pq.read_table(folder / "all.parquet"))


def create_as(_case: str, folder: Path, turn: int, place: dict[str, Any]) -> None:
    """Trino makes a table from the first file of the case `bare file`, which has to come before."""
    import trino

    name = f"peers.bare_{folder.name == 'few'}".lower()
    with trino.dbapi.connect(host="127.0.0.1", port=place["port"], user="bench", catalog=place["name"]) as connection:
        rows = f"SELECT * FROM {name} WHERE \"$path\" LIKE '%/0.parquet'"
        connection.cursor().execute(f"CREATE TABLE {name}_{turn} AS {rows}").fetchall()


def load(case: str, folder: Path, turn: int, place: dict[str, Any]) -> None:
    import pyarrow.parquet as pq
    from pydantic import SecretStr

    from etl.settings import Settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import LoadRequest, TrinoPlace, WarehousePlace

    iceberg = {name: SecretStr(value) for name, value in place["properties"].items()}
    there = TrinoPlace(host="127.0.0.1", port=place["port"], catalog=place["name"], iceberg=iceberg)
    settings = Settings(project_dir=folder, data_dir=folder)
    warehouse = open_warehouse(WarehousePlace(type="trino", trino=there), settings, "bench")
    upserts = {"mode": "upsert", "key_columns": ("l_orderkey",)} if case == "upsert" else {}
    source = folder / "all.parquet"
    table = f"{'upserted' if upserts else 'lineitem'}_{folder.name == 'few'}".lower()
    request = LoadRequest(
        tenant="bench", pipeline="lineitem", partition=DAY, schema_name="bench", rows=pq.read_metadata(source).num_rows,
        table=table, version="v", run_id=f"bench-{turn}", reload=case != "load again", **upserts,
    )  # fmt: skip
    with warehouse.writing(request.schema_name, request.table, request.run_id) as loader:
        report = loader.load(request, source)
    if report.changed == (case == "load again"):
        raise SystemExit(f"{case}: changed is {report.changed}")


if __name__ == "__main__":
    main()
