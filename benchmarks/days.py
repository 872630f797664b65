"""What a small day costs in the stage `extract` where each day has a statement of its own.

    python benchmarks/days.py

30 days of six rows each, by a `query` with the window, in a process that has imported everything: CPU and wall
milliseconds a day of this process. To compare two commits, run the file in a work tree of each.
"""

import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from etl.source import postgres, reading, sqlalchemy_cursor
from tests.pipeline.test_source_range import days, do_range, fill
from tests.servers import mariadb
from tests.servers.postgres import serving
from tests.tiny_project import make_project

DAYS = 30
_QUERY = "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"
_ROWS = ", ".join(f"({i}, 'x', 1.5, '2026-01-{i % DAYS + 1:02} 10:00:00')" for i in range(6 * DAYS))
_TABLE = (
    "CREATE TABLE orders (order_id int, name varchar(20), amount double precision, created_at timestamp)",
    f"INSERT INTO orders VALUES {_ROWS}",
)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measure(title: str, url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="etl-bench-") as folder:
        project = make_project(Path(folder) / "project")
        project.write_pipeline({"partitions": {"end": None}, "source_table": None, "query": _QUERY})
        fill(project, DAYS)
        list(do_range(project, days(2), url=url))
        cpu, wall = _cpu(), time.perf_counter()
        rows = sum(each.rows for each in do_range(project, days(DAYS), "again", url=url))
        each_cpu, each_wall = (_cpu() - cpu) / DAYS * 1000, (time.perf_counter() - wall) / DAYS * 1000
    print(f"| {title} | {rows} | {each_cpu:.0f} | {each_wall:.0f} |", flush=True)


def main() -> None:
    print("| 30 days of a query | rows | CPU ms a day | wall ms a day |\n|---|---:|---:|---:|")
    _measure("SQLite", "")
    with serving() as server:
        server.run(*_TABLE)
        _measure("PostgreSQL", server.url)
        with patch.object(postgres, "extension_path", lambda _: None):
            _measure("PostgreSQL without the extension", server.url)
    with contextmanager(mariadb.mariadb_server.__wrapped__)() as server:  # a fixture of the tests
        server.run(*_TABLE)
        _measure("MariaDB", server.url)
        with patch.object(reading, "driver_of", lambda _: sqlalchemy_cursor):
            _measure("SQLAlchemy", server.url.replace("mysql://", "mysql+pymysql://"))


if __name__ == "__main__":
    main()
