"""The warm dbt processes of a run: one per tenant, started at the tenant's first dbt command, ended with the run.

Belongs here: starting such a process, giving it commands, and ending it. Not here: what it does (`warm_process`), what
a command means (`build`).

The process belongs to one tenant, because its environment has the tenant's variables. If the run ends in any way, the
kernel closes the channel, and the process stops its dbt and ends.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etl.dbt import warm_process, window_reads
from etl.dbt.project import TenantDbt, dbt_arguments
from etl.errors import DbtError
from etl.faults import reach
from etl.secrets.scrub import scrub

_SECONDS_TO_END = 5.0
_runs: dict[str, dict[str, "WarmDbt"]] = {}


class WarmDbt:
    """A process that has dbt imported, and runs one command of its tenant at a time."""

    def __init__(self, project: TenantDbt) -> None:
        """Start the process. It imports dbt when it gets its first command."""
        self._tenant = project.tenant
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", str(Path(warm_process.__file__)), str(theirs.fileno())],
                env=_environ(project),
                cwd=project.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    @property
    def is_alive(self) -> bool:
        """Whether the process can take another command."""
        return self._process.poll() is None

    def run(
        self,
        project: TenantDbt,
        arguments: Sequence[str],
        lock: int,
        say: Callable[[str], None],
        readers: list[str] | None = None,
    ) -> tuple[int, list[str]]:
        """Run one dbt command, and return its exit code and its output; a negative code is the signal that ended it.

        dbt inherits the descriptor `lock`. If reading the output is interrupted, dbt is stopped first. `readers` are
        the files that dbt parses again for another window (`window_reads`); None: dbt parses as it does by itself.
        """
        reading, writing = os.pipe()
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            try:
                self._send(project, arguments, readers, (writing, lock))
            finally:
                os.close(writing)
            try:
                reach("dbt.started")
                output = _read(lines, say)
                return self._code(), output
            except BaseException:  # the run was cancelled; dbt would go on by itself
                self._stop()
                raise

    def _send(
        self, project: TenantDbt, arguments: Sequence[str], readers: list[str] | None, descriptors: Sequence[int]
    ) -> None:
        command = {
            "arguments": dbt_arguments(project, arguments),
            "environ": _environ(project),
            "folder": str(project.folder),
            "parsed": str(project.parsed_path),
            "reuse": {"program": str(Path(window_reads.__file__)), "files": readers} if readers is not None else None,
        }
        data = json.dumps(command).encode() + b"\n"
        try:
            sent = socket.send_fds(self._channel, [data], descriptors)
            self._channel.sendall(data[sent:])
        except OSError as error:
            raise DbtError(
                f"tenant {self._tenant}: the process that dbt runs in has ended before it could be used: {error}",
                "run the step again, which starts another one",
            ) from error

    def _code(self) -> int:
        """Wait for the exit code of the command. If the process itself ended, its own code is the answer."""
        answer = b""
        while not answer.endswith(b"\n"):
            try:
                data = self._channel.recv(1 << 10)
            except ConnectionResetError:
                data = b""
            if not data:
                return self._process.wait() or 1
            answer += data
        return int(json.loads(answer)["exit"])

    def _stop(self) -> None:
        try:
            self._channel.sendall(b"stop\n")
        except OSError:
            pass
        else:
            self._channel.settimeout(warm_process.SECONDS_TO_STOP + _SECONDS_TO_END)
            try:
                self._code()
            except TimeoutError:
                self.close()
                return
        self._channel.settimeout(None)

    def close(self) -> None:
        """End the process. A command that still runs is stopped by it first."""
        self._channel.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its dbt dies with it
            self._process.wait()


@contextmanager
def warm_dbt_of_run(run_id: str) -> Iterator[None]:
    """While the block runs, all dbt commands of this run share one process per tenant."""
    _runs[run_id] = {}
    try:
        yield
    finally:
        for each in _runs.pop(run_id).values():
            each.close()


@contextmanager
def warm_dbt(project: TenantDbt, run_id: str) -> Iterator[WarmDbt]:
    """Yield the tenant's process of this run, or a process for this one command if no run keeps one."""
    shared = _runs.get(run_id)
    if shared is None:
        alone = WarmDbt(project)
        try:
            yield alone
        finally:
            alone.close()
        return
    known = shared.get(project.tenant)
    if known is None or not known.is_alive:
        if known is not None:
            known.close()
        known = shared[project.tenant] = WarmDbt(project)
    yield known


def ended_by(code: int) -> str | None:
    """Return the name of the signal that ended a command; None if it ended by itself."""
    if code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _environ(project: TenantDbt) -> dict[str, str]:
    return {**project.full_environ(), "PYTHONUNBUFFERED": "1"}


def _read(lines: Iterator[str], say: Callable[[str], None]) -> list[str]:
    output = []
    for line in lines:
        text = scrub(line.rstrip())
        if text and " START " not in text:
            say(text)
            output.append(text)
    return output
