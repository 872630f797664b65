"""The process in which tenants' own Python is tried out, one tenant after the other.

Belongs here: what that process does before, during and after the import of a tenant's Python, and what it says about
it. Not here: starting the process, waiting for it, and what follows from its answer (`trial`).

The process is a copy of the one that builds the location (a fork), so that nothing has to be imported or built again.
It imports a tenant's Python as the location would, and looks at what has changed. It ends as soon as anything has
changed, because the next tenant would be tried out in a process that is no longer like the location's.
"""

import atexit
import builtins
import faulthandler
import gc
import importlib
import inspect
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

from etl.trial.own_error import own_error
from etl.trial.process_state import changes_since, is_librarys, process_state
from etl.trial.processes import end_descendants
from etl.trial.shared_modules import SharedModules, libraries_since, replaced_since, shared_modules

LOOKING = 5.0
"""How many seconds it may take to find out what a tenant's Python has changed, after its import."""
Answer = Literal["begin", "good", "raised", "changed", "unclear"]
_FORKS = frozenset({"os.fork", "os.forkpty"})
_KILLS = frozenset({"os.kill", "os.killpg"})
_OF_THE_ENVIRONMENT = frozenset({"os.putenv", "os.unsetenv"})
_ENVIRONMENT_FILES = frozenset({os.__file__, "<frozen os>", "<frozen _collections_abc>"})


