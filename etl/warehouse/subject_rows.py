"""Deletes the rows of one person from the tables of a tenant.

Belongs here: finding and deleting these rows, and what the ledger says of their tables afterwards. Not here: which
tables are the tenant's (`contents`), objects of the lake, loads (`transaction`).

Where the lake has the rows too, a load of the rewritten object puts the table right. Here the other rows are deleted:
those of `append` whose object was replaced since, of tables that were set aside, of dbt. Then the ledger's digests of
these tables are made again, or else a later load would take the deletion for a change by hand, and bring the rows back.

Rows are found by the type of the key's column (`key_value`). They are looked for a second time as texts, by the
spellings of the rows that were found: what only the second way finds is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from etl.faults import reach
from etl.warehouse import ledger
from etl.warehouse.contents import Movable, OwnTable, rows_of_entry
from etl.warehouse.contract import Column, LedgerEntry
from etl.warehouse.digest import digest, rows_in
from etl.warehouse.identifier import quoted
from etl.warehouse.key_value import Family, NotComparableError, RowCondition, condition, family_of, holds_text, spelled
from etl.warehouse.session import Session


@dataclass
class Spellings:
    """How the key's values are written in rows that were found, for each key column in small letters.

    It is filled while rows are found, and is never kept in a file. `families` alone may be kept: with the values
    of the key, they give the spellings again.
    """

    key: Mapping[str, str]
    texts: dict[str, set[str]] = field(default_factory=dict)
    families: set[Family] = field(default_factory=set)
    """The types of the columns in which rows were found."""
    compared: set[Family] = field(default_factory=set)
    """The types of all key columns that were looked at."""

    def __post_init__(self) -> None:
        """Begin with the values as they were given."""
        for name, value in self.key.items():
            self.texts[name.lower()] = {value}
        self.learn_families(self.families)

    def learn_families(self, families: Iterable[Family]) -> None:
        """Add the spellings of values in columns of these types."""
        for family in families:
            self.families.add(family)
            for name, value in self.key.items():
                self.texts[name.lower()] |= spelled(value, family)

    def of(self, column: str, family: Family | None) -> set[str]:
        """Return the spellings for a key column: also those of its type, if it is no text."""
        if family is None or family is Family.TEXT:
            return self.texts[column.lower()]
        return self.texts[column.lower()] | spelled(self._value(column), family)

    def _value(self, column: str) -> str:
        return next(value for name, value in self.key.items() if name.lower() == column.lower())

    @property
    def number(self) -> int:
        """How many spellings are known."""
        return sum(len(each) for each in self.texts.values())


class CountedTable(NamedTuple):
    """How many rows of a table are the person's; None if the table has not all key columns, or `why` it is unknown."""

    table: OwnTable
    rows: int | None
    why: str = ""
    """Why a key column could not be compared."""
    otherwise: int = 0
    """Rows that are not the person's by the column's type, and have the value in a spelling of rows that are."""
    is_text: bool = False
    """Whether a key column is a text: then another spelling is another value, of which a person decides."""


def count_rows(
    warehouse: Movable, tables: Iterable[OwnTable], key: Mapping[str, str], spellings: Spellings
) -> list[CountedTable]:
    """Count the person's rows in tables and views. `spellings` learns how the rows that were found are written."""
    with warehouse.errors("the rows could not be counted"), warehouse.session() as session:
        return [_counted(session, each, key, spellings) for each in tables]


def _counted(session: Session, table: OwnTable, key: Mapping[str, str], spellings: Spellings) -> CountedTable:
    columns = _columns(table, key)
    if columns is None:
        return CountedTable(table, None)
    try:
        where = _condition(columns, key)
    except NotComparableError as error:
        return CountedTable(table, None, error.problem)
    relation = session.relation(table.schema_name, table.name)
    families = {family for each in columns if (family := family_of(each.type))}
    spellings.compared |= families
    rows = 0
    if where is not None:
        rows = int(session.rows(f"SELECT count(*) FROM {relation} WHERE {where.sql}", where.parameters)[0][0])
    if rows and where is not None:
        spellings.learn_families(families)
        for each in columns:
            text = f"CAST({quoted(each.name)} AS VARCHAR)"
            query = f"SELECT DISTINCT {text} FROM {relation} WHERE {where.sql}"
            spellings.texts[each.name.lower()] |= {str(said) for (said,) in session.rows(query, where.parameters)}
    written = _written(columns, spellings)
    but = f" AND NOT coalesce({where.sql}, FALSE)" if where is not None else ""
    more = where.parameters if where is not None else ()
    query = f"SELECT count(*) FROM {relation} WHERE {written.sql}{but}"
    otherwise = int(session.rows(query, (*written.parameters, *more))[0][0])
    return CountedTable(table, rows, otherwise=otherwise, is_text=Family.TEXT in families)


