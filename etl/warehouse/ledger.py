"""The load ledger: a table with one entry for each load, committed together with the rows. Entries are never changed.

Belongs here: its columns, its format, and what the entries of one table mean. Not here: how a load uses it
(`transaction`), connections (`duckdb`, `postgres`).

Format 1 had no `format`, `digest` and `upsert_by`; format 2 had no `cut_by`. The first load adds the new columns to an
older ledger. Entries of format 1 keep an empty `format`: the table cannot be compared with what they loaded. An empty
`cut_by` for a key of a list means that the column is unknown; it is not compared.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from etl.errors import WarehouseError
from etl.formats import check_format
from etl.partitions.keys import key_of_value, kind_of
from etl.warehouse.contract import LedgerEntry, LoadRequest, TableOwner
from etl.warehouse.session import Session

SCHEMA = "etl_ledger"
TABLE = "loads"
FORMAT_TABLE = "format"
FORMAT = 3
COLUMNS = (
    ("seq", "BIGINT NOT NULL"),
    ("tenant", "VARCHAR NOT NULL"),
    ("pipeline", "VARCHAR NOT NULL"),
    ("schema_name", "VARCHAR NOT NULL"),
    ("table_name", "VARCHAR NOT NULL"),
    ("partition", "VARCHAR"),
    ("version", "VARCHAR NOT NULL"),
    ("run_id", "VARCHAR NOT NULL"),
    ("rows", "BIGINT NOT NULL"),
    ("mode", "VARCHAR NOT NULL"),
    ("created_table", "BOOLEAN NOT NULL"),
    ("loaded_at", "TIMESTAMP WITH TIME ZONE NOT NULL"),
    ("format", "INTEGER"),
    ("digest", "VARCHAR"),
    ("upsert_by", "VARCHAR"),
    ("cut_by", "VARCHAR"),
)
NAMES = tuple(name for name, _ in COLUMNS)
INDEXES = (
    ("seq", ""),
    ("schema_name, table_name, seq", ""),
    ("schema_name, table_name, partition, seq", ""),
    ("schema_name, table_name, seq", "created_table"),
)
"""The indexes with which a load finds entries without reading the whole ledger, in a database that needs indexes."""


def prepare(session: Session) -> None:
    """Create the ledger, or add this format's columns to an older one. A ledger of a later release is an error."""
    session.ensure_schema(SCHEMA)
    have = _columns(session)
    loads, formats = session.relation(SCHEMA, TABLE), session.relation(SCHEMA, FORMAT_TABLE)
    if not have:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS)
        session.change(f"CREATE TABLE {loads} ({columns})")
    elif _format(session) == FORMAT:
        return
    for name, kind in COLUMNS:
        if have and name not in have:
            session.change(f'ALTER TABLE {loads} ADD COLUMN "{name}" {kind}')
    if not session.kind(SCHEMA, FORMAT_TABLE):
        session.change(f'CREATE TABLE {formats} ("format" INTEGER NOT NULL)')
    session.change(f"DELETE FROM {formats}")
    session.change(f"INSERT INTO {formats} VALUES ({FORMAT})")
    for indexed, where in INDEXES:
        session.ensure_index(SCHEMA, TABLE, indexed, where)


def read(session: Session) -> tuple[LedgerEntry, ...]:
    """Return all entries, oldest first."""
    have = _columns(session)
    if not have:
        return ()
    _format(session)
    return _entries(session, "ORDER BY seq", (), have)


def owners(session: Session, schemas: Collection[str]) -> tuple[TableOwner, ...]:
    """Return who loads the tables of these schemas, for all tenants. The newest loads come last."""
    if not (schemas and _columns(session)):
        return ()
    wanted = ", ".join("?" for _ in schemas)
    query = (
        f"SELECT tenant, pipeline, schema_name, table_name FROM {session.relation(SCHEMA, TABLE)}"
        f" WHERE lower(schema_name) IN ({wanted}) GROUP BY 1, 2, 3, 4 ORDER BY max(seq)"
    )
    names = ("tenant", "pipeline", "schema_name", "table")
    rows = session.rows(query, sorted(schemas))
    return tuple(TableOwner(**dict(zip(names, row, strict=True))) for row in rows)


