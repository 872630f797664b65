"""200 rules on one asset of a million rows: the step with rules, beside the step without plus one fused query.

    python benchmarks/step_rules.py [--rows 1000000] [--rules 200] [--runs 3]

Each figure is a whole Dagster run in process, interleaved; the ratio is over the sum of the step without rules and the
floor, one hand-fused Polars query with as many aggregates. Loading the definitions is timed beside it.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from dagster import DagsterInstance

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings

COLUMNS = 20


def make_source(path: Path, rows: int) -> None:
    import duckdb

    from etl.source.writer import extension_path

    rng = np.random.default_rng(7)
    keys = {"id": np.arange(rows), "id2": np.arange(rows) + 1000}
    frame = pl.DataFrame(keys | {f"c{n}": rng.integers(0, 1000, rows) for n in range(COLUMNS)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension_path('sqlite_scanner')}'")
        connection.execute(f"ATTACH '{path}' AS out (TYPE sqlite)")
        connection.register("frame", frame.to_arrow())
        connection.execute("CREATE TABLE out.big AS FROM frame")


def rules(count: int) -> list[dict[str, object]]:
    kinds = [
        lambda c: {"column": c, "type": "not_null"},
        lambda c: {"column": c, "type": "in_range", "min": 0, "max": 999},
        lambda c: {"column": c, "type": "non_negative"},
        lambda c: {"column": c, "type": "not_in_set", "values": [-1, -2]},
        lambda c: {"column": c, "type": "in_range", "min": -5},
        lambda c: {"column": c, "type": "mean_between", "min": 0, "max": 1000},
        lambda c: {"column": c, "type": "in_range", "max": 5000},
        lambda c: {"column": c, "type": "dtype", "dtype": "integer"},
        lambda c: {"type": "expression", "expression": f"{c} >= 0"},
        lambda c: {"type": "compare_columns", "left": c, "operator": "<", "right": "id2"},
    ]
    found = []
    for n in range(count):
        kind, column = kinds[n // COLUMNS % len(kinds)], f"c{n % COLUMNS}"
        found.append(kind(column) | {"name": f"rule_{n}"})
    return found


def write_tenant(root: Path, count: int) -> None:
    quality = {"engine": "truthound", "on_failure": "block", "rules": rules(count)}
    pipeline = {"source_table": "big"} | ({"quality": quality} if count else {})
    tenant = {"id": "bench", "group": "CD", "assets": {"pipelines": {"big": pipeline}}}
    folder = root / "tenants" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"tenant": tenant}), encoding="utf-8")


def timed_run(root: Path, count: int) -> tuple[float, float]:
    write_tenant(root, count)
    began = time.perf_counter()
    definitions = definitions_of(load_tenant("bench", load_settings()))
    job = definitions.resolve_job_def("bench_all")
    loading = time.perf_counter() - began
    with DagsterInstance.ephemeral() as instance:
        began = time.perf_counter()
        result = job.execute_in_process(instance=instance)
        if not result.success:
            raise SystemExit("the run failed")
        return time.perf_counter() - began, loading


def floor(root: Path, count: int) -> float:
    path = root / "data" / "lake" / "bench" / "extract" / "big" / "data.parquet"
    exprs = []
    for n in range(count):
        column = pl.col(f"c{n % COLUMNS}")
        kind = n // COLUMNS % 5
        test = [column.is_not_null(), column.is_between(0, 999), column >= 0, ~column.is_in([-1, -2]), column >= -5][
            kind
        ]
        exprs.append((~test).sum().alias(f"f{n}"))
    began = time.perf_counter()
    pl.scan_parquet(path).select(pl.len(), *exprs).collect(engine="streaming")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ |= {"ETL_PROJECT_DIR": str(root), "ETL_DATA_DIR": str(root / "data"), "DAGSTER_ENVIRONMENT": "dev"}
        (root / "tenants").mkdir()
        make_source(root / "data" / "demo" / "bench.sqlite", options.rows)
        plain, ruled, floors, loads = [], [], [], []
        for each in range(options.runs + 1):  # the first pair warms up
            without = timed_run(root, 0)
            with_rules = timed_run(root, options.rules)
            fused = floor(root, options.rules)
            if each:
                plain.append(without[0])
                ruled.append(with_rules[0])
                floors.append(fused)
                loads.append((without[1], with_rules[1]))
        ratios = [a / (b + c) for a, b, c in zip(ruled, plain, floors, strict=True)]
        figures = {
            "rows": options.rows,
            "rules": options.rules,
            "step without rules, s": round(statistics.median(plain), 3),
            "fused floor, s": round(statistics.median(floors), 3),
            "step with rules, s": round(statistics.median(ruled), 3),
            "ratio": round(statistics.median(ratios), 3),
            "loading without rules, s": round(statistics.median(a for a, _ in loads), 3),
            "loading with rules, s": round(statistics.median(b for _, b in loads), 3),
        }
        for name, value in figures.items():
            print(f"{name:28} {value}")
        if options.output:
            options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
