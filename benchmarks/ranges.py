"""What a back-fill of 30 days out of PostgreSQL costs, beside one extract of the same rows.

    python benchmarks/ranges.py --rows 1000000 --repeats 3
    python benchmarks/ranges.py --rows 6000000

The floor is the stage `extract` of the whole table as one object: one statement, checked and published. Beside it
stand the same stage for each of the 30 days as a step does it (one statement for many days), and as it was before
(one statement for each day). The CPU seconds are those of the client and of the server's processes together. The
memory is the peak of the client's process, and how much that is above a process that has only imported the same code.
The rows are stored in the order of their times, as a table is that grows; with `--shuffled` they are not.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import Case, once, server_seconds

DAYS = 30
_TABLE = """
CREATE TABLE orders AS SELECT
  i AS order_id, ((i * 7919) % 200000)::bigint AS part, (i % 50 + 1)::numeric(15,2) AS quantity,
  (((i * 31) % 10000000) / 100.0)::numeric(15,2) AS price, (ARRAY['A','N','R'])[(i % 3)::int + 1]::char(1) AS flag,
  timestamptz '2026-01-01 00:00+00' + interval '30 days' * (({order})::float8 / {rows}) AS created_at,
  (ARRAY['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'])[(i % 7)::int + 1]::varchar(10) AS ship_mode,
  substr(md5(i::text) || md5((i * 3)::text), 1, 10 + (i % 34)::int)::varchar(44) AS comment
FROM generate_series(0::bigint, {rows} - 1) AS i
"""
_PLAIN = {"has_transfer": False, "save_to_trino": False, "trino_output": None, "quality": None}
_DAYS = {"timezone": "UTC", "start": "2026-01-01", "end": "2026-01-30"}


def _tasks(context: Mapping[str, str], *, partitioned: bool) -> list[object]:
    from etl.config import load_tenant
    from etl.pipeline.stage import StageRun
    from etl.settings import load_settings
    from tests.tiny_project import make_project

    project = make_project(Path(tempfile.mkdtemp(dir=context["folder"])))
    project.write_pipeline(
        {**_PLAIN, "partitions": _DAYS} if partitioned else {**_PLAIN, "partitions": None, "date_column": None}
    )
    settings = load_settings(project.environ)
    config = load_tenant("acme", settings)
    keys = [f"2026-01-{day:02}" for day in range(1, DAYS + 1)] if partitioned else [None]
    pipeline = config.pipelines["orders"]
    return [
        StageRun(config=config, pipeline=pipeline, partition=key, run_id="bench", settings=settings) for key in keys
    ]


def _extract(context: Mapping[str, str], *, partitioned: bool, together: bool) -> None:
    from etl.pipeline.extract import extract
    from etl.pipeline.source_range import SourceRange

    runs, rows = _tasks(context, partitioned=partitioned), 0
    with SourceRange(context["url"], runs) as source:
        for run in runs:
            rows += extract(run, source if together else context["url"]).rows
            run.close()
    if rows != int(context["rows"]):
        raise RuntimeError(f"{rows} rows were extracted")


def _import(context: Mapping[str, str]) -> None:
    import pyarrow.parquet  # noqa: F401  what every extract imports by then

    from etl.pipeline.extract import extract  # noqa: F401

    _tasks(context, partitioned=True)


CASES = [
    Case(
        "floor", "one extract of the whole table", lambda c: _extract(c, partitioned=False, together=True), floor=True
    ),
    Case("range", "30 days, one statement for many", lambda c: _extract(c, partitioned=True, together=True)),
    Case("singly", "30 days, a statement for each", lambda c: _extract(c, partitioned=True, together=False)),
    Case("import", "nothing but the imports", _import),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--only", nargs="+", help="names of cases")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        import json

        next(each for each in CASES if each.name == asked.case).run(json.loads(os.environ["BENCH_CONTEXT"]))
        return
    from tests.servers.postgres import serving

    cases = [each for each in CASES if not asked.only or each.name in asked.only]
    found: dict[str, list[tuple[float, float, float]]] = {each.name: [] for each in cases}
    with (
        tempfile.TemporaryDirectory(prefix="etl-bench-") as folder,
        serving(shared_buffers="2GB", log_statement="none", max_wal_size="8GB", autovacuum="off") as server,
    ):
        order = f"(i * 7919) % {asked.rows}" if asked.shuffled else "i"
        server.run(_TABLE.format(rows=asked.rows, order=order), "VACUUM ANALYZE orders", "CHECKPOINT")
        context = {"url": server.url, "rows": str(asked.rows), "folder": folder}
        for _ in range(asked.repeats):
            for case in cases:
                before = server_seconds(server)
                wall, cpu, peak = once(Path(__file__), case, sys.executable, context)
                found[case.name].append((wall, cpu + server_seconds(server) - before, peak))
    middle = {name: [statistics.median(each) for each in zip(*runs, strict=True)] for name, runs in found.items()}
    base = middle.get("import", [0.0, 0.0, 0.0])
    floor = middle.get("floor", [1.0, 1.0, 1.0])
    print("| case | rows | wall s | CPU s | without imports | over the floor | peak MB | above the imports |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for case in cases:
        wall, cpu, peak = middle[case.name]
        own = cpu - base[1]
        ratio = own / max(0.01, floor[1] - base[1])
        cells = f"{wall:.1f} | {cpu:.1f} | {own:.1f} | {ratio:.2f} | {peak:.0f} | {peak - base[2]:.0f}"
        print(f"| {case.title} | {asked.rows:,} | {cells} |")


if __name__ == "__main__":
    main()
