"""Following a run from the terminal: its steps, days and rows while it works.

Belongs here: reading a run's events into the state of its steps, and showing it: bars in a terminal, lines in a pipe.
Not here: starting a run (`runs`), which run (`run`, `demo`), what a step says of itself (`etl.factories.progress`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from dagster import DagsterEventType, DagsterInstance, DagsterRun, EventLogEntry
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from etl.factories.progress import read_progress
from etl.resources.run_worker import release_dead_runs

SECONDS_BETWEEN_LINES = 10
"""In a pipe, a step that is still at work is told of this often."""


@dataclass
class StepState:
    """How far a step is. `days` is the number of days that the run is about; a whole table counts as one."""

    name: str
    days: int
    began: float
    done: int = 0
    rows: int | None = None
    seconds_left: int | None = None
    outcome: str | None = None

    @property
    def seconds(self) -> float:
        """Since when it works."""
        return time.monotonic() - self.began

    @property
    def counts(self) -> str:
        """Days, rows and the time that is left, as far as they are known."""
        parts = [f"{self.done} of {self.days} days"] if self.days > 1 and self.rows is not None else []
        parts += [f"{self.rows:,} rows"] if self.rows is not None else []
        if self.outcome is None and self.seconds_left:
            parts.append(f"about {self.seconds_left} s left")
        return ", ".join(parts)


class View(Protocol):
    """What shows the steps of a run."""

    def began(self, step: StepState) -> None:
        """A step has begun."""

    def moved(self, step: StepState) -> None:
        """A step is further than before, or has ended."""

    def waiting(self, step: StepState) -> None:
        """A step is still at work; nothing new is known of it."""


class Lines:
    """One line when a step has ended, and one now and then while it works: for a pipe, a log, a CI job."""

    def __init__(self, console: Console) -> None:
        """`console` is where the lines go."""
        self._console = console
        self._told: dict[str, float] = {}

    def began(self, step: StepState) -> None:
        """Say nothing yet: most steps end within a second."""
        self._told[step.name] = time.monotonic()

    def moved(self, step: StepState) -> None:
        """A line at the end, and every few seconds before it."""
        if step.outcome is not None:
            self._line(f"{step.name}: {', '.join(each for each in (step.outcome, step.counts) if each)}", step)
        else:
            self.waiting(step)

    def waiting(self, step: StepState) -> None:
        """A sign of life."""
        if time.monotonic() - self._told.get(step.name, 0) < SECONDS_BETWEEN_LINES:
            return
        self._line(f"{step.name}: at work for {step.seconds:.0f} s{', ' if step.counts else ''}{step.counts}", step)

    def _line(self, text: str, step: StepState) -> None:
        self._told[step.name] = time.monotonic()
        self._console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


class Bars:
    """A bar for each step, in a terminal."""

    def __init__(self, progress: Progress) -> None:
        """`progress` is shown already."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def began(self, step: StepState) -> None:
        """A new bar."""
        self._tasks[step.name] = self._progress.add_task(escape(step.name), total=step.days, counts="")

    def moved(self, step: StepState) -> None:
        """The bar is full when the step has succeeded; it stays where it is when the step has failed."""
        done = step.days if step.outcome == "done" else step.done
        text = step.counts if step.outcome in {None, "done"} else f"[red]{step.outcome}[/] {step.counts}"
        self._progress.update(self._tasks[step.name], completed=done, counts=text)
        if step.outcome is not None:
            self._progress.stop_task(self._tasks[step.name])

    def waiting(self, step: StepState) -> None:
        """The spinner turns by itself."""


@contextmanager
def view(console: Console) -> Iterator[View]:
    """Bars in a terminal, lines everywhere else."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        yield Bars(progress)


def follow(instance: DagsterInstance, run_id: str, days: int, shown: View) -> DagsterRun:
    """Show a run until it has ended. `days` is how many days it is about (0: whole tables)."""
    steps: dict[str, StepState] = {}
    cursor: str | None = None
    while True:
        run = instance.get_run_by_id(run_id)  # before its events, so that none is left unread when it has ended
        while True:
            page = instance.get_records_for_run(run_id, cursor=cursor)
            cursor = page.cursor
            for record in page.records:
                _take(record.event_log_entry, steps, days, shown)
            if not page.has_more:
                break
        if run is not None and run.is_finished:
            return run
        for step in steps.values():
            if step.outcome is None:
                shown.waiting(step)
        release_dead_runs(instance)  # a run that was killed would be waited for without end
        time.sleep(0.3)


_OUTCOMES = {
    DagsterEventType.STEP_SUCCESS: "done",
    DagsterEventType.STEP_FAILURE: "failed",
    DagsterEventType.STEP_SKIPPED: "skipped, because of a step before it",
}


def _take(entry: EventLogEntry, steps: dict[str, StepState], days: int, shown: View) -> None:
    """Bring the state of the entry's step up to date."""
    key, event = entry.step_key, entry.dagster_event
    if key is None:
        return
    if key not in steps:
        if event is None or event.event_type not in {DagsterEventType.STEP_START, DagsterEventType.STEP_SKIPPED}:
            return
        steps[key] = StepState(" ".join(key.split("__", 2)[1:]) or key, max(days, 1), time.monotonic())
        shown.began(steps[key])
    step = steps[key]
    if event is not None and event.event_type in _OUTCOMES:
        step.outcome = _OUTCOMES[event.event_type]
        shown.moved(step)
    elif event is None and (found := read_progress(entry.user_message)) is not None:
        step.done, step.days, step.seconds_left = found.done, found.total, found.seconds_left
        step.rows = (step.rows or 0) + found.rows
        shown.moved(step)
