"""Runs `etl` and `dbt` commands in processes that are forked from one process that has already imported the libraries.

Each command is still a process of its own, with the arguments, folder and environment that it is given, and it ends as
the command ends. Only the imports, some two CPU-seconds of each command, are done once. A command that starts runs is
forked too: the process of a run is a fresh one, which inherits nothing but the environment and the folder. A command that
is killed or watched from outside is not forked; `tests/cli/test_start.py` shows what a command imports.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

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
    "schema",
    "set_aside",
    "sla",
    "verify",
)


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
        modules = [*(f"etl.cli.{room}" for room in ("start", *ROOMS)), "etl.definitions"]
    for each in modules:
        import_module(each)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            answers.close()
            _become(command, json.loads(line))
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _become(command: str, asked: dict[str, Any]) -> None:
    """Be the command, and end."""
    module, function = ENTRIES[command]
    code: Any = 1
    try:
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{asked['place']}/{name}", os.O_WRONLY | os.O_CREAT), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(asked["environ"])
        os.chdir(asked["folder"])
        sys.path[1:1] = [each for each in asked["environ"].get("PYTHONPATH", "").split(os.pathsep) if each]
        sys.argv = [str(BIN / command), *asked["arguments"]]
        getattr(import_module(module), function)()
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


if __name__ == "__main__":
    serve(sys.argv[1])
