"""A real Prefect: one server for all tests, on a free port of loopback, and workers that execute deployments."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "examples" / "prefect"
SECONDS = 120


def environment(home: Path) -> dict[str, str]:
    """What Prefect is told, in this process and in those that the tests start."""
    port = _free_port()
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
        "QUALITY_FLOWS": str(EXAMPLES),
        "PYTHONPATH": str(EXAMPLES),
    }


@contextlib.contextmanager
def server(environ: Mapping[str, str]) -> Iterator[str]:
    """Start `prefect server start`; the value is the address of its API."""
    api = environ["PREFECT_API_URL"]
    port = api.rsplit(":", 1)[1].partition("/")[0]
    with started([BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", port], environ, "server"):
        wait_for(lambda: _answers(f"{api}/health"), "Prefect's server")
        yield api


@contextlib.contextmanager
def started(command: Sequence[str | Path], environ: Mapping[str, str], name: str) -> Iterator[Path]:
    """A process with all its children, ended when the tests end; the value is the file of its output."""
    output = Path(environ["PREFECT_HOME"]) / f"{name}.log"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environ},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield output
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def command(*words: str | Path, folder: Path = EXAMPLES, **environ: str) -> str:
    """Run a command to its end; return what it printed."""
    done = subprocess.run(
        [str(word) for word in (BIN / words[0], *words[1:])],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


def wait_for(found: Callable[[], object], what: str, seconds: float = SECONDS) -> object:
    """Return what is found as soon as there is something."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, f"{what}: nothing within {seconds} seconds"
        time.sleep(0.2)
    return value


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
