"""Shows runs in the terminal: their steps, partitions and rows, the pools that they wait for, and their warnings.

Belongs here: turning the events of runs into states of their steps, and showing them: bars in a terminal, lines in a
pipe. Not here: starting a run (`runs`), choosing it (`run`, `demo`), the progress messages of a step
(`etl.running.progress`), who holds a pool that a step waits for (`waiting`).
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from dagster import (
    AssetCheckSeverity,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
)
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from etl.cli.runs import StartedRun
from etl.cli.waiting import holders
from etl.resources.run_worker import release_dead_runs
from etl.running.naming import AssetAddress
from etl.running.progress import read_progress

SECONDS_BETWEEN_LINES = 10
"""In a pipe, a working step is reported this often."""
WARNINGS_OF_A_KIND = 3
"""This many warnings of one check are shown; further ones are only counted."""


@dataclass(frozen=True)
class Followed:
    """A run to follow. Each of its steps is shown, or the run as a whole if it has a `name`."""

    started: StartedRun
    size: int
    """The number of the run's partitions (0: whole tables). For a run with a name, the number of materializations."""
    name: str = ""
    word: str = "day"
    """The word for one partition."""


@dataclass
class StepState:
    """The progress of a step or run. `size` is the number of its partitions; a whole table counts as one."""

    name: str
    size: int
    unit: str
    began: float
    done: int = 0
    rows: int | None = None
    seconds_left: int | None = None
    outcome: str | None = None

    @property
    def seconds(self) -> float:
        """How long it has been working."""
        return time.monotonic() - self.began

    @property
    def counts(self) -> str:
        """The partitions, the rows and the remaining time, as far as they are known."""
        known = self.rows is not None or self.unit == "partitions"
        parts = [f"{self.done} of {self.size} {self.unit}"] if self.size > 1 and known else []
        parts += [f"{self.rows:,} rows"] if self.rows is not None else []
        if self.outcome is None and self.seconds_left:
            parts.append(f"about {self.seconds_left} s left")
        return ", ".join(parts)


class View(Protocol):
    """Shows the steps of one run or of several runs."""

    def began(self, state: StepState) -> None:
        """The step has begun."""

    def moved(self, state: StepState) -> None:
        """The step has made progress, or has ended."""

    def waiting(self, state: StepState) -> None:
        """The step is still working, and has reported nothing new."""

    def tell(self, text: str) -> None:
        """Show a text that a person should know at once."""


class Lines:
    """Writes a line at the end of a step, and every few seconds while it works: for a pipe, a log, a CI job."""

    def __init__(self, console: Console) -> None:
        """Write the lines to `console`."""
        self._console = console
        self._told: dict[str, float] = {}

    def began(self, state: StepState) -> None:
        """Write nothing yet, because most steps end within a second."""
        self._told[state.name] = time.monotonic()

    def moved(self, state: StepState) -> None:
        """Write a line at the end, and every few seconds before it."""
        if state.outcome is not None:
            self._line(f"{state.name}: {', '.join(each for each in (state.outcome, state.counts) if each)}", state)
        else:
            self.waiting(state)

    def waiting(self, state: StepState) -> None:
        """Write a line every few seconds."""
        if time.monotonic() - self._told.get(state.name, 0) < SECONDS_BETWEEN_LINES:
            return
        counts = f", {state.counts}" if state.counts else ""
        self._line(f"{state.name}: at work for {state.seconds:.0f} s{counts}", state)

    def tell(self, text: str) -> None:
        """Write the text as a line."""
        self._console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)

    def _line(self, text: str, state: StepState) -> None:
        self._told[state.name] = time.monotonic()
        self.tell(text)


