"""What an object's footer says about its rows: who made them, from what, and which rejected rows belong to them.

Belongs here: the models of the footer and its format number. Does not: where the footer stands in the file (`footer`).

Format 1 has no `format`, `inputs`, `rejected` and `replaces`: of such an object the inputs are unknown (`None`), and
its rejected rows stand under the one key that there was for them.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

FORMAT = 2
MAX_LISTED = 8
"""More inputs than this are kept as their number and one hash: the footer's place in the file has a fixed width."""


class Input(BaseModel):
    """One object that was read to make another one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    pipeline: str
    partition: str | None
    version: str
    run_id: str

    @property
    def label(self) -> str:
        """The object, for people."""
        return f"{self.stage} {self.pipeline}" + (f" {self.partition}" if self.partition else "")


class Inputs(BaseModel):
    """All objects that were read; the database is no object, so that an extract has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = 0
    digest: str = ""
    listed: tuple[Input, ...] = ()

    @classmethod
    def of(cls, inputs: Iterable[Input]) -> "Inputs":
        """The inputs by name where they are few, and a hash of all their versions in any case."""
        ordered = sorted(inputs, key=lambda each: (each.stage, each.pipeline, each.partition or ""))
        if not ordered:
            return cls()
        lines = "\n".join(f"{each.label}\0{each.version}" for each in ordered)
        listed = tuple(ordered) if len(ordered) <= MAX_LISTED else ()
        return cls(count=len(ordered), digest=hashlib.sha256(lines.encode()).hexdigest(), listed=listed)


class Partner(BaseModel):
    """The object of the rows that were rejected when these rows were published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    rows: int


NO_INPUTS = Inputs()


class Provenance(BaseModel):
    """Where the rows of an object come from and what the audit said; stands in the object's own footer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    stage: str
    pipeline: str
    partition: str | None
    run_id: str
    config_hash: str
    rows: int
    audit: str
    rows_read: int
    rows_quarantined: int
    created_at: datetime
    format: int = FORMAT
    inputs: Inputs | None = NO_INPUTS
    """None: an earlier release wrote the object and did not say what it was made from."""
    rejected: Partner | None = None
    """Of published rows: the object of the rows that were rejected with them; None where none were."""
    replaces: str | None = None
    """Of rejected rows: the store's tag of the published object that their run found, and may replace."""

    def same_origin(self, other: "Provenance") -> bool:
        """Whether both say the same about the data, whichever run wrote it and when."""
        ignored = {"run_id", "created_at", "inputs"}
        if self.model_dump(exclude=ignored) != other.model_dump(exclude=ignored):
            return False
        return self.inputs is not None and other.inputs is not None and self.inputs.digest == other.inputs.digest
