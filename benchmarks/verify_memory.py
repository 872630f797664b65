"""The memory of comparing a whole table with its object, as `etl verify` does it: does it grow with the rows?

    python benchmarks/verify_memory.py --rows 250000 1000000 2000000
    python benchmarks/verify_memory.py --rows 1000000 6000000 --trino

Each size and mode is a process of its own; shown are its seconds, its CPU seconds and its peak memory, imports
included. With `--trino` the table is on a Trino (one of its own, or that of `ETL_TEST_TRINO`), and the CPU seconds that
Trino used meanwhile are shown; `rows` is the comparison that reads all rows of the table, as it is done where digests
differ.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from movement_trino import seconds_of
from movement_warehouse import make_objects, peak_megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000, 2_000_000])
    parser.add_argument("--trino", action="store_true")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(*given.case)))
        return
    with ExitStack() as stack:
        server = server_of(stack) if given.trino else None
        for rows in given.rows:
            name = stack.enter_context(tempfile.TemporaryDirectory())
            make_objects(Path(name), rows)
            if server:
                made = server.make_catalog(f"verify_{rows}_{os.getpid()}")
                place = {"port": server.port, "pid": server.pid, "name": made.name, "properties": made.properties}
                (Path(name) / "place.json").write_text(json.dumps(place))
                stack.callback(server.rows, f"DROP CATALOG {made.name}")
            for mode in ("replace", "upsert"):
                for what in ("load", "compare", *(["rows"] if server else [])):
                    command = [sys.executable, __file__, "--case", name, mode, what, str(rows)]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    if what != "load":
                        show(rows, mode, what, json.loads(done.stdout))


def show(rows: int, mode: str, what: str, found: dict[str, Any]) -> None:
    trino = f"{found['trino']:>8.1f} CPU s of Trino" if "trino" in found else ""
    seconds = f"{found['seconds']:>8.2f} s{found['cpu']:>8.2f} CPU s"
    print(f"{rows:>10,} rows {mode:<8}{what:<8}{seconds}{found['megabytes']:>8.0f} MB{trino}")


def server_of(stack: ExitStack) -> Any:
    from tests.servers import trino

    if known := os.environ.get("ETL_TEST_TRINO"):
        return trino.described(json.loads(Path(known).read_text()))
    database = stack.enter_context(trino.postgres.serving())
    return stack.enter_context(trino.serving(database, stack.enter_context(trino.seaweed.serving())))


def warehouse_in(folder: Path) -> tuple[Any, int]:
    """The warehouse of the folder, and the process of its server."""
    from pydantic import SecretStr

    from etl.settings import Settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import TrinoPlace, WarehousePlace

    settings, place, pid = Settings(project_dir=folder, data_dir=folder), WarehousePlace(), 0
    if (folder / "place.json").is_file():
        said = json.loads((folder / "place.json").read_text())
        iceberg = {name: SecretStr(value) for name, value in said["properties"].items()}
        there = TrinoPlace(host="127.0.0.1", port=said["port"], catalog=said["name"], iceberg=iceberg)
        place, pid = WarehousePlace(type="trino", trino=there), said["pid"]
    return open_warehouse(place, settings, "bench"), pid


def case(folder: str, mode: str, what: str, rows: str) -> dict[str, Any]:
    import duckdb

    from etl.config.pipeline_config import PipelineConfig, TrinoOutput
    from etl.lake.lake import PLACEHOLDER_FOOTER, ObjectRef, Provenance, open_lake
    from etl.pipeline.remedies import Remedies
    from etl.pipeline.verify_table import compare_table
    from etl.settings import Settings
    from etl.warehouse.contract import LoadRequest

    settings = Settings(project_dir=Path(folder), data_dir=Path(folder))
    (warehouse, server), lake = warehouse_in(Path(folder)), open_lake(settings)
    ref = ObjectRef(tenant="bench", stage="extract", pipeline=mode, partition=None)
    keys = ("l_orderkey",)
    if what == "load":
        with lake.draft(ref) as staged:
            place = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{etl: '{PLACEHOLDER_FOOTER['etl']}'}}"
            duckdb.execute(f"COPY (FROM '{folder}/all.parquet') TO '{staged}' ({place})")
            made = Provenance(
                **ref.model_dump(exclude={"attempt"}), run_id="bench", config_hash="", rows=int(rows), audit="",
                rows_read=int(rows), rows_quarantined=0, created_at=datetime.now(UTC),
            )  # fmt: skip
            published = lake.publish(ref, staged, made)
        request = LoadRequest(
            tenant="bench", pipeline=mode, partition=None, schema_name="shop", table=mode, mode=mode, key_columns=keys,
            version=published.version, rows=int(rows), run_id="bench",
        )  # fmt: skip
        with warehouse.writing("shop", mode, "bench") as table:
            table.load(request, lake.local_copy(ref))
        return {}
    pipeline = PipelineConfig.model_construct(name=mode, partitions=None, date_column=None, trino_output=None)
    output = TrinoOutput(target_table=mode, target_schema="shop", key_columns=keys, mode=mode)
    remedies = Remedies.__new__(Remedies)
    object.__setattr__(remedies, "pipeline", pipeline)
    entries = [each for each in warehouse.ledger() if each.pipeline == mode]
    if what == "rows":
        warehouse.equal_rows = lambda _: frozenset()
    began, before, of_trino = time.perf_counter(), cpu_seconds(), seconds_of(server) if server else 0
    found = compare_table(remedies, output, warehouse, entries, {None: lake.pin(ref)}, 10**9)
    seconds = time.perf_counter() - began
    if found.whole.differences or found.of(None).differences:
        raise SystemExit(str(found))
    cpu = {"cpu": cpu_seconds() - before} | ({"trino": seconds_of(server) - of_trino} if server else {})
    return {"seconds": seconds, "megabytes": peak_megabytes(), **cpu}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
