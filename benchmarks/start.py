"""From launch to the first step: `python benchmarks/start.py --rounds 3`.

The floor is `dagster job execute` of a job with one asset that does nothing. Beside it: `etl run` of a tenant with one
pipeline, and `dagster job execute` of the same job. Each command is watched from outside: when the event log has the
first step's start, the CPU seconds of the command and of each of its processes are read from the process table. Of
`etl run`, what was spent before the launch (reading the workspace, planning, creating the run) is told apart.
"""

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.tiny_project import TinyProject, make_project

NAMES = {
    "etl.cli.run_child": "the run's process",
    "api grpc": "a code server",
    "multiprocessing": "a process of a code server",
    "tail": "Dagster's copy of the output",
    "watch_orphans": "Dagster's copy of the output",
}
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
BARE = """
import dagster as dg


@dg.asset
def nothing() -> None:
    pass


job = dg.define_asset_job("bare", executor_def=dg.in_process_executor)
defs = dg.Definitions(assets=[nothing], jobs=[job])
"""
DAY = "2026-01-01"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        (project.root / "bare.py").write_text(BARE)
        etl, dagster = str(BIN / "etl"), str(BIN / "dagster")
        tags = f'{{"dagster/partition": "{DAY}"}}'
        own = ["-m", "tenants.acme.definitions", "-a", "defs", "-j", "acme_all", "--tags", tags]
        cases = {
            "dagster job execute, bare job": [dagster, "job", "execute", "-m", "bare", "-a", "defs", "-j", "bare"],
            "dagster job execute, the tenant's job": [dagster, "job", "execute", *own],
            "etl run": [etl, "run", "acme", "--from", DAY, "--to", DAY],
        }
        for turn in range(rounds + 1):  # the first turn makes bytecode and databases
            for name, command in cases.items():
                seconds = until_first_step(project, command)
                if turn:
                    found.setdefault(name, []).append(seconds)
    for name, turns in found.items():
        print(f"{name}: {statistics.median(sum(each.values()) for each in turns):.2f} CPU-s until the first step")
        for process in turns[-1]:
            print(f"    {process}: {statistics.median(each.get(process, 0) for each in turns):.2f}")


def until_first_step(project: TinyProject, command: list[str]) -> dict[str, float]:
    """The CPU seconds of each process of the command when the first step begins."""
    home = project.data / "dagster" / "history" / "runs"
    before = set(home.glob("*.db"))
    process = subprocess.Popen(
        command, cwd=project.root, env=project.process_environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    launched: dict[str, float] = {}
    seconds: dict[str, float] = {}
    while process.poll() is None:
        now = cpu_of_tree(process.pid)
        told = {kind for path in set(home.glob("*.db")) - before for kind in events_in(path)}
        if "PIPELINE_STARTING" in told and not launched:
            launched = now
        if "STEP_START" in told:
            seconds = now
            break
        time.sleep(0.05)
    if process.wait() or not seconds:
        raise SystemExit(f"{command} failed, or ended too early")
    after = {f"{name}, after the launch": seconds[name] - launched.get(name, 0) for name in seconds if launched}
    return {f"{name}, before the launch": spent for name, spent in launched.items()} | after or seconds


def events_in(path: Path) -> set[str]:
    """The kinds of events in a run's file."""
    if path.name == "index.db":
        return set()
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {kind for (kind,) in connection.execute("SELECT DISTINCT dagster_event_type FROM event_logs")}
    return set()


def cpu_of_tree(root: int) -> dict[str, float]:
    """CPU seconds by process: a process's own, and those of its children that have ended."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(folder.name)] = int(fields[1])
            seconds[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS
            words = (folder / "cmdline").read_text().split("\0")
            names[int(folder.name)] = next(
                (name for mark, name in NAMES.items() if mark in " ".join(words)),
                "the command",
            )
    own = {root}
    while more := {each for each, parent in parents.items() if parent in own} - own:
        own |= more
    found: dict[str, float] = {}
    for each in own:
        if each in seconds:
            found[names[each]] = found.get(names[each], 0.0) + seconds[each]
    return found


if __name__ == "__main__":
    main()