def delete_rows(
    warehouse: Movable,
    tables: Iterable[OwnTable],
    entries: Iterable[LedgerEntry],
    key: Mapping[str, str],
    versions: Mapping[str, str],
    run_id: str,
) -> list[tuple[OwnTable, int]]:
    """Delete the person's rows from tables, in one transaction. Returns the tables that had some, and how many.

    `versions` are the objects that were rewritten: the version before, and the version now.
    """
    changed: list[tuple[OwnTable, int]] = []
    with warehouse.errors("the rows could not be deleted"):
        with warehouse.changing(run_id) as session:
            for each in tables:
                where = _where(each, key)
                if where is None or each.kind != "table":
                    continue
                relation = session.relation(each.schema_name, each.name)
                query = f"SELECT count(*) FROM {relation} WHERE {where.sql}"
                rows = int(session.rows(query, where.parameters)[0][0])
                if rows:
                    session.change(f"DELETE FROM {relation} WHERE {where.sql}", where.parameters)
                    changed.append((each, rows))
            reach("lifecycle.rows_deleted")
            places = {(each.schema_name.lower(), each.name.lower()) for each, _ in changed}
            _correct_ledger(session, entries, places, versions)
        if changed:
            warehouse.give_back_space([(each.schema_name, each.name) for each, _ in changed], run_id)
    return changed


def _correct_ledger(
    session: Session,
    entries: Iterable[LedgerEntry],
    places: set[tuple[str, str]],
    versions: Mapping[str, str],
) -> None:
    """Let the standing entries of changed tables speak of the rows that are left."""
    tables: dict[tuple[str, str], list[LedgerEntry]] = {}
    for each in entries:
        tables.setdefault((each.schema_name, each.table_name), []).append(each)
    loads = session.relation(ledger.SCHEMA, ledger.TABLE)
    for of_table in tables.values():
        for entry in ledger.live(of_table):
            rows = rows_of_entry(entry)
            if entry.digest is None or (rows.schema_name.lower(), rows.table.lower()) not in places:
                continue
            relation = session.relation(rows.schema_name, rows.table)
            columns = session.table_columns(rows.schema_name, rows.table)
            made = digest(session, relation, columns, rows.where)
            version = versions.get(entry.version, entry.version)
            if made == entry.digest:
                continue
            left = rows_in(made) if version != entry.version else entry.rows
            session.change(
                f"UPDATE {loads} SET digest = ?, version = ?, rows = ? WHERE seq = ? AND tenant = ? AND table_name = ?",
                [made, version, left, entry.seq, entry.tenant, entry.table_name],
            )


def _columns(table: OwnTable, key: Mapping[str, str]) -> list[Column] | None:
    """Return the table's key columns, in the key's order; None if it lacks one."""
    found = {each.name.lower(): each for each in table.columns}
    try:
        return [found[name.lower()] for name in key]
    except KeyError:
        return None


def _where(table: OwnTable, key: Mapping[str, str]) -> RowCondition | None:
    """Return the condition for the person's rows; None if no row can be the person's, or if it cannot be compared."""
    columns = _columns(table, key)
    try:
        return _condition(columns, key) if columns is not None else None
    except NotComparableError:  # the count names it
        return None


def _condition(columns: Sequence[Column], key: Mapping[str, str]) -> RowCondition | None:
    """Return the condition that all key columns have the values; None if one of them certainly cannot have its value.

    Raises NotComparableError if a column cannot be compared.
    """
    found, problem = [], None
    for column, value in zip(columns, key.values(), strict=True):
        try:
            found.append(condition(column, value))
        except NotComparableError as error:
            problem = error
    if any(each is None for each in found):
        return None
    if problem is not None:
        raise problem
    parts = [each for each in found if each is not None]
    return RowCondition(
        " AND ".join(each.sql for each in parts), tuple(value for each in parts for value in each.parameters)
    )


def _written(columns: Sequence[Column], spellings: Spellings) -> RowCondition:
    """Return the condition that the key columns, read as texts, have spellings of the person's values."""
    texts = [
        sorted(each for each in spellings.of(column.name, family_of(column.type)) if holds_text(column.type, each))
        for column in columns
    ]
    parts = [
        f"CAST({quoted(column.name)} AS VARCHAR) IN ({', '.join('?' for _ in said) or 'NULL'})"
        for column, said in zip(columns, texts, strict=True)
    ]
    return RowCondition(" AND ".join(parts), tuple(text for said in texts for text in said))
