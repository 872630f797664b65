"""Chooses the tables of a database that become pipelines, and proposes them.

Belongs here: which tables are taken and which are left out with what reason, foreign keys between them, and progress.
Not here: one table (`proposal`), files (`tenant_files`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import polars as pl

from etl.errors import NothingExamined, SourceError
from etl.onboarding.limits import Limits
from etl.onboarding.naming import Place, is_allowed, pipeline_names, place_of, plain_name, shown
from etl.onboarding.personal import personal_columns
from etl.onboarding.proposal import Proposal, propose, with_elsewhere
from etl.onboarding.rules import ProposedRules, reference_rules
from etl.onboarding.sampling import TableSample
from etl.onboarding.zones import Zone
from etl.source.contract import CatalogueForeignKey, CatalogueTable
from etl.source.reading import describe, home_schema, shows_other_databases

Progress = Callable[[int, int, str], None]
"""Is told the number of tables that are done, of how many, and the table at work."""


@dataclass(frozen=True)
class Left:
    """A table that is left out, and why."""

    table: str
    why: str


@dataclass(frozen=True)
class Existing:
    """A pipeline that the tenant has already."""

    name: str
    place: Place
    columns: tuple[str, ...] | None
    """The columns that it reads; None: all."""
    is_partitioned: bool
    refers_to: tuple[str, ...] = ()
    """The pipelines that its rules refer to."""
    personal: tuple[str, ...] = ()
    """Its personal columns."""


@dataclass(frozen=True)
class Survey:
    """What a database offers to a tenant."""

    proposals: tuple[Proposal, ...]
    left: tuple[Left, ...]
    covered: tuple[Left, ...]
    """Tables whose rows a pipeline reads already, or will read."""
    schema: str | None
    """The schema of most tables, which the tenant names once."""
    zone: Zone
    unfit: tuple[str, ...] = ()
    """The patterns that fit no table, beside others that fit one."""


def survey(
    url: str,
    patterns: Sequence[str],
    limits: Limits,
    zone: Zone,
    *,
    existing: Sequence[Existing] = (),
    schema: str | None = None,
    on_progress: Progress = lambda _done, _total, _table: None,
) -> Survey:
    """Propose a pipeline for each table whose name fits a pattern. Raises NothingExamined if no name does."""
    described = describe(url)
    tables = _asked(url, described, patterns)
    if not tables:
        wanted = f" whose name fits {' or '.join(f'`{each}`' for each in patterns)}" if patterns else ""
        raise NothingExamined(
            f"the database shows no table{wanted}",
            "correct `--tables`, for example `order*` or `sales.*`"
            if patterns
            else "grant SELECT to the database user",
        )
    left: list[Left] = []
    covered: list[Left] = []
    usable: list[CatalogueTable] = []
    taken = {each.place: each.name for each in existing}
    for table in tables:
        if (name := taken.get(place_of(table))) is not None:
            covered.append(Left(shown(table), f"pipeline `{name}` reads it already"))
        elif table.partition_of:
            covered.append(Left(shown(table), f"a partition of {table.partition_of}, which has its rows"))
        elif reason := _refusal(table):
            left.append(Left(shown(table), reason))
        else:
            usable.append(table)
    names = pipeline_names(usable, {each.name for each in existing})
    found: list[Proposal] = []
    for done, table in enumerate(usable):
        on_progress(done, len(usable), shown(table))
        try:
            found.append(propose(url, table, names[place_of(table)], limits, zone))
        except SourceError as error:
            left.append(Left(shown(table), error.problem.splitlines()[0]))
    on_progress(len(usable), len(usable), "")
    elsewhere = _personal_elsewhere(found, described, existing)
    found = [with_elsewhere(each, elsewhere) for each in found]
    return Survey(
        proposals=tuple(_with_references(found, existing)),
        left=tuple(left),
        covered=tuple(covered),
        schema=schema if existing or schema else _usual_schema(url, [each.table for each in found]),
        zone=zone,
        unfit=tuple(each for each in patterns if not any(_fits(table, each) for table in tables)),
    )


def _personal_elsewhere(
    proposals: Sequence[Proposal], described: Collection[CatalogueTable], existing: Sequence[Existing]
) -> dict[str, str]:
    """Return a table for each name of a column that is personal in one. Of tables that were not read, names tell it."""
    read = {place_of(each.table) for each in proposals}
    known = [(shown(each.table), each.personal) for each in proposals]
    known += [(f"pipeline {each.name}", dict.fromkeys(each.personal, "")) for each in existing]
    for table in described:
        if place_of(table) not in read:
            known.append((shown(table), personal_columns(TableSample(table, pl.DataFrame(), 0, counted=False))))
    return {plain_name(column): table for table, columns in reversed(known) for column in columns}


def _asked(url: str, tables: Collection[CatalogueTable], patterns: Sequence[str]) -> list[CatalogueTable]:
    """Return the tables whose names fit; without a pattern, all tables of the database that the URL names."""
    if not patterns:
        own = home_schema(url) if shows_other_databases(url) else None
        return [each for each in tables if own is None or each.schema_name == own]
    return [each for each in tables if any(_fits(each, pattern) for pattern in patterns)]


def _fits(table: CatalogueTable, pattern: str) -> bool:
    return any(fnmatch(name.lower(), pattern.lower()) for name in (table.name, shown(table)))


def _refusal(table: CatalogueTable) -> str:
    """Return why the catalogue alone shows that a table cannot be used; empty if it can."""
    if table.broken:
        return f"the database cannot describe it: {table.broken}"
    if not table.columns:
        return "it has no column that this user may see"
    for name in (table.name, table.schema_name):
        if name is not None and not is_allowed(name):
            return f"`{name}` cannot be written as a name in a configuration: read it by a `query`"
    return ""


def _usual_schema(url: str, tables: Sequence[CatalogueTable]) -> str | None:
    schemas = [each.schema_name for each in tables if each.schema_name]
    if (home := home_schema(url)) in schemas:
        return home
    return max(sorted(set(schemas)), key=schemas.count, default=None)


def _with_references(proposals: Sequence[Proposal], existing: Sequence[Existing]) -> Iterator[Proposal]:
    """Add the rules about foreign keys, which can refer to each other only without a circle."""
    targets: dict[Place, tuple[str, Collection[str] | None]] = {
        each.place: (each.name, each.columns) for each in existing
    }
    targets |= {place_of(each.table): (each.name, each.sample.columns) for each in proposals}
    partitioned = {each.name for each in existing if each.is_partitioned}
    partitioned |= {each.name for each in proposals if each.partitions}
    edges: defaultdict[str, set[str]] = defaultdict(set)
    for before in existing:
        edges[before.name].update(before.refers_to)
    for each in proposals:
        circles = _circles(each, targets, edges)
        found = reference_rules(each.sample, targets, circles, partitioned)
        rules = ProposedRules((*each.rules.rules, *found.rules), (*each.rules.notes, *found.notes))
        yield replace(each, rules=rules)


def _circles(
    proposal: Proposal, targets: Mapping[Place, tuple[str, Collection[str] | None]], edges: defaultdict[str, set[str]]
) -> list[CatalogueForeignKey]:
    """Return the foreign keys that would close a circle, and note the others in `edges`."""
    found: list[CatalogueForeignKey] = []
    for key in proposal.table.foreign_keys:
        target = targets.get((key.schema_name, key.table))
        if target is None or target[0] == proposal.name:
            continue
        if _reaches(target[0], proposal.name, edges):
            found.append(key)
        else:
            edges[proposal.name].add(target[0])
    return found


def _reaches(start: str, goal: str, edges: Mapping[str, Collection[str]]) -> bool:
    seen, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting += edges.get(name, ())
    return False


def refuse_nothing(found: Survey) -> None:
    """Raise an error if no table can become a pipeline."""
    if found.proposals:
        return
    reasons = "".join(f"\n  - {each.table}: {each.why}" for each in found.left)
    raise NothingExamined(f"none of the {len(found.left)} tables can be used:{reasons}", "see the reasons above")
