"""A whole Airflow on this machine: scheduler, API server, triggerer and DAG processor, and a client of its REST API.

Everything is in one folder and on free ports of the loopback device, and ends with the one who started it.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("scheduler", "api-server", "triggerer", "dag-processor")
PATIENCE = 120.0
ENDED = {"success", "failed"}
_TRIES = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.5) -> Any:
    """Look until there is something to see; the error says what there was last."""
    ends = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > ends:
            raise TimeoutError(f"{what}: nothing after {seconds:g} s")
        time.sleep(pause)


def environment(home: Path, dags: Path, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What the processes of Airflow are told. Nothing is taken from the one who runs the tests but PATH."""
    settings = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 2,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__FERNET_KEY": "",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=120",  # five processes write to it
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": 1,
        "API__SECRET_KEY": "only for this test",
        "API_AUTH__JWT_SECRET": "only for this test, and of 64 bytes at least, as HS512 wants it so",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 3600,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 3600,
        "DAG_PROCESSOR__PARSING_PROCESSES": 2,
        "SCHEDULER__ENABLE_HEALTH_CHECK": False,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.3,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
        "LOGGING__WORKER_LOG_SERVER_PORT": free_port(),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": free_port(),
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LANG") if key in os.environ}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
    told = {f"AIRFLOW__{key}": str(value) for key, value in settings.items()}
    return {**kept, "HOME": str(home), "AIRFLOW_HOME": str(home), **told, **extra}


@dataclass
class Airflow:
    """A running Airflow."""

    home: Path
    dags: Path
    port: int
    environ: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.run("db", "migrate")
        for part in PARTS:
            with (self.home / f"{part}.log").open("wb") as log:
                self.processes[part] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", part],
                    env=self.environ,
                    cwd=self.home,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        wait_for("the API server", self.healthy)
        wait_for("the DAGs of every file", self.all_parsed)

    def healthy(self) -> bool:
        for part, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{part} ended:\n{(self.home / f'{part}.log').read_text()[-3000:]}")
        try:
            found = self.ask("/api/v2/monitor/health")
        except (OSError, ValueError):
            return False
        return all(
            (found.get(part) or {}).get("status") == "healthy" for part in ("scheduler", "triggerer", "dag_processor")
        )

    def all_parsed(self) -> bool:
        """Whether Airflow knows what is in each file: its DAGs, or the error that it holds."""
        wanted = {
            str(each)
            for each in self.dags.rglob("*.py")
            if re.search(r"^@dag\b|\bDAG\(", each.read_text(), re.MULTILINE)
        }
        dags = self.ask("/api/v2/dags?limit=1000")["dags"]
        errors = self.ask("/api/v2/importErrors?limit=1000")["import_errors"]
        found = [*(each["fileloc"] for each in dags), *(str(self.dags / each["filename"]) for each in errors)]
        return wanted <= set(found)

    def stop(self) -> None:
        for process in self.processes.values():
            _signal(process, signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            _signal(process, signal.SIGKILL)  # what a server left behind in its group too
            process.wait()

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def ask(self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        for left in reversed(range(_TRIES if data is not None else 1)):
            try:
                with urllib.request.urlopen(request, timeout=150) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                said = error.read()[:500]
                # SQLite was busy, so that nothing was written: the same can be asked for again.
                if not left or b"Database error" not in said:
                    raise ValueError(f"{error.code} for {path}: {said!r}") from None
                time.sleep(1)
        raise AssertionError("unreachable")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.ask(f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def ended(self, dag_id: str, run_id: str) -> str:
        """Wait for the end of a run, and return its state."""

        def look() -> str | None:
            state = str(self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])
            return state if state in ENDED else None

        try:
            return str(wait_for(f"the end of {dag_id}", look))
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {self.states(dag_id, run_id)}") from None

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return list(self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")["task_instances"])

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        return {each["task_id"]: each["state"] for each in self.tasks(dag_id, run_id)}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "quality", index: int = -1) -> Any:
        place = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        found = self.ask(f"{place}?map_index={index}&deserialize=true")["value"]
        return json.loads(found) if isinstance(found, str) and found[:1] in "{[" else found

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1, index: int = -1) -> str:
        place = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return json.dumps(self.ask(f"{place}?full_content=true&map_index={index}")["content"])


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