class LoadHistory:
    """The ledger's entries about one table. They are looked up one by one, because a load needs only few of them."""

    def __init__(self, session: Session, request: LoadRequest) -> None:
        self._session = session
        self._request = request
        self._table = f"WHERE {session.is_called('schema_name')} AND {session.is_called('table_name')}"
        self._names = (request.schema_name, request.table)
        created = self._last("AND created_table")
        self.first = created or self._last("", "ORDER BY seq LIMIT 1")
        """The entry that created the table or replaced all its rows. Earlier entries are no longer valid."""
        self.last = self._last("")
        """The newest entry of the table."""

    @property
    def owner(self) -> tuple[str, str] | None:
        """The tenant and the pipeline that the table belongs to."""
        return (self.first.tenant, self.first.pipeline) if self.first else None

    def of_partition(self) -> LedgerEntry | None:
        """Return the newest entry of the request's partition whose rows the table may still hold."""
        if self.first is None:
            return None
        same = '"partition" IS NULL' if self._request.partition is None else '"partition" = ?'
        given = () if self._request.partition is None else (self._request.partition,)
        return self._last(f"AND {same} AND seq >= ?", parameters=(*given, self.first.seq))

    def of_version(self) -> LedgerEntry | None:
        """Return the newest entry of this version of the object."""
        if self.first is None:
            return None
        return self._last("AND version = ? AND seq >= ?", parameters=(self._request.version, self.first.seq))

    def own(self) -> LedgerEntry | None:
        """Return the entry for the place in the table where the object belongs; None if another pipeline wrote it."""
        collected = self._request.mode == "append" and self._request.partition is None
        found = self.of_version() if collected else self.of_partition()
        return found if found and (found.tenant, found.pipeline) == self.owner else None

    def names_partition(self, values: Sequence[object]) -> list[object]:
        """Return the values of the partition column that no entry names."""
        kind = kind_of(self._request.partition or (self.last and self.last.partition) or "") or "day"
        return self._unnamed({key_of_value(each, kind): each for each in values}, "'{}'", '"partition"')

    def names_load(self, values: Sequence[object]) -> list[object]:
        """Return the numbers of loads that no entry has."""
        return self._unnamed({str(each): each for each in values}, "{}", "seq")

    def has_format_1(self) -> bool:
        """Whether some rows may come from a load of an older release, which wrote no digest."""
        start = self.first.seq if self.first else 0
        query = f"SELECT 1 FROM {self._session.relation(SCHEMA, TABLE)} {self._table} AND seq >= ? AND digest IS NULL"
        return bool(self._session.rows(f"{query} LIMIT 1", (*self._names, start)))

    def _unnamed(self, by_text: Mapping[str, object], literal: str, column: str) -> list[object]:
        if not by_text:
            return []
        wanted = ", ".join(f"({literal.format(each.replace(chr(39), chr(39) * 2))})" for each in by_text)
        start = self.first.seq if self.first else 0
        query = (
            f"SELECT wanted.value FROM (VALUES {wanted}) AS wanted(value) WHERE NOT EXISTS (SELECT 1"
            f" FROM {self._session.relation(SCHEMA, TABLE)} {self._table} AND seq >= ? AND {column} = wanted.value)"
        )
        found = self._session.rows(query, (*self._names, start))
        return sorted((by_text[str(value)] for (value,) in found), key=str)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return all entries whose rows the table may still hold. Slow for a long ledger: only for rare cases."""
        start = self.first.seq if self.first else 0
        return _entries(self._session, f"{self._table} AND seq >= ? ORDER BY seq", (*self._names, start), NAMES)

    def _last(
        self, more: str, order: str = "ORDER BY seq DESC LIMIT 1", parameters: Sequence[object] = ()
    ) -> LedgerEntry | None:
        found = _entries(self._session, f"{self._table} {more} {order}", (*self._names, *parameters), NAMES)
        return found[0] if found else None


def live(entries: Iterable[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Select from one table's entries (oldest first) those whose rows the table should hold now.

    For each partition this is the newest entry. A table without partitions, loaded by `append`, holds all versions.
    """
    standing: dict[tuple[str, str, str | None, str], LedgerEntry] = {}
    for entry in entries:
        if entry.created_table:
            standing.clear()
        collected = entry.mode == "append" and entry.partition is None
        replaced = standing.get((entry.tenant, entry.pipeline, None, ""))
        if collected and replaced and replaced.version == entry.version:  # another mode had loaded the same object
            del standing[(entry.tenant, entry.pipeline, None, "")]
        key = (entry.tenant, entry.pipeline, entry.partition, entry.version if collected else "")
        standing[key] = entry
    return tuple(standing.values())


def record(session: Session, values: Mapping[str, object]) -> None:
    """Write one entry. `loaded_at` is the time of the database's clock."""
    given = {**values, "format": FORMAT}
    names = ", ".join(f'"{name}"' for name in (*given, "loaded_at"))
    marks = ", ".join("?" for _ in given)
    loads = session.relation(SCHEMA, TABLE)
    session.change(f"INSERT INTO {loads} ({names}) VALUES ({marks}, now())", list(given.values()))


def next_seq(session: Session) -> int:
    """Return the number of the entry that this transaction will write."""
    return int(session.rows(f"SELECT coalesce(max(seq), 0) + 1 FROM {session.relation(SCHEMA, TABLE)}")[0][0])


def refuse_changed_append(request: LoadRequest, own: LedgerEntry) -> WarehouseError:
    """Return the error for an object of an appended partition that has changed since it was loaded."""
    return WarehouseError(
        f"{request.target} already holds partition {request.partition} from run `{own.run_id}`, and the object has"
        " changed since: appending it would double its rows",
        f"load it again in place of the old rows with {request.reload_command}, or use `mode: replace_partition`",
    )


def _format(session: Session) -> int:
    found = None
    if session.kind(SCHEMA, FORMAT_TABLE):
        found = session.rows(f'SELECT max("format") FROM {session.relation(SCHEMA, FORMAT_TABLE)}')[0][0]
    return check_format(found, newest=FORMAT, what="the load ledger (etl_ledger) of this warehouse")


def _entries(session: Session, rest: str, parameters: Sequence[object], have: Sequence[str]) -> tuple[LedgerEntry, ...]:
    columns = ", ".join(f'"{name}"' for name in NAMES if name in have)
    rows = session.rows(f"SELECT {columns} FROM {session.relation(SCHEMA, TABLE)} {rest}", parameters)
    names = [name for name in NAMES if name in have]
    return tuple(_entry(dict(zip(names, row, strict=True))) for row in rows)


def _entry(row: dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(**{**row, "format": row.get("format") or 1})


def _columns(session: Session) -> list[str]:
    return [each.name for each in session.table_columns(SCHEMA, TABLE)]
