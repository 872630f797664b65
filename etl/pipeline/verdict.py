"""What reconciliation found: days, the table as a whole, and one status that is green only if everything was compared.

Belongs here: the models and their statuses. Does not: the comparison (`verify`), showing it (`etl.cli.verify`,
`etl.factories.reconcile_check`).
"""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["agrees", "differs", "not_compared"]
EXIT_CODES: dict[Status, int] = {"agrees": 0, "differs": 1, "not_compared": 3}


@dataclass(frozen=True)
class Finding:
    """Something that differs, or was not compared, and what to do about it: a command, or what to change."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem} -> {self.remedy}"


@dataclass
class Findings:
    """What was found so far about one thing."""

    differences: list[Finding] = field(default_factory=list)
    not_compared: list[Finding] = field(default_factory=list)

    def differ(self, problem: str, remedy: str) -> None:
        """Something differs."""
        self.differences.append(Finding(problem, remedy))

    def skip(self, problem: str, remedy: str) -> None:
        """Something was not compared."""
        self.not_compared.append(Finding(problem, remedy))

    def add(self, other: "Findings") -> None:
        """Take over what was found elsewhere."""
        self.differences += other.differences
        self.not_compared += other.not_compared


@dataclass
class TableVerdict:
    """What was found of each partition, and of the table as a whole."""

    by_partition: dict[str | None, Findings] = field(default_factory=dict)
    whole: Findings = field(default_factory=Findings)
    loaded: dict[str | None, int] = field(default_factory=dict)

    def of(self, partition: str | None) -> Findings:
        """The findings of one partition, to be added to."""
        return self.by_partition.setdefault(partition, Findings())


def status_of(differences: object, not_compared: object) -> Status:
    """A difference is one whatever else is unknown; what was not compared is never green."""
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
        """Whether the day agrees, in everything."""
        return status_of(self.differences, self.not_compared)


class Reconciliation(BaseModel):
    """One pipeline over its settled days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    days: tuple[DayVerdict, ...]
    differences: tuple[Finding, ...] = ()
    """Of the table as a whole, and of what belongs to no day."""
    not_compared: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    """What is told and changes no status: rows of the source that belong to no partition."""
    undated: int | None = None
    """Rows of the source that belong to no partition; None where there are no partitions, or nobody counted them."""
    has_table: bool = True
    """False: the pipeline is not loaded, and source and lake were compared, nothing else."""

    @property
    def status(self) -> Status:
        """Green only if every day since the first agrees, and the table as a whole."""
        if self.differences or any(each.differences for each in self.days):
            return "differs"
        unknown = self.not_compared or not self.days or any(each.not_compared for each in self.days)
        return "not_compared" if unknown else "agrees"

    @property
    def differing(self) -> tuple[tuple[str, Finding], ...]:
        """Everything that differs, each with its place: a day, or nothing where it is about all of them."""
        days = [(day.partition or "the table", each) for day in self.days for each in day.differences]
        return (*(("", each) for each in self.differences), *days)

    @property
    def unknown(self) -> tuple[tuple[str, Finding], ...]:
        """Everything that was not compared, in the same way."""
        days = [(day.partition or "the table", each) for day in self.days for each in day.not_compared]
        return (*(("", each) for each in self.not_compared), *days)

    @property
    def complete_to(self) -> str | None:
        """The last day up to which every day since the first agrees."""
        last: str | None = None
        if self.differences or self.not_compared:
            return None
        for each in self.days:
            if each.status != "agrees":
                break
            last = each.partition
        return last
