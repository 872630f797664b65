"""`dagster dev` as a person starts it: on loopback, on a free port, ended by Ctrl-C, bounded in time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port

DAGSTER = Path(sys.executable).parent / "dagster"


@dataclass(frozen=True)
class Server:
    """Dagster's web server and its daemon."""

    port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert not found.get("errors"), found["errors"]
        return found["data"]

    def locations(self) -> dict[str, str]:
        """Every code location and its state, or what is wrong with it."""
        found = self.ask("""{ workspaceOrError { ... on Workspace { locationEntries {
            name loadStatus locationOrLoadError { ... on PythonError { message causes { message } } } } } } }""")
        states: dict[str, str] = {}
        for each in found["workspaceOrError"]["locationEntries"]:
            error = each["locationOrLoadError"] or {}
            wrong = [error["message"], *(cause["message"] for cause in error["causes"])] if error else []
            states[each["name"]] = "\n".join(wrong) or each["loadStatus"]
        return states

    def run_status(self, run_id: str) -> str:
        found = self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
        return str(found["runOrError"].get("status"))


@contextlib.contextmanager
def dagster_dev(
    arguments: Sequence[str], environ: Mapping[str, str], cwd: Path, log: Path, seconds: float = 240
) -> Iterator[Server]:
    """Started, answering, and with every code location loaded."""
    port = free_port()
    command = [str(DAGSTER), "dev", *arguments, "-h", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        # A session of its own: a child of a shell's `&` would ignore Ctrl-C.
        process = subprocess.Popen(
            command, cwd=cwd, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(port, log, process)
    try:
        wait_for(lambda: loaded(server), seconds, server)
        yield server
    finally:
        stop(process)


def loaded(server: Server) -> bool:
    try:
        states = server.locations()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return bool(states) and "LOADING" not in states.values()


def wait_for(condition: Callable[[], bool], seconds: float, server: Server) -> None:
    """Until it holds; a server that has ended or takes too long shows its log."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = server.process.poll()
        late = time.monotonic() > deadline
        assert ended is None, f"ended with {ended}:\n{tail(server.log)}"
        assert not late, f"not within {seconds} s:\n{tail(server.log)}"
        time.sleep(0.5)


def tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C, as a person would; and no process of the session is left behind."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
