"""The warm dbt process of a run: it imports dbt once, and makes each dbt command a fork of itself.

Belongs here: what happens inside that process. The file is run as a script and uses only the standard library and dbt.
Not here: starting it and talking to it (`warm`).

A fork begins with dbt imported and with nothing else: no connection, no lock, no flag and no logger of an earlier
command. When it ends, all that it opened is closed. No adapter is imported before the fork, because a library such as
DuckDB starts threads when it is imported, and threads do not survive a fork.
"""

import atexit
import contextlib
import ctypes
import errno
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

SECONDS_TO_STOP = 30.0
"""How long a cancelled dbt may take to cancel its queries before it is killed."""

_LOOK_SECONDS = 1.0
_PARENT_DEATH_SIGNAL = 1  # prctl's option PR_SET_PDEATHSIG
_DESCRIPTORS = 2
_done = set[str]()
"""The functions of `first_use` that have run."""


def main(channel: socket.socket) -> None:
    """Run one command after the other, until the run closes its end of the channel or ends."""
    # Python starts this process for the first lock of multiprocessing, and it lives until its last user has ended.
    # Started later, it would keep the output of a command open.
    resource_tracker.ensure_running()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group; the run decides
    signal.signal(signal.SIGCHLD, _nothing)
    ended, wakeup = socket.socketpair()
    for each in (ended, wakeup):
        os.set_blocking(each.fileno(), False)
    signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    run = os.getppid()
    while (request := _received(channel, run)) is not None:
        command, output, lock = request
        _load_dbt(output, command)
        # A fork that is cancelled before it is dbt keeps the signal until dbt can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        dbt = os.fork()
        if dbt == 0:
            _end(_be_dbt(command, output, (channel, ended, wakeup)))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.close(output)
        os.close(lock)
        code = _watch(dbt, channel, ended, run)
        if code is None:
            return
        channel.sendall(json.dumps({"exit": code}).encode() + b"\n")


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing. With a handler, the end of a child wakes this process up."""


def _received(channel: socket.socket, run: int) -> tuple[dict[str, Any], int, int] | None:
    """Wait for a command with the descriptors of its output and of its lock; None if the run has ended."""
    text, descriptors = b"", list[int]()
    while not text.endswith(b"\n"):
        if os.getppid() != run:
            return None
        if not select.select([channel], [], [], _LOOK_SECONDS)[0]:
            continue
        data, received, _, _ = socket.recv_fds(channel, 1 << 16, _DESCRIPTORS)
        if not data:
            return None
        descriptors += received
        text = (text + data).removeprefix(b"stop\n")  # the command before had ended when it was stopped
    output, lock = descriptors
    return json.loads(text), output, lock


def _load_dbt(output: int, command: dict[str, Any]) -> None:
    """Import dbt once. What it says, and why it cannot be imported, belongs to the output of the first command.

    What dbt's libraries generate at its first use is generated here too, for all commands (`first_use`).
    """
    files = command["reuse"]["files"] if command["reuse"] else []
    wanted = {"commands": [Path(command["parsed"])], **({"parsing": [Path(command["parsed"]), files]} if files else {})}
    if wanted.keys() <= _done:
        return
    silent = os.dup(1)
    _speak_to(output)
    try:
        import dbt.cli.main  # noqa: PLC0415  seconds
        import dbt.task.build  # noqa: F401, PLC0415

        for name in wanted.keys() - _done:
            # Another release of dbt, or a parse that cannot be read: dbt sees to it in its command.
            # etl: allow swallowed-exception (only speed is lost: dbt does the same work in its command)
            with contextlib.suppress(Exception):
                runpy.run_path(str(Path(__file__).with_name("first_use.py")))[name](*wanted[name])
        _done.update(wanted)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        _speak_to(silent)
        os.close(silent)
    gc.collect()
    gc.freeze()  # a collection in a fork would otherwise copy the memory of every object


def _speak_to(descriptor: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _be_dbt(command: dict[str, Any], output: int, own: tuple[socket.socket, ...]) -> int:
    """In the fork: be `dbt`, as if the command had been typed. The lock stays open until this process ends."""
    try:
        _type(command, output, own)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  the fork ends here, as an interpreter would end
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End the fork: everything that waits for the end is done, but the interpreter's objects are not taken apart.

    To take them apart would copy all memory that is shared with the warm process.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  as the interpreter does before it calls atexit
        atexit._run_exitfuncs()  # noqa: SLF001  among them those of adapters, which close their connections
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _type(command: dict[str, Any], output: int, own: tuple[socket.socket, ...]) -> None:
    warm = os.getppid()
    die_with_parent()
    if os.getppid() != warm:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in own:
        each.close()
    _speak_to(output)
    os.close(output)
    os.environ.clear()
    os.environ.update(command["environ"])
    time.tzset()
    os.chdir(command["folder"])
    sys.argv = ["dbt", *command["arguments"]]
    from dbt.cli.main import cli  # noqa: PLC0415  imported above, before the fork

    if (
        command["reuse"] is not None
    ):  # loaded from its file, because this program does not need the package of the product
        runpy.run_path(command["reuse"]["program"])["reuse"](command["reuse"]["files"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    cli()


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, however the parent ends."""
    _when_parent_ends(signal.SIGKILL)


def outlive_parent() -> None:
    """Take back what `die_with_parent` has asked for."""
    _when_parent_ends(0)


def _when_parent_ends(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PARENT_DEATH_SIGNAL, number)


def _watch(dbt: int, channel: socket.socket, ended: socket.socket, run: int) -> int | None:
    """Wait for dbt and return its exit code, negative for a signal. None if the run ended: then dbt was stopped too."""
    run_is_there, until = True, float("inf")
    while True:
        done, status = os.waitpid(dbt, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) if run_is_there else None
        if time.monotonic() > until:
            os.kill(dbt, signal.SIGKILL)
        ready, _, _ = select.select([ended, *([channel] if run_is_there else [])], [], [], _LOOK_SECONDS)
        if ended in ready:
            _empty(ended)
        stop = False
        if channel in ready:
            stop, run_is_there = True, bool(channel.recv(1 << 10))
        if run_is_there and os.getppid() != run:
            stop, run_is_there = True, False
        if stop and until == float("inf"):
            os.kill(dbt, signal.SIGINT)
            until = time.monotonic() + SECONDS_TO_STOP


def _empty(wakeups: socket.socket) -> None:
    try:
        while wakeups.recv(1 << 10):
            pass
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
            raise


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
