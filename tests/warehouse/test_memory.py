"""Two million rows of wide text, loaded by a process that may have little memory: they arrive, or it says what to raise."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl.lake.lake import PLACEHOLDER_FOOTER, Lake
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.lake.objects import DAY, local_lake, provenance_of, ref_of, settings_in

ROWS = 2_000_000
PROCESS = """
import resource, sys, pathlib
import duckdb, polars, pyarrow
from etl.errors import EtlError
from tests.lake.objects import load, local_lake, settings_in
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
folder = pathlib.Path(sys.argv[1])
lake = local_lake(folder)
limit = getattr(resource, sys.argv[2])
resource.setrlimit(limit, (1 << 30, 1 << 30))
try:
    print(load(lake, open_warehouse(WarehousePlace(), settings_in(folder), "acme")).rows_after)
except EtlError as error:
    print(error.hint)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path)
    texts = ", ".join(f"md5((i * {n + 1})::VARCHAR) || md5((i + {n})::VARCHAR) AS text_{n}" for n in range(12))
    with lake.draft(ref_of()) as path, duckdb.connect(config={"memory_limit": "400MB"}) as connection:
        ((key, value),) = PLACEHOLDER_FOOTER.items()
        connection.execute(
            f"COPY (SELECT i AS id, {texts} FROM range({ROWS}) AS r(i)) TO '{path}'"
            f" (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{key}: '{value}'}})"
        )
        lake.publish(ref_of(DAY), path, provenance_of(ref_of(), ROWS))
    return lake


@pytest.mark.slow
def test_a_process_with_a_gigabyte_loads_or_says_what_to_raise(lake: Lake, tmp_path: Path) -> None:
    said = {}
    for limit in ("RLIMIT_AS", "RLIMIT_DATA"):
        done = subprocess.run(
            [sys.executable, "-c", PROCESS, str(tmp_path), limit],
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said[limit] = done.stdout.strip().splitlines()[-1]  # the lines before it are DuckDB's progress
        assert done.returncode == 0, done.stderr
    assert said["RLIMIT_DATA"] == str(ROWS)
    assert said["RLIMIT_AS"] == str(ROWS) or "raise the memory that the process may have" in said["RLIMIT_AS"]
    warehouse = open_warehouse(WarehousePlace(), settings_in(tmp_path), "acme")
    assert warehouse.query("SELECT count(DISTINCT id) FROM mart.orders").item() == ROWS
