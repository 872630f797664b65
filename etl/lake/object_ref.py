"""Which object of the lake is meant, and what is known about it once it is published.

Belongs here: names and keys. Does not: what its footer says (`provenance`), bytes on a disk or in a bucket (`lake`,
`local_store`, `s3_store`).
"""

import re
from datetime import date

from pydantic import BaseModel, ConfigDict, field_validator

from etl.errors import LakeError
from etl.lake.provenance import Provenance

SUFFIX = ".parquet"
DATA = "data"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class ObjectRef(BaseModel):
    """One Parquet object: a stage of a pipeline, one partition of it (`None`: the whole table).

    Published rows have one name per partition, so that the newer object takes the place of the older one. Each object
    of rejected rows has a name of its own (`attempt`): it is the published object that says which one belongs to it.
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
    def _is_date(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            canonical = date.fromisoformat(value).isoformat()
        except ValueError:
            canonical = None
        if canonical != value:
            raise LakeError(f"`{value[:80]}` is not a partition", "a partition is a day written YYYY-MM-DD")
        return value

    @property
    def folder(self) -> str:
        """Where the pipeline's objects lie, relative to the lake: `<tenant>/<stage>/<pipeline>`."""
        return f"{self.tenant}/{self.stage}/{self.pipeline}"

    @property
    def place(self) -> str:
        """The folder of the partition's objects, relative to the lake."""
        return f"{self.folder}/dt={self.partition}" if self.partition else self.folder

    @property
    def key(self) -> str:
        """The object's place, relative to the lake."""
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
    """False where publishing found the very same data and verdict already there and left it alone."""
