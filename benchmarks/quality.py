"""How fast rules are judged, beside one query written by hand and other tools.

    python benchmarks/quality.py --rows 1000000 10000000 --repeats 7
    PYTHONPATH=/path/with/pointblank/and/dataframely python benchmarks/quality.py

Every case runs in turns in one process: best and median, how often the floor's time that is,
and the same for CPU time, which a busy machine disturbs less. Peak memory is taken
in a process of its own per case. Then a Parquet file larger than the memory which the process allows itself. Prints
tables and writes `benchmarks/results/quality.json`.
"""

import argparse
import json
import logging
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from quality_cases import CASES, FIRST, build, make_frame, our_rules, rules_of

MEGABYTE = 1 << 20


def measure(names: list[str], rows: int, count: int, repeats: int, *, failing: bool) -> list[dict[str, Any]]:
    rules = rules_of(count)
    frame = make_frame(rows, 14 if count > len(FIRST) else 0, failing=failing).collect()
    built = {name: build(name, frame, rules) for name in names if rows <= CASES[name][2]}
    times: dict[str, list[float]] = {name: [] for name, run in built.items() if not isinstance(run, str)}
    work: dict[str, list[float]] = {name: [] for name in times}
    for _ in range(repeats):
        for name, taken in times.items():
            run = built[name]
            began, worked = time.perf_counter(), time.process_time()
            failed = run()  # type: ignore[operator]
            taken.append(time.perf_counter() - began)
            work[name].append(time.process_time() - worked)
            if (failed > 0) != failing:
                raise RuntimeError(f"{name} says {failed} rules failed, and failing is {failing}")
    base = min(times["floor"]), statistics.median(times["floor"])
    found = []
    for name, run in built.items():
        line: dict[str, Any] = {"case": name, "rows": rows, "rules": count, "failing": failing}
        if isinstance(run, str):
            found.append(line | {"note": run})
            continue
        best, middle = min(times[name]), statistics.median(times[name])
        line |= {"best_ms": best * 1e3, "median_ms": middle * 1e3, "over_floor": best / base[0]}
        line |= {"median_over_floor": middle / base[1], "cpu_ms": min(work[name]) * 1e3}
        found.append(line | {"cpu_over_floor": min(work[name]) / min(work["floor"])})
    return found


def fixed_cost(names: list[str], repeats: int) -> list[dict[str, Any]]:
    """Ten rows: nothing but overhead."""
    return [
        {"case": name, "rows": 10, "rules": 8, "best_ms": min(times) * 1e3, "median_ms": statistics.median(times) * 1e3}
        for name in names
        if not isinstance(run := build(name, make_frame(10, 0, failing=False).collect(), FIRST), str)
        for times in [[_timed(run) for _ in range(repeats if name != "great_expectations" else 10)]]
    ]


def _timed(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def memory(name: str, rows: int, count: int) -> float:
    """Peak megabytes that one run adds to a process which holds the frame."""
    frame = make_frame(rows, 14 if count > len(FIRST) else 0, failing=True).collect()
    build(name, frame.head(1000), rules_of(count))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak()
    run = CASES[name][1](frame, rules_of(count))
    run()
    return _peak() - before


def larger_than_memory(path: Path, rows: int, limit: int, engine: str) -> dict[str, Any]:
    """Judge a file under a limit on this process's own memory."""
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit * MEGABYTE, limit * MEGABYTE))
    from etl.quality import check

    began = time.perf_counter()
    result = check(
        path, our_rules([each for each in FIRST if each[0] != "unique"] + [("not_null", "m0", None)]), engine=engine
    )
    seconds = time.perf_counter() - began
    if result.error_count or result.row_count != rows:
        raise RuntimeError(result.describe())
    size = path.stat().st_size / MEGABYTE
    return {
        "engine": engine,
        "rows": rows,
        "rules": 8,
        "file_mb": size,
        "limit_mb": limit,
        "seconds": seconds,
        "peak_mb": _peak(),
    }


def _peak() -> float:
    """Peak megabytes of this process; `ru_maxrss` would count those of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(each.split()[1]) / 1024 for each in lines if each.startswith("VmHWM"))


def in_a_process(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr.strip()[-300:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 10_000_000])
    parser.add_argument("--rules", nargs="+", type=int, default=[8, 50], choices=range(1, 51), metavar="1-50")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=[*CASES], default=[*CASES])
    parser.add_argument("--file-rows", type=int, default=20_000_000)
    parser.add_argument("--limit", type=int, default=600, help="megabytes of memory for the file larger than memory")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument("--inside", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if asked.inside:
        what, *rest = asked.inside
        if what == "memory":
            print(json.dumps(memory(rest[0], int(rest[1]), int(rest[2]))))
        else:
            print(json.dumps(larger_than_memory(Path(rest[0]), int(rest[1]), int(rest[2]), rest[3])))
        return
    names = [each for each in CASES if each == "floor" or each in asked.only]
    found: dict[str, Any] = {"judged": [], "fixed": [], "file": []}
    for rows in asked.rows:
        for count in asked.rules:
            for failing in (False, True):
                repeats = asked.repeats if rows < 5_000_000 else min(asked.repeats, 3)
                lines = measure(names, rows, count, repeats, failing=failing)
                if failing:
                    for line in lines:
                        if "note" not in line:
                            line["peak_mb"] = in_a_process("--inside", "memory", line["case"], str(rows), str(count))
                found["judged"] += lines
                show(lines)
    found["fixed"] = fixed_cost(names, 300)
    show(found["fixed"])
    with tempfile.TemporaryDirectory(prefix="etl-bench-") as folder:
        path = Path(folder) / "data.parquet"
        make_frame(asked.file_rows, 6, failing=True).sink_parquet(path, compression="uncompressed")
        for engine in ("truthound", "polars"):
            for limit in (0, asked.limit):
                found["file"].append(
                    in_a_process("--inside", "file", str(path), str(asked.file_rows), str(limit), engine)
                )
                print(found["file"][-1], flush=True)
    found["facts"] = {
        "python": platform.python_version(),
        "polars": pl.__version__,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load": os.getloadavg(),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "quality.json").write_text(json.dumps(found, indent=1) + "\n")


def show(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        title = CASES[line["case"]][0]
        place = f"{line['rows']:>10,} rows {line['rules']:>2} rules {'failing' if line.get('failing') else 'passing'}"
        if "note" in line:
            print(f"{place}  {title:45} {line['note']}", flush=True)
            continue
        ratio = ""
        if "over_floor" in line:
            others = f"median {line['median_over_floor']:.2f}, CPU {line['cpu_over_floor']:.2f}"
            ratio = f"  {line['over_floor']:5.2f} x floor ({others})"
        peak = f"  +{line['peak_mb']:.0f} MB" if isinstance(line.get("peak_mb"), float) else ""
        print(
            f"{place}  {title:45} best {line['best_ms']:9.2f} ms  median {line['median_ms']:9.2f} ms{ratio}{peak}",
            flush=True,
        )


if __name__ == "__main__":
    main()
