"""Proposes the quality rules of a table: its key, what its rows have in common, and its foreign keys.

Belongs here: which rules are worth proposing. Not here: learning (`etl.quality.learn`), what a rule means
(`etl.quality.rules`).

A rule about the key is an error: rows that break it are not published. Everything that was learned from a part of the
rows is a warning, because it says how the rows were, and not how they have to be.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.onboarding.keys import LIKE_A_KEY, Key
from etl.onboarding.naming import Place
from etl.onboarding.sampling import TableSample
from etl.onboarding.value_sets import may_be_written
from etl.quality import get_engine
from etl.quality.holdout import LEAST_ROWS
from etl.quality.learn import learn_rules
from etl.quality.rules import AnyRule
from etl.source.contract import CatalogueForeignKey

_LEARNED_FROM = 50
"""Fewer rows say little about the next ones."""
_OF_ONE_PERSON = re.compile(r"e_?mail|user_?name|login", re.IGNORECASE)
_LONG_NUMBER = 100_000
"""In a table with personal columns, a longer number may be that of a telephone or an identity card."""
_FIRST_KEYS = ("column", "columns", "type")
_KINDS = ("not_null", "unique", "in_set", "in_range", "non_negative")


@dataclass(frozen=True)
class ProposedRule:
    """A rule as it is written in the YAML, and the reason."""

    rule: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class ProposedRules:
    """The rules of a table, and what is left out, in sentences."""

    rules: tuple[ProposedRule, ...]
    notes: tuple[str, ...]


def key_rules(key: Key) -> list[ProposedRule]:
    """Return the rules that the key is filled and unique."""
    if not key.columns:
        return []
    columns: dict[str, Any] = {"column": key.columns[0]} if len(key.columns) == 1 else {"columns": list(key.columns)}
    judged = {} if key.declared else {"severity": "warning"}
    return [
        ProposedRule({**columns, "type": "not_null", **judged}, key.why),
        ProposedRule({**columns, "type": "unique", **judged}, "the same, within each object"),
    ]


def learned_rules(sample: TableSample, key: Key, personal: Collection[str]) -> ProposedRules:
    """Return rules that the rows that were read keep, and that rows held out kept too."""
    frame = sample.frame
    if frame.height < max(_LEARNED_FROM, LEAST_ROWS):
        return ProposedRules((), (_too_few(frame.height),))
    usable = [each.name for each in frame if not each.dtype.is_nested()]
    try:
        learned = learn_rules(frame.select(usable), "moderate", get_engine("polars"))
    except QualityError as error:
        return ProposedRules((), (f"no rules were learned: {error.problem.splitlines()[0]}",))
    declared = {each.name for each in sample.table.columns if not each.nullable}
    references = {name for each in sample.table.foreign_keys for name in each.columns}
    worth = [
        each for each in learned.rules if each.type in _KINDS and _is_worth(each, key, personal, declared, references)
    ]
    unwritten = [each for each in worth if _may_show_a_person(each, beside_personal=bool(personal))]
    rules = [_proposed(each, frame) for each in worth if each not in unwritten]
    notes = [f"no rules, because rows held out broke them: {', '.join(learned.left_out)}"] if learned.left_out else []
    if unwritten:
        names = ", ".join(dict.fromkeys(each.judged_columns[0] for each in unwritten))
        notes.append(f"no set or range of values for {names}: they may be values of persons, and are not written")
    return ProposedRules(tuple(rules), tuple(notes))


def _too_few(rows: int) -> str:
    if not rows:
        return "no rules were learned: no row was read"
    return f"no rules were learned: {rows:,} row{'s say' if rows > 1 else ' says'} little about the next ones"


def _is_worth(
    rule: AnyRule, key: Key, personal: Collection[str], declared: Collection[str], references: Collection[str]
) -> bool:
    """Whether a learned rule says more than the database's own declarations, and tells no value of a person."""
    (column,) = rule.judged_columns
    if rule.type == "not_null":
        return column not in declared and column not in key.columns
    if rule.type == "unique":  # names and descriptions differ by chance where there are few rows
        return (column,) != key.columns and bool(LIKE_A_KEY.search(column) or _OF_ONE_PERSON.search(column))
    if rule.type == "in_set" and len(rule.values) == 1:
        return False  # one value says little
    # keys grow, and the ranges and sets of a personal column would be values of persons
    return column not in personal and column not in key.columns and column not in references


