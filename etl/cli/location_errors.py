"""Explains why a tenant's code location cannot be used, with a sentence and a remedy instead of Dagster's trace.

Belongs here: turning Dagster's error about a code location into the product's error, also if the process that loads it
has ended. Not here: starting that process (`child`, `code_servers`).
"""

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dagster_shared.error import SerializableErrorInfo

from etl import errors
from etl.config.yaml_word import yaml_word
from etl.errors import EtlError
from etl.running.compat import DagsterUserCodeUnreachableError

_ENDED = re.compile(r"gRPC server exited with return code (-?\d+) while starting up")
_LATE = re.compile(r"Timed out waiting for gRPC server to start after (\d+)s")
_OURS = frozenset(f"{each.__module__}.{each.__qualname__}" for each in vars(errors).values() if isinstance(each, type))
_AGAIN = (
    "run the command again; if that happens each time, look for a lack of memory (`dmesg | grep -i kill`) and in {}"
)


def log_file() -> Path:
    """Return the file with the output of the processes that load code locations and execute runs."""
    return Path(os.environ["DAGSTER_HOME"]) / "code_servers.log"


def not_in_workspace(tenant: str) -> EtlError:
    """Return the error for a tenant that no code location serves."""
    return EtlError(
        f"workspace.yaml has no code location `{tenant}`",
        f"add an entry with `module_name: tenants.{tenant}.definitions` and `location_name: {yaml_word(tenant)}`",
    )


def cannot_load(location: str, error: SerializableErrorInfo | None, log: Path) -> EtlError:
    """Return the error for a location that Dagster could not load. `log` is the file with the code servers' output."""
    what = f"code location `{location}` cannot be loaded"
    if error is None:
        return EtlError(f"{what}, and Dagster does not say why", f"look in {log}")
    if found := _ENDED.search(error.message):
        return ended_early(location, int(found[1]), log)
    if found := _LATE.search(error.message):
        return not_started(location, int(found[1]), log)
    cause = error
    while cause.cause is not None:
        cause = cause.cause
    name, _, told = cause.message.strip().partition(": ")
    if name in _OURS:  # the error names problem and remedy itself; lines of our own source would only hide them
        problem, _, remedy = told.partition("\n  -> ")
        return EtlError(f"{what}: {problem}", remedy)
    lines = [cause.message.strip(), *_own_lines(cause.stack)]
    return EtlError(
        f"{what}: " + "\n".join(lines),
        "correct that and run again; `dagster definitions validate -w workspace.yaml` shows the whole trace",
    )


def ended_early(location: str, exit_code: int, log: Path) -> EtlError:
    """Return the error for a location whose process has ended before the location was loaded."""
    problem = f"code location `{location}` cannot be loaded: its process {_end(exit_code)} while it was starting"
    if exit_code < 0:
        return EtlError(problem, _AGAIN.format(log))
    return EtlError(
        problem,
        f"a file of the tenant may end it (`sys.exit`, `os._exit`), or its Python has no Dagster: look in {log}",
    )


def not_started(location: str, seconds: int, log: Path) -> EtlError:
    """Return the error for a location that was not loaded in time."""
    return EtlError(
        f"code location `{location}` cannot be loaded: its process had not started after {seconds} s",
        f"give it more time in dagster.yaml (`code_servers: {{local_startup_timeout: 360}}`), or look in {log}",
    )


def does_not_answer(location: str, log: Path) -> EtlError:
    """Return the error for a location whose process has ended after the location was loaded."""
    return EtlError(
        f"the process of code location `{location}` does not answer any more: it was killed, or has ended",
        _AGAIN.format(log),
    )


@contextmanager
def reachable(location: str, log: Path) -> Iterator[None]:
    """Explain the error if the code server of a location no longer answers."""
    try:
        yield
    except DagsterUserCodeUnreachableError as error:
        raise does_not_answer(location, log) from error


def _end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _own_lines(stack: Sequence[str]) -> list[str]:
    """Return the lines of the trace in the tenant's and the project's own code, without those of libraries."""
    own = [each for each in stack if "site-packages" not in each and "<frozen" not in each and "lib/python" not in each]
    return [line for each in own[-3:] for line in each.rstrip().splitlines()]
