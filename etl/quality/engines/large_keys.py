"""Judges `unique` over more rows than should be in memory at a time: a share of the keys after the other.

Belongs here: how a table is divided, and putting the shares' counts together. Not here: judging one share (`polars`).

All rows of one key are in the same share, so a key that occurs twice is found in its share, and the counts of the
shares add up to those of the table. Each share reads the columns of the key once more, which costs less than a table
of all keys.
"""

from collections.abc import Sequence

import polars as pl

from etl.quality.expressions import RuleFinding
from etl.quality.frames import is_scan
from etl.quality.rules import AnyRule, Unique

ROWS_OF_A_SHARE = 2_000_000
MOST_SHARES = 64
CHANGED = "the data changed while it was judged"


def shares_of(data: pl.DataFrame | pl.LazyFrame, rules: Sequence[AnyRule]) -> int:
    """Return into how many shares the keys are divided: 1 if all of them may be in memory.

    Only what can be read again at little cost is divided. A file says its number of rows without being read.
    """
    if isinstance(data, pl.DataFrame) or not any(isinstance(rule, Unique) for rule in rules) or not is_scan(data):
        return 1
    rows = int(data.select(pl.len()).collect().item())
    return max(1, min(-(-rows // ROWS_OF_A_SHARE), MOST_SHARES))


def share(data: pl.LazyFrame, rule: AnyRule, number: int, shares: int) -> pl.LazyFrame:
    """Return the rows whose key belongs to a share. Equal keys have equal hashes."""
    key = pl.struct(rule.judged_columns) if len(rule.judged_columns) > 1 else pl.col(rule.judged_columns[0])
    return data.filter(key.hash() % shares == number)


def added(findings: Sequence[RuleFinding | str]) -> RuleFinding | str:
    """Put the findings of all shares together. If one share has no finding, the table has none."""
    failed = total = 0
    for each in findings:
        if isinstance(each, str):
            return each
        failed, total = failed + each.failed, total + each.total
    return RuleFinding(failed, total)
