"""Turns an error of the operating system that no command expected into a problem with a remedy.

Belongs here: the words for a file that cannot be written or read. Not here: errors that a command expects (the command
itself), showing an error (`start`).
"""

import errno
import os
from pathlib import Path
from traceback import extract_tb

from etl.errors import EtlError, NothingExamined

_PACKAGE = Path(__file__).parents[1]
_REMEDIES = {
    errno.EROFS: "the place is mounted read-only: make it writable, or work in a copy of the project",
    errno.EACCES: "run the command as the user to whom the place belongs, or grant this user the right",
    errno.EPERM: "run the command as the user to whom the place belongs, or grant this user the right",
    errno.ENOSPC: "free the disk, and run the command again",
    errno.EDQUOT: "free space within the quota of the disk, and run the command again",
    errno.EIO: "look at the disk: it could not be read or written",
    errno.ENOENT: "make it, or name a place that exists",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away, or name another place",
    errno.EISDIR: "a folder stands where a file is needed: move it away, or name another place",
    errno.EEXIST: "a file stands where a folder is needed: move it away, or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
}


def told(error: OSError) -> EtlError:
    """Return the problem, with the place in the code where it arose, and the remedy.

    What is not about a place on this machine, such as a server that does not answer, leaves the question open.
    """
    first = _first(error)
    reason = first.strerror or str(first) or type(first).__name__
    remedy = _REMEDIES.get(first.errno or 0, "")
    places = [os.fsdecode(each) for each in (first.filename, first.filename2) if isinstance(each, str | bytes)]
    what = " -> ".join(places) or "the operating system refused something"
    code = _code_of(error)
    if not places and not remedy:
        return NothingExamined(f"{type(first).__name__}: {reason}{code}", "see whether what it speaks of answers")
    return EtlError(f"{what}: {reason}{code}", remedy or "look at this place")


def _first(error: OSError) -> OSError:
    """Return the error itself; of the many errors of copying a folder, the first one."""
    listed = error.args[0] if error.args else None
    if error.errno is None and isinstance(listed, list) and listed and len(listed[0]) > 1:
        _, target, why = listed[0][:3]
        number = next((each for each in _REMEDIES if os.strerror(each) in str(why)), None)
        return OSError(number, os.strerror(number) if number else str(why), str(target))
    return error


def _code_of(error: OSError) -> str:
    """Return the line of this package at which the error arose, for whoever looks for the reason."""
    own = [each for each in extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(_PACKAGE)]
    return f" (etl/{Path(own[-1].filename).relative_to(_PACKAGE)}:{own[-1].lineno})" if own else ""
