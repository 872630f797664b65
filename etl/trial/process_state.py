"""Finds what a tenant's Python changed in the process that imported it.

Belongs here: the settings of a process that every tenant in it shares: folder, environment, signals, streams, threads,
limits. Not here: modules and functions (`shared_modules`), what libraries keep (`registries`), what follows from a
change (`child`).
"""

import decimal
import gc
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from etl.trial.registries import registered

_LIMITS = {name: value for name, value in vars(resource).items() if name.startswith("RLIMIT_")}
_HOOKS = ("excepthook", "unraisablehook", "displayhook", "breakpointhook")
_STREAMS = ("stdin", "stdout", "stderr")


@dataclass(frozen=True)
class ProcessState:
    """The settings of this process at one moment. Objects are held, so that another object cannot have their place."""

    environ: object
    variables: Mapping[str, str]
    path: tuple[str, ...]
    plain: Mapping[str, object]
    """Values by a name for people; a value that is an object is compared by identity."""
    threads: frozenset[int] = field(default_factory=frozenset)


def process_state() -> ProcessState:
    """Return the settings of this process now."""
    return ProcessState(
        environ=os.environ,
        variables=dict(os.environ),
        path=tuple(sys.path),
        plain=dict(_plain()),
        threads=frozenset(sys._current_frames()),  # noqa: SLF001  also threads that `threading` does not know
    )


def changes_since(before: ProcessState, by_libraries: frozenset[str] = frozenset()) -> list[str]:
    """Return what has changed, as words for people. `by_libraries` are variables that a library has set."""
    now = process_state()
    found: list[str] = []
    if now.environ is not before.environ:
        found.append("os.environ is another object")
    names = {
        each for each in {*before.variables, *now.variables} if before.variables.get(each) != now.variables.get(each)
    }
    if names := names - by_libraries:
        found.append(f"variables of the environment: {', '.join(sorted(names)[:5])}")
    if now.path != before.path:
        other = sorted({*now.path} ^ {*before.path})
        found.append(f"sys.path: {', '.join(other[:3]) or 'the order'}")
    found += [_said(name, now.plain[name]) for name in before.plain if before.plain[name] != now.plain[name]]
    if len(now.threads - before.threads) > 0:
        known = {each.ident: each.name for each in threading.enumerate()}
        names_of_threads = sorted(known.get(each, "without a name") for each in now.threads - before.threads)
        found.append(f"threads that go on: {', '.join(names_of_threads[:3])}")
    if _has_children():
        found.append("processes that it started and that go on")
    return found


def _said(name: str, value: object) -> str:
    return f"{name}: {value}" if isinstance(value, str | int | float) else name


def _plain() -> Iterator[tuple[str, object]]:
    with suppress(OSError):
        yield "the working directory", str(Path.cwd())
    mask = os.umask(0)
    os.umask(mask)
    yield "the umask", mask
    for number in sorted(signal.valid_signals()):
        yield f"the handler of {_named(number)}", signal.getsignal(number)
    yield "timers that send a signal", signal.getitimer(signal.ITIMER_REAL)[0] > 0
    yield "the recursion limit", sys.getrecursionlimit()
    yield "the interval in which threads take turns", sys.getswitchinterval()
    for hook in _HOOKS:
        yield f"sys.{hook}", vars(sys).get(hook)
    yield "threading.excepthook", threading.excepthook
    yield "the trace function", sys.gettrace()
    yield "the profile function", sys.getprofile()
    for name in _STREAMS:
        stream = vars(sys).get(name)
        yield f"sys.{name}", stream
        yield f"sys.{name}, which is closed", getattr(stream, "closed", None)
    for descriptor, name in enumerate(_STREAMS):
        yield f"the file of {name}", _file(descriptor)
    for name, limit in _LIMITS.items():
        with suppress(ValueError, OSError):
            yield f"the limit {name}", resource.getrlimit(limit)
    yield "the priority of the process", os.getpriority(os.PRIO_PROCESS, 0)
    yield "the group of the process", (os.getpgid(0), os.getsid(0))
    yield "the user of the process", (os.getuid(), os.geteuid(), os.getgid(), os.getegid())
    yield "the garbage collector", (gc.isenabled(), gc.get_threshold())
    yield "the locale", locale.setlocale(locale.LC_ALL)
    yield "the time zone", time.tzname
    yield "the default timeout of sockets", socket.getdefaulttimeout()
    yield "how processes are started", multiprocessing.get_start_method(allow_none=True)
    yield "the precision of decimals", decimal.getcontext().prec
    yield "the level of the root logger", logging.root.level
    yield "the handlers of the root logger", tuple(logging.root.handlers)
    yield "which levels of logging are switched off", logging.root.manager.disable
    yield "sys.meta_path", tuple(each for each in sys.meta_path if not _is_librarys(each))
    yield "sys.path_hooks", tuple(sys.path_hooks)
    yield from registered()


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _file(descriptor: int) -> object:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _is_librarys(finder: object) -> bool:
    """Whether a finder of modules comes from an installed library, as that of `six` does."""
    module = sys.modules.get(getattr(finder, "__module__", None) or type(finder).__module__)
    return is_librarys(getattr(module, "__file__", None) or "")


def is_librarys(file: str) -> bool:
    """Whether a file belongs to Python or to an installed library."""
    return bool({"site-packages", "dist-packages"} & {*Path(file).parts}) or file.startswith(("<frozen", _STDLIB))


_STDLIB = str(Path(os.__file__).parent)


def _has_children() -> bool:
    """Whether this process has a child that it did not wait for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
