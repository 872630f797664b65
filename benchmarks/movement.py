"""How fast rows leave PostgreSQL, beside the floor and the usual tools. Into DuckDB: `movement_warehouse.py`.

    python benchmarks/movement.py source --rows 1000000 6000000 --repeats 3 --peers peers/bin/python

The peers have an environment of their own, because they ask for other versions of what this project uses:

    python -m venv peers
    peers/bin/pip install "dlt[filesystem,parquet,sql-database]" connectorx psycopg2-binary sqlalchemy pyarrow pandas
    peers/bin/pip install sling-linux-amd64==1.4.11   # fetches a program of its own when it writes Parquet

A peer that cannot run is named and left out. Prints the table and how many times slower each peer is, and writes
`benchmarks/results/<suite>.json` and `.svg`. A suite is a module with `CASES`, `prepare(rows, folder)` and
`check(case, context)`; add its name to `SUITES`.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import compare, ratios, table, write

SUITES = {"source": "source_cases"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", choices=list(SUITES), default="source")
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", help="the Python of an environment with the peers; see above")
    parser.add_argument("--only", nargs="+", help="names of cases; the floor always runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    suites = {name: importlib.import_module(module) for name, module in SUITES.items()}
    if asked.case:
        every = {case.name: case for suite in suites.values() for case in suite.CASES}
        every[asked.case].run(json.loads(os.environ["BENCH_CONTEXT"]))
        return
    suite, results = suites[asked.suite], []
    cases = [each for each in suite.CASES if not asked.only or each.floor or each.name in asked.only]
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(prefix="etl-bench-") as folder, suite.prepare(rows, Path(folder)) as context:
            print(f"{rows:,} rows", flush=True)
            results += compare(
                Path(__file__), cases, rows, context, repeats=asked.repeats, peers=asked.peers, check=suite.check
            )
    print(table(results))
    print(ratios(results))
    facts = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": platform.machine()}
    write(results, asked.out, asked.suite, facts)


if __name__ == "__main__":
    main()
