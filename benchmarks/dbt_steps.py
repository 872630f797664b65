"""What a dbt step of a run costs, in CPU seconds, beside a warm `dbtRunner` that builds the same models.

    python benchmarks/dbt_steps.py [--steps 6] [--json benchmarks/results/dbt_steps.json]

- floor: a process that has built before calls `dbtRunner().invoke(["build", ...])`; for a window it has the manifest,
  so that dbt does not parse (an upper limit of what can be saved: nothing is cleaned between two builds)
- ours: the function that a step calls, with its lock and with removing secrets from dbt's files; all processes counted
- process: `dbt build` typed for each step, which is how dbt is used without this product

The first step of a run starts the warm process and is shown apart; the others are a mean. Each window is another one.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from etl.dbt.build import build
from etl.dbt.project import TenantDbt, dbt_arguments, dbt_executable
from etl.dbt.warm import warm_dbt_of_run
from tests.dbt.projects import SHOP, inside
from tests.dbt.test_as_typed import prepared
from tests.dbt.typed import apart, names_of

FLOOR = """
import contextlib, io, json, os, resource, sys
from dbt.cli.main import dbtRunner
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
commands, parse = json.load(sys.stdin)
os.chdir(commands[0][1])
with contextlib.redirect_stdout(io.StringIO()):
    manifest = dbtRunner().invoke(parse).result if parse else None
    taken = []
    for arguments, _ in commands:
        began = cpu()
        assert dbtRunner(manifest=manifest).invoke(arguments).success
        taken.append(cpu() - began)
print(json.dumps(taken))
"""
Window = Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        made, project = prepared(Path(name), SHOP)
        names = names_of(project)
        other = apart(project, Path(name) / "other")
        with inside(made):
            for kind in ("whole tables", "a window each"):
                windows = [_window(step) if kind != "whole tables" else {} for step in range(given.steps)]
                floor = _floor(other, names, windows)
                first = _ours(project, names, windows[:1])
                ours = (_ours(project, names, windows) - first) / (given.steps - 1)
                typed = _typed(other, names, windows[0])
                results.append({"case": kind, "floor": floor, "ours": ours, "first": first, "process": typed})
    print(f"{'':<16}{'floor':>8}{'ours':>8}{'ratio':>8}{'more':>8}{'first':>8}{'process':>9}")
    for each in results:
        ratio, more = each["ours"] / each["floor"], each["ours"] - each["floor"]
        print(
            f"{each['case']:<16}{each['floor']:>8.2f}{each['ours']:>8.2f}{ratio:>8.2f}{more:>8.2f}"
            f"{each['first']:>8.2f}{each['process']:>9.2f}"
        )
    if given.json:
        given.json.write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=2) + "\n")


def _window(step: int) -> Window:
    return {"partition_start": f"2026-01-0{1 + step % 3} 00:00:00", "partition_end": f"2026-01-{5 + step:02} 00:00:00"}


def _arguments(project: TenantDbt, names: Sequence[str], window: Window) -> list[str]:
    target = project.work_dir / "typed"
    given = ["build", "--select", *(f"fqn:{each}" for each in names), "--indirect-selection", "empty"]
    given += ["--target-path", str(target), "--vars", project.variables_with(**window)]
    return dbt_arguments(project, given)


def _floor(project: TenantDbt, names: Sequence[str], windows: Sequence[Window]) -> float:
    Path(project.environ["ETL_DUCKDB_PATH"]).parent.mkdir(parents=True, exist_ok=True)
    commands = [(_arguments(project, names, each), str(project.folder)) for each in windows]
    target = str(project.work_dir / "typed")
    parse = dbt_arguments(project, ["parse", "--target-path", target, "--vars", project.variables_with()])
    done = subprocess.run(
        [sys.executable, "-P", "-c", FLOOR],
        input=json.dumps([commands, parse if any(windows) else None]),
        env=project.full_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    taken: list[float] = json.loads(done.stdout.splitlines()[-1])
    return sum(taken[1:]) / len(taken[1:])


def _ours(project: TenantDbt, names: Sequence[str], windows: Sequence[Window]) -> float:
    began = _cpu()
    with warm_dbt_of_run("run"):
        for window in windows:
            result = build(project, names, window, "run", lambda _line: None)
            if result.problem:
                raise SystemExit(result.problem)
    return _cpu() - began


def _typed(project: TenantDbt, names: Sequence[str], window: Window) -> float:
    command = [dbt_executable(), *_arguments(project, names, window)]
    began = _cpu()
    subprocess.run(command, cwd=project.folder, env=project.full_environ(), capture_output=True, check=True)
    return _cpu() - began


def _cpu() -> float:
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