class Bars:
    """Shows a bar for each step or run in a terminal."""

    def __init__(self, progress: Progress) -> None:
        """Add the bars to `progress`, which is already shown."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def began(self, state: StepState) -> None:
        """Add a bar."""
        self._tasks[state.name] = self._progress.add_task(escape(state.name), total=state.size, counts="")

    def moved(self, state: StepState) -> None:
        """Move the bar. It becomes full only after success; after a failure it stays where it is."""
        done = state.size if state.outcome == "done" else state.done
        text = state.counts if state.outcome in {None, "done"} else f"[red]{state.outcome}[/] {state.counts}"
        self._progress.update(self._tasks[state.name], completed=done, counts=text)
        if state.outcome is not None:
            self._progress.stop_task(self._tasks[state.name])

    def waiting(self, state: StepState) -> None:
        """Do nothing: the spinner turns by itself."""

    def tell(self, text: str) -> None:
        """Write the text above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def view(console: Console) -> Iterator[View]:
    """Return bars for a terminal, lines for everything else."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        yield Bars(progress)


def follow(instance: DagsterInstance, runs: Sequence[Followed], shown: View) -> list[DagsterRun]:
    """Show runs until all have ended. Returns the ended runs in the same order."""
    readers = [_Reader(each, shown) for each in runs]
    own = {each.started.run_id for each in runs}
    noticed = {each.started.run_id for each in runs if each.started.child}
    """The runs of processes that this command has started: `notice_end` reports how such a process has ended."""
    while True:
        for each in readers:
            each.read(instance)
        ended = [each.run for each in readers if each.run is not None]
        if len(ended) == len(readers):
            return ended
        for each in readers:
            each.wait(instance, own)
        release_dead_runs(instance, noticed)  # otherwise this loop would wait forever for a killed run
        time.sleep(0.3)


_OUTCOMES = {
    DagsterEventType.STEP_SUCCESS: "done",
    DagsterEventType.STEP_FAILURE: "failed",
    DagsterEventType.STEP_SKIPPED: "skipped, because of a step before it",
}


@dataclass
class _Reader:
    """Turns the events of one run into the shown states. `run` is set after the run has ended."""

    followed: Followed
    shown: View
    run: DagsterRun | None = None
    seen: DagsterRun | None = None
    """The run as it was at the last look."""
    cursor: str | None = None
    states: dict[str, StepState] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    """The steps that wait for a pool, with the pool's name."""
    told: set[tuple[str, str]] = field(default_factory=set)
    warned: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """The checks that failed. If they fail the run, the reasons of its failure name them."""

    def read(self, instance: DagsterInstance) -> None:
        """Read new events."""
        if self.run is not None:
            return
        self.followed.started.notice_end(instance)
        run = self._now(instance)  # before its events, so that all are read when it has ended
        if self.followed.name and not self.states:
            self._begin("", self.followed.name, self.followed.size, "partitions")
        while True:
            page = instance.get_records_for_run(self.followed.started.run_id, cursor=self.cursor)
            self.cursor = page.cursor
            for record in page.records:
                self._take(record.event_log_entry)
            if not page.has_more:
                break
        if run is not None and run.is_finished:
            self._end(run)

    def _now(self, instance: DagsterInstance) -> DagsterRun | None:
        """Return the run as it is now. A run that somebody has deleted has failed."""
        run = instance.get_run_by_id(self.followed.started.run_id)
        if run is None and self.seen is not None:
            run = self.seen.with_status(DagsterRunStatus.FAILURE)
        self.seen = run
        return run

    def _end(self, run: DagsterRun) -> None:
        """Show how the run has ended."""
        self.run = run
        self.followed.started.await_end()
        for what, count in self.warned.items():
            if count > WARNINGS_OF_A_KIND:
                self.shown.tell(f"warning: {what}: {count - WARNINGS_OF_A_KIND} more; `make dev` shows all")
        for text in self.failed if run.is_success else ():
            self.shown.tell(f"check failed: {text}")
        if self.followed.name:
            self.states[""].outcome = "done" if run.is_success else run.status.value.lower()
            self.shown.moved(self.states[""])

    def wait(self, instance: DagsterInstance, own: set[str]) -> None:
        """Name the run that holds the pool of a waiting step, once; report that the other steps are still working."""
        if self.run is not None:
            return
        for step, pool in self.blocked.items():
            for run_id, sentence in holders(instance, pool, own).items():
                if (step, run_id) not in self.told:
                    self.told.add((step, run_id))
                    self.shown.tell(f"{_name(step)} {sentence}")
        for state in self.states.values():
            if state.outcome is None:
                self.shown.waiting(state)

    def _take(self, entry: EventLogEntry) -> None:
        key, event = entry.step_key, entry.dagster_event
        if event is None and isinstance(entry.level, int) and entry.level >= logging.WARNING:
            self._warn(re.sub(r"[\d-]*\d", "…", entry.user_message), entry.user_message)
        elif event is not None:
            self._take_event(event)
        if key is None:
            return
        if self.followed.name:
            if event is not None and event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
                self.states[""].done += 1
                self.shown.moved(self.states[""])
        else:
            self._take_step(key, entry, event)

    def _take_event(self, event: DagsterEvent) -> None:
        """Handle an event that a person should know at once: a step that has to wait, a check that warns."""
        if event.event_type == DagsterEventType.STEP_START and event.step_key:
            self.blocked.pop(event.step_key, None)
        elif event.is_engine_event and event.step_key and "pool" in event.engine_event_data.metadata:
            self.blocked[event.step_key] = str(event.engine_event_data.metadata["pool"].value)
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            if not found.passed:
                asset = AssetAddress.of(found.asset_key)
                of = f"{asset.tenant} " if self.followed.name else ""
                what = f"{of}{asset.stage} {asset.name}: {found.check_name}"
                day = f" [{found.partition}]" if found.partition else ""
                text = f"{what}{day}: {found.description or 'failed'}"
                if found.severity == AssetCheckSeverity.WARN:
                    self._warn(what, text)
                else:
                    self.failed.append(text)

    def _warn(self, kind: str, text: str) -> None:
        self.warned[kind] += 1
        if self.warned[kind] <= WARNINGS_OF_A_KIND:
            self.shown.tell(f"warning: {text}")

    def _take_step(self, key: str, entry: EventLogEntry, event: DagsterEvent | None) -> None:
        """Update the state of the entry's step."""
        if key not in self.states:
            if event is None or event.event_type not in {DagsterEventType.STEP_START, DagsterEventType.STEP_SKIPPED}:
                return
            self._begin(key, _name(key), max(self.followed.size, 1), f"{self.followed.word}s")
        state = self.states[key]
        if event is not None and event.event_type in _OUTCOMES:
            state.outcome = _OUTCOMES[event.event_type]
            self.shown.moved(state)
        elif event is None and (found := read_progress(entry.user_message)) is not None:
            state.done, state.size, state.seconds_left = found.done, found.total, found.seconds_left
            state.rows = (state.rows or 0) + found.rows
            self.shown.moved(state)

    def _begin(self, key: str, name: str, size: int, unit: str) -> None:
        self.states[key] = StepState(name, size, unit, time.monotonic())
        self.shown.began(self.states[key])


def _name(step: str) -> str:
    """Return a step's name for people: `acme__extract__orders` becomes `extract orders`."""
    asset = AssetAddress.of_step(step)
    return f"{asset.stage} {asset.name}".strip() or step
