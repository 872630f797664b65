"""All tables of one tenant in its warehouse, as a whole: they are listed, copied out, copied in, and removed.

Belongs here: which tables of a warehouse are a tenant's, and the SQL that treats them as a whole. Not here: loads
(`transaction`), the removal of one person's rows (`subject_rows`), connections (`duckdb`, `postgres`).

A table belongs to the tenant whose load made it, which the ledger tells. Tables of dbt are not in the ledger, so the
caller names them, and the schemas that only dbt of this tenant writes into. In a database of several tenants,
everything else stays: a table of another tenant, a table that no load has made, and the ledger's entries of others.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from etl.errors import WarehouseError
from etl.faults import reach
from etl.warehouse import ledger
from etl.warehouse.contract import (
    KEPT_SCHEMA,
    LOAD_COLUMN,
    PARTITION_COLUMN,
    Column,
    Kind,
    LedgerEntry,
    RowsOf,
    Warehouse,
    kept_table,
)
from etl.warehouse.digest import digest, holds, is_comparable
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session

_ASIDE = re.compile(r"(.+)_aside_\d{8}t\d{6}")


@runtime_checkable
class Movable(Protocol):
    """A warehouse whose tables can be copied and removed as a whole."""

    def session(self) -> AbstractContextManager[Session]:
        """Open a read-only session."""

    def changing(self, run_id: str) -> AbstractContextManager[Session]:
        """Open a transaction that may change any table."""

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Translate a database's errors; their text begins with `what`."""

    def copy_out(self, schema: str, table: str, path: Path) -> None:
        """Write all rows of a table to a Parquet file, in which every value is exact."""

    def rows_from(self, path: Path, run_id: str) -> AbstractContextManager[str]:
        """Return the relation with the rows of a Parquet file. Call it before a transaction begins."""

    def files(self) -> tuple[Path, ...]:
        """Return the files that hold this tenant's tables and nothing else."""

    def drop_order(self, session: Session, tables: Sequence["OwnTable"]) -> list["OwnTable"]:
        """Return the tables and views so that each one comes before those that it reads."""

    def give_back_space(self, tables: Sequence[tuple[str, str]], run_id: str) -> None:
        """Write files or tables again, so that they do not contain rows that were deleted."""


class DbtTables(NamedTuple):
    """Where the dbt of one tenant builds, in lower case."""

    schemas: frozenset[str] = frozenset()
    """Schemas of which every table that no load has made is dbt's."""
    named: frozenset[tuple[str, str]] = frozenset()
    """Schema and name of single tables and views in other schemas, as dbt's manifest tells them."""


class OwnTable(BaseModel):
    """One table or view of the tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    name: str
    kind: Kind
    columns: tuple[Column, ...]
    rows: int
    origin: str
    """Who made it: `load`, `kept rows`, `set aside`, `dbt`."""

    @property
    def target(self) -> str:
        """The table's name for messages."""
        return f"{self.schema_name}.{self.name}"


class Contents(NamedTuple):
    """What a warehouse holds of one tenant."""

    tables: tuple[OwnTable, ...]
    entries: tuple[LedgerEntry, ...]
    """The ledger's entries of this tenant."""
    strangers: tuple[str, ...]
    """Tables in the tenant's own schemas of which nothing tells that they are the tenant's; they are left alone."""


def movable(warehouse: Warehouse, tenant: str, doing: str) -> Movable:
    """Return the warehouse as one whose tables can be copied and removed, or refuse it."""
    if isinstance(warehouse, Movable):
        return warehouse
    raise WarehouseError(
        f"tenant {tenant}: this release cannot {doing} tables of Iceberg on a Trino",
        "list them with `SELECT DISTINCT schema_name, table_name FROM etl_ledger.loads WHERE tenant = ...` on the"
        " Trino, copy or drop them there with the cluster's own means (snapshots keep removed rows until they expire),"
        " and give `--without-warehouse`; the certificate or the manifest then names the warehouse as not included",
    )


def contents(warehouse: Movable, tenant: str, dbt: DbtTables) -> Contents:
    """Return the tables and the ledger's entries of a tenant. Every table is counted."""
    with warehouse.errors("the tables could not be listed"), warehouse.session() as session:
        if warehouse.files():  # the database is the tenant's own, whatever is in it
            dbt = DbtTables(_every_schema(session))
        return _contents(session, tenant, dbt)


def _every_schema(session: Session) -> frozenset[str]:
    query = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_catalog = current_database()"
    return frozenset(str(name).lower() for (name,) in session.rows(query)) - {ledger.SCHEMA, KEPT_SCHEMA}


