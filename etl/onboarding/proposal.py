"""Proposes one pipeline for one table, each choice with its reason.

Belongs here: putting together what the other modules find. Not here: reading rows (`sampling`), and writing YAML
(`pipeline_yaml`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from etl.config.pipeline_config import LoadMode
from etl.onboarding.comments import description_of
from etl.onboarding.cutting import TimeSpan, UnitChoice, cut, first_key, is_far_back
from etl.onboarding.dates import DateChoice, choose_date
from etl.onboarding.keys import Key, find_key
from etl.onboarding.lateness import Lateness, measure_lateness
from etl.onboarding.limits import Limits
from etl.onboarding.moments import date_columns
from etl.onboarding.newest import Newest, newest_of
from etl.onboarding.personal import as_elsewhere, personal_columns
from etl.onboarding.promise import Promise, promise_of
from etl.onboarding.rhythm import Rhythm, measure_rhythm
from etl.onboarding.rules import ProposedRules, key_rules, learned_rules
from etl.onboarding.sampling import TableSample, refused_window, sampled
from etl.onboarding.zones import Zone
from etl.source.contract import CatalogueTable

_FURTHEST_EAST = timedelta(hours=26)
"""Between the clocks of the most western and the most eastern zone."""
_JUST_NOW = timedelta(minutes=15)


@dataclass(frozen=True)
class ProposedPartitions:
    """The mapping `partitions` as it is written, and the reasons."""

    values: Mapping[str, Any]
    whys: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The unit and the first partition, for people."""
        return f"{self.values.get('by', 'day')} from {self.values['start']}"


@dataclass(frozen=True)
class Proposal:
    """One pipeline."""

    name: str
    sample: TableSample
    key: Key
    choice: DateChoice
    partitions: ProposedPartitions | None
    mode: LoadMode
    mode_why: str
    rhythm: Rhythm
    promise: Promise
    personal: Mapping[str, str]
    rules: ProposedRules
    description: str = ""
    """The table's comment, if it shows neither a secret nor a person."""
    notes: tuple[str, ...] = field(default=())
    """What else a person should know, in sentences."""

    @property
    def table(self) -> CatalogueTable:
        """The table that the pipeline reads."""
        return self.sample.table

    @property
    def date_column(self) -> str | None:
        """The column by which the rows are divided; None if the table is read as a whole."""
        return self.choice.column.name if self.choice.column and self.partitions else None


def propose(url: str, table: CatalogueTable, name: str, limits: Limits, zone: Zone) -> Proposal:
    """Read a part of the table and propose its pipeline. Raises a SourceError if the table cannot be read."""
    moment = datetime.now(UTC)
    here = moment.astimezone(ZoneInfo(zone.name)).replace(tzinfo=None)
    sample = sampled(url, table, limits)
    key = find_key(url, sample, limits)
    dates = date_columns(sample.frame, zone.name, moment)
    choice = choose_date(sample, dates, key.columns, first_rows=not sample.whole)
    newest: Newest | None = None
    if choice.column is not None:
        newest = newest_of(url, sample, choice.column, key.columns, zone.name, limits)
        dates = date_columns(newest.sample.frame, zone.name, moment)
        again = choose_date(newest.sample, dates, key.columns)
        if again.column is not None and again.column.name != choice.column.name:  # the newest rows show another one
            newest = newest_of(url, newest.sample, again.column, key.columns, zone.name, limits)
            dates = date_columns(newest.sample.frame, zone.name, moment)
        sample, choice = newest.sample, again
        if again.column is not None:
            choice = _still_usable(url, sample, replace(again, column=dates[again.column.name]), limits)
    rhythm = Rhythm("unknown", choice.why)
    if newest is not None and choice.column is not None:
        rhythm = measure_rhythm(newest.counts, here, truncated=not newest.whole)
    partitions: ProposedPartitions | None = None
    notes: list[str] = [sample.note] if sample.note else []
    if newest is not None and choice.column is not None and sample.rows >= limits.whole_below:
        lateness = measure_lateness(sample, choice, dates, key.columns)
        partitions, more = _partitions(newest, choice, lateness, rhythm, zone, here)
        notes += more
    mode, mode_why = _mode(choice, partitions, sample, limits)
    personal = personal_columns(sample)
    description, why_none = description_of(table.comment or "")
    if why_none:
        notes.append(why_none)
    unit = str(partitions.values.get("by", "day")) if partitions else "whole"
    return Proposal(
        name=name,
        sample=sample,
        key=key,
        choice=choice,
        partitions=partitions,
        mode=mode,
        mode_why=mode_why,
        rhythm=rhythm,
        promise=promise_of(rhythm, unit, zone.name, moves=choice.moves),
        personal=personal,
        rules=_rules(sample, key, personal),
        description=description,
        notes=tuple(notes),
    )


