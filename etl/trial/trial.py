"""Tries out tenants' own Python in other processes, and says what is wrong with which tenant.

Belongs here: which tenants are tried out in which process, and for how long. Not here: such a process seen from here
(`trial_process`), what happens in it (`child`).

One process tries out all tenants in order. If a tenant's Python ends the process, blocks it or changes it, another
process goes on with the next tenant. So a location without such a tenant costs one process, a copy of this one.

A code server has to be ready at some time, so the time of tenants whose import does not end is limited for all of them
together. Each tenant gets a short time at first; the tenants that were not ready then share what is left. A tenant that
is ready costs nothing of that time, so any number of tenants with usual Python is tried out to the end.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import EtlError
from etl.trial.trial_process import EndsProcessError, RunningTrial, Trial, changes_python

_SHORT = 2.0
"""How many seconds a tenant gets at first. A usual import takes some hundredths of one."""
_SHORTEST = 0.25
"""How many seconds a tenant gets at least, however many others did not end. No good tenant may be refused unseen."""
_SHARE = 4
"""A tenant gets a quarter of the time that is left, or its equal part if that is more."""
_TOGETHER = 25
"""For so many tenants it is found out at once whether one of them has replaced something."""
_CAN_FORK = sys.platform == "linux"  # elsewhere, a copy of a process with threads may block or crash by itself


@dataclass(frozen=True)
class TrialLimits:
    """What imports may take; 0 is no limit."""

    seconds: float
    """How long the import of one tenant's Python may take."""
    together: float
    """How long all imports that do not end in time may take together."""
    memory: int
    """How many bytes more than the location an import may need."""


def try_out(
    tenants: Sequence[str],
    load: Callable[[str], object],
    tenants_dir: Path,
    limits: TrialLimits,
    together: int = _TOGETHER,
) -> dict[str, EtlError]:
    """Import each tenant's Python with `load` in another process. Return an error for each that must not be imported.

    `together` is for how many tenants it is found out at once whether one of them has replaced something. Where the
    system cannot copy a process, nothing is tried out.
    """
    if not _CAN_FORK:
        return {}
    trial = Trial(load, tenants_dir, limits.memory)
    most = limits.seconds or math.inf
    all_of_it = limits.together or math.inf
    try:
        if len(tenants) == 1 or most == all_of_it == math.inf:  # no other tenant waits, or any may take for ever
            return _Round(trial, most, math.inf).look(tenants, together).broken
        at_first = all_of_it / _SHARE
        first = _Round(trial, min(_SHORT, most), at_first).look(tenants, together)
        rest = all_of_it if all_of_it == math.inf else all_of_it - at_first
        second = _Round(trial, most, rest).look([*first.late], together)
    except OSError as error:  # the system has no more processes, or no room for a file
        problem = f"its Python cannot be tried out beside that of others: {error}"
        return {each: EtlError(problem, "see what the machine lacks; others are served meanwhile") for each in tenants}
    for tenant, seconds in second.late.items():
        if seconds < most:
            second.broken[tenant] = _hurried(second.broken[tenant], limits)
    return {each: found for each, found in first.broken.items() if each not in first.late} | second.broken


@dataclass
class _Round:
    """Tries out tenants one after the other. Those that are not ready may take `left` seconds together."""

    trial: Trial
    most: float
    """How many seconds one tenant may take."""
    left: float
    broken: dict[str, EtlError] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    """The broken tenants that were not ready, with the seconds that each of them had."""
    again: set[str] = field(default_factory=set)
    """The tenants that are tried out again after the libraries that they import, which may have made the change."""

    def look(self, tenants: Sequence[str], together: int) -> "_Round":
        """Find out which tenants are broken."""
        left = list(tenants)
        while left:
            seconds = self._seconds(len(left))
            ended = RunningTrial(self.trial, left, 0.0 if seconds == math.inf else seconds, together).listen()
            good = set(ended.good)
            if ended.at is not None:
                unknown = [each for each in left[: left.index(ended.at)] if each not in good]
                before = {*self.broken}
                if unknown:
                    self.look(unknown, together=1)
                    good |= {*unknown}
                libraries = [each for each in ended.libraries if each not in self.trial.libraries]
                if libraries and ended.at not in self.again:
                    self.again.add(ended.at)
                    self.trial.libraries.extend(libraries)
                elif before == self.broken.keys():  # else, what the process said last may be the work of one of these
                    if ended.late is not None:
                        self.late[ended.at] = seconds
                        self.left -= ended.late
                    if ended.error is not None:
                        self.broken[ended.at] = ended.error
                    elif not unknown:  # what that process says cannot be, so it is no longer what it was
                        self.broken[ended.at] = changes_python(ended.at)
            left = [each for each in left if each not in good and each not in self.broken]
        return self

    def _seconds(self, waiting: int) -> float:
        """Return what the next tenant may take, if so many wait."""
        return min(self.most, max(self.left / waiting, self.left / _SHARE, _SHORTEST))


def _hurried(error: EtlError, limits: TrialLimits) -> EndsProcessError:
    """Return the error for a tenant that had less time than it may have, because others have used it up."""
    hint = (
        f"{error.hint}; imports that do not end may take {limits.together:g} s together (`python_seconds_together` in"
        " [tool.etl]): first correct the other tenants whose import does not end"
    )
    return EndsProcessError(f"{error.problem}; others used up the time", hint, told=error.told)
