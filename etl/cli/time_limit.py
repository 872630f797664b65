"""Ends code of a person that does not come back, and says where it was.

Belongs here: the limit. Not here: what is run under it (`etl.cli.checking`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from etl.errors import EtlError


class _OutOfTime(BaseException):
    """Raised in the code that takes too long."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


@contextmanager
def time_limit(seconds: float, what: str, folder: Path) -> Iterator[None]:
    """Raise EtlError if the block takes longer. `folder` has the files that a person can correct.

    There is no limit in a thread, or where the system has no such signal, as on Windows.
    """
    if seconds <= 0 or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, frame: FrameType | None) -> None:
        raise _OutOfTime(_place(frame, folder))

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _OutOfTime as late:
        raise EtlError(
            f"{what} is not built after {seconds:g} s{late.place}",
            "a file of definitions only defines things: move this work into an asset (or give more time: --timeout)",
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None, folder: Path) -> str:
    """Return the place in a file of the folder at which the code is."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(folder):
            return f": it is at {path.relative_to(folder)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