def with_elsewhere(proposal: Proposal, elsewhere: Mapping[str, str]) -> Proposal:
    """Return the proposal with the columns that are personal in another table, and without their values in rules."""
    personal = as_elsewhere(proposal.sample, proposal.personal, elsewhere)
    if personal == proposal.personal:
        return proposal
    return replace(proposal, personal=personal, rules=_rules(proposal.sample, proposal.key, personal))


def _rules(sample: TableSample, key: Key, personal: Mapping[str, str]) -> ProposedRules:
    learned = learned_rules(sample, key, personal)
    return ProposedRules((*key_rules(key), *learned.rules), learned.notes)


def _still_usable(url: str, sample: TableSample, choice: DateChoice, limits: Limits) -> DateChoice:
    """Return the choice, or none if no extract can select rows by the column's type."""
    refused = choice.column and refused_window(url, sample, choice.column.name, limits)
    return DateChoice(None, f"rows cannot be selected by a date: {refused}") if refused else choice


def _partitions(
    newest: Newest, choice: DateChoice, lateness: Lateness, rhythm: Rhythm, zone: Zone, here: datetime
) -> tuple[ProposedPartitions, list[str]]:
    """Return the partitions with the reasons, and what a person should know of the dates."""
    span, notes = newest.span, list(newest.notes)
    column = choice.column
    if column is None:
        raise TypeError("a table without a date column has no partitions")
    usual = pl.Series([column.moments.quantile(0.001)]).to_list()[0]
    first = span.first
    if isinstance(usual, datetime) and is_far_back(first, usual):
        notes.append(f"the earliest rows are of {first.date()}, long before the others: they belong to no partition")
        first = usual
    if span.last > here:
        notes.append(_in_the_future(span.last - here, span.last, column.kind, zone))
    made: UnitChoice = cut(TimeSpan(first, max(first, min(span.last, here)), span.rows))
    values: dict[str, Any] = {} if made.by == "day" else {"by": made.by}
    values["start"] = _plain(first_key(made.by, first))
    whys = [made.why, f"start: the first row is of {span.first.date()}"]
    if rhythm.kind == "ended":
        last = min(span.last, here)
        values["end"] = _plain(first_key(made.by, last))
        whys.append(f"end: {rhythm.why}; remove `end` if rows come again")
    values["timezone"] = zone.name
    if column.kind == "timestamptz":
        whys.append(f"timezone: {zone.why}; it says when a day begins, since the rows are exact moments")
    elif column.kind == "date":
        whys.append(f"timezone: {zone.why}; it says when a day is over, since the rows are dates without a time")
    else:
        whys.append(f"timezone: {_of_naive_times(here - span.last, zone)}")
    if made.by == "day":
        values["lookback_days"] = lateness.days
        whys.append(f"lookback_days: {lateness.why}")
    else:
        length = {"week": 7, "month": 28}[made.by]
        values["lookback"] = max(1, -(-lateness.days // length))
        whys.append(f"lookback: {lateness.why}")
    return ProposedPartitions(values, tuple(whys)), notes


def _in_the_future(ahead: timedelta, last: datetime, kind: str, zone: Zone) -> str:
    """Say what a row of the future tells: times without a zone that are some hours ahead are of a zone further east."""
    if kind in ("timestamp", "text") and ahead <= _FURTHEST_EAST:
        hours = ahead / timedelta(hours=1)
        return f"the newest row is {hours:.1f} h ahead of the clock of {zone.name}: is `timezone` another one?"
    return f"the latest row is of {last.date()}, in the future: check how it came there"


def _of_naive_times(age: timedelta, zone: Zone) -> str:
    """Return why times without a zone are taken for times of this zone."""
    if timedelta(0) <= age <= _JUST_NOW:
        minutes = age / timedelta(minutes=1)
        return f"{zone.why}; the newest row is {minutes:.0f} min old in it, so its times are of this zone"
    guess = "" if zone.is_guess else "a guess: "
    return f"{guess}{zone.why}; the rows are times without a zone"


def _plain(key: str) -> date | str:
    """Return a day as a date, which YAML writes without quotes."""
    try:
        return date.fromisoformat(key)
    except ValueError:
        return key


def _mode(
    choice: DateChoice, partitions: ProposedPartitions | None, sample: TableSample, limits: Limits
) -> tuple[LoadMode, str]:
    """Return how the table is loaded, and why."""
    if partitions is None:
        few = choice.column is not None and sample.rows < limits.whole_below
        return "replace", f"fewer than {limits.whole_below:,} rows" if few else "no column divides it"
    if choice.moves and choice.column is not None:
        return "upsert", f"a changed row comes again with a later `{choice.column.name}`"
    return "replace_partition", "a partition that is read again replaces its rows"
