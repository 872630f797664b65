"""What it costs to hand data over: each kind of input beside the bare conversion with one query written by hand.

    python benchmarks/inputs.py --rows 1000000 --repeats 9
    python benchmarks/inputs.py --batches 20000000

The first judges eight rules over a frame of pandas, a table of Arrow, a relation of DuckDB, a file and rows of dicts;
the floor does what a person would write by hand. Both run in turns in one process; the best of all turns counts.
The second judges the same rules over rows that come in pieces of 100,000, in a process whose peak memory is shown, and
compares the counts with those of one check over the whole table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from quality_cases import FIRST, floor, make_frame, our_rules

from etl.quality import check, check_batches, parse_rules

PIECE = 100_000
RULES = parse_rules(our_rules(FIRST))


def inputs(frame: pl.DataFrame, folder: Path) -> dict[str, tuple[Any, Callable[[Any], pl.DataFrame]]]:
    """Each kind of input, and how a person would turn it into a frame."""
    frame.write_parquet(folder / "data.parquet")
    arrow = frame.to_arrow()
    few = frame.head(100_000)
    return {
        "polars frame": (frame, lambda data: data),
        "pandas": (frame.to_pandas(), pl.from_pandas),
        "pandas on Arrow": (frame.to_pandas(use_pyarrow_extension_array=True), pl.from_pandas),
        "Arrow table": (arrow, pl.DataFrame),
        "DuckDB relation": (duckdb.connect().from_arrow(arrow), pl.DataFrame),
        "Parquet file": (folder / "data.parquet", pl.read_parquet),
        "100,000 dicts": (few.to_dicts(), lambda data: pl.DataFrame(data, infer_schema_length=None)),
    }


def best(work: Callable[[], int], other: Callable[[], int], repeats: int) -> list[tuple[float, float]]:
    """Run both in turns; return the least wall and CPU seconds of each."""
    taken: list[list[tuple[float, float]]] = [[], []]
    for _ in range(repeats):
        for place, run in enumerate((work, other)):
            began, worked = time.perf_counter(), time.process_time()
            if run():
                raise RuntimeError("good data failed")
            taken[place].append((time.perf_counter() - began, time.process_time() - worked))
    return [(min(wall for wall, _ in each), min(cpu for _, cpu in each)) for each in taken]


def one_by_one(rows: int, repeats: int) -> list[dict[str, Any]]:
    frame = make_frame(rows, 0, failing=False).collect()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, convert) in inputs(frame, Path(folder)).items():
            for engine in ("polars", "truthound"):

                def by_hand(data: Any = data, convert: Callable[[Any], pl.DataFrame] = convert) -> int:
                    return floor(convert(data), FIRST)()

                def ours(data: Any = data, engine: str = engine) -> int:
                    result = check(data, RULES, engine=engine)
                    return result.failed_count + result.error_count

                (wall, cpu), (least, floor_cpu) = best(ours, by_hand, repeats)
                found.append(
                    {"input": name, "engine": engine, "floor_ms": least * 1e3, "ms": wall * 1e3}
                    | {"floor_cpu_ms": floor_cpu * 1e3, "cpu_ms": cpu * 1e3, "ratio": wall / least}
                    | {"cpu_ratio": cpu / floor_cpu}
                )
    return found


def pieces(rows: int) -> Iterator[pl.DataFrame]:
    """Rows of which some keys occur twice, in pieces that are far from each other."""
    for start in range(0, rows, PIECE):
        at = pl.int_range(start, start + PIECE, dtype=pl.Int64)
        key = pl.when(at % 1_000_003 == 7).then(0).otherwise(at)
        frame = make_frame(PIECE, 0, failing=False).with_columns(id=key, qty=(at % 101).cast(pl.Int64))
        yield frame.collect()


def in_pieces(rows: int, *, whole: bool) -> dict[str, Any]:
    began, worked = time.perf_counter(), time.process_time()
    if whole:
        result = check(pl.concat(list(pieces(rows))), RULES, engine="polars")
    else:
        result = check_batches(pieces(rows), RULES, engine="polars")
    return {
        "rows": result.row_count,
        "counts": [(each.status, each.failed_count, each.total_count) for each in result.results],
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - worked,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batches", type=int, help="rows that come in pieces")
    parser.add_argument("--alone", choices=["pieces", "whole"], help="one of both, in this process")
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(in_pieces(given.batches, whole=given.alone == "whole")))
    elif given.batches:
        found = {}
        for way in ("pieces", "whole"):
            command = [sys.executable, __file__, "--batches", str(given.batches), "--alone", way]
            found[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            shown = found[way]
            print(f"{way}: {shown['wall_s']:.1f} s, {shown['cpu_s']:.1f} CPU-s, {shown['peak_mb']} MB", flush=True)
        print("equal" if found["pieces"]["counts"] == found["whole"]["counts"] else f"DIFFERENT: {found}")
    else:
        print(f"{given.rows:,} rows, 8 rules, milliseconds, best of {given.repeats}")
        for each in one_by_one(given.rows, given.repeats):
            print(
                f"{each['input']:16} {each['engine']:10} floor {each['floor_ms']:7.1f} ours {each['ms']:7.1f}"
                f" ratio {each['ratio']:.2f} | CPU {each['floor_cpu_ms']:7.1f} {each['cpu_ms']:7.1f}"
                f" ratio {each['cpu_ratio']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