class TrialProcess:
    """This process, after the fork. `answers` and `traces` are where it writes what it has to say."""

    def __init__(self, answers: int, traces: int, tenants_dir: Path, seconds: float, memory: int) -> None:
        """`seconds` and `memory` are what a tenant's Python may take; 0 is no limit."""
        self._answers, self._traces, self._tenants_dir = answers, traces, tenants_dir
        self._seconds, self._memory = seconds, memory
        self._pid = os.getpid()
        self._leave: Callable[[int], NoReturn] = os._exit
        # Held here, because the tenant's Python may replace them.
        self._dump_later, self._write, self._dumps = faulthandler.dump_traceback_later, os.write, json.dumps
        self._cancel = faulthandler.cancel_dump_traceback_later
        self._builtins = builtins.__dict__
        self._before = self._builtins.copy()
        self._forbidden: list[str] = []
        self._by_libraries: set[str] = set()
        self._is_over = False
        """Whether nothing of a tenant is tried out any more."""
        os.setpgid(0, 0)  # so that what the tenant's Python starts can be ended with it
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):  # what it prints is printed when the location imports it
            os.dup2(nothing, descriptor)
        gc.disable()  # the collector would touch, and so copy, every page of the other process
        gc.freeze()
        faulthandler.enable(file=traces)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(each, signal.SIG_DFL)  # the handlers of the other process are for its own end
        with suppress(OSError):  # where memory ends all the same, the system ends this process first
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        sys.addaudithook(self._hook)

    def run(
        self, tenants: Sequence[str], load: Callable[[str], object], together: int, libraries: Sequence[str] = ()
    ) -> NoReturn:
        """Try out the tenants in order, say what became of each, and end.

        Modules are compared once for so many tenants `together`, because that takes longer than a usual import. The
        `libraries` are imported before, so that what they change by themselves is no tenant's work.
        """
        _import_libraries(libraries)
        modules, settings = shared_modules(), process_state()
        unsaid: list[str] = []
        for tenant in tenants:
            self._say("begin", tenant)
            raised = self._import(tenant, load)
            if patched := self._put_back():
                self._say("changed", tenant, f"replaces {patched}")
                self._leave(0)
            if changes := [*self._forbidden, *changes_since(settings, frozenset(self._by_libraries))]:
                self._say_changed(tenant, changes, raised, modules)
                self._leave(0)
            unsaid.append(tenant)
            if raised is None and len(unsaid) < together and tenant != tenants[-1]:
                continue
            if replaced := replaced_since(modules, unsaid, self._tenants_dir):
                if len(unsaid) == 1:
                    self._say_changed(tenant, replaced, raised, modules)
                else:
                    self._say("unclear", tenant)
                self._leave(0)
            if raised is not None:
                self._is_over = True
                end_descendants(self._pid)
                self._say("raised", tenant, *_said(raised, self._tenants_dir))
                self._leave(0)
            self._cancel()
            for each in unsaid:
                self._say("good", each)
            unsaid.clear()
        self._leave(0)

    def _put_back(self) -> str:
        """Put the builtins back that the tenant's Python has replaced or removed, and return their names.

        Nothing is called before they are as they were, because any code, also this one, would use the replaced ones.
        """
        now = self._builtins.copy()
        self._builtins.update(self._before)
        other = [name for name, value in self._before.items() if now.get(name, self) is not value and name != "_"]
        return ", ".join(f"builtins.{name}" for name in other[:3])

    def _import(self, tenant: str, load: Callable[[str], object]) -> BaseException | None:
        """Import a tenant's Python within its limits, and return what it raised."""
        raised: BaseException | None = None
        register = atexit.register
        atexit.register = self._at_exit(register)
        limits = _limit_memory(self._memory)
        if self._seconds:
            self._dump_later(self._seconds, exit=True, file=self._traces)
        try:
            load(tenant)
        except BaseException as error:  # noqa: BLE001  a tenant's Python may raise anything, also KeyboardInterrupt
            raised = error
        if os.getpid() != self._pid:
            self._leave(0)  # a process that the tenant's Python has made by a fork
        atexit.register = register
        if self._seconds:  # looking at what was changed calls what the tenant's Python may have replaced
            self._dump_later(LOOKING, exit=True, file=self._traces)
        _lift(limits)
        return raised

    def _at_exit(self, register: Callable[..., Any]) -> Callable[..., Any]:
        """Return `atexit.register` as a tenant's file calls it: what it registers runs at the end of all tenants."""

        def noted(function: Callable[..., Any], *arguments: Any, **more: Any) -> Callable[..., Any]:  # noqa: ANN401
            frame = inspect.currentframe()
            file = frame.f_back.f_code.co_filename if frame is not None and frame.f_back is not None else ""
            if Path(file).is_relative_to(self._tenants_dir):
                self._forbidden.append("what is done at the end of the process (`atexit`)")
            return register(function, *arguments, **more)  # type: ignore[no-any-return]

        return noted

    def _say_changed(
        self, tenant: str, changes: Sequence[str], raised: BaseException | None, before: SharedModules
    ) -> None:
        """Say what a tenant's Python, or a library that it has imported, has changed, and what it raised."""
        self._is_over = True
        end_descendants(self._pid)  # a process with a session of its own would not end with this one's group
        problem, told = _said(raised, self._tenants_dir) if raised is not None else ("", "")
        self._say("changed", tenant, "; ".join(changes), told, problem=problem, libraries=libraries_since(before))

    def _say(
        self,
        answer: Answer,
        tenant: str,
        text: str = "",
        told: str = "",
        problem: str = "",
        libraries: Sequence[str] = (),
    ) -> None:
        said = {"answer": answer, "tenant": tenant, "text": text[:4000], "told": told[:4000], "raised": problem[:4000]}
        line = self._dumps({**said, "libraries": [*libraries]}).encode() + b"\n"
        with suppress(OSError):
            self._write(self._answers, line)
            return
        self._leave(1)  # the tenant's Python has closed the file

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FORKS:
            self._forbidden.append("a fork of the process")
        elif event in _KILLS and arguments[0] not in (self._pid, 0) and not self._is_over:
            self._forbidden.append("a signal to another process")
            raise PermissionError("a signal to another process")
        elif event in _OF_THE_ENVIRONMENT and _by_library():
            name = arguments[0]
            self._by_libraries.add(name.decode(errors="replace") if isinstance(name, bytes) else name)


def _said(error: BaseException, tenants_dir: Path) -> tuple[str, str]:
    """Return an error for operators, and for the tenant's own people."""
    own = own_error(error, tenants_dir)
    return own.problem, own.told


def _import_libraries(names: Sequence[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112  a part of a library that only its other parts may import
            continue


def _limit_memory(more: int) -> tuple[int, int] | None:
    """Let this process have so many bytes more than it has now, and return the limit before.

    Python raises MemoryError where it would need more.
    """
    if not more:
        return None
    try:
        has = int(Path("/proc/self/status").read_text(encoding="ascii").split("VmData:")[1].split()[0]) << 10
        before = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (has + more, before[1]))
    except (OSError, ValueError, IndexError):  # a system without this figure
        return None
    return before


def _lift(limit: tuple[int, int] | None) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, limit)


def _by_library() -> bool:
    """Whether a library sets the variable of the environment, as some do when they are imported."""
    frame = inspect.currentframe()
    frame = frame.f_back.f_back if frame is not None and frame.f_back is not None else None  # without the hook itself
    while frame is not None and frame.f_code.co_filename in _ENVIRONMENT_FILES:
        frame = frame.f_back
    return frame is not None and is_librarys(frame.f_code.co_filename)
