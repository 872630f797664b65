"""Data with known verdicts: frames, rules, and the exact counts that every engine has to find.

Belongs here: reading the cases, and comparing an engine with them. Not here: where the counts come from; an oracle that
is written in SQL computed them, and the tests of this package compute them again (`tests/conformance`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import polars as pl

from etl.formats import check_format
from etl.quality.checking import check
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine, get_engine
from etl.quality.rules import AnyRule, parse_rules

FORMAT = 1
FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True, slots=True)
class KnownVerdict:
    """What every engine that judges the rule has to say."""

    status: str
    """`passed`, `failed`, or `error` for a rule that has no answer on this data."""
    failed_count: int
    total_count: int


@dataclass(frozen=True)
class KnownCase:
    """One frame, with rules and their verdicts."""

    name: str
    """What is special about the data: clean, dirty, null, nan, empty, unicode, ..., missing_column, wrong_dtype."""
    path: Path
    """The frame as a file of Parquet."""
    frame: pl.DataFrame
    rules: tuple[AnyRule, ...]
    expected: tuple[KnownVerdict, ...]
    """In the order of the rules."""
    now: datetime
    """The moment for which the verdicts hold: give it to `check` as `now`."""
    tables: Mapping[str, pl.LazyFrame]
    """The tables that rules of type `foreign_key` refer to."""


@cache
def known_cases() -> tuple[KnownCase, ...]:
    """Return the cases, each type of rule among the rules of each case."""
    raw = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
    check_format(raw["format"], newest=FORMAT, what="the file of known verdicts")
    now = datetime.fromisoformat(raw["now"])
    tables = {name: pl.read_parquet(FOLDER / f"{name}.parquet").lazy() for name in raw["tables"]}
    return tuple(
        KnownCase(
            name=each["name"],
            path=FOLDER / f"{each['frame']}.parquet",
            frame=pl.read_parquet(FOLDER / f"{each['frame']}.parquet"),
            rules=parse_rules([rule for rule, *_ in each["rules"]]),
            expected=tuple(KnownVerdict(*verdict) for _, *verdict in each["rules"]),
            now=now,
            tables=tables,
        )
        for each in raw["cases"]
    )


def differences(engine: str | DataQualityEngine, case: KnownCase, data: Readable | None = None) -> list[str]:
    """Return each verdict of an engine that is not the known one, in words; nothing if the engine is right.

    A rule that the engine does not judge, by its own capabilities, has to be an error. `data` is the case's frame in
    another form, such as `case.frame.lazy()` or `case.path`.
    """
    chosen = get_engine(engine)
    given = case.frame if data is None else data
    result = check(given, case.rules, engine=chosen, now=case.now, tables=case.tables)
    found = []
    for each, known in zip(result.results, case.expected, strict=True):
        refused = chosen.capabilities.refusal(each.rule, case.frame.schema) is not None
        due = KnownVerdict("error", 0, 0) if refused else known
        said = KnownVerdict(each.status, each.failed_count, each.total_count)
        if said != due:
            found.append(f"{each.rule.to_dict()} is {_words(due)}, not {_words(said)}: {each.message}")
    return found


def judged_types(engine: str | DataQualityEngine, cases: Sequence[KnownCase]) -> set[str]:
    """Return the types of rules of which the engine judges at least one, with a verdict that is known."""
    capabilities = get_engine(engine).capabilities
    return {
        rule.type
        for case in cases
        for rule, known in zip(case.rules, case.expected, strict=True)
        if known.status != "error" and capabilities.refusal(rule, case.frame.schema) is None
    }


def _words(verdict: KnownVerdict) -> str:
    return f"{verdict.status} ({verdict.failed_count} of {verdict.total_count})"
