"""Judges a sample of the rows. The sample can be repeated, and the result shows that it is a sample.

Belongs here: which rows are checked, and which rules may be judged by a sample. Not here: judging (`etl.quality`).
"""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.checking import check, refuse_no_rules
from etl.quality.data import open_data
from etl.quality.engine import DataQualityEngine
from etl.quality.results import CheckResult, RuleResult
from etl.quality.rules import AnyRule, check_names, parse_rules

Data = pl.DataFrame | pl.LazyFrame
SEED = 20


def draw(data: Data | Path | str, size: int | None) -> tuple[Data, int | None]:
    """Draw so many rows, the same rows each time, in order. Also return the number of all rows, if some are out."""
    frame = open_data(data)
    if size is None:
        return frame, None
    if size < 1:
        raise QualityError(f"a sample of {size} rows shows nothing", "give a sample_size of 1 or more, or None for all")
    rows = frame.height if isinstance(frame, pl.DataFrame) else frame.select(pl.len()).collect().item()
    if size >= rows:
        return frame, None
    # Python's generator gives the same numbers in every version. Evenly spaced rows could follow patterns in the data.
    chosen = pl.Series(sorted(random.Random(SEED).sample(range(rows), size)), dtype=pl.UInt32)  # noqa: S311
    if isinstance(frame, pl.DataFrame):
        return frame[chosen], rows
    return frame.select(pl.all().gather(chosen)).collect(), rows


def check_rows(
    data: Data | Path | str,
    rules: Sequence[AnyRule | Mapping[str, Any]],
    *,
    size: int | None,
    engine: str | DataQualityEngine,
    timeout: float,
    tables: Mapping[str, pl.LazyFrame] | None,
) -> tuple[CheckResult, int | None]:
    """Judge rules by a sample of the rows. Also return the number of all rows, if rows were left out.

    A rule about the table as a whole (its number of rows, a sum) is judged on all rows, because a sample differs.
    """
    parsed = parse_rules(rules)
    refuse_no_rules(parsed)
    ends = time.monotonic() + timeout
    sample, rows = draw(data, size)
    if rows is None:
        return check(sample, parsed, engine=engine, timeout=timeout, tables=tables), None
    parts: list[CheckResult] = []
    found: dict[int, RuleResult] = {}
    for level, source in (("row", sample), ("table", data)):
        asked = [index for index, rule in enumerate(parsed) if rule.level == level]
        if asked:
            some = [parsed[index] for index in asked]
            part = check(source, some, engine=engine, timeout=left(ends, timeout), tables=tables)
            found |= dict(zip(asked, part.results, strict=True))
            parts.append(part)
    results = tuple(
        # A row's position in the sample is not its position in the data.
        found[index].model_copy(update={"check_name": name} | ({"rows": ()} if rule.level == "row" else {}))
        for index, (name, rule) in enumerate(zip(check_names(parsed), parsed, strict=True))
    )
    seconds = sum(each.execution_time_ms for each in parts)
    changes = {"results": results, "row_count": size, "execution_time_ms": seconds}
    return parts[0].model_copy(update=changes), rows


def left(ends: float, timeout: float) -> float:
    """Return the seconds until `ends`. Data that was read too slowly is not judged."""
    seconds = round(ends - time.monotonic(), 3)
    if seconds <= 0:
        raise QualityError(f"no verdict within {timeout:g} seconds: reading took them all", "give a longer `timeout`")
    return seconds