def _contents(session: Session, tenant: str, dbt: DbtTables) -> Contents:
    every = ledger.read(session)
    owners = _owners(every)
    own = {table for table, owner in owners.items() if owner == tenant}
    entries = tuple(each for each in every if each.tenant == tenant)
    schemas = {schema for schema, _ in (*own, *dbt.named)} | dbt.schemas
    kept = {kept_table(schema, table): (schema, table) for schema, table in own}
    found: list[OwnTable] = []
    strangers: list[str] = []
    for schema, name, kind, columns in _described(session, {*schemas, KEPT_SCHEMA} if own else schemas):
        place = (schema.lower(), name.lower())
        if schema.lower() == KEPT_SCHEMA:
            origin = "kept rows" if name in kept or name.lower() in {each.lower() for each in kept} else ""
        elif place in own:
            origin = "load"
        elif _is_set_aside(place, own, owners):
            origin = "set aside"
        elif place in owners:
            continue  # another tenant loads it
        elif schema.lower() in dbt.schemas or place in dbt.named:
            origin = "dbt"
        else:
            origin = ""
        if origin:
            rows = int(session.rows(f"SELECT count(*) FROM {session.relation(schema, name)}")[0][0])
            found.append(OwnTable(schema_name=schema, name=name, kind=kind, columns=columns, rows=rows, origin=origin))
        elif schema.lower() != KEPT_SCHEMA:
            strangers.append(f"{schema}.{name}")
    return Contents(tuple(found), entries, tuple(strangers))


def _owners(entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], str]:
    """Return for each table of the ledger, in small letters, the tenant whose load made it."""
    found: dict[tuple[str, str], str] = {}
    for each in entries:
        place = (each.schema_name.lower(), each.table_name.lower())
        if each.created_table or place not in found:
            found[place] = each.tenant
    return found


def _is_set_aside(
    place: tuple[str, str], own: Collection[tuple[str, str]], owners: Collection[tuple[str, str]]
) -> bool:
    """Whether the table has a name of one that was set aside, and every table that it can have been is the tenant's."""
    schema, name = place
    matched = _ASIDE.fullmatch(name)
    if matched is None:
        return False
    short = matched.group(1)
    could = {each for each in owners if each[0] == schema and each[1][:40] == short}
    return bool(could) and could <= set(own)


def _described(session: Session, schemas: Collection[str]) -> Iterator[tuple[str, str, Kind, tuple[Column, ...]]]:
    by_table: dict[tuple[str, str, Kind], list[Column]] = {}
    for schema, name, kind, column, kind_of_column in session.described(schemas) if schemas else ():
        by_table.setdefault((schema, name, kind), []).append(Column(column, kind_of_column))
    for (schema, name, kind), columns in by_table.items():
        yield schema, name, kind, tuple(columns)


def remove(warehouse: Movable, tenant: str, dbt: DbtTables, run_id: str, own_schemas: Collection[str]) -> None:
    """Drop the tenant's tables and delete its entries of the ledger, in one transaction.

    Of `own_schemas`, those that are empty afterwards are dropped too.
    """
    with warehouse.errors("the tables could not be removed"):
        with warehouse.changing(run_id) as session:
            found = _contents(session, tenant, dbt)
            for each in warehouse.drop_order(session, found.tables):
                session.change(f"DROP {each.kind.upper()} {session.relation(each.schema_name, each.name)}")
            reach("lifecycle.tables_dropped")
            if found.entries:
                session.change(
                    f"DELETE FROM {session.relation(ledger.SCHEMA, ledger.TABLE)} WHERE tenant = ?", [tenant]
                )
            schemas = {each.schema_name for each in found.tables} & set(own_schemas)
            for schema in sorted(schemas):
                if not session.described([schema]):
                    session.change(f"DROP SCHEMA {quoted(schema)}")
        if found.entries:
            warehouse.give_back_space([(ledger.SCHEMA, ledger.TABLE)], run_id)


def rename_owner(warehouse: Movable, old: str, new: str, run_id: str) -> None:
    """Give the ledger's entries of a tenant to another id. The tables stay as they are."""
    with warehouse.errors("the ledger could not be changed"), warehouse.changing(run_id) as session:
        if session.table_columns(ledger.SCHEMA, ledger.TABLE):
            loads = session.relation(ledger.SCHEMA, ledger.TABLE)
            session.change(f"UPDATE {loads} SET tenant = ? WHERE tenant = ?", [new, old])


