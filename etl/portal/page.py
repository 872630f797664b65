"""What a tenant's page says, as data: the page and its JSON are made from the same models.

Belongs here: the models, their levels, and the format number of the JSON. Not here: finding out what they say
(`gather`), how it looks (`render`).

A level is one of five words. `unknown` is a level of its own: it is never shown as good. `none` means that there is
nothing to say, for example no promise; it is not counted.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

FORMAT = 1
MADE_BY = "tenant-etl portal"
"""The mark in `page.json` by which a folder is known to be made by this product."""

Level = Literal["good", "notice", "unknown", "bad", "none"]
FROM_BAD_TO_GOOD: tuple[Level, ...] = ("bad", "unknown", "notice", "good", "none")
PartState = Literal[
    "there", "empty", "expected", "at work", "late", "missing", "damaged", "failed", "outdated", "not loaded", "unknown"
]
PART_LEVELS: dict[PartState, Level] = {
    "there": "good",
    "empty": "good",
    "expected": "notice",
    "at work": "notice",
    "late": "bad",
    "missing": "bad",
    "damaged": "bad",
    "failed": "bad",
    "outdated": "bad",
    "not loaded": "unknown",
    "unknown": "unknown",
}


CheckStatus = Literal[
    "passed",
    "warned",
    "failed",
    "rows rejected",
    "not judged",
    "nothing to judge",
    "nothing to compare",
    "running",
    "never run",
    "data gone",
    "data damaged",
    "rule changed",
]


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst level; `none` if there are none."""
    return min(levels, key=FROM_BAD_TO_GOOD.index, default="none")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartitionCell(_Frozen):
    """One partition of a pipeline, or its whole table."""

    key: str
    """Empty for a whole table."""
    state: PartState
    rows: int | None = None
    rejected: int = 0
    published_at: datetime | None = None
    run: str = ""

    @property
    def level(self) -> Level:
        """The level of the state."""
        return PART_LEVELS[self.state]


class Completeness(_Frozen):
    """Whether the data of a pipeline is there, and to when."""

    level: Level
    answer: str
    """The answer in one sentence."""
    detail: str = ""
    complete_to: datetime | None = None
    """The end of the last partition of the newest stretch without a gap; of a whole table, its last publish."""
    complete_from: datetime | None = None
    kind: str = "day"
    zone: str = "UTC"
    expected: int = 0
    there: int = 0
    gone: int = 0
    """How many partitions were published once and are not there any more."""
    damaged: int = 0
    """How many partitions have an object that cannot be read."""
    parts: tuple[PartitionCell, ...] = ()
    """The newest partitions."""

    @property
    def newest(self) -> PartitionCell | None:
        """The newest partition whose number of rows is known."""
        return next((each for each in reversed(self.parts) if each.rows is not None), None)


class KeptDay(_Frozen):
    """One day of a promise: hours that were watched, and hours in which it was broken."""

    day: str
    watched: float
    broken: float


class PromiseEntry(_Frozen):
    """One promise of a pipeline, its present state and its history."""

    pipeline: str
    name: str
    says: str
    """What is promised, in words."""
    state: str
    level: Level
    message: str
    since: datetime | None = None
    due: datetime | None = None
    kept_share: float | None = None
    """The share of the watched time of the history in which it was kept; None if it was not watched."""
    history: tuple[KeptDay, ...] = ()


class Check(_Frozen):
    """The newest result of one check, with counts and without any value."""

    pipeline: str
    stage: str
    name: str
    says: str
    severity: str
    status: CheckStatus
    level: Level
    failed: int | None = None
    total: int | None = None
    partition: str = ""
    at: datetime | None = None


class Reason(_Frozen):
    """How many rows one rule rejected. A row that breaks two rules is counted for both."""

    rule: str
    rows: int


class RejectedPart(_Frozen):
    """The rejected rows of one partition, by reason."""

    partition: str
    rows: int
    rows_read: int
    at: datetime
    reasons: tuple[Reason, ...]