def _may_show_a_person(rule: AnyRule, *, beside_personal: bool) -> bool:
    """Whether a value in the rule can be a name of a person, or a number that identifies one."""
    if rule.type == "in_set":
        return not may_be_written(rule.judged_columns[0], rule.values, beside_personal=beside_personal)
    bounds = (rule.min, rule.max) if rule.type == "in_range" and beside_personal else ()
    return any(isinstance(each, int | float | Decimal) and abs(float(each)) >= _LONG_NUMBER for each in bounds)


def _proposed(rule: AnyRule, frame: pl.DataFrame) -> ProposedRule:
    plain = {key: value for key, value in rule.to_dict().items() if value is not None}
    ordered = {key: plain[key] for key in _FIRST_KEYS if key in plain}
    (column,) = rule.judged_columns
    series = frame[column]
    filled = frame.height - series.null_count()
    why = {
        "not_null": f"{series.null_count():,} of {frame.height:,} rows empty",
        "unique": f"{series.n_unique():,} values in {frame.height:,} rows",
        "in_set": f"{series.drop_nulls().n_unique()} values in {filled:,} rows",
    }.get(rule.type, f"learned from {filled:,} rows")
    return ProposedRule({**ordered, **plain, "severity": "warning"}, why)


def reference_rules(
    sample: TableSample,
    targets: Mapping[Place, tuple[str, Collection[str] | None]],
    in_circle: Collection[CatalogueForeignKey],
    partitioned: Collection[str],
) -> ProposedRules:
    """Return the foreign keys as rules. `targets` has the pipeline of each table, with the columns that it reads."""
    rules: list[ProposedRule] = []
    notes: list[str] = []
    for each in sample.table.foreign_keys:
        columns, place = ", ".join(each.columns), (each.schema_name, each.table)
        target = targets.get(place)
        own = place == (sample.table.schema_name, sample.table.name)
        if own:
            notes.append(f"no rule for {columns}, which refers to its own table: a rule compares with another pipeline")
        elif target is None:
            notes.append(f"no rule for {columns}, which refers to {each.table}: no pipeline reads that table")
        elif each in in_circle:
            notes.append(
                f"no rule for {columns}, which refers to {each.table}, which refers back: each would wait for the other"
            )
        elif not _reads(sample.columns, each.columns) or not _reads(target[1], each.referred_columns):
            notes.append(f"no rule for {columns}, which refers to {each.table}: a column of the key is not read")
        else:
            why = "a foreign key"
            if target[0] in partitioned:
                why = f"a foreign key; holds when all partitions of {target[0]} were run"
            rules.append(ProposedRule(_reference(each, target[0]), why))
    return ProposedRules(tuple(rules), tuple(notes))


def _reads(columns: Collection[str] | None, wanted: Collection[str]) -> bool:
    """Whether a pipeline reads these columns. None stands for all columns."""
    return columns is None or set(columns).issuperset(wanted)


def _reference(key: CatalogueForeignKey, to: str) -> dict[str, Any]:
    if len(key.columns) == 1:
        rule: dict[str, Any] = {"column": key.columns[0], "type": "foreign_key", "to": to}
        return {**rule, "to_column": key.referred_columns[0], "severity": "warning"}
    rule = {"columns": list(key.columns), "type": "foreign_key", "to": to}
    return {**rule, "to_columns": list(key.referred_columns), "severity": "warning"}
