"""The canonical description of what one tenant defines: plain values that two revisions can be compared by.

Belongs here: the models and the format number. Not here: making a description (`describe`), comparing two (`compare`),
where the applied one is kept (`applied_state`).

A description has no secret, no row and no path of a machine: connections stand in it as templates. Its order follows
from its content, so that equal definitions have equal descriptions.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from etl.errors import NothingExamined
from etl.formats import check_format

FORMAT = 1

Kind = Literal[
    "tenant",
    "connection",
    "pipeline",
    "table",
    "asset",
    "model",
    "exposure",
    "check",
    "promise",
    "job",
    "schedule",
    "sensor",
    "notification",
]
KINDS: tuple[Kind, ...] = (
    "tenant",
    "connection",
    "pipeline",
    "table",
    "asset",
    "model",
    "exposure",
    "check",
    "promise",
    "job",
    "schedule",
    "sensor",
    "notification",
)
"""All kinds, in the order in which a plan shows them."""


class Thing(BaseModel):
    """One thing that a tenant defines.

    `values` are what two revisions are compared by. `pipeline` is the pipeline that the thing belongs to; None for what
    belongs to the whole tenant. `lines` are the lines of the YAML, by the name of a value; the thing's own has no name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str
    pipeline: str | None = None
    values: Mapping[str, JsonValue] = {}
    lines: Mapping[str, int] = {}

    @property
    def key(self) -> tuple[Kind, str]:
        """The kind and the name, by which the thing is found in another description."""
        return self.kind, self.name

    def line_of(self, value: str) -> int | None:
        """The YAML's line of a value, or of the thing; None if the thing stands on no line."""
        return self.lines.get(value, self.lines.get(""))


class Description(BaseModel):
    """All that one tenant defines in one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    tenant: str
    environment: str
    things: tuple[Thing, ...] = ()

    @cached_property
    def by_key(self) -> Mapping[tuple[Kind, str], Thing]:
        """The things by kind and name."""
        return {each.key: each for each in self.things}

    def of_kind(self, *kinds: Kind) -> tuple[Thing, ...]:
        """The things of these kinds, in order."""
        return tuple(each for each in self.things if each.kind in kinds)


def ordered(things: Iterable[Thing]) -> tuple[Thing, ...]:
    """Return the things in the one order that a description has."""
    return tuple(sorted(things, key=lambda each: (KINDS.index(each.kind), each.name)))


def read_description(text: str, what: str) -> Description:
    """Return the description that a text holds. A later format, or another text, is an error that names `what`."""
    try:
        found = Description.model_validate_json(text)
    except ValidationError as error:
        number = _format_of(text)
        if number is not None:
            check_format(number, newest=FORMAT, what=what)
        raise NothingExamined(
            f"{what} cannot be read: {error.error_count()} of its values are not those of a description",
            "it was changed by hand or is damaged: compare with a revision (`--against main`), then apply again",
        ) from None
    check_format(found.format, newest=FORMAT, what=what)
    return found


class _Numbered(BaseModel):
    """The one value that every format has."""

    model_config = ConfigDict(extra="ignore")

    format: int


def _format_of(text: str) -> int | None:
    try:
        return _Numbered.model_validate_json(text).format
    except ValidationError:
        return None
