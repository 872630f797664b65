"""Runs `etl` and `dbt` commands in processes that are forked from one process that has already imported the libraries.

Each command is still a process of its own, with the arguments, folder and environment that it is given, and it ends as
the command ends. Only the imports, some two CPU-seconds of each command, are done once. The process of the first run that
a command starts is forked in the same way, before the command begins: it is a child of the command, in a session of its own.
A command that is killed or watched from outside is not forked; `tests/cli/test_start.py` shows what a command imports.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

BIN = Path(sys.executable).parent
ENTRIES = {"etl": ("etl.cli", "main"), "dbt": ("dbt.cli.main", "cli")}
"""Module and function of each command."""
FRESH = {"--port"}
"""Words of commands that need a fresh process: a server."""
ROOMS = (
    "check",
    "dbt",
    "demo",
    "docs",
    "home",
    "metrics",
    "new",
    "quarantine",
    "rules",
    "run",
    "run_child",
    "schema",
    "set_aside",
    "sla",
    "verify",
)


STARTERS = {"run", "demo", "quarantine"}
"""Commands that start runs."""
LIBRARIES = ("duckdb", "polars", "pyarrow.parquet")
"""What a run imports while it works."""


def is_forked(arguments: Sequence[str]) -> bool:
    """Whether a command of `etl` may begin with the libraries imported."""
    return not FRESH & {*arguments}


class Forks:
    """The process that has imported the libraries, and the requests to it."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            text=True,
            start_new_session=True,
        )
        atexit.register(self.close)

    def run(self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> tuple[int, str, str]:
        """Run the command; gives the exit code and what it printed."""
        asking, answering = self._process.stdin, self._process.stdout
        assert asking is not None
        assert answering is not None
        with tempfile.TemporaryDirectory() as place:
            asked = {"arguments": [*arguments], "folder": str(folder), "environ": dict(environ), "place": place}
            try:
                asking.write(json.dumps(asked) + "\n")
                asking.flush()
                code = int(answering.readline())
            except BaseException:  # the test's timeout: the next test gets a new process
                self.close()
                forks.cache_clear()
                raise
            out, err = (Path(place, name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
        return code, out, err

    def close(self) -> None:
        """End the process, and the command that it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@cache
def forks(command: str = "etl") -> Forks:
    """Return the process of this test session for a command."""
    return Forks(command)


def serve(command: str) -> None:
    """Import the libraries; then run each command that is asked for in a fork."""
    sys.path[0] = str(BIN)
    if command == "dbt":
        modules = ["dbt.cli.main", "dbt.task.build"]
    else:
        modules = [*(f"etl.cli.{room}" for room in ("start", *ROOMS)), "etl.definitions", *LIBRARIES]
    for each in modules:
        import_module(each)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            answers.close()
            _end_with(partial(_become, command, json.loads(line)))
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _end_with(work: Callable[[], None]) -> NoReturn:
    """Do the work of a forked process, and end as a process of Python ends."""
    code: Any = 1
    try:
        work()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  shown as Python would show it
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become(command: str, asked: dict[str, Any]) -> None:
    """Be the command."""
    module, function = ENTRIES[command]
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{asked['place']}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(asked["environ"])
    os.chdir(asked["folder"])
    sys.path[1:1] = [each for each in asked["environ"].get("PYTHONPATH", "").split(os.pathsep) if each]
    if command == "etl" and asked["arguments"][:1] and asked["arguments"][0] in STARTERS:
        _prepare_a_run()
    sys.argv = [str(BIN / command), *asked["arguments"]]
    getattr(import_module(module), function)()


def _prepare_a_run() -> None:
    """Fork the process of the command's first run. It waits until the command starts it, or ends with the command."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _end_with(partial(_become_a_run, theirs))
    theirs.close()
    child: Any = import_module("etl.cli.child")
    child.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _starting(pid, ours)})


def _starting(pid: int, to_run: socket.socket) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Return what starts the waiting process as `subprocess.Popen` starts a new one."""
    waiting = [pid]

    def start(command: list[str], **how: Any) -> "subprocess.Popen[bytes]":
        if not waiting:
            return subprocess.Popen(command, **how)
        (channel,) = how["pass_fds"]
        told = {"environ": dict(how["env"]), "folder": str(how["cwd"])}
        socket.send_fds(to_run, [json.dumps(told).encode() + b"\n"], [how["stdout"].fileno(), channel])
        to_run.close()
        found: Any = subprocess.Popen.__new__(subprocess.Popen)
        found.args, found.pid, found.returncode = command, waiting.pop(), None
        found.stdin = found.stdout = found.stderr = None
        found._child_created, found._communication_started, found._waitpid_lock = True, False, threading.Lock()
        found._sigint_wait_secs = 0.25
        return found  # type: ignore[no-any-return]

    return start


def _become_a_run(from_command: socket.socket) -> None:
    """Wait for the word of the command; then be `python -m etl.cli.run_child`."""
    said, descriptors, _, _ = socket.recv_fds(from_command, 1 << 20, 2)
    while said and not said.endswith(b"\n"):
        said += from_command.recv(1 << 20)
    from_command.close()
    if not said:  # the command has ended, or runs nothing
        return
    os.setsid()
    told = json.loads(said)
    os.environ.clear()
    os.environ.update(told["environ"])
    os.chdir(told["folder"])
    for descriptor in (1, 2):
        os.dup2(descriptors[0], descriptor)
    os.close(descriptors[0])
    sys.path[0] = told["folder"]
    sys.argv = ["-m", str(descriptors[1])]
    import_module("etl.cli.run_child").main()


if __name__ == "__main__":
    serve(sys.argv[1])
