"""Real servers for tests: each starts one of its own on loopback, as an unprivileged user, and stops it at the end.

Belongs here: what the servers share. A test that needs a server whose programs are absent is skipped with the reason;
with `CI` set in the environment that skip is a failure.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
_STARTED: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
PASSWORD = "s3cr3t p@ss/w'rd"  # with everything that a URL or a connection string could trip over


def require(program: str, *folders: str) -> str:
    """The program's path, or a skip (in CI: a failure) that says what to install."""
    found = shutil.which(program, path=os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"]))
    if found is None:
        missing(f"{program} is not installed")
    return found


def missing(reason: str) -> None:
    """Skip, or fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set", pytrace=False)
    pytest.skip(reason)


def once(config: pytest.Config, start: Callable[[], AbstractContextManager[T]], what: str) -> T:
    """What this process has started already, or a new one, which ends with the process.

    A fixture that several folders import is a fixture of each of them, and each would start a server of its own.
    """
    started = config.stash.setdefault(_STARTED, {})
    if what not in started:
        stack = contextlib.ExitStack()
        config.add_cleanup(stack.close)
        started[what] = stack.enter_context(start())
    return started[what]  # type: ignore[no-any-return]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def home_for(user: str) -> Iterator[Path]:
    """A short folder (a socket's path has a limit) that belongs to `user` where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="etl-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(user: str, command: Sequence[str]) -> list[str]:
    """The command, run as `user` where we are root: database servers refuse root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", *command]


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, ready: Callable[[], bool], seconds: float = 60
) -> Iterator[subprocess.Popen[bytes]]:
    """The server while the block runs; it is stopped by the process that started it."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}", pytrace=False)
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
