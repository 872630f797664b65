"""The result of a reconciliation: days, the whole table, and one status, which is green only if all was compared.

Belongs here: the models and their statuses. Not here: the comparison (`verify`), showing it (`etl.cli.verify`,
`etl.factories.check_factory`).
"""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["agrees", "differs", "not_compared"]
EXIT_CODES: dict[Status, int] = {"agrees": 0, "differs": 1, "not_compared": 3}


@dataclass(frozen=True)
class Finding:
    """A difference, or something that was not compared, with its remedy: a command, or a change to make."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem} -> {self.remedy}"


@dataclass
class Findings:
    """The findings so far about one day or table."""

    differences: list[Finding] = field(default_factory=list)
    not_compared: list[Finding] = field(default_factory=list)

    def differ(self, problem: str, remedy: str) -> None:
        """Something differs."""
        self.differences.append(Finding(problem, remedy))

    def skip(self, problem: str, remedy: str) -> None:
        """Add something that was not compared."""
        self.not_compared.append(Finding(problem, remedy))

    def add(self, other: "Findings") -> None:
        """Add all findings of another object."""
        self.differences += other.differences
        self.not_compared += other.not_compared


@dataclass
class TableVerdict:
    """The findings about each partition, and about the table as a whole."""

    by_partition: dict[str | None, Findings] = field(default_factory=dict)
    whole: Findings = field(default_factory=Findings)
    loaded: dict[str | None, int] = field(default_factory=dict)
    anew: str = ""
    """The one remedy, if the table was cut in another way, because every load is refused then."""

    def of(self, partition: str | None) -> Findings:
        """The findings about one partition; callers add to them."""
        return self.by_partition.setdefault(partition, Findings())


def status_of(differences: object, not_compared: object) -> Status:
    """Return the status: a difference always counts, and something that was not compared is never green."""
    if differences:
        return "differs"
    return "not_compared" if not_compared else "agrees"


class DayVerdict(BaseModel):
    """One partition, or one whole table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str | None
    source_rows: int
    published_rows: int
    quarantined_rows: int
    loaded_rows: int | None
    differences: tuple[Finding, ...]
    not_compared: tuple[Finding, ...] = ()

    @property
    def status(self) -> Status:
        """Whether the day agrees in every respect."""
        return status_of(self.differences, self.not_compared)


class Reconciliation(BaseModel):
    """One pipeline over its settled days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    days: tuple[DayVerdict, ...]
    differences: tuple[Finding, ...] = ()
    """Findings about the table as a whole, and about rows that belong to no day."""
    not_compared: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    """Findings that are shown and change no status: rows of the source that belong to no partition."""
    undated: int | None = None
    """Rows of the source that belong to no partition; None if there are no partitions, or if they were not counted."""
    has_table: bool = True
    """False: the pipeline is not loaded, and only source and lake were compared."""

    @property
    def status(self) -> Status:
        """Green only if every day since the first day agrees, and the table as a whole agrees."""
        if self.differences or any(each.differences for each in self.days):
            return "differs"
        unknown = self.not_compared or not self.days or any(each.not_compared for each in self.days)
        return "not_compared" if unknown else "agrees"

    @property
    def differing(self) -> tuple[tuple[str, Finding], ...]:
        """All differences, each with its day, or with an empty text if the difference is about all days."""
        days = [(day.partition or "the table", each) for day in self.days for each in day.differences]
        return (*(("", each) for each in self.differences), *days)

    @property
    def unknown(self) -> tuple[tuple[str, Finding], ...]:
        """Everything that was not compared, in the same form."""
        days = [(day.partition or "the table", each) for day in self.days for each in day.not_compared]
        return (*(("", each) for each in self.not_compared), *days)

    @property
    def complete_to(self) -> str | None:
        """The last day up to which every day since the first day agrees."""
        last: str | None = None
        if self.differences or self.not_compared:
            return None
        for each in self.days:
            if each.status != "agrees":
                break
            last = each.partition
        return last
