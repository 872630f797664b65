"""Finds and ends what a process has started, also what has left its group.

Belongs here: the processes below a process, from `/proc`. Not here: when they are ended (`child`, `trial_process`).
"""

import os
import signal
from contextlib import suppress
from pathlib import Path


def end_descendants(pid: int) -> None:
    """End every process below this one: children, and what they have started. The process itself is left alone."""
    for each in descendants(pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the processes below a process; none where the system does not tell."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found
