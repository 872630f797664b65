"""Handles Ctrl-C and other signals in a command that has started a run.

Belongs here: turning signals into one exception, asking the run to stop, reporting how it ended. Not here: the run's
own process, which ends by itself when it is asked to (`etl.running.step`).
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from dagster import DagsterInstance, DagsterRunStatus
from rich.console import Console

from etl.cli.runs import Runs, StartedRun

SECONDS_TO_STOP = 60
"""How long the command waits for a run that it has asked to stop. A step ends at its next safe point."""


class Interrupted(BaseException):
    """A signal asks the command to end."""

    def __init__(self, number: int) -> None:
        """Remember the signal's number."""
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code that a shell gives to a command that a signal ended."""
        return 128 + self.number

    def __str__(self) -> str:
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name


class Signals:
    """Raises `Interrupted` for a signal: at once, or after an action that must not be interrupted."""

    def __init__(self) -> None:
        """Do not call this; use `interruptible`."""
        self._is_held = False
        self._kept: int | None = None

    def arrive(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._is_held:
            self._kept = number
            return
        raise Interrupted(number)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a signal that arrives within the block, and raise it at the end of the block."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            kept, self._kept = self._kept, None
        if kept is not None:
            raise Interrupted(kept)


@contextmanager
def interruptible() -> Iterator[Signals]:
    """Make SIGINT, SIGTERM and SIGHUP raise `Interrupted` within the block, except those that are ignored (nohup)."""
    signals = Signals()
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {each: signal.getsignal(each) for each in numbers}
    heard = [each for each in numbers if before[each] != signal.SIG_IGN]
    for each in heard:
        signal.signal(each, signals.arrive)
    try:
        yield signals
    finally:
        for each in heard:
            signal.signal(each, before[each])


@contextmanager
def stopping(instance: DagsterInstance, runs: Runs, console: Console) -> Iterator[None]:
    """Stop every started run that is still at work if a signal arrives within the block, and end the command."""
    try:
        yield
    except Interrupted as why:
        found = [(each, instance.get_run_by_id(each.run_id)) for each in runs.started]
        at_work = [each for each, run in found if run is not None and not run.is_finished]
        if not at_work:
            console.print(f"{why}: no run is at work", highlight=False)
        for each in at_work:
            stop_run(instance, each, why, console)
        raise typer.Exit(why.exit_code) from why


def stop_run(instance: DagsterInstance, started: StartedRun, why: Interrupted, console: Console) -> None:
    """Ask the run to stop, wait for its end, and report how it ended. A second signal ends the waiting."""
    run_id = started.run_id
    try:
        console.print(f"{why}: run {run_id} is asked to stop", highlight=False, soft_wrap=True)
        started.stop(instance)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < deadline:
            started.notice_end(instance)
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                started.await_end()
                became = _became(run_id, run.status) if run else f"run {run_id} was deleted; what it published stays"
                console.print(became, highlight=False, soft_wrap=True)
                return
            time.sleep(0.2)
    except Interrupted:
        pass
    console.print(
        f"run {run_id} has not stopped yet and goes on; see it with `make dev` under Runs, and end it with "
        "Terminate there",
        highlight=False,
        soft_wrap=True,
    )


def _became(run_id: str, status: DagsterRunStatus) -> str:
    if status == DagsterRunStatus.SUCCESS:
        return f"run {run_id} had succeeded before it could be stopped"
    return (
        f"run {run_id} has stopped ({status.value.lower()}). Its published partitions stay; "
        "run the same command again for the rest"
    )
