"""Finds columns of an extract that look like personal data and are not declared as such.

Belongs here: which columns the check `pii` tells of. Not here: the patterns (`etl.quality.engines.truthound.pii`), and
hiding values, which `pii_columns` does.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl.config.pipeline_config import PipelineConfig
from etl.quality.engines.truthound.pii import scan_pii

SURE = 70
"""The lowest confidence (of 99) that is reported. Below it, single values match a pattern by chance."""


@dataclass(frozen=True)
class PersonalVerdict:
    """The columns of text that look personal. If `scanned` is 0, there was no such column, so there is no verdict."""

    scanned: int
    undeclared: tuple[str, ...]
    description: str


def look_for_personal(pipeline: PipelineConfig, draft: Path) -> PersonalVerdict | None:
    """Return the verdict about the rows of `draft`; None if the pipeline does not ask for it."""
    if pipeline.pii == "off":
        return None
    found = scan_pii(pl.scan_parquet(draft, glob=False))
    kinds = {each.column: each for each in reversed(found.findings) if each.confidence >= SURE}
    undeclared = tuple(sorted(kinds.keys() - set(pipeline.pii_columns)))
    if not found.scanned:
        text = "no column of text to look at"
    elif undeclared:
        each = (f"`{name}` ({kinds[name].kind}, {kinds[name].matches} of {kinds[name].values})" for name in undeclared)
        text = f"looks personal and is not in `pii_columns`: {', '.join(each)}"
    else:
        text = f"{len(found.scanned)} columns of text, none looks personal that is not in `pii_columns`"
    return PersonalVerdict(len(found.scanned), undeclared, text)
