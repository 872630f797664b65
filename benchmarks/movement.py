"""How fast rows move, beside the floor and the usual tools.

    python benchmarks/movement.py source --rows 1000000 6000000 --repeats 3 --peers /path/to/python/with/dlt/and/sling

Prints a table and writes `benchmarks/results/<suite>.json` and `.svg`. A suite is a module with `CASES`, `prepare(rows,
folder)` and `check(case, context)`; add its name to `SUITES`.
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
from measure import compare, table, write

SUITES = {"source": "source_cases"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", choices=list(SUITES), default="source")
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", help="the Python of an environment with dlt, sling and their drivers")
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
    facts = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": platform.machine()}
    write(results, asked.out, asked.suite, facts)


if __name__ == "__main__":
    main()
