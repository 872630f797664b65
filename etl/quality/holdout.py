"""Tries learned rules on rows that they were not learned from, and widens or leaves out the rules that break there.

Belongs here: which rows are held out, and what happens to a rule that they break. Not here: learning (`learn`).

Rules are learned several times from a part of the rows, and tried on the rest: on rows from everywhere, which notices
rare values and long tails, and on the last rows, which notices values that grow from delivery to delivery.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from etl.quality.checking import check
from etl.quality.engine import DataQualityEngine
from etl.quality.frames import Data
from etl.quality.rules import AnyRule, Dtype, InRange, Unique

Key = tuple[str, tuple[str, ...], str]
"""Type and columns of a rule, and the end of the range that it limits."""
TOLERATED = 0.02
"""Up to this share of bad rows among the rows held out, a rule is kept with `mostly`; above, it is left out."""
LEAST_ROWS = 4
_SURPLUS = 2
_GOLDEN, _TURN = 2_654_435_769, 2**32


@dataclass(frozen=True, slots=True)
class Withstood:
    """What is left of the rules after they were tried."""

    rules: tuple[AnyRule, ...]
    widened: tuple[str, ...]
    """Names of rules that now allow more: rows that break them (`mostly`), or any value on one side of a range."""
    left_out: tuple[str, ...]
    """Names of rules that the rows held out broke."""


def withstand(
    frame: Data,
    rules: Sequence[AnyRule],
    learn: Callable[[Data], Sequence[AnyRule]],
    engine: DataQualityEngine,
    share: float,
) -> Withstood:
    """Return the rules as far as they hold on rows that they were not learned from."""
    worst: dict[Key, float] = {}
    for learned_from, held_out in _parts(frame, share):
        candidates = [each for rule in learn(learned_from) for each in _sides(rule)]
        if not candidates:
            continue
        for each in check(held_out, candidates, engine=engine, sample_size=0).results:
            rate = each.failure_rate if each.status == "failed" else 0.0  # an error shows on the whole data too
            key = _key(each.rule)
            worst[key] = max(worst.get(key, 0.0), rate)
    kept: list[AnyRule] = []
    widened: list[str] = []
    left_out: list[str] = []
    for rule in rules:
        found = _withstood(rule, worst)
        if found is None:
            left_out.append(rule.check_name)
            continue
        kept.append(found)
        if found != rule:
            widened.append(rule.check_name)
    return Withstood(tuple(kept), tuple(widened), tuple(left_out))


def _parts(frame: Data, share: float) -> Iterator[tuple[Data, Data]]:
    """Yield pairs of the rows to learn from and the rows held out."""
    name = "row"
    while name in frame.lazy().collect_schema():
        name = f"_{name}"
    numbered = frame.lazy().with_row_index(name)
    rows = int(frame.lazy().select(pl.len()).collect().item())
    first = rows - max(1, round(rows * share))
    place = pl.col(name).cast(pl.UInt64)
    # Spread evenly over the rows, without a period that the data could have too.
    spread = place * _GOLDEN % _TURN
    for held_out in (spread < _TURN * share, spread >= _TURN * (1 - share), place >= first):
        parts = (numbered.filter(~held_out).drop(name), numbered.filter(held_out).drop(name))
        if isinstance(frame, pl.DataFrame):
            yield parts[0].collect(), parts[1].collect()
        else:
            yield parts


def _sides(rule: AnyRule) -> list[AnyRule]:
    """Return each end of a range as a rule of its own, because often only one end holds."""
    if isinstance(rule, InRange) and rule.min is not None and rule.max is not None:
        return [rule.model_copy(update={"max": None}), rule.model_copy(update={"min": None})]
    return [rule]


def _key(rule: AnyRule) -> Key:
    side = ""
    if isinstance(rule, InRange):
        side = "max" if rule.min is None else "min"
    return rule.type, rule.judged_columns, side


def _withstood(rule: AnyRule, worst: Mapping[Key, float]) -> AnyRule | None:
    if isinstance(rule, Dtype):
        return rule
    # A rule that no part of the rows suggests was learned from too few rows.
    rates = {_key(side)[2]: worst.get(_key(side), 1.0) for side in _sides(rule)}
    if isinstance(rule, Unique):
        return None if any(rates.values()) else rule
    good = {side: rate for side, rate in rates.items() if rate <= TOLERATED}
    if not good:
        return None
    changes: dict[str, float | None] = {side: None for side in rates if side not in good}
    rate = max(good.values())
    if rate:
        most = round(1 - math.ceil(rate * _SURPLUS * 100) / 100, 2)
        changes["mostly"] = most if rule.mostly is None else min(most, rule.mostly)
    return rule.model_copy(update=changes) if changes else rule
