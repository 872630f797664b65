"""The memory of comparing a whole table with its object, as `etl verify` does it: does it grow with the rows?

    python benchmarks/verify_memory.py --rows 250000 1000000 2000000

Each size and mode is a process of its own; shown are its seconds and its peak memory, imports included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from movement_warehouse import make_objects, peak_megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000, 2_000_000])
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(*given.case)))
        return
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as name:
            make_objects(Path(name), rows)
            for mode in ("replace", "upsert"):
                for what in ("load", "compare"):
                    command = [sys.executable, __file__, "--case", name, mode, what, str(rows)]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    if what == "compare":
                        found = json.loads(done.stdout)
                        print(f"{rows:>10,} rows {mode:<8}{found['seconds']:>8.2f} s{found['megabytes']:>8.0f} MB")


def case(folder: str, mode: str, what: str, rows: str) -> dict[str, Any]:
    import shutil

    from etl.config.pipeline_config import PipelineConfig, TrinoOutput
    from etl.lake.lake import ObjectRef, Provenance, open_lake
    from etl.pipeline.remedies import Remedies
    from etl.pipeline.verify_table import compare_table
    from etl.settings import Settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import LoadRequest, WarehousePlace

    settings = Settings(project_dir=Path(folder), data_dir=Path(folder))
    warehouse, lake = open_warehouse(WarehousePlace(), settings, "bench"), open_lake(settings)
    ref = ObjectRef(tenant="bench", stage="extract", pipeline=mode, partition=None)
    keys = ("l_orderkey",)
    if what == "load":
        with lake.draft(ref) as staged:
            shutil.copyfile(Path(folder) / "all.parquet", staged)
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
    began = time.perf_counter()
    found = compare_table(remedies, output, warehouse, entries, {None: lake.pin(ref)}, 10**9)
    seconds = time.perf_counter() - began
    if found.whole.differences or found.of(None).differences:
        raise SystemExit(str(found))
    return {"seconds": seconds, "megabytes": peak_megabytes()}


if __name__ == "__main__":
    main()
