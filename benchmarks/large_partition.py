"""Three ways of putting one large object into a table of Iceberg: one file, several files, files that Trino writes.

    TMPDIR=/a/large/disk python benchmarks/large_partition.py --rows 6000000 30000000

- `one file`: the object is uploaded as it is and registered; what a load does below its limit
- `several files`: DuckDB writes the rows as files of 512 MB, which are uploaded and registered in one snapshot; what
  a load does above its limit
- `by the cluster`: the object is uploaded as it is below a table of its own, Trino inserts its rows into a second one,
  and the second one's files are registered in the target in one snapshot

Each way is a process of its own: its CPU seconds without imports, its peak memory, the CPU seconds of Trino. Then Trino
reads each table twice: three columns of all rows, and one row by a column whose values are in the files' order.
Starts Trino, PostgreSQL and SeaweedFS of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from movement_trino import own_seconds, seconds_of
from movement_warehouse import make_objects, peak_megabytes

WAYS = ("one file", "several files", "by the cluster")
FILE_BYTES = 512 << 20
READS = {
    "all rows": "SELECT count(*), sum(l_quantity), max(l_comment) FROM {table}",
    "one row": "SELECT max(l_comment) FROM {table} WHERE l_orderkey = 4321",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[6_000_000])
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--file-bytes", type=int, default=FILE_BYTES)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(put(asked.case[0], Path(asked.case[1]), int(asked.case[2]))))
        return
    from tests.servers import trino

    with tempfile.TemporaryDirectory(prefix="etl-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        database = stack.enter_context(trino.postgres.serving())
        store = stack.enter_context(trino.seaweed.serving())
        server = stack.enter_context(trino.serving(database, store))
        for rows in asked.rows:
            catalog = server.make_catalog(f"bench_{rows}")
            place = {"port": server.port, "pid": server.pid, "name": catalog.name, "properties": catalog.properties}
            (folder / "place.json").write_text(json.dumps(place))
            make_objects(folder, rows)
            megabytes = (folder / "all.parquet").stat().st_size / 1e6
            print(f"{rows:,} rows, an object of {megabytes:.0f} MB", flush=True)
            for way in asked.ways:
                command = [sys.executable, __file__, "--case", way, name, str(asked.file_bytes)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found = json.loads(done.stdout)
                print(f"  {way}: " + ", ".join(f"{key} {value:.1f}" for key, value in found.items()), flush=True)


def put(way: str, folder: Path, file_bytes: int) -> dict[str, float]:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    place = json.loads((folder / "place.json").read_text())
    catalog = load_catalog(place["name"], **place["properties"])
    catalog.create_namespace_if_not_exists("large")
    name, source = way.replace(" ", "_"), folder / "all.parquet"
    target = make_table(catalog, name, source)
    with closing(connect(place)) as connection:
        run(connection, f"SELECT count(*) FROM large.{name}")  # Trino has its code
        begin, before, began = own_seconds(), seconds_of(place["pid"]), time.perf_counter()
        if way == "by the cluster":
            uris = by_the_cluster(connection, catalog, name, source, target)
        elif way == "several files":
            uris = several_files(target, source, folder / "parts", file_bytes)
        else:
            uris = [put_file(target, source, "whole.parquet")]
        transaction = target.transaction()
        with transaction.update_snapshot().overwrite() as snapshot:
            for each in parquet_files_to_data_files(target.io, transaction.table_metadata, iter(uris)):
                snapshot.append_data_file(each)
        transaction.commit_transaction()
        found = {
            "files": len(uris),
            "CPU": own_seconds() - begin,
            "wall": time.perf_counter() - began,
            "peak MB": peak_megabytes(),
            "Trino CPU": seconds_of(place["pid"]) - before,
        }
        for what, sql in READS.items():
            for turn in ("first", "second"):
                before, began = seconds_of(place["pid"]), time.perf_counter()
                run(connection, sql.format(table=f"large.{name}"))
                wall = time.perf_counter() - began
                found[f"{what}, {turn}: Trino CPU"] = seconds_of(place["pid"]) - before
                found[f"{what}, {turn}: wall"] = wall
    return found


def make_table(catalog: Any, name: str, source: Path) -> Any:
    import pyarrow.parquet as pq

    schema = pq.read_schema(source).remove_metadata()
    table = catalog.create_table(("large", name), schema=schema)
    with table.transaction() as transaction:
        mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties(**{"schema.name-mapping.default": mapping})
    return table


def put_file(table: Any, path: Path, name: str) -> str:
    from etl.warehouse.iceberg_file import upload

    uri = f"{table.location()}/data/{name}"
    upload(table.io, path, uri)
    return uri


def several_files(table: Any, source: Path, folder: Path, file_bytes: int) -> list[str]:
    import duckdb

    from etl.warehouse.duckdb import engine_config
    from etl.warehouse.iceberg_large import write_files

    with duckdb.connect(config=engine_config()) as engine:
        rows = f"SELECT * FROM read_parquet('{source}')"
        files = write_files(engine, rows, "FORMAT parquet, COMPRESSION zstd", folder, file_bytes)
    return [put_file(table, each, each.name) for each in files]


def by_the_cluster(connection: Any, catalog: Any, name: str, source: Path, target: Any) -> list[str]:
    arrived = make_table(catalog, f"{name}_arrived", source)
    arrived.add_files([put_file(arrived, source, "whole.parquet")])
    written = f"{target.location()}/data/written"
    run(connection, f"CREATE TABLE large.{name}_written (LIKE large.{name}) WITH (location = '{written}')")
    run(connection, f"INSERT INTO large.{name}_written SELECT * FROM large.{name}_arrived")
    files = catalog.load_table(("large", f"{name}_written")).scan().plan_files()
    for each in ("arrived", "written"):
        catalog.drop_table(("large", f"{name}_{each}"))  # in the catalog only
    return [each.file.file_path for each in files]


def connect(place: dict[str, Any]) -> Any:
    import trino

    return trino.dbapi.connect(host="127.0.0.1", port=place["port"], user="bench", catalog=place["name"])


def run(connection: Any, sql: str) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return list(cursor.fetchall())


if __name__ == "__main__":
    main()
