"""Deletes the rows of one person from the tables of a tenant.

Belongs here: finding and deleting these rows, and what the ledger says of their tables afterwards. Not here: which
tables are the tenant's (`contents`), objects of the lake, loads (`transaction`).

Where the lake has the rows too, a load of the rewritten object puts the table right. Here the other rows are deleted:
those of `append` whose object was replaced since, of tables that were set aside, of dbt. Then the ledger's digests of
these tables are made again, or else a later load would take the deletion for a change by hand, and bring the rows back.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from etl.errors import WarehouseError
from etl.faults import reach
from etl.warehouse import ledger
from etl.warehouse.contents import Movable, OwnTable, rows_of_entry
from etl.warehouse.contract import LedgerEntry
from etl.warehouse.digest import digest, rows_in
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session


class CountedTable(NamedTuple):
    """How many rows of a table are the person's; None if the table has not all key columns."""

    table: OwnTable
    rows: int | None


def count_rows(warehouse: Movable, tables: Iterable[OwnTable], key: Mapping[str, str]) -> list[CountedTable]:
    """Count the person's rows in tables and views."""
    found = []
    with warehouse.errors("the rows could not be counted"), warehouse.session() as session:
        for each in tables:
            names = _names(each, key)
            if names is None:
                found.append(CountedTable(each, None))
                continue
            relation = session.relation(each.schema_name, each.name)
            query = f"SELECT count(*) FROM {relation} WHERE {_condition(names)}"
            found.append(CountedTable(each, int(session.rows(query, list(key.values()))[0][0])))
    return found


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
                names = _names(each, key)
                if names is None or each.kind != "table":
                    continue
                relation = session.relation(each.schema_name, each.name)
                where = _condition(names)
                values = list(key.values())
                rows = int(session.rows(f"SELECT count(*) FROM {relation} WHERE {where}", values)[0][0])
                if rows:
                    session.change(f"DELETE FROM {relation} WHERE {where}", values)
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


def _names(table: OwnTable, key: Mapping[str, str]) -> list[str] | None:
    """Return the table's own spelling of the key columns; None if it lacks one."""
    found = {each.name.lower(): each.name for each in table.columns}
    try:
        return [found[name.lower()] for name in key]
    except KeyError:
        return None


def _condition(names: Iterable[str]) -> str:
    conditions = []
    for name in names:
        if "?" in name:
            raise WarehouseError(f"the column `{name}` cannot be compared: its name has a `?`", "rename the column")
        conditions.append(f"CAST({quoted(name)} AS VARCHAR) = ?")
    return " AND ".join(conditions)
