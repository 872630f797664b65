"""File locks for one process at a time. A lock names its holder, and it ends when its holder ends.

Belongs here: `flock` on a lock file. Not here: the data that a lock protects.

The kernel releases a lock whenever its process ends, so a crash leaves no lock behind.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from etl.errors import EtlError

_LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 0.05
"""How long a process that waits for a lock sleeps between two looks at it."""


@contextmanager
def exclusive(
    path: Path, *, what: str, run_id: str = "", limit_seconds: float = 600.0, error: Callable[[str, str], EtlError]
) -> Iterator[int]:
    """Hold the lock file `path`. Wait for its present holder up to the limit, and log once who holds it.

    Yields the descriptor. A child process that inherits the descriptor holds the lock too, until the child ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        wait_until(lambda: _try(descriptor), what, lambda: _holder(descriptor), limit_seconds, error)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note = json.dumps({"pid": os.getpid(), "run_id": run_id, "since": since})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note.encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def wait_until(
    ready: Callable[[], bool],
    what: str,
    holder: Callable[[], str],
    limit_seconds: float,
    error: Callable[[str, str], EtlError],
) -> None:
    """Wait until `ready()` is true, and log the holder. After the limit, raise the error that `error` makes."""
    started = time.monotonic()
    told = False
    while not ready():
        waited = time.monotonic() - started
        if waited >= limit_seconds:
            raise error(
                f"{what} is still held by {holder()} after {waited:.0f} s",
                "wait for that process or end it; one writer at a time",
            )
        if not told:
            _LOG.warning("waiting up to %.0f s for %s, held by %s", limit_seconds, what, holder())
            told = True
        time.sleep(PAUSE_SECONDS)


def hold(path: Path) -> int:
    """Create a lock file and lock it. The returned descriptor keeps the file locked until it is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {note['pid']} (run `{note['run_id'] or 'unnamed'}`, since {note['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
