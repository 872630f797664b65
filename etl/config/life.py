"""The state of a tenant's life as a model, and the file in the tenant's folder that says it.

Belongs here: the model, its format, reading and writing the file. Not here: the state in the lake, and refusing work
(`etl.pipeline.life`).
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import ConfigError
from etl.formats import check_format

State = Literal["active", "retired", "changing", "erasing", "erased", "importing"]
FILE = "life.json"
FORMAT = 1


class TenantLife(BaseModel):
    """In which state a tenant is, since when, who said so, and why.

    `certificate` is the SHA-256 of the certificate of an erasure that has ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    state: State
    since: datetime
    by: str
    reason: str = ""
    certificate: str = ""
    formerly: tuple[str, ...] = ()
    """The ids that the tenant had before it was renamed: Dagster's history of that time stays under them."""


def read_life_file(path: Path) -> TenantLife | None:
    """Return what the file says; None if there is no file, which means that the tenant is active."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        check_format(content.get("format"), newest=FORMAT, what=str(path))
        return TenantLife.model_validate(content)
    except (ValueError, ValidationError, TypeError, AttributeError):
        raise ConfigError(
            f"{path} does not say in which state the tenant is",
            "`etl tenant retire` writes the file; restore it from version control",
        ) from None


def write_life_file(path: Path, life: TenantLife | None) -> None:
    """Write the file in one step; without a state, remove it."""
    if life is None:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(life.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    new.replace(path)
