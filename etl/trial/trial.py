"""Tries out tenants' own Python in other processes, and says what is wrong with which tenant.

Belongs here: which tenants are tried out in which process, and for how long. Not here: such a process seen from here
(`trial_process`), what happens in it (`child`).

First, one process tries out all tenants in order, each for a short time. If a tenant's Python ends the process, blocks
it or changes it, another process goes on with the next tenant. So a location without such a tenant costs one process,
which is a copy of this one. Then each tenant that was not ready is tried out alone, side by side with others of that
kind. What tenants that do not end may take together is limited, because a code server has to be ready at some time.
"""

import math
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from etl.errors import EtlError
from etl.trial.own_python import FILE
from etl.trial.trial_process import Ended, EndsProcessError, RunningTrial, Trial, changes_python

_LOOK = 0.5
_SHORT = 2.0
"""How many seconds a tenant gets at first, while others wait for it. A usual import takes some hundredths of one."""
_SIDE_BY_SIDE = 4
"""At most so many processes at a time: each may need as much memory as a tenant may have."""
_TOGETHER = 25
"""For so many tenants it is found out at once whether one of them has replaced something."""
_CAN_FORK = sys.platform == "linux"  # elsewhere, a copy of a process with threads may block or crash by itself


@dataclass(frozen=True)
class Limits:
    """What imports may take; 0 is no limit."""

    seconds: float
    """How long the import of one tenant's Python may take."""
    together: float
    """How long all imports that do not end in a short time may take together. Others do not count."""
    memory: int
    """How many bytes more than the location an import may need."""


def try_out(
    tenants: Sequence[str],
    load: Callable[[str], object],
    tenants_dir: Path,
    limits: Limits,
    together: int = _TOGETHER,
) -> dict[str, EtlError]:
    """Import each tenant's Python with `load` in another process. Return an error for each that must not be imported.

    `together` is for how many tenants it is found out at once whether one of them has replaced something. Where the
    system cannot copy a process, nothing is tried out.
    """
    if not _CAN_FORK:
        return {}
    trial = Trial(load, tenants_dir, limits.memory)
    try:
        if len(tenants) == 1:  # no other tenant waits for it
            return _side_by_side(trial, tenants, replace(limits, together=0.0), 0.0)
        first = _InOrder(trial, limits)
        first.look(tenants, together)
        return first.broken | _side_by_side(trial, first.slow, limits, limits.together - first.spent)
    except OSError as error:  # the system has no more processes, or no room for a file
        problem = f"its Python cannot be tried out beside that of others: {error}"
        return {each: EtlError(problem, "see what the machine lacks; others are served meanwhile") for each in tenants}


@dataclass
class _InOrder:
    """Tries out tenants one after the other, each for a short time."""

    trial: Trial
    limits: Limits
    broken: dict[str, EtlError] = field(default_factory=dict)
    slow: list[str] = field(default_factory=list)
    """Tenants that were not ready in the short time, or that were not looked at, because too many were not ready."""
    spent: float = 0.0
    """How many seconds were spent on tenants that were not ready."""

    def look(self, tenants: Sequence[str], together: int) -> None:
        """Sort the tenants into those that are broken, slow, and neither."""
        left = list(tenants)
        while left:
            if self.limits.together and self.spent > self.limits.together / 2:
                self.slow += left
                return
            ended = self._ended(left, together)
            good = set(ended.good)
            if ended.at is not None:
                unknown = [each for each in left[: left.index(ended.at)] if each not in good]
                self._judge(ended, ended.at, unknown)
                good |= {*unknown}
            left = [each for each in left if each not in good and each not in self.broken and each not in self.slow]

    def _ended(self, tenants: Sequence[str], together: int) -> Ended:
        short = min(self.limits.seconds / 5, _SHORT) if self.limits.seconds else _SHORT
        no_limit = not self.limits.seconds and not self.limits.together
        running = RunningTrial(self.trial, tenants, 0.0 if no_limit else short, together)
        try:
            while not running.is_over():
                select.select([running], [], [], _LOOK)
        finally:
            ended = running.end()
        return ended

    def _judge(self, ended: Ended, at: str, unknown: Sequence[str]) -> None:
        """Note what became of the tenant at which a process ended, and of those before it that are `unknown` so far."""
        before = {*self.broken}
        if unknown:
            self.look(unknown, together=1)
        if self.broken.keys() - before:
            return  # what the process said last may be the work of one of these
        if ended.late is not None:
            self.slow.append(at)
            self.spent += ended.late
        elif ended.error is not None:
            self.broken[at] = ended.error
        elif not unknown:  # what that process says cannot be, so it is no longer what it was
            self.broken[at] = changes_python(at)


def _side_by_side(trial: Trial, tenants: Sequence[str], limits: Limits, left: float) -> dict[str, EtlError]:
    """Try out each tenant alone, some at a time. `left` is how many seconds all of them may take."""
    broken: dict[str, EtlError] = {}
    waiting, running = list(tenants), list[tuple[RunningTrial, float]]()
    lanes, until = min(os.cpu_count() or 1, _SIDE_BY_SIDE), time.monotonic() + left
    try:
        while waiting or running:
            while waiting and len(running) < lanes:
                seconds = _seconds(limits, until - time.monotonic(), math.ceil(len(waiting) / lanes))
                tenant = waiting.pop(0)
                if seconds is None:
                    broken[tenant] = _not_tried_out(tenant, limits)
                else:
                    running.append((RunningTrial(trial, [tenant], seconds), seconds))
            if running:
                select.select([each for each, _ in running], [], [], _LOOK)
            for each in [each for each in running if each[0].is_over()]:
                running.remove(each)
                _note(each[0].end(), each[1], limits, broken)
    finally:
        for left_over, _ in running:
            left_over.end()
    return broken


def _seconds(limits: Limits, left: float, rounds: int) -> float | None:
    """Return what the next tenant may take, if there are so many rounds with what is left; None if nothing is left."""
    if not limits.together:
        return limits.seconds
    if left <= 0:
        return None
    return min(limits.seconds or left, left / rounds)


def _note(ended: Ended, seconds: float, limits: Limits, broken: dict[str, EtlError]) -> None:
    if ended.at is None:
        return
    error = ended.error or changes_python(ended.at)
    if ended.late is not None and seconds != limits.seconds:
        problem = f"{error.problem}, and there was no more time for it"
        error = EndsProcessError(problem, f"{error.hint}; {_others(limits)}", told=problem)
    broken[ended.at] = error


def _not_tried_out(tenant: str, limits: Limits) -> EtlError:
    problem = f"tenants/{tenant}/{FILE}: not tried out: others used up the time"
    return EndsProcessError(problem, _others(limits), told=problem)


def _others(limits: Limits) -> str:
    return (
        f"imports that do not end may take {limits.together:g} s together (`python_seconds_together` in [tool.etl]):"
        " first correct the other tenants whose import does not end"
    )
