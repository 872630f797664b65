"""The steps of one load into a table of Iceberg.

Belongs here: which rows come in and which go out, in each mode. Not here: whether the table already holds the object
(`transaction`, `held`), the commit (`iceberg_commit`), the file (`iceberg_file`), the statements of an `upsert` of a
partition (`trino_upsert`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.table import Table
from pyiceberg.types import DateType, IcebergType, LongType, StringType, TimestampType

from etl.errors import WarehouseError
from etl.faults import reach
from etl.partitions.keys import begin_of, kind_of
from etl.warehouse import ledger
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, ROW_NUMBER, Column, LoadReport, LoadRequest
from etl.warehouse.digest import digest, rows_in
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.foreign_rows import ForeignRows
from etl.warehouse.iceberg_commit import ATTEMPTS, CONFLICTS, Change, Commits, Place, owner_of, pause
from etl.warehouse.iceberg_file import RowsFile
from etl.warehouse.iceberg_ledger import Entry
from etl.warehouse.iceberg_table import (
    KEPT_FOR,
    OWNER,
    IcebergTable,
    NewColumn,
    count_of,
    ends_of,
    equal,
    replaced_files,
    seq_of,
    snapshot_of,
    stage_snapshot,
)
from etl.warehouse.iceberg_types import iceberg_type, trino_name
from etl.warehouse.identifier import quoted
from etl.warehouse.schema_change import NO_TYPE
from etl.warehouse.transaction import Load
from etl.warehouse.trino_session import COMMIT_CONFLICTS, driver
from etl.warehouse.trino_upsert import TrinoUpsert
from etl.warehouse.upsert import WANTED, check_keys, ranking

_PARTITION_TYPES: dict[str, IcebergType] = {"DATE": DateType(), "TIMESTAMP": TimestampType(), "VARCHAR": StringType()}
_KEPT_SINCE = "etl.kept-since"
"""The property of the table of the kept rows: the newest entry about the loaded table when it was made."""


class IcebergLoad(Load):
    """The steps of one load. `look` is the same as for a database with transactions."""

    _upsert = TrinoUpsert

    def __init__(
        self, place: Place, request: LoadRequest, history: DuckDBSession, entries: Sequence[Entry], begun: int
    ) -> None:
        """`begun` is the number of the table's newest entry; `history` has all `entries` up to this one."""
        super().__init__(place.session, request, history)
        self._place = place
        self._commits = Commits(place, request, entries, begun, self._entry)

    def put(self, engine: DuckDBSession, published: Path, path: Path) -> LoadReport:
        """Put the object's rows into the table, and write the ledger's entry. `path` is a file for the rows."""
        request, past = self._request, self._past
        incoming = self._incoming(engine)
        before = self._count() if past and self._is_partitioned == bool(self._partition) else 0
        self._remove_foreign_rows()
        added = tuple(each.name for each in self._new_columns(incoming)) if past else self._check_typed(incoming)
        typed = [each.name for each in incoming if each.type != NO_TYPE]
        if request.mode == "upsert":
            check_keys(engine, request, typed)
        arrived = int(engine.rows(f"SELECT count(*) FROM {engine.incoming}")[0][0])
        self._all_rows(arrived)
        if past:
            self._leave_upsert()
            self._number_earlier()
        elif self._place.target.now() is None and self._upsert(self._session, request).columns():
            self._upsert(self._session, request).forget()  # kept rows of an earlier table with this name
        reach("warehouse.shaped")
        if isinstance(self._kept, TrinoUpsert):
            loaded = self._put_kept(engine, published, path, self._kept, arrived)
        else:
            loaded = self._put_rows(engine, published, path, arrived)
        return self._report(
            loaded=loaded, before=before, after=self._count(), changed=True, added=added, reason=self._reason
        )

    def _check_owner(self, past: ledger.LoadHistory) -> None:
        table = self._place.target.now()
        if past.owner is None and table is not None and table.properties.get(OWNER) == owner_of(self._request):
            return  # made by a load of this pipeline that ended before it committed an entry
        super()._check_owner(past)

    def _find_foreign_rows(self, past: ledger.LoadHistory) -> ForeignRows | None:
        """Ask the list of the table's manifests first, which costs no query."""
        ends = ends_of(self._place.target.now(), self._commits.cut)
        if ends is not None and not self._request.reload:
            known = past.names_partition if self._partition else past.names_load
            if not known(ends):
                return None
        return super()._find_foreign_rows(past)

    def _count(self, where: str | None = None) -> int:
        """Add the numbers that the manifests have, if no row of the files is deleted."""
        table = self._place.target.now()
        if where is None and table is not None:
            rows = (
                equal(PARTITION_COLUMN, _value_of(self._request.partition or "")) if self._partition else AlwaysTrue()
            )
            found = count_of(table, rows)
            if found is not None:
                return found
        return super()._count(where)

    def _incoming(self, engine: DuckDBSession) -> list[Column]:
        """Return the object's columns with Trino's types, and note the types that new columns get."""
        untyped = {each.name for each in engine.incoming_columns() if each.type == NO_TYPE}
        without = f" EXCLUDE ({ROW_NUMBER})" if self._request.mode == "upsert" else ""
        shown = engine.connection.sql(f"SELECT *{without} FROM {engine.incoming}")
        found = list(zip(shown.columns, shown.types, strict=True))
        typed = {name: iceberg_type(kind, name, self._request.target) for name, kind in found if name not in untyped}
        technical = [NewColumn(each.name, _technical_type(each)) for each in self._technical()]
        self._commits.columns = [*(NewColumn(name, kind) for name, kind in typed.items()), *technical]
        return [Column(name, trino_name(typed[name]) if name in typed else NO_TYPE) for name, _ in found]

    def _check_typed(self, incoming: Sequence[Column]) -> tuple[str, ...]:
        if all(each.type == NO_TYPE for each in incoming):
            raise WarehouseError(
                f"{self._request.target} cannot be created: no column has a type yet", "give one a value or cast it"
            )
        return ()

    def _number_earlier(self) -> None:
        """If another mode loaded the whole table before, number its rows as the first snapshot of `append`."""
        last = self._past.last if self._past else None
        if self._request.mode == "append" and not self._partition and last and last.mode != "append":
            self._commits.shape()
            self._number_earlier_rows()

    def _put_rows(self, engine: DuckDBSession, published: Path, path: Path, arrived: int) -> int:
        """Replace the rows by the object's rows as the mode says."""
        relation, expected = engine.incoming, arrived
        whole: Path | None = published
        if self._request.mode == "upsert":
            ranked = ranking(engine, self._request, engine.incoming_columns())
            numbered = f"SELECT etl_rows.*, {ranked} AS etl_rank FROM {engine.incoming} AS etl_rows"
            relation, whole = f"(SELECT * FROM ({numbered}) AS ranked WHERE etl_rank = 1) AS {WANTED}", None
            expected = int(engine.rows(f"SELECT count(*) FROM {relation}")[0][0])
            reach("warehouse.ranked")
        rows = RowsFile(engine.connection, relation, path, published)
        old, new = self._commits.commit(Change(self._where, rows, whole, expected, self._replaced))
        entries, _ = self._place.settle(self._commits.entries, self._commits.id)
        reach("warehouse.entered")
        made = next(each["digest"] for each in entries if each["id"] == self._commits.id)
        if made and rows_in(made) != expected:
            raise WarehouseError(
                f"{self._request.target} holds {rows_in(made)} rows after the load, {expected} were expected",
                "find what else writes the table, and load it again",
            )
        self._tell_gone(old, new)
        return expected

    def _replaced(self, seq: int) -> tuple[BooleanExpression, str]:
        """Return the rows that go out, for PyIceberg and for Trino."""
        request = self._request
        if self._partition:
            return equal(PARTITION_COLUMN, _value_of(request.partition or "")), self._slice
        if request.mode == "append":
            number = self._own.seq if self._own else seq
            return equal(LOAD_COLUMN, number), f"{LOAD_COLUMN} = {number}"
        return AlwaysTrue(), "TRUE"

    def _where(self, seq: int) -> str:
        appended = self._request.mode == "append" and not self._partition
        return f"{LOAD_COLUMN} = {seq}" if appended else self._slice

    def _tell_gone(self, old: int | None, new: int) -> None:
        """Report how many rows an `upsert` of a whole table has removed, because the object lacks their keys."""
        last = self._past.last if self._past else None
        if self._request.mode != "upsert" or last is None or last.mode != "upsert" or old is None:
            return
        same = " AND ".join(f"etl_table.{quoted(each)} = {WANTED}.{quoted(each)}" for each in self._request.key_columns)
        query = (
            f"SELECT count(*) FROM {self._table} FOR VERSION AS OF {old} AS etl_table WHERE NOT EXISTS"
            f" (SELECT 1 FROM {self._table} FOR VERSION AS OF {new} AS {WANTED} WHERE {same})"
        )
        if gone := int(self._session.rows(query)[0][0]):
            self._warnings.append(f"{gone} rows of {self._request.target} were removed: the object lacks their keys")

    def _put_kept(self, engine: DuckDBSession, published: Path, path: Path, kept: TrinoUpsert, arrived: int) -> int:
        """Put the rows among the kept rows, then the last row of each key into the table, then commit the entry."""
        last, commits = self._past.last if self._past else None, self._commits
        commits.shape()
        table = self._place.target.now()
        self._columns = self._session.table_columns(self._request.schema_name, self._request.table)
        place = IcebergTable(self._place.target.catalog, *kept.identifier)
        anew = self._keep(place, kept, table)
        all_keys = anew or last is None or last.upsert_by != self._request.upsert_by
        reach("warehouse.ranked")
        since = snapshot_of(table)
        rows = RowsFile(engine.connection, engine.incoming, path, published)
        snapshot = self._put_among_kept(place, rows, kept, arrived)
        reach("warehouse.kept")
        made = digest(self._session, f"{kept.kept} FOR VERSION AS OF {snapshot}", kept.columns(), kept.of_partition)
        for attempt in range(ATTEMPTS):
            base = self._place.target.now()
            commits.check_still(base)
            try:  # etl: allow retry-loop (only a commit that another writer overtook is made again)
                kept.merge(self._columns, since=since, all_keys=all_keys)
            except driver().exceptions.TrinoQueryError as error:
                if error.error_name not in COMMIT_CONFLICTS:
                    raise
                pause(attempt)
                continue
            reach("warehouse.merged")
            now = place.now()
            if now is None or now.snapshot_by_id(snapshot) is None:
                raise self._kept_gone()
            if commits.commit_entry(seq_of(base), Change(self._where, digest=made)):
                break
        else:
            raise commits.gives_up()
        self._place.settle(self._commits.entries, self._commits.id)
        reach("warehouse.entered")
        return arrived

    def _keep(self, place: IcebergTable, kept: TrinoUpsert, table: Table | None) -> bool:
        """Make the table of the kept rows, or follow the columns of the table. Returns whether it was made anew.

        It is made anew if its rows may not be all of them: another mode loaded the table last, or they were kept for an
        earlier table with this name. Of several loads that begin together, the first one makes it for all of them.
        """
        last = self._past.last if self._past else None
        uuid = str(table.metadata.table_uuid) if table else ""
        marks = {KEPT_FOR: uuid, _KEPT_SINCE: str(self._commits.begun)}
        for _ in range(ATTEMPTS):
            known = place.now()
            if known is not None and known.properties.get(KEPT_FOR) == uuid:
                is_upserted = last is None or (last.mode == "upsert" and last.digest is not None)
                if is_upserted or marks.items() <= known.properties.items():
                    kept.keep(self._columns, anew=False)
                    return not is_upserted
            if known is not None:
                if seq_of(self._place.target.now()) > self._commits.begun:
                    raise self._kept_gone()
                kept.forget()
            # of a table without entries, another load may have changed the rows already
            if self._make_kept(place, kept, table, marks, is_filled=last is not None):
                return True
        raise self._commits.gives_up()

    def _make_kept(
        self, place: IcebergTable, kept: TrinoUpsert, table: Table | None, marks: dict[str, str], *, is_filled: bool
    ) -> bool:
        """Make the table of the kept rows, with the loaded table's own rows if `is_filled`. False if it exists.

        It gets its name when it has its rows, so that no other load finds only a part of them.
        """
        fields = table.schema().fields if table else ()
        columns = [NewColumn(each.name, each.field_type) for each in fields if each.name.lower() != LOAD_COLUMN]
        made = IcebergTable(place.catalog, place.schema, f"{place.name}_{self._commits.id}") if is_filled else place
        transaction = made.creation([*columns, NewColumn(ROW_NUMBER, LongType())], PARTITION_COLUMN)
        transaction.set_properties(marks)
        relation, is_placed = self._session.relation(made.schema, made.name), False
        try:
            transaction.commit_transaction()
            if is_filled:
                if not kept.fill([each.name for each in columns], relation):
                    raise self._kept_gone()
                reach("warehouse.filled")
                place.catalog.rename_table(made.identifier, place.identifier)
            is_placed = True
        except CONFLICTS:
            return False
        finally:
            if is_filled and not is_placed:
                self._session.change(f"DROP TABLE IF EXISTS {relation}")
        return True

    def _put_among_kept(self, place: IcebergTable, rows: RowsFile, kept: TrinoUpsert, arrived: int) -> int:
        commits = self._commits
        own = equal(PARTITION_COLUMN, _value_of(self._request.partition or ""))
        for attempt in range(ATTEMPTS):
            table = place.now()
            if table is None:
                raise self._kept_gone()
            transaction = table.transaction()
            uri = commits.uri(table.location(), snapshot_of(table) or 0)
            files = rows.put(table.io, table.metadata, commits.constants(0), uri, arrived)
            reach("warehouse.staged")
            replaced = replaced_files(table, own, commits.is_whole(kept.kept, kept.of_partition))
            number = stage_snapshot(transaction, replaced, files, commits.summary(0), lambda _: {})
            try:  # etl: allow retry-loop (only a commit that another writer overtook is made again)
                transaction.commit_transaction()
            except CONFLICTS:
                pause(attempt)
                continue
            return number
        raise commits.gives_up()

    def _kept_gone(self) -> WarehouseError:
        return WarehouseError(
            f"another load has changed the rows kept for {self._request.target} meanwhile", "run the load again"
        )


def _value_of(key: str) -> Any:  # noqa: ANN401  a value of an expression
    """Return the partition column's value for PyIceberg."""
    if kind_of(key) == "static":
        return key
    begin = begin_of(key)
    return begin.replace(tzinfo=None) if isinstance(begin, datetime) else date(begin.year, begin.month, begin.day)


def _technical_type(column: Column) -> IcebergType:
    return LongType() if column.name == LOAD_COLUMN else _PARTITION_TYPES[column.type]