def bring_in(
    warehouse: Movable, tables: Sequence[tuple[OwnTable, Path]], entries: Sequence[LedgerEntry], run_id: str
) -> None:
    """Make tables with these rows, and write these entries of the ledger, all in one transaction.

    A table that is there already is refused. The rows are compared with the digests of the ledger.
    """
    with warehouse.errors("the tables could not be made"), ExitStack() as stack:
        incoming = [stack.enter_context(warehouse.rows_from(path, run_id)) for _, path in tables]
        session = stack.enter_context(warehouse.changing(run_id))
        ledger.prepare(session)
        for (table, _), rows in zip(tables, incoming, strict=True):
            relation = session.relation(table.schema_name, table.name)
            if session.kind(table.schema_name, table.name):
                raise WarehouseError(
                    f"{table.target} is in the warehouse already, so nothing was imported",
                    "erase the tenant here first, or rename the table",
                )
            session.ensure_schema(table.schema_name)
            columns = ", ".join(f"{quoted(each.name)} {each.type}" for each in table.columns)
            session.change(f"CREATE TABLE {relation} ({columns})")
            names = ", ".join(quoted(each.name) for each in table.columns)
            values = ", ".join(f"CAST({quoted(each.name)} AS {each.type})" for each in table.columns)
            session.change(f"INSERT INTO {relation} ({names}) SELECT {values} FROM {rows}")
            _check_count(session, table, relation)
            for each in table.columns:
                if each.name in (PARTITION_COLUMN, LOAD_COLUMN):
                    session.ensure_index(table.schema_name, table.name, each.name)
            reach("lifecycle.table_made")
        for entry in _with_digests(session, entries):
            _write(session, entry)


def _check_count(session: Session, table: OwnTable, relation: str) -> None:
    found = int(session.rows(f"SELECT count(*) FROM {relation}")[0][0])
    if found != table.rows:
        raise WarehouseError(
            f"{table.target} has {found} rows after the import, {table.rows} were exported",
            "nothing was imported; export the tenant again",
        )


def _with_digests(session: Session, entries: Sequence[LedgerEntry]) -> Iterator[LedgerEntry]:
    """Yield the entries. What the ledger says of the rows that a table holds now must be true of the imported rows.

    A digest of another release of the database cannot be compared, and is made again from the imported rows.
    """
    standing = {each.seq for table in _by_table(entries) for each in ledger.live(table)}
    for entry in entries:
        if entry.seq not in standing or entry.digest is None:
            yield entry
            continue
        rows = rows_of_entry(entry)
        relation = session.relation(rows.schema_name, rows.table)
        columns = session.table_columns(rows.schema_name, rows.table)
        if not columns:  # a person dropped the table before the export
            yield entry
        elif not is_comparable(session, entry.digest):
            yield entry.model_copy(update={"digest": digest(session, relation, columns, rows.where)})
        elif holds(session, relation, columns, rows.where, entry.digest):
            yield entry
        else:
            raise WarehouseError(
                f"the rows of {rows.schema_name}.{rows.table}"
                + (f", partition {entry.partition}," if entry.partition else "")
                + " are not those of which the exported ledger speaks, so nothing was imported",
                "they were changed by hand before the export: load the partition again there with `--reload`, then"
                " export again",
            )


def _by_table(entries: Iterable[LedgerEntry]) -> Iterator[list[LedgerEntry]]:
    tables: dict[tuple[str, str], list[LedgerEntry]] = {}
    for each in entries:
        tables.setdefault((each.schema_name, each.table_name), []).append(each)
    yield from tables.values()


def rows_of_entry(entry: LedgerEntry) -> RowsOf:
    """Return which rows the digest of an entry is about."""
    if entry.mode == "upsert" and entry.partition is not None:
        return RowsOf(KEPT_SCHEMA, kept_table(entry.schema_name, entry.table_name), entry.partition)
    if entry.mode == "append" and entry.partition is None:
        return RowsOf(entry.schema_name, entry.table_name, load=entry.seq)
    return RowsOf(entry.schema_name, entry.table_name, entry.partition)


def _write(session: Session, entry: LedgerEntry) -> None:
    """Write an entry as it was in the other ledger."""
    values = {name: value for name in ledger.NAMES if (value := getattr(entry, name)) is not None}
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    given = [value.isoformat() if name == "loaded_at" else value for name, value in values.items()]
    loads = session.relation(ledger.SCHEMA, ledger.TABLE)
    session.change(f"INSERT INTO {loads} ({names}) VALUES ({marks})", given)