class Rejections(_Frozen):
    """The rejected rows of one pipeline: numbers and rules, no values."""

    pipeline: str
    level: Level
    rows: int = 0
    parts: tuple[RejectedPart, ...] = ()
    """The newest partitions that have rejected rows."""
    may_have_more: bool = False
    unknown: str = ""


class RunCounts(_Frozen):
    """The checks of one run, by result."""

    run: str
    partition: str
    ended: datetime
    succeeded: bool
    passed: int
    failed: int
    warned: int
    errored: int
    rows: int | None


class Compared(_Frozen):
    """The newest comparison of the source with the lake and the warehouse."""

    level: Level
    words: str
    at: datetime | None = None


class PipelinePage(_Frozen):
    """Everything about one pipeline."""

    name: str
    description: str
    level: Level
    standing: str
    """How it stands, in one word, as `etl explain` says it. It is `healthy` only if the data is there too."""
    headline: str
    """What is wrong, in words for the tenant's people; empty if nothing is."""
    data: Completeness
    compared: Compared
    promises: tuple[PromiseEntry, ...] = ()
    checks: tuple[Check, ...] = ()
    rejections: Rejections
    runs: tuple[RunCounts, ...] = ()


class ChangeEntry(_Frozen):
    """Something that happened."""

    at: datetime
    pipeline: str
    level: Level
    kind: Literal["published", "corrected", "failed", "promise", "decision", "columns", "configuration"]
    words: str


class LineageNode(_Frozen):
    """One place where data is: a source, an object of the lake, a table, a dbt model."""

    id: str
    label: str
    kind: str
    column: int
    level: Level
    note: str = ""


class Lineage(_Frozen):
    """From where to where data flows."""

    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()


class QuotaUse(_Frozen):
    """How much of one quota is used."""

    name: str
    words: str
    share: float | None
    level: Level


class LastKnown(_Frozen):
    """What was last known of one asset of a tenant that cannot be loaded now."""

    pipeline: str
    stage: str
    partition: str
    rows: int | None
    at: datetime | None
    source: Literal["lake", "event log"]


_ANSWERS = {
    "configuration": "The configuration cannot be read",
    "code": "The tenant's own code cannot be loaded",
    "page": "It is not known how the data stands",
}


class Problem(_Frozen):
    """Why a tenant cannot be loaded."""

    what: Literal["configuration", "code", "page"]
    lines: tuple[str, ...]
    hint: str = ""
    is_served: bool = False
    """Whether the last good configuration is served meanwhile."""
    instead: str = ""
    """What is served meanwhile, or why nothing is; empty where the last good configuration is not kept."""

    @property
    def answer(self) -> str:
        """The answer of a page with this problem."""
        return _ANSWERS[self.what]


class Tile(_Frozen):
    """One number at the top of the page."""

    title: str
    level: Level
    figure: str
    words: str
    target: str
    """The part of the page that says more."""


class Page(_Frozen):
    """The page of one tenant."""

    made_by: str = MADE_BY
    format: int = FORMAT
    tenant: str
    name: str
    description: str = ""
    environment: str = ""
    zone: str = "UTC"
    made_at: datetime
    holds_until: datetime
    """After this moment, the page may be wrong without anything in it having changed."""
    level: Level
    answer: str
    detail: str = ""
    """One sentence or more, each subject on a line of its own."""
    is_watched: bool | None = None
    """Whether the process that watches promises is alive; None if that is not known."""
    watched: str = ""
    tiles: tuple[Tile, ...] = ()
    problem: Problem | None = None
    last_known: tuple[LastKnown, ...] = ()
    pipelines: tuple[PipelinePage, ...] = ()
    changes: tuple[ChangeEntry, ...] = ()
    lineage: Lineage = Lineage()
    quotas: tuple[QuotaUse, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be found out."""
