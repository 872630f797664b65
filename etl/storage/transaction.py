"""One load as one transaction, in the SQL that DuckDB and PostgreSQL share: rows and their ledger entry, or nothing.

Belongs here: the order of the steps and the SQL of the modes. Does not: connections, locks, and how the object's rows
become a relation (`duckdb`, `postgres`).
"""

from collections.abc import Sequence
from typing import Any, Protocol

from etl.errors import WarehouseError
from etl.faults import reach
from etl.storage import ledger
from etl.storage.schema_change import NO_TYPE, Column, columns_to_add
from etl.storage.warehouse import PARTITION_COLUMN, ROW_NUMBER, LedgerEntry, LoadReport, LoadRequest

_WINNERS = "etl_winners"


class Session(Protocol):
    """An open transaction of a database, and the object's rows in it."""

    incoming: str
    """The relation that holds the object's rows, ready for SQL; with `ROW_NUMBER` where the mode is `upsert`."""
    temporary: str
    """What stands behind `CREATE TEMP TABLE name`, so that the table ends with the load."""

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; gives the number of rows it changed. Parameters are written `?`."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query."""

    def incoming_columns(self) -> list[Column]:
        """The object's columns in this database's types."""

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """A table's columns; none where there is no such table."""

    def ensure_schema(self, name: str) -> None:
        """Create a schema where there is none."""


