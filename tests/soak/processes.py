"""The processes of the kill test: servers that are started again when they die, finding them, and killing one.

Belongs here: processes and what they are at work at. Not here: which is killed when (`rounds`).
"""

import contextlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from tests.soak.world import TENANTS, World

BIN = Path(sys.executable).parent
KINDS = ("run worker", "dbt", "code server", "etl", "daemon")
UNFINISHED = ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING")
_WORKER = re.compile(r"executed by process (\d+) on host")


@dataclass(frozen=True)
class Running:
    """A run that has not ended: its process, if it has one yet, and the step in which it is."""

    run_id: str
    tenant: str
    status: str
    pid: int | None
    step: str

    @property
    def stage(self) -> str:
        """The kind of its step: `extract`, `transfer`, `load`, `dbt`; or that it has not begun, or is between two."""
        if self.pid is None:
            return "before the first step"
        parts = self.step.split("__")
        return next((each for each in parts if each in ("extract", "transfer", "load", "dbt")), "between steps")


@dataclass(frozen=True)
class Kill:
    """One kill: what it hit, and where the runs stood that it could harm."""

    kind: str
    stage: str
    runs: frozenset[str]


class Servers:
    """The daemon and one code server a tenant, as a supervisor keeps them: what has died is started again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = world.root / "servers.log"

    def __enter__(self) -> Self:
        self.revive()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def revive(self) -> None:
        """Start what is not there."""
        for name, command in self._commands().items():
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                with self._log.open("ab") as log:
                    self._processes[name] = subprocess.Popen(
                        command,
                        cwd=self._world.project,
                        env=self._world.environ,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )

    def _commands(self) -> dict[str, list[str]]:
        commands = {"daemon": [str(BIN / "dagster-daemon"), "run", "-w", "servers.yaml"]}
        for tenant, port in self._world.ports.items():
            place = ["-m", f"tenants.{tenant}.definitions", "-a", "defs", "-d", ".", "--location-name", tenant]
            commands[tenant] = [str(BIN / "dagster"), "api", "grpc", *place, "-h", "127.0.0.1", "-p", str(port)]
        return commands


def processes(world: World) -> dict[str, list[psutil.Process]]:
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
    if "multiprocessing" in command or "etl.cli.run_child" in command:
        return "run worker"
    if "api grpc" in command:
        return "code server"
    if "dagster-daemon" in command:
        return "daemon"
    if "/dbt " in command or "dbt build" in command:
        return "dbt"
    return "etl" if "/etl run" in command else None


def unfinished(world: World) -> list[Running]:
    """The runs that have not ended, from Dagster's own files: opening an instance for it would cost more than a run."""
    marks = ", ".join("?" for _ in UNFINISHED)
    with _reading(world.home / "history" / "runs.db") as runs:
        found = runs.execute(f"SELECT run_id, pipeline_name, status FROM runs WHERE status IN ({marks})", UNFINISHED)
        rows = found.fetchall()
    return [Running(run_id, job.split("_")[0], status, *_place(world, run_id)) for run_id, job, status in rows]


def ended(world: World) -> dict[str, tuple[str, str]]:
    """The runs that have ended: their tenant and their status."""
    marks = ", ".join("?" for _ in UNFINISHED)
    with _reading(world.home / "history" / "runs.db") as runs:
        found = runs.execute(
            f"SELECT run_id, pipeline_name, status FROM runs WHERE status NOT IN ({marks})", UNFINISHED
        )
        return {run_id: (job.split("_")[0], status) for run_id, job, status in found.fetchall()}


def said_of_failure(world: World, run_id: str) -> str:
    """What the event log has about a run that failed."""
    with _reading(world.home / "history" / "runs" / f"{run_id}.db") as log:
        found = log.execute(
            "SELECT event FROM event_logs WHERE dagster_event_type IN ('STEP_FAILURE', 'PIPELINE_FAILURE') ORDER BY id"
        ).fetchall()
    return " ".join(event for (event,) in found)


def _place(world: World, run_id: str) -> tuple[int | None, str]:
    path = world.home / "history" / "runs" / f"{run_id}.db"
    if not path.exists():
        return None, ""
    pid, step = None, ""
    try:
        with _reading(path) as log:
            events = log.execute(
                "SELECT dagster_event_type, step_key, event FROM event_logs WHERE dagster_event_type IN"
                " ('ENGINE_EVENT', 'STEP_START', 'STEP_SUCCESS', 'STEP_FAILURE') ORDER BY id"
            ).fetchall()
    except sqlite3.OperationalError:  # its tables are being made
        return None, ""
    for kind, key, event in events:
        if kind == "ENGINE_EVENT":
            worker = _WORKER.search(event)
            pid = int(worker.group(1)) if worker else pid
        else:
            step = key if kind == "STEP_START" else ""
    return pid, step


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        yield connection


def kill(world: World, victim: psutil.Process, kind: str) -> Kill | None:
    """Kill a process; None if it had ended by itself."""
    runs = unfinished(world)
    try:
        hit = _harmed(victim, kind, runs)
        victim.kill()
    except psutil.Error:
        return None
    stages = sorted({each.stage for each in hit})
    return Kill(kind, " + ".join(stages) or "idle", frozenset(each.run_id for each in hit))


def _harmed(victim: psutil.Process, kind: str, runs: list[Running]) -> list[Running]:
    """The runs that may fail because of this kill."""
    if kind == "run worker":
        own = [each for each in runs if each.pid == victim.pid]
        tenant = _tenant(victim)
        return own or [each for each in runs if each.pid is None and tenant in (None, each.tenant)]
    if kind == "dbt":
        above = {each.pid for each in victim.parents()}
        return [each for each in runs if each.pid in above]
    if kind == "daemon":  # a run that works needs no daemon
        return [each for each in runs if each.pid is None]
    tenant = _tenant(victim)
    return [each for each in runs if each.tenant == tenant]


def _tenant(process: psutil.Process) -> str | None:
    """Whose process it is; None where its parent, which would tell, is gone."""
    commands = [" ".join(each.cmdline()) for each in (process, *process.parents())]
    words = (f"tenants.{tenant}.definitions" for tenant in TENANTS)
    for tenant, module in zip(TENANTS, words, strict=True):
        if any(module in each or f"/etl run {tenant} " in each for each in commands):
            return tenant
    return None
