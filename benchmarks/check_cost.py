"""What `etl check` costs beside loading the same definitions: `python benchmarks/check_cost.py --tenants 100`.

The tenants are those of benchmarks/definitions.py: ten pipelines of three stages each. Each side is one process, whose
CPU seconds are counted from its start to its end, with its imports. "load" builds the definitions of every tenant; with
the location of each as Dagster does (the repository with all its jobs); with a garbage collector that ignores what was
built, as in `etl check`; or all of them as one location. None makes a snapshot. "etl check" is the command.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from definitions import write_project

LOAD = """
import gc
import warnings

warnings.simplefilter("ignore")
from etl.config.config_loader import tenants_listed_once
from etl.definitions import load_location
from etl.settings import load_settings

with tenants_listed_once(load_settings()) as tenants:
    for each in tenants:
        load_location(each){more}
"""
WAYS = {
    "load, definitions only": [sys.executable, "-c", LOAD.format(more="")],
    "load, with repositories": [sys.executable, "-c", LOAD.format(more=".get_repository_def()")],
    "load, without collecting": [sys.executable, "-c", LOAD.format(more="; gc.freeze()")],
    "load, one location of all": [
        sys.executable,
        "-c",
        "from etl.definitions import build_all_definitions\nbuild_all_definitions().get_repository_def()",
    ],
    "etl check": [str(Path(sys.executable).parent / "etl"), "check"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_project(root, arguments.tenants, 0)
        for _ in range(arguments.rounds):
            for way, command in WAYS.items():
                found.setdefault(way, []).append(cpu_seconds(command, root))
                print(f"{arguments.tenants:5} tenants  {way:24} {found[way][-1]:7.2f} CPU-s", flush=True)
    medians = {way: statistics.median(each) for way, each in found.items()}
    for way in [each for each in WAYS if each.startswith("load")]:
        print(f"etl check over {way}: {medians['etl check'] / medians[way]:.2f}")
    if arguments.output:
        row: dict[str, Any] = {"tenants": arguments.tenants, "cpu_seconds": medians}
        arguments.output.write_text(json.dumps(row, indent=2) + "\n")


def cpu_seconds(command: list[str], root: Path) -> float:
    environ = {
        **os.environ,
        "ETL_PROJECT_DIR": str(root),
        "ETL_DATA_DIR": f"{root}/.data",
        "DAGSTER_ENVIRONMENT": "dev",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
