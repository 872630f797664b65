"""What a reader of the event log says of one tenant's pipelines.

Belongs here: the values that are handed to the file of events. Not here: the file (`pipeline_log`), and reading the
event log (`etl.running`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from etl.promises.freshness import Publish
from etl.promises.judge import PipelineRun
from etl.promises.last_event import LastEvent


@dataclass(frozen=True, slots=True)
class Failure:
    """A step, or a run as a whole, that failed and has not succeeded since."""

    subject: str
    pipeline: str
    event: str
    run_id: str
    at: datetime
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The facts of one run: `runs` by pipeline, what failed in the run, and which subjects succeeded again."""

    run_id: str
    ended: datetime
    runs: tuple[tuple[str, PipelineRun], ...] = ()
    failures: tuple[Failure, ...] = ()
    healed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of a pipeline's newest partition or table, for metrics."""

    pipeline: str
    partition: str
    at: datetime
    values: Mapping[str, float]


@dataclass(slots=True)
class Facts:
    """Facts that were read from the event log, and the position up to which the log was read."""

    publishes: list[tuple[str, Publish]] = field(default_factory=list)
    numbers: list[Numbers] = field(default_factory=list)
    finished: list[FinishedRun] = field(default_factory=list)
    known_since: dict[str, datetime | None] = field(default_factory=dict)
    """Pipelines whose past was read: the moment since when the past is known; None if nothing is missing."""
    cursors: dict[str, int] = field(default_factory=dict)
    last_event: LastEvent | None = None
