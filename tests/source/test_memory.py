"""Two million rows of wide text, extracted by a process that may not have more than one gigabyte of memory of its own."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.servers.postgres import PostgresServer

ROWS = 2_000_000
LIMIT = 1_000_000_000
COLUMNS = 10
EXTRACT = """
import resource, sys
from pathlib import Path
url, path, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from etl.lake.readable import require_readable
from etl.source.reading import ExtractRequest, extract_to_parquet
report = extract_to_parquet(url, ExtractRequest(table="wide"), path, footer={})
require_readable(path, "wide")
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(report.driver, report.rows, f"{report.seconds:.1f} s", used, "MB")
"""


def extracted(url: str, path: Path) -> str:
    command = [sys.executable, "-c", EXTRACT, url, str(path), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert pq.read_metadata(path).num_rows == ROWS
    return done.stdout


@pytest.mark.slow
def test_sqlite(tmp_path: Path) -> None:
    names = [f"t{index}" for index in range(COLUMNS)]
    texts = [f"hex(randomblob({50 + 5 * index})) || 'é'" for index in range(COLUMNS)]  # 100 to 190 characters
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE wide (id INTEGER, {', '.join(f'{name} TEXT' for name in names)})")
        # ten thousand different rows, many times: what is read is wide, what makes it is quick
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
            f"INSERT INTO wide SELECT i, {', '.join(texts)} FROM n"
        )
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS // 10_000}) "
            f"INSERT INTO wide SELECT n.i * 10000 + id, {', '.join(names)} FROM n "
            "CROSS JOIN (SELECT * FROM wide LIMIT 10000)"
        )
    connection.close()
    sys.stdout.write(extracted(f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "x.parquet"))


@pytest.mark.slow
def test_postgres(tmp_path: Path, postgres_server: PostgresServer) -> None:
    names = [f"t{index}" for index in range(COLUMNS)]
    texts = [
        f"repeat(md5((i % 10000 + {index})::text), {3 + index % 3}) || 'é' AS {name}"
        for index, name in enumerate(names)
    ]
    postgres_server.run(
        "DROP TABLE IF EXISTS wide",
        f"CREATE UNLOGGED TABLE wide AS SELECT i AS id, {', '.join(texts)} FROM generate_series(1, {ROWS}) i",
        "GRANT SELECT ON wide TO reader",
    )
    try:
        sys.stdout.write(extracted(postgres_server.url, tmp_path / "x.parquet"))
    finally:
        postgres_server.run("DROP TABLE wide")