def quoted(name: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def load_in_transaction(session: Session, request: LoadRequest) -> LoadReport:
    """Everything between BEGIN and COMMIT."""
    return _Load(session, request).run()


def read_ledger(session: Session, request: LoadRequest | None = None) -> tuple[LedgerEntry, ...]:
    """The entries of the request's table, or all, oldest first."""
    where, parameters = "", list[object]()
    if request:
        where, parameters = " WHERE schema_name = ? AND table_name = ?", [request.schema_name, request.table]
    sql = f'SELECT {ledger.NAMES} FROM "{ledger.SCHEMA}"."{ledger.TABLE}"{where} ORDER BY seq'
    names = [name for name, _ in ledger.COLUMNS]
    return tuple(LedgerEntry(**dict(zip(names, row, strict=True))) for row in session.rows(sql, parameters))


class _Load:
    def __init__(self, session: Session, request: LoadRequest) -> None:
        self._session = session
        self._request = request
        self._table = f"{quoted(request.schema_name)}.{quoted(request.table)}"
        self._partition = f"CAST('{request.partition}' AS DATE)" if request.partition else None

    def run(self) -> LoadReport:
        request = self._request
        reach("warehouse.begin")
        incoming = self._session.incoming_columns()
        table = self._session.table_columns(request.schema_name, request.table)
        entries = self._ledger_entries()
        before = self._count(self._table) if table else 0
        if table and ledger.already_loaded(request, entries):
            return self._report(loaded=0, before=before, after=before, changed=False)
        added = self._alter(table, incoming) if table else self._create(incoming)
        reach("warehouse.shaped")
        typed = [each.name for each in incoming if each.type != NO_TYPE]
        loaded, gone = self._upsert(typed) if request.mode == "upsert" else self._insert(typed)
        reach("warehouse.inserted")
        after = self._count(self._table)
        if after != before - gone + loaded:
            raise WarehouseError(
                f"{request.target} holds {after} rows after the load, {before - gone + loaded} were expected",
                "nothing was kept; something else wrote the table or a trigger or rule of it interferes",
            )
        self._record(created=not table or request.replaces_table)
        reach("warehouse.ledger")
        return self._report(loaded=loaded, before=before, after=after, changed=True, added=added)

    def _create(self, incoming: list[Column]) -> tuple[str, ...]:
        self._session.ensure_schema(self._request.schema_name)
        typed = [each for each in incoming if each.type != NO_TYPE]
        if self._request.partition:
            typed.append(Column(PARTITION_COLUMN, "DATE"))
        if not typed:
            raise WarehouseError(
                f"{self._request.target} cannot be created: no column has a type yet", "give one a value or cast it"
            )
        columns = ", ".join(f"{quoted(each.name)} {each.type}" for each in typed)
        self._session.change(f"CREATE TABLE {self._table} ({columns})")
        return ()

    def _alter(self, table: list[Column], incoming: list[Column]) -> tuple[str, ...]:
        request = self._request
        if any(each.name == PARTITION_COLUMN for each in table) != (request.partition is not None):
            now, then = ("partitioned", "whole") if request.partition else ("whole", "partitioned")
            raise WarehouseError(
                f"{request.target} was loaded as a {then} table and is {now} now",
                f"drop it (`DROP TABLE {request.target}`) and load every partition again, or load into another table",
            )
        new = columns_to_add(request.target, table, incoming, request.schema_changes)
        for column in new:
            self._session.change(f"ALTER TABLE {self._table} ADD COLUMN {quoted(column.name)} {column.type}")
        return tuple(each.name for each in new)

    def _insert(self, columns: list[str]) -> tuple[int, int]:
        """Insert the object's rows in place of those that the mode replaces; gives rows inserted and deleted."""
        request = self._request
        gone = 0
        if request.replaces_table:
            gone = self._session.change(f"DELETE FROM {self._table}")
        elif request.mode == "replace_partition":
            gone = self._session.change(f"DELETE FROM {self._table} WHERE {PARTITION_COLUMN} = {self._partition}")
        reach("warehouse.deleted")
        loaded = self._insert_from(self._session.incoming, columns)
        self._all_rows(loaded)
        return loaded, gone

    def _insert_from(self, relation: str, columns: list[str]) -> int:
        names = ", ".join(quoted(each) for each in columns)
        target, values = names, names
        if self._partition:
            target, values = f"{names}, {PARTITION_COLUMN}", f"{names}, {self._partition}"
        return self._session.change(f"INSERT INTO {self._table} ({target}) SELECT {values} FROM {relation}")

    def _all_rows(self, found: int) -> None:
        if found != self._request.rows:
            raise WarehouseError(
                f"{self._request.target}: {found} rows arrived, the object holds {self._request.rows}",
                "nothing was kept; run the load again",
            )

    def _upsert(self, columns: list[str]) -> tuple[int, int]:
        """One row per key: of the object the last by order; beside the table's, see `_drop_older`."""
        request, session = self._request, self._session
        self._check_keys(columns)
        keys = ", ".join(quoted(each) for each in request.key_columns)
        order = f"{quoted(request.order_column)} DESC NULLS LAST, " if request.order_column else ""
        names = ", ".join(quoted(each) for each in columns)
        session.change(
            f"CREATE TEMP TABLE {_WINNERS} {session.temporary} AS SELECT {names} FROM (SELECT {names}, row_number()"
            f" OVER (PARTITION BY {keys} ORDER BY {order}{ROW_NUMBER} DESC) AS etl_rank FROM {session.incoming})"
            " AS ranked WHERE etl_rank = 1"
        )
        same_key = " AND ".join(f"t.{quoted(each)} = w.{quoted(each)}" for each in request.key_columns)
        reach("warehouse.ranked")
        self._drop_older(same_key)
        gone = session.change(f"DELETE FROM {self._table} AS t USING {_WINNERS} AS w WHERE {same_key}")
        reach("warehouse.deleted")
        return self._insert_from(_WINNERS, columns), gone

    def _drop_older(self, same_key: str) -> None:
        """Let rows of *other* partitions stand that come later by the order column, and then by their partition.

        So the table ends the same in whatever order the partitions are loaded, a back-fill included. Rows of the same
        partition are corrected by its newer object.
        """
        if not self._partition:
            return
        later = f"t.{PARTITION_COLUMN} > {self._partition}"
        if self._request.order_column:
            here, there = (f"{side}.{quoted(self._request.order_column)}" for side in ("w", "t"))
            later = (
                f"({there} > {here} OR ({here} IS NULL AND {there} IS NOT NULL)"
                f" OR ({there} IS NOT DISTINCT FROM {here} AND {later}))"
            )
        self._session.change(
            f"DELETE FROM {_WINNERS} AS w USING {self._table} AS t WHERE {same_key}"
            f" AND t.{PARTITION_COLUMN} <> {self._partition} AND {later}"
        )

    def _check_keys(self, columns: list[str]) -> None:
        request, incoming = self._request, self._session.incoming
        for name in (*request.key_columns, *filter(None, (request.order_column,))):
            if name not in columns:
                raise WarehouseError(
                    f"{request.target}: the object has no column `{name}` to upsert by",
                    "correct `key_columns` and `order_column`, or the transform",
                )
        self._all_rows(self._count(incoming))
        nulls = " OR ".join(f"{quoted(each)} IS NULL" for each in request.key_columns)
        missing = self._count(f"{incoming} WHERE {nulls}")
        if missing:
            raise WarehouseError(
                f"{request.target}: {missing} rows have a null in their key ({', '.join(request.key_columns)})",
                "a row without a key cannot be upserted: filter or fill it in the transform, or check `not_null`",
            )
        keys = ", ".join(quoted(each) for each in request.key_columns)
        doubled = f"(SELECT {keys} FROM {incoming} GROUP BY {keys} HAVING count(*) > 1) AS doubled"
        count = 0 if request.order_column else self._count(doubled)
        if count:
            raise WarehouseError(
                f"{request.target}: {count} keys ({', '.join(request.key_columns)}) stand in more than one row of the"
                " object, and nothing says which is the last",
                "name an `order_column`, or make the rows unique in the transform",
            )

    def _ledger_entries(self) -> tuple[LedgerEntry, ...]:
        self._session.ensure_schema(ledger.SCHEMA)
        self._session.change(ledger.CREATE)
        return read_ledger(self._session, self._request)

    def _record(self, *, created: bool) -> None:
        request = self._request
        self._session.change(
            f'INSERT INTO "{ledger.SCHEMA}"."{ledger.TABLE}" ({ledger.NAMES}) SELECT coalesce(max(seq), 0) + 1,'
            f' ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, now() FROM "{ledger.SCHEMA}"."{ledger.TABLE}"',
            [
                request.tenant,
                request.pipeline,
                request.schema_name,
                request.table,
                request.partition,
                request.version,
                request.run_id,
                request.rows,
                request.mode,
                created,
            ],
        )

    def _count(self, relation: str) -> int:
        return int(self._session.rows(f"SELECT count(*) FROM {relation}")[0][0])

    def _report(
        self, *, loaded: int, before: int, after: int, changed: bool, added: tuple[str, ...] = ()
    ) -> LoadReport:
        return LoadReport(
            table=self._request.target,
            rows_loaded=loaded,
            rows_before=before,
            rows_after=after,
            changed=changed,
            columns_added=added,
        )
