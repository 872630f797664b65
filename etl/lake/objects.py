"""The name of an object in the lake, and the content of its footer: which run made its rows, and from which inputs.

Belongs here: the models of an object, of its footer, and the format number. Not here: where the footer
stands in the file (`footer`).

Format 1 has no `format`, `inputs`, `rejected` and `replaces`. The inputs of such an object are unknown (`None`), and
its rejected rows are stored under the one fixed key that format 1 had for them. Format 3 is format 2 with `erased`, and
only objects from which rows were erased have it.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, field_validator

from etl.errors import LakeError
from etl.partitions.keys import folder_of, kind_of

FORMAT = 3
"""The newest format that this release reads."""
WITHOUT_ERASED = 2
WITH_ERASED = 3
MAX_LISTED = 8
"""More inputs are stored only as their number and one hash, because the place of the footer has a fixed width."""


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
        """The name of the object, for people."""
        return f"{self.stage} {self.pipeline}" + (f" {self.partition}" if self.partition else "")


class Inputs(BaseModel):
    """All objects that were read. A database is not an object, so an extract has no inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = 0
    digest: str = ""
    listed: tuple[Input, ...] = ()

    @classmethod
    def of(cls, inputs: Iterable[Input]) -> "Inputs":
        """Return the inputs by name if there are few, and always a hash of all their versions."""
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


class Erased(BaseModel):
    """Says that rows of a person were removed from an object after it was published. It holds no value of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    """The id of the erasure; the certificate has the same."""
    at: datetime
    before: str
    """The version of the object before, which tells a later step of the same erasure which loads to make again."""
    rows: int
    """The number of rows that were removed, over all erasures."""


NO_INPUTS = Inputs()


class Provenance(BaseModel):
    """The origin of an object's rows and the verdict of the audit, as they are written in the object's own footer."""

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
    format: int = WITHOUT_ERASED
    inputs: Inputs | None = NO_INPUTS
    """None: an earlier release wrote the object and did not record its inputs."""
    rejected: Partner | None = None
    """For published rows: the object of the rows that were rejected with them; None if no rows were rejected."""
    replaces: str | None = None
    """For rejected rows: the store's tag of the published object that their run saw and may replace."""
    erased: Erased | None = None
    """The newest erasure of a person's rows; None if none were erased."""

    def same_origin(self, other: "Provenance") -> bool:
        """Whether both describe the same data, regardless of the run and the time of writing."""
        ignored = {"run_id", "created_at", "inputs"}
        if self.model_dump(exclude=ignored) != other.model_dump(exclude=ignored):
            return False
        return self.inputs is not None and other.inputs is not None and self.inputs.digest == other.inputs.digest


SUFFIX = ".parquet"
DATA = "data"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class ObjectRef(BaseModel):
    """One Parquet object: a stage of a pipeline, one partition of it (`None`: the whole table).

    Published rows have one name per partition, so that a newer object replaces the older object. Each object of
    rejected rows has a unique name (`attempt`), and the published object names its object of rejected rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    stage: str
    pipeline: str
    partition: str | None = None
    attempt: str = DATA

    @field_validator("tenant", "stage", "pipeline", "attempt")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise LakeError(
                f"`{value[:80]}` cannot be part of an object's key",
                "tenants, stages and pipelines are named with letters, digits, `_` and `-`",
            )
        return value

    @field_validator("partition")
    @classmethod
    def _is_key(cls, value: str | None) -> str | None:
        if value is not None and kind_of(value) is None:
            raise LakeError(
                f"`{value[:80]}` is not a partition",
                "a partition is a day written YYYY-MM-DD, another key of time, or one of a list",
            )
        return value

    @property
    def folder(self) -> str:
        """The folder of the pipeline's objects, relative to the lake: `<tenant>/<stage>/<pipeline>`."""
        return f"{self.tenant}/{self.stage}/{self.pipeline}"

    @property
    def place(self) -> str:
        """The folder of the partition's objects, relative to the lake."""
        return f"{self.folder}/{folder_of(self.partition)}" if self.partition else self.folder

    @property
    def key(self) -> str:
        """The object's path, relative to the lake."""
        return f"{self.place}/{self.attempt}{SUFFIX}"

    def __str__(self) -> str:
        return f"{self.folder} {self.partition}" if self.partition else self.folder


class Published(BaseModel):
    """An object that readers see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: ObjectRef
    uri: str
    version: str
    rows: int
    bytes: int
    provenance: Provenance
    changed: bool = True
    """False if the same data with the same verdict was already published, so that the object was left unchanged."""
