"""Run each case as a whole process, interleaved, and report medians: wall and CPU seconds, peak memory, rows.

Belongs here: measuring, the table, JSON, the chart. Not here: what is measured (`*_cases.py`).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer


@dataclass(frozen=True)
class Case:
    """One way of doing the job. `run` is called in a process of its own, by `python`, with what `prepare` gave."""

    name: str
    title: str
    run: Callable[[Mapping[str, str]], None]
    peer: bool = False  # runs in the peers' environment
    most_rows: int = 10**12  # left out beyond this size, because it takes minutes
    floor: bool = False  # what the others are divided by


@dataclass(frozen=True)
class Result:
    """The medians of one case at one size."""

    case: str
    title: str
    rows: int
    wall: float
    cpu: float
    megabytes: float
    over_floor: float
    repeats: int
    note: str = ""


# A process inherits the peak of the one that starts it, so a bare interpreter stands between this one and the case.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
errors = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([code, wall, cpu, usage.ru_maxrss / 1024, errors.decode("utf8", "replace")]))
"""


def once(script: Path, case: Case, python: str, context: Mapping[str, str]) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak megabytes of one process, its children included."""
    command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, python, str(script), "--case", case.name]
    environ = {**os.environ, "BENCH_CONTEXT": json.dumps(dict(context))}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
    code, wall, cpu, megabytes, errors = json.loads(done.stdout)
    if code != 0:
        raise RuntimeError(f"{case.name} failed: {errors[-1500:]}")
    return wall, cpu, megabytes


def server_seconds(server: "PostgresServer") -> float:
    """The CPU seconds of the processes of the server that have ended, after all of its clients have gone."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " AND datname = current_database()"  # a catalog of Trino, which stays connected, is another database
    )
    while server.rows(others)[0][0]:
        time.sleep(0.1)
    time.sleep(0.5)  # until the server has noticed that the last one has ended
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        if f"port={server.port}" in status.read_text(errors="replace"):
            fields = (status.parent / "stat").read_text().rpartition(")")[2].split()
            return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    raise RuntimeError("the server's process was not found")


def compare(
    script: Path,
    cases: Sequence[Case],
    rows: int,
    context: Mapping[str, str],
    *,
    repeats: int,
    peers: str | None,
    check: Callable[[Case, Mapping[str, str]], str],
) -> list[Result]:
    """Every case `repeats` times, in turns, so that a busy minute hits all of them."""
    chosen = [each for each in cases if rows <= each.most_rows and (peers or not each.peer)]
    samples: dict[str, list[tuple[float, float, float]]] = {each.name: [] for each in chosen}
    notes: dict[str, str] = {}
    for turn in range(repeats):
        for case in chosen:
            if notes.get(case.name):
                continue
            try:
                samples[case.name].append(once(script, case, peers if case.peer and peers else sys.executable, context))
                notes[case.name] = check(case, context) if turn == 0 else notes.get(case.name, "")
            except RuntimeError as error:
                if not case.peer:
                    raise
                notes[case.name] = " ".join(str(error)[-300:].split())  # the end says why
            print(
                f"  {turn + 1}/{repeats} {case.name}: {samples[case.name][-1:]} {notes.get(case.name, '')}", flush=True
            )
    floor = next(each.name for each in chosen if each.floor)
    base = statistics.median(wall for wall, _, _ in samples[floor])
    results = []
    for case in chosen:
        if not samples[case.name]:
            continue
        walls, cpus, memory = zip(*samples[case.name], strict=True)
        results.append(
            Result(
                case.name,
                case.title,
                rows,
                round(statistics.median(walls), 2),
                round(statistics.median(cpus), 2),
                round(max(memory)),
                round(statistics.median(walls) / base, 2),
                len(walls),
                notes.get(case.name, ""),
            )
        )
    return results


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| case | rows | wall s | CPU s | peak MB | over the floor |", "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {each.title} | {each.rows:,} | {each.wall:.2f} | {each.cpu:.2f} | {each.megabytes:.0f} "
        f"| {each.over_floor:.2f} |" + (f" {each.note}" if each.note else "")
        for each in results
    ]
    return "\n".join(lines)


def ratios(results: Sequence[Result]) -> str:
    """How many times the wall seconds of each of ours a peer takes, and how memory grows from size to size."""
    lines = list[str]()
    for rows in sorted({each.rows for each in results}):
        here = [each for each in results if each.rows == rows]
        ours = [each for each in here if each.case.startswith("etl_")]
        lines += ["", f"| {rows:,} rows, wall over | " + " | ".join(each.title for each in ours) + " |"]
        lines.append("|---|" + "---:|" * len(ours))
        for peer in (each for each in here if each.case.startswith("peer_")):
            times = " | ".join(f"{peer.wall / each.wall:.1f}" for each in ours)
            lines.append(f"| {peer.title} | {times} |")
    lines.append("")
    for name in dict.fromkeys(each.case for each in results):
        sizes = sorted((each for each in results if each.case == name), key=lambda each: each.rows)
        if len(sizes) > 1 and not name.startswith("floor"):
            small, large = sizes[0], sizes[-1]
            growth = large.megabytes / small.megabytes
            lines.append(f"{large.title}: {large.rows:,} rows take {growth:.2f} times the memory of {small.rows:,}")
    return "\n".join(lines)


def write(results: Sequence[Result], folder: Path, name: str, facts: Mapping[str, str]) -> None:
    """`<name>.json` and `<name>.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"facts": dict(facts), "results": [asdict(each) for each in results]}
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / f"{name}.svg").write_text(chart(results, name))


def chart(results: Sequence[Result], name: str) -> str:
    """Horizontal bars: wall seconds per case, one block per size; the bar's length is the ratio to the floor."""
    height, longest = 20, max((min(each.over_floor, 12) for each in results), default=1)
    rows, y, size = list[str](), 34, None
    for each in results:
        if each.rows != size:
            size = each.rows
            rows.append(f'<text x="8" y="{y + 14}" font-weight="bold">{size:,} rows</text>')
            y += height + 4
        width = max(2, int(380 * min(each.over_floor, 12) / longest))
        colour = (
            "#8a8f98" if each.case.startswith("floor") else "#d08a4e" if each.case.startswith("peer") else "#3b7dd8"
        )
        rows.append(f'<text x="8" y="{y + 13}">{each.title}</text>')
        rows.append(f'<rect x="330" y="{y + 2}" width="{width}" height="14" rx="2" fill="{colour}"/>')
        label = f"{each.wall:.3g} s, {each.megabytes:.0f} MB"
        rows.append(f'<text x="{336 + width}" y="{y + 13}">{label}</text>')
        y += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{y + 12}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/><text x="8" y="20" font-size="14">Moving rows: {name}</text>'
        + "".join(rows)
        + "</svg>\n"
    )
