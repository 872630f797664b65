"""Tries out tenants' own Python in another process, and says what is wrong with which tenant.

Belongs here: starting that process, waiting for it, and the errors. Not here: what happens in it (`child`).

One process tries out all tenants. If a tenant's Python ends it, blocks it or changes it, another process goes on with
the next tenant. So a location without such a tenant costs one process, which is a copy of this one.
"""

import json
import os
import select
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import EtlError
from etl.trial.child import LOOKING, Answer, TrialProcess
from etl.trial.own_python import FILE

SECONDS = 30.0
"""How long the import of a tenant's Python may take."""
MEMORY = 2 << 30
"""How many bytes more than the location the import may need."""
_GRACE, _LOOK = 5.0, 0.5
_TOGETHER = 25
"""For so many tenants it is found out at once whether one of them has replaced something."""
_APART = "move that into an asset or a resource, or give the tenant a location of its own in workspace.yaml"
_CAN_FORK = sys.platform == "linux"  # elsewhere, a copy of a process with threads may block or crash by itself


class EndsProcessError(EtlError):
    """The import of a tenant's Python ends its process, or does not end."""


class ChangesProcessError(EtlError):
    """The import of a tenant's Python changes what other tenants in the process depend on."""


@dataclass
class _Ended:
    """What became of one process: the tenants that are good, and the one at which it ended, with the error."""

    good: list[str] = field(default_factory=list)
    at: str | None = None
    error: EtlError | None = None
    unclear: bool = False
    """Whether something was replaced by one of several tenants; each has to be tried out by itself."""
    late: bool = False
    """Whether it was ended because it had been silent for too long."""


def try_out(
    tenants: Sequence[str],
    load: Callable[[str], object],
    tenants_dir: Path,
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    together: int = _TOGETHER,
) -> dict[str, EtlError]:
    """Import each tenant's Python with `load` in another process. Return an error for each that must not be imported.

    `together` is for how many tenants it is found out at once whether one of them has replaced something. Where the
    system cannot copy a process, nothing is tried out.
    """
    broken: dict[str, EtlError] = {}
    left = list(tenants) if _CAN_FORK else []
    while left:
        ended = _one_process(left, load, tenants_dir, seconds, memory, together)
        good = set(ended.good)
        if ended.at is not None:
            if ended.error is not None:
                broken[ended.at] = ended.error
            unknown = [each for each in left[: left.index(ended.at)] if each not in good]
            if ended.error is None and not unknown:  # what that process says cannot be, so it is no longer what it was
                problem = f"tenants/{ended.at}/{FILE}: the import changes how Python works in its process"
                broken[ended.at] = ChangesProcessError(problem, _APART)
            if unknown:
                hurting = try_out(unknown, load, tenants_dir, seconds=seconds, memory=memory, together=1)
                if hurting:  # what the process said last may be the work of one of these
                    broken.pop(ended.at, None)
                broken |= hurting
                good |= {*unknown}
        left = [each for each in left if each not in good and each not in broken]
    return broken


def _one_process(
    tenants: Sequence[str],
    load: Callable[[str], object],
    tenants_dir: Path,
    seconds: float,
    memory: int,
    together: int,
) -> _Ended:
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile() as traces:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the copy uses no thread and no lock of this process
            pid = os.fork()
        if pid == 0:
            leave = os._exit
            try:
                TrialProcess(theirs, traces.fileno(), tenants_dir, seconds, memory).run(tenants, load, together)
            finally:
                leave(1)  # whatever happened, this copy must not go on as if it were the location
        os.close(theirs)
        with suppress(OSError):
            os.setpgid(pid, pid)  # whichever of both processes is the first to do it
        try:
            ended = _listen(ours, pid, seconds)
        finally:
            os.close(ours)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
        if ended.at is None and len(ended.good) < len(tenants):
            ended.at = tenants[len(ended.good)]
        if ended.at is not None and ended.error is None and not ended.unclear:
            traces.seek(0)
            ended.error = _died(ended, status, traces.read().decode(errors="replace"), tenants_dir, seconds)
        return ended


def _listen(answers: int, pid: int, seconds: float) -> _Ended:
    """Read what the process says, until it ends, has found something, or is silent for too long."""
    ended, text, heard = _Ended(), b"", time.monotonic()
    while True:
        # What the tenant's Python has started may hold the pipe open, so that its end alone does not tell.
        is_over = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if not select.select([answers], [], [], 0 if is_over else _LOOK)[0]:
            if is_over:
                return ended
            if seconds and time.monotonic() - heard > seconds + LOOKING + _GRACE:
                ended.late = True
                return ended
            continue
        said = os.read(answers, 1 << 16)
        if not said:
            return ended
        heard = time.monotonic()
        *lines, text = (text + said).split(b"\n")
        for line in lines:
            _hear(line, ended)
        if ended.error is not None or ended.unclear:
            return ended


def _hear(line: bytes, ended: _Ended) -> None:
    answer: Answer
    answer, tenant, more = json.loads(line)
    ended.at = tenant
    if answer == "good":
        ended.good.append(tenant)
        ended.at = None
    elif answer == "unclear":
        ended.unclear = True
    elif answer == "raised":
        ended.error = EtlError(more, f"correct tenants/{tenant}")
    elif answer == "changed":
        problem = f"tenants/{tenant}/{FILE}: the import changes the process that it shares with other tenants: {more}"
        ended.error = ChangesProcessError(problem, _APART)


def _died(ended: _Ended, status: int, traces: str, tenants_dir: Path, seconds: float) -> EtlError:
    """Return the error for a tenant in whose import the process ended. `traces` are what `faulthandler` wrote."""
    place = _place(traces, tenants_dir) or f"tenants/{ended.at}/{FILE}"
    if ended.late or "Timeout (" in traces:
        hint = (
            "a file of definitions only defines things: move this work into an asset (or give more time:"
            " `python_seconds` in [tool.etl], and `etl check --timeout`)"
        )
        return EndsProcessError(f"{place}: the import does not end within {seconds:g} s", hint)
    code = os.waitstatus_to_exitcode(status)
    how = f"with exit code {code}" if code >= 0 else f"by the signal {_named(-code)}"
    return EndsProcessError(f"{place}: the import ends its process {how}", _APART)


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _place(traces: str, tenants_dir: Path) -> str:
    """Return the place in a tenant's file that stands highest in a trace, where the code was."""
    for line in traces.splitlines():
        name, _, rest = line.strip().removeprefix('File "').partition('", line ')
        if rest and Path(name).is_relative_to(tenants_dir):
            return f"{Path(name).relative_to(tenants_dir.parent)}:{rest.split()[0]}"
    return ""
