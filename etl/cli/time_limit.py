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


class OutOfTimeError(EtlError):
    """Code did not come back. `path` and `line` say where it was; None if it was in no file of the folder."""

    def __init__(self, what: str, seconds: float, path: Path | None, line: int | None) -> None:
        """`what` was not built after so many seconds."""
        super().__init__(
            f"{what} is not built after {seconds:g} s",
            "a file of definitions only defines things: move this work into an asset (or give more time: --timeout)",
        )
        self.path, self.line = path, line


class _Alarm(BaseException):
    """Raised in the code that takes too long. It is no Exception, so that the code's own handlers do not catch it."""

    def __init__(self, frame: FrameType | None) -> None:
        super().__init__()
        self.frame = frame


@contextmanager
def time_limit(seconds: float, what: str, folder: Path) -> Iterator[None]:
    """Raise OutOfTimeError if the block takes longer. `folder` has the files that a person can correct.

    There is no limit in a thread, or where the system has no such signal, as on Windows.
    """
    if seconds <= 0 or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, frame: FrameType | None) -> None:
        raise _Alarm(frame)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Alarm as alarm:
        raise OutOfTimeError(what, seconds, *_place(alarm.frame, folder)) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None, folder: Path) -> tuple[Path | None, int | None]:
    """Return the place in a file of the folder at which the code is."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(folder) and not {"site-packages", "dist-packages"} & set(path.parts):
            return path, frame.f_lineno
        frame = frame.f_back
    return None, None
