"""The rounds: change the sources, start a run of each tenant, kill something, and at last run all days undisturbed.

Belongs here: processes. Not here: what has to hold afterwards (`judge`).
"""

import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from dagster import DagsterInstance

from tests.soak.judge import rows_of_all, wrong
from tests.soak.world import DAYS, TENANTS, World

ETL = Path(sys.executable).parent / "etl"
SECONDS_FOR_A_RUN = 240
KINDS = ("etl", "code server", "run worker", "dbt")


@dataclass
class Figures:
    """What a soak did."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    rows: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items())) or "none"
        endings = ", ".join(f"{count} with {code}" for code, count in sorted(self.endings.items()))
        return (
            f"{self.rounds} rounds, {self.runs} runs, {self.rows} rows in the tables, {self.seconds:.0f} s; "
            f"killed: {kills}; `etl run` ended: {endings}"
        )


def soak(world: World, rounds: int, seed: int, say: Callable[[str], None]) -> Figures:
    """All rounds, the undisturbed run, and what does not hold after it."""
    chance = random.Random(seed)
    began = time.monotonic()
    figures = Figures()
    for tenant in TENANTS:
        for _ in range(4):
            world.change(tenant, chance)
    for _ in range(rounds):
        _round(world, chance, figures)
        figures.rounds += 1
        say(f"round {figures.rounds}: {dict(figures.kills)}, endings {dict(figures.endings)}")
    _wait_for_the_rest(world)
    for tenant in TENANTS:
        code, said = _finish(_start(world, tenant, DAYS[0], DAYS[-1]), SECONDS_FOR_A_RUN * 2)
        if code != 0:
            figures.problems.append(f"the undisturbed run of {tenant} ended with {code}: {said[-1500:]}")
    _wait_for_the_rest(world)
    for tenant in TENANTS:
        said = subprocess.run(
            [ETL, "verify", tenant], cwd=world.project, env=world.environ, capture_output=True, text=True, check=False
        )
        if said.returncode != 0:
            figures.problems.append(f"etl verify {tenant} ended with {said.returncode}: {said.stdout[-1500:]}")
    figures.problems += wrong(world)
    with DagsterInstance.from_config(str(world.home)) as instance:
        figures.runs = instance.get_runs_count()
    figures.rows = rows_of_all(world)
    figures.seconds = time.monotonic() - began
    return figures


def _round(world: World, chance: random.Random, figures: Figures) -> None:
    """Both tenants side by side; most rounds kill something, some once more."""
    running: dict[str, subprocess.Popen[str]] = {}
    for tenant in TENANTS:
        world.change(tenant, chance)
        first = chance.randrange(len(DAYS))
        last = min(len(DAYS) - 1, first + chance.randrange(3))
        running[tenant] = _start(world, tenant, DAYS[first], DAYS[last])
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        kind, delay = chance.choice(KINDS), chance.uniform(0.0, 3.0)
        deadline = time.monotonic() + SECONDS_FOR_A_RUN
        while not _processes(world).get(kind) and _are_running(running.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(delay)
        _kill(world, kind, chance, figures)
    for process in running.values():
        code, said = _finish(process, SECONDS_FOR_A_RUN)
        figures.endings[str(code)] += 1
        with (world.root / "said.log").open("a") as log:
            log.write(f"--- round {figures.rounds + 1}: {code}\n{said}\n")


def _start(world: World, tenant: str, first: str, last: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(ETL), "run", tenant, "--from", first, "--to", last],
        cwd=world.project,
        env=world.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(process: "subprocess.Popen[str]", seconds: float) -> tuple[int, str]:
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        return 999, f"did not end in {seconds} s\n{said}"
    return process.returncode, said


def _processes(world: World) -> dict[str, list[psutil.Process]]:
    """The processes of this world by kind; they are known by the data folder in their environment."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("ETL_DATA_DIR") != str(world.data) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            kind = _kind(" ".join(process.cmdline()))
            if kind:
                found.setdefault(kind, []).append(process)
    return found


def _kind(command: str) -> str | None:
    if "resource_tracker" in command:
        return None
    if "multiprocessing" in command:
        return "run worker"
    if "api grpc" in command:
        return "code server"
    if "/dbt " in command or "dbt build" in command:
        return "dbt"
    return "etl" if "/etl run" in command else None


def _are_running(processes: Iterable["subprocess.Popen[str]"]) -> bool:
    return any(each.poll() is None for each in processes)


def _kill(world: World, kind: str, chance: random.Random, figures: Figures) -> None:
    """One process of the kind, if there is one still."""
    found = sorted(_processes(world).get(kind, []), key=lambda each: each.pid)
    if found:
        with contextlib.suppress(psutil.Error):
            chance.choice(found).kill()
            figures.kills[kind] += 1


def _wait_for_the_rest(world: World) -> None:
    """What outlives a killed command ends by itself: a code server when its run has, a run when it is done."""
    deadline = time.monotonic() + SECONDS_FOR_A_RUN
    while _processes(world) and time.monotonic() < deadline:
        time.sleep(0.5)
