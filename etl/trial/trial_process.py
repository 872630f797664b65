"""One process that tries out tenants' own Python, as the process that has started it sees it.

Belongs here: starting that process, listening to it, ending it, and the error for the tenant at which it ended. Not
here: what happens in it (`child`), which tenants are tried out in which process, and for how long (`trial`).
"""

import json
import os
import select
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import EtlError
from etl.trial.child import LOOKING, Answer, TrialProcess
from etl.trial.own_error import OwnPythonError, place_of
from etl.trial.own_python import FILE
from etl.trial.processes import end_descendants

_GRACE, _LOOK = 5.0, 0.5
_APART = "move that into an asset or a resource, or give the tenant a location of its own in workspace.yaml"


class EndsProcessError(OwnPythonError):
    """The import of a tenant's Python ends its process, or does not end."""


class ChangesProcessError(OwnPythonError):
    """The import of a tenant's Python changes what other tenants in the process depend on."""


@dataclass
class Ended:
    """What became of one process: the tenants that are good, and the one at which it ended, with the error."""

    good: list[str] = field(default_factory=list)
    at: str | None = None
    error: EtlError | None = None
    unclear: bool = False
    """Whether something was replaced by one of several tenants; each has to be tried out by itself."""
    late: float | None = None
    """After how many seconds the process was ended, because the import of `at` had not ended."""
    libraries: tuple[str, ...] = ()
    """The modules of libraries that the tenant has imported, by whose Python or libraries the process was changed."""


@dataclass(frozen=True)
class Trial:
    """What each process of one trial needs. `memory` is how many bytes more than the location an import may need."""

    load: Callable[[str], object]
    tenants_dir: Path
    memory: int
    libraries: list[str] = field(default_factory=list)
    """Modules of libraries that each process imports first, because one of them may change the process by itself."""


class RunningTrial:
    """A process that imports the Python of some tenants in order, each within `seconds`; 0 is no limit."""

    def __init__(self, trial: Trial, tenants: Sequence[str], seconds: float, together: int = 1) -> None:
        """Start the process. For so many tenants `together` it finds out at once whether one has replaced something."""
        self.tenants = tenants
        self._tenants_dir, self._seconds = trial.tenants_dir, seconds
        self._ended, self._text, self._heard = Ended(), b"", time.monotonic()
        self._silent = False
        with ExitStack() as undone:  # where the system refuses another process, nothing is left open
            self._traces = undone.enter_context(tempfile.TemporaryFile())
            self._answers, theirs = os.pipe()
            undone.callback(os.close, self._answers)
            undone.callback(os.close, theirs)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the copy uses no thread, no lock of this process
                self._pid = os.fork()
            undone.pop_all()
        if self._pid == 0:
            leave = os._exit
            try:
                process = TrialProcess(theirs, self._traces.fileno(), trial.tenants_dir, seconds, trial.memory)
                process.run(tenants, trial.load, together, trial.libraries)
            finally:
                leave(1)  # whatever happened, this copy must not go on as if it were the location
        os.close(theirs)
        with suppress(OSError):
            os.setpgid(self._pid, self._pid)  # whichever of both processes is the first to do it

    def listen(self) -> Ended:
        """Wait until the process has ended, has found something, or is silent for too long, and end it."""
        try:
            while not self._is_over():
                select.select([self._answers], [], [], _LOOK)
        finally:
            ended = self._end()
        return ended

    def _is_over(self) -> bool:
        """Read what the process has said; whether it has ended, has found something, or is silent for too long."""
        # What the tenant's Python has started may hold the pipe open, so that its end alone does not tell.
        is_over = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        while select.select([self._answers], [], [], 0)[0]:
            said = os.read(self._answers, 1 << 16)
            if not said:
                return True
            self._heard = time.monotonic()
            *lines, self._text = (self._text + said).split(b"\n")
            for line in lines:
                self._hear(line)
            if self._ended.error is not None or self._ended.unclear:
                return True
        self._silent = bool(self._seconds) and time.monotonic() - self._heard > self._seconds + LOOKING + _GRACE
        return is_over or self._silent

    def _end(self) -> Ended:
        """End the process with everything that it has started, and return what became of it."""
        os.close(self._answers)
        end_descendants(self._pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        status = os.waitpid(self._pid, 0)[1]
        with self._traces:
            self._traces.seek(0)
            traces = self._traces.read().decode(errors="replace")
        ended = self._ended
        if ended.at is None and len(ended.good) < len(self.tenants):
            ended.at = self.tenants[len(ended.good)]
        if ended.at is not None and ended.error is None and not ended.unclear:
            if self._silent or "Timeout (" in traces:
                ended.late = time.monotonic() - self._heard
            ended.error = self._died(ended, status, traces)
        return ended

    def _hear(self, line: bytes) -> None:
        ended = self._ended
        answer: Answer
        try:
            said = json.loads(line)
            answer, tenant, more, told = (said[each] for each in ("answer", "tenant", "text", "told"))
        except (ValueError, TypeError, LookupError):  # the tenant's Python writes into files that it has not opened
            ended.error = changes_python(ended.at or self.tenants[len(ended.good)])
            return
        ended.at = tenant
        if answer == "good":
            ended.good.append(tenant)
            ended.at = None
        elif answer == "unclear":
            ended.unclear = True
        elif answer == "raised":
            ended.error = OwnPythonError(more, f"correct tenants/{tenant}", told=told)
        elif answer == "changed":
            ended.libraries = tuple(said.get("libraries", ()))
            changes = f"tenants/{tenant}/{FILE}: the import changes the process that it shares with other tenants"
            first, first_told = (f"{said['raised']}\n", f"{told}\n") if said["raised"] else ("", "")
            told = f"{first_told}{changes}; `etl check` shows what it changes"
            ended.error = ChangesProcessError(f"{first}{changes}: {more}", _APART, told=told)

    def _died(self, ended: Ended, status: int, traces: str) -> EtlError:
        """Return the error for a tenant in whose import the process ended. `traces` are what `faulthandler` wrote."""
        place = _place(traces, self._tenants_dir) or f"tenants/{ended.at}/{FILE}"
        if ended.late is not None:
            hint = (
                "a file of definitions only defines things: move this work into an asset (or give more time:"
                " `python_seconds` in [tool.etl], and `etl check --timeout`)"
            )
            problem = f"{place}: the import does not end within {self._seconds:.2g} s"
            return EndsProcessError(problem, hint, told=problem)
        code = os.waitstatus_to_exitcode(status)
        how = f"with exit code {code}" if code >= 0 else f"by the signal {_named(-code)}"
        problem = f"{place}: the import ends its process {how}"
        return EndsProcessError(problem, _APART, told=problem)


def changes_python(tenant: str) -> ChangesProcessError:
    """Return the error for a tenant after whose import the process says what cannot be."""
    problem = f"tenants/{tenant}/{FILE}: the import changes how Python works in its process"
    return ChangesProcessError(problem, _APART, told=problem)


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _place(traces: str, tenants_dir: Path) -> str:
    """Return the place in a tenant's file that stands highest in a trace, where the code was."""
    for line in traces.splitlines():
        name, _, rest = line.strip().removeprefix('File "').partition('", line ')
        if rest and (place := place_of(name, rest.split()[0], tenants_dir)):
            return place
    return ""
