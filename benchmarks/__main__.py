"""Every benchmark in turn: `make bench`. Each can be run by itself with other sizes; see the top of its file."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
BENCHMARKS = {
    "quality.py": ["--rows", "1000000"],
    "movement.py": ["source", "--rows", "1000000", "6000000", "--repeats", "3"],
    "movement_warehouse.py": [
        "--rows",
        "1000000",
        "6000000",
        "--rounds",
        "3",
        "--json",
        str(RESULTS / "warehouse.json"),
    ],
    "step_rules.py": ["--output", str(RESULTS / "step_rules.json")],
}


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    for name, arguments in BENCHMARKS.items():
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name), *arguments], check=False).returncode:
            raise SystemExit(f"{name} failed")


if __name__ == "__main__":
    main()
