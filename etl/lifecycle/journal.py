"""The journal of an erasure: what it found when it began, so that its certificate tells the whole after interruptions.

Belongs here: what the journals of both erasures share, and reading one. Not here: what each adds (`erase`, `subject`).

A journal lies in the tenant's lake, beside the state of its life, until the erasure has ended.
"""

import json
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from etl.formats import check_format
from etl.lake.lake import Lake
from etl.lifecycle.item import Amount
from etl.pipeline.life import read_note

FORMAT = 2
_J = TypeVar("_J", bound="BegunErasure")


class BegunErasure(BaseModel):
    """An erasure that was begun."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    id: str
    begun: datetime
    interruptions: int = 0
    amounts: tuple[Amount, ...]


def read_journal(lake: Lake, tenant: str, name: str, kind: type[_J]) -> _J | None:
    """Return the journal of an erasure that has not ended; None if there is none."""
    text = read_note(lake, tenant, name)
    if text is None:
        return None
    content = json.loads(text)
    check_format(content.get("format"), newest=FORMAT, what=f"the journal of an erasure of tenant {tenant}")
    return kind.model_validate({**content, "format": FORMAT})
