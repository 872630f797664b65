"""The steps of one load in one transaction, in the SQL that DuckDB and PostgreSQL share.

Belongs here: the order of the steps, the check of the table's owner, and the table's columns. Not here: whether the
table already holds the object (`held`), `upsert` of a partition (`upsert`), the ledger itself (`ledger`), connections,
locks, and how the object's rows become a relation (`duckdb`, `postgres`).
"""

from collections.abc import Sequence

from etl.errors import WarehouseError
from etl.faults import reach
from etl.partitions.cut import Cut, are_alike, described
from etl.partitions.keys import column_type, column_value, kind_of
from etl.warehouse import ledger
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, Column, LedgerEntry, LoadReport, LoadRequest
from etl.warehouse.digest import digest
from etl.warehouse.foreign_rows import ForeignRows, find_foreign_rows, remedy
from etl.warehouse.held import is_partitioned, look_at_table
from etl.warehouse.identifier import quoted
from etl.warehouse.schema_change import NO_TYPE, columns_to_add, missing_columns
from etl.warehouse.session import Session
from etl.warehouse.set_aside import move_away
from etl.warehouse.upsert import WANTED, Upsert, check_keys, ranking


class Load:
    """The work between BEGIN and COMMIT: `look` compares, `run` changes the table if that is necessary."""

    _upsert: type[Upsert] = Upsert

    def __init__(self, session: Session, request: LoadRequest, ledger_session: Session | None = None) -> None:
        """`ledger_session` is given if the ledger is read in another place than the table."""
        self._session = session
        self._ledger = ledger_session or session
        self._request = request
        self._table = session.relation(request.schema_name, request.table)
        self._partition = column_value(request.partition) if request.partition else None
        self._slice = request.rows_of_partition
        self._kept = self._upsert(session, request) if request.mode == "upsert" and request.partition else None
        self._columns: list[Column] = []
        self._past: ledger.LoadHistory | None = None
        self._own: LedgerEntry | None = None
        self._reason = ""
        self._foreign: ForeignRows | None = None
        self._warnings: list[str] = []

    def look(self) -> LoadReport | None:
        """Return the report if nothing has to be loaded: the table already holds this object, or must not hold it."""
        request, session = self._request, self._session
        reach("warehouse.begin")
        kind = session.kind(request.schema_name, request.table)
        if kind not in ("", "table"):
            raise WarehouseError(
                f"{request.target} is not a table but a {kind}, and cannot be loaded",
                move_away(request, f"the {kind}"),
            )
        if kind:
            self._columns = session.table_columns(request.schema_name, request.table)
            self._past = ledger.LoadHistory(self._ledger, request)
            self._check_owner(self._past)
            self._check_kind(self._past.last)
            self._own = self._past.own()
            if self._past.owner is not None and not request.replaces_table:
                self._foreign = self._find_foreign_rows(self._past)
        if self._past is None:
            return None
        held = look_at_table(session, request, self._columns, self._past, self._own)
        self._reason = held.reason
        if held.is_held:
            rows = self._count()
            return self._report(loaded=0, before=rows, after=rows, changed=False, reason=self._reason)
        return None

    def run(self) -> LoadReport:
        """Put the object's rows into the table, and write the ledger's entry."""
        request, session, past = self._request, self._session, self._past
        incoming = session.incoming_columns()
        before = self._count() if past and self._is_partitioned == bool(self._partition) else 0
        self._remove_foreign_rows()
        added = self._alter(incoming) if past else self._create(incoming)
        self._leave_upsert()
        self._columns = session.table_columns(request.schema_name, request.table)
        reach("warehouse.shaped")
        typed = [each.name for each in incoming if each.type != NO_TYPE]
        seq = ledger.next_seq(session)
        loaded, held = self._change(typed, seq)
        reach("warehouse.inserted")
        ledger.record(session, self._entry(seq, held, created=past is None or request.replaces_table))
        reach("warehouse.ledger")
        return self._report(
            loaded=loaded, before=before, after=self._count(), changed=True, added=added, reason=self._reason
        )

    def _find_foreign_rows(self, past: ledger.LoadHistory) -> ForeignRows | None:
        return find_foreign_rows(self._session, self._request, self._columns, past)

    def _remove_foreign_rows(self) -> None:
        """Delete rows that did not come from a load, but only with `reload`: a person put them there."""
        if self._foreign and self._request.reload:
            self._session.change(f"DELETE FROM {self._table} WHERE {self._foreign.where}")
            self._warnings.append(f"{self._request.target} held {self._foreign.described}; they were removed")
            self._foreign = None

    def _check_owner(self, past: ledger.LoadHistory) -> None:
        request = self._request
        if past.owner is None:
            if self._session.rows(f"SELECT 1 FROM {self._table} LIMIT 1"):
                raise WarehouseError(
                    f"{request.target} exists and holds rows that no load of this product has inserted",
                    move_away(request, "the table"),
                )
        elif past.owner != (request.tenant, request.pipeline):
            tenant, pipeline = past.owner
            raise WarehouseError(
                f"{request.target} belongs to the pipeline `{pipeline}` of tenant `{tenant}`, which loads it;"
                f" `{request.pipeline}` of tenant `{request.tenant}` cannot load it too",
                move_away(request, "the table"),
            )

    def _check_kind(self, last: LedgerEntry | None) -> None:
        """Refuse a table whose partitions were cut in another way: it would hold the same rows twice."""
        request = self._request
        before = Cut(last.partition, last.cut_by) if last and last.partition else None
        now = Cut(request.partition, request.cut_by) if request.partition else None
        if before and now and not are_alike(before, now):
            raise WarehouseError(
                f"{request.target} was loaded by {described(before)}, and is to be loaded by {described(now)}:"
                " its rows are cut into partitions in another way",
                f"{move_away(request, 'the table')}, every partition",
            )

    @property
    def _is_partitioned(self) -> bool:
        return is_partitioned(self._columns)

    def _create(self, incoming: list[Column]) -> tuple[str, ...]:
        request, session = self._request, self._session
        session.ensure_schema(request.schema_name)
        typed = [each for each in incoming if each.type != NO_TYPE]
        if not typed:
            raise WarehouseError(
                f"{request.target} cannot be created: no column has a type yet", "give one a value or cast it"
            )
        columns = [*typed, *self._technical()]
        session.change(f"CREATE TABLE {self._table} ({', '.join(f'{quoted(c.name)} {c.type}' for c in columns)})")
        self._index()
        kept = self._upsert(session, request)
        if kept.columns():  # kept rows of an earlier table with this name that was dropped
            kept.forget()
        return ()

    def _technical(self) -> list[Column]:
        key = self._request.partition
        partition = [Column(PARTITION_COLUMN, column_type(key))] if key else []
        return partition + ([Column(LOAD_COLUMN, "BIGINT")] if self._request.mode == "append" else [])

    def _index(self) -> None:
        """Create the indexes with which a database finds one partition without reading the whole table."""
        request = self._request
        for column in self._technical():
            self._session.ensure_index(request.schema_name, request.table, column.name)

    def _alter(self, incoming: list[Column]) -> tuple[str, ...]:
        """Add the columns that the object brings. Returns their names."""
        session = self._session
        new = self._new_columns(incoming)
        have = {each.name for each in self._columns}
        for column in [*new, *(each for each in self._technical() if each.name not in have)]:
            session.change(f"ALTER TABLE {self._table} ADD COLUMN {quoted(column.name)} {column.type}")
        self._number_earlier_rows()
        self._index()
        return tuple(each.name for each in new)

    def _new_columns(self, incoming: list[Column]) -> tuple[Column, ...]:
        """Return the columns that the table lacks. A change that needs a person is an error."""
        request = self._request
        adopted = self._past is not None and self._past.owner is None
        if self._is_partitioned != bool(self._partition) and not (adopted and self._partition):
            now, then = ("partitioned", "whole") if request.partition else ("whole", "partitioned")
            raise WarehouseError(
                f"{request.target} was loaded as a {then} table and is {now} now",
                f"{move_away(request, 'the table')}, every partition",
            )
        later = self._came_later(incoming)
        return columns_to_add(
            self._table, self._columns, incoming, request.schema_changes, later, retypes=self._session.retypes
        )

    def _number_earlier_rows(self) -> None:
        """If another mode loaded the whole table before, number its rows as the first snapshot of `append`."""
        last = self._past.last if self._past else None
        if self._request.mode == "append" and not self._partition and last and last.mode != "append" and last.digest:
            self._session.change(f"UPDATE {self._table} SET {LOAD_COLUMN} = {last.seq} WHERE {LOAD_COLUMN} IS NULL")

    def _came_later(self, incoming: list[Column]) -> list[str]:
        """Return the missing columns of the object that are empty up to its partition: a later one has added them.

        So the partitions of a table whose columns have evolved can be loaded again and in any order. Keys of a list
        have no order; for them the column must be empty in the object's own partition.
        """
        missing = missing_columns(self._columns, incoming)
        if not missing or not self._partition or self._request.schema_changes != "evolve":
            return []
        kept = {each.name for each in self._kept.columns()} if self._kept else set()
        return [each.name for each in missing if self._is_empty_so_far(each.name, is_kept=each.name in kept)]

    def _is_empty_so_far(self, column: str, *, is_kept: bool) -> bool:
        relation = self._kept.kept if self._kept and is_kept else self._table
        order = "=" if kind_of(self._request.partition or "") == "static" else "<="
        name, where = quoted(column), f"{PARTITION_COLUMN} {order} {self._partition}"
        query = f"SELECT 1 FROM {relation} WHERE {name} IS NOT NULL AND {where} LIMIT 1"
        return not self._session.rows(query)

    def _leave_upsert(self) -> None:
        """If the table was loaded by `upsert` before and is not now, put the rows that `upsert` hid back into it."""
        if self._kept or not self._past:
            return
        kept = self._upsert(self._session, self._request)
        if kept.columns():
            if self._request.replaces_table:
                kept.forget()
            else:
                kept.give_back(self._columns)

    def _change(self, typed: list[str], seq: int) -> tuple[int, str]:
        """Replace rows by the object's rows as the mode says. Returns the number of rows and their digest."""
        request, session = self._request, self._session
        if request.mode == "upsert":
            check_keys(session, request, typed)
        if self._kept:
            return self._upsert_partition(self._kept, typed)
        if request.mode == "upsert":
            return self._upsert_whole(typed)
        where = self._slice
        if request.mode == "append":
            where = self._delete_appended(seq)
        else:
            session.change(f"DELETE FROM {self._table} WHERE {'TRUE' if request.replaces_table else self._slice}")
        reach("warehouse.deleted")
        loaded = self._insert_from(session.incoming, typed, seq)
        self._all_rows(loaded)
        return loaded, self._digest(where, loaded)

    def _delete_appended(self, seq: int) -> str:
        """Delete the rows of an earlier load of the same object. Returns the condition for the new rows."""
        if self._partition:
            self._session.change(f"DELETE FROM {self._table} WHERE {self._slice}")
            return self._slice
        if self._own and self._own.digest is not None:
            self._session.change(f"DELETE FROM {self._table} WHERE {LOAD_COLUMN} = {self._own.seq}")
        elif self._own and self._past:
            others = [each for each in ledger.live(self._past.entries()) if each.digest is None and each != self._own]
            if others:
                raise WarehouseError(
                    f"{self._request.target} holds rows of {len(others) + 1} loads of an older release. Nothing tells"
                    " which rows came from this object, so it cannot be loaded again",
                    move_away(self._request, "the table"),
                )
            self._session.change(f"DELETE FROM {self._table} WHERE {LOAD_COLUMN} IS NULL")
        return f"{LOAD_COLUMN} = {seq}"

    def _upsert_partition(self, kept: Upsert, typed: list[str]) -> tuple[int, str]:
        last = self._past.last if self._past else None
        anew = last is None or last.mode != "upsert" or last.digest is None or not kept.columns()
        kept.keep(self._columns, anew=anew)
        all_keys = anew or (last is not None and last.upsert_by != self._request.upsert_by)
        loaded, _ = kept.load(self._columns, typed, all_keys=all_keys)
        self._all_rows(loaded)
        return loaded, digest(self._session, kept.kept, kept.columns(), kept.of_partition)

    def _upsert_whole(self, typed: list[str]) -> tuple[int, str]:
        """Replace the whole table by the last row of each key of the object."""
        request, session = self._request, self._session
        arrived = int(session.rows(f"SELECT count(*) FROM {session.incoming}")[0][0])
        self._all_rows(arrived)
        ranked = ranking(session, request, session.incoming_columns())
        numbered = f"SELECT etl_rows.*, {ranked} AS etl_rank FROM {session.incoming} AS etl_rows"
        winners = f"(SELECT * FROM ({numbered}) AS ranked WHERE etl_rank = 1)"
        reach("warehouse.ranked")
        self._tell_forgotten_keys(f"{winners} AS {WANTED}")
        session.change(f"DELETE FROM {self._table}")
        reach("warehouse.deleted")
        loaded = self._insert_from(f"{winners} AS {WANTED}", typed, 0)
        return loaded, self._digest("TRUE", loaded)

    def _tell_forgotten_keys(self, winners: str) -> None:
        """Report how many rows have keys that the object no longer has.

        A release of format 1 kept the keys of all earlier objects; those rows are removed only with `reload`.
        """
        last = self._past.last if self._past else None
        if last is None or last.mode != "upsert":
            return
        same = " AND ".join(f"etl_table.{quoted(each)} = {WANTED}.{quoted(each)}" for each in self._request.key_columns)
        lacks = f"NOT EXISTS (SELECT 1 FROM {winners} WHERE {same})"
        query = f"SELECT count(*) FROM {self._table} AS etl_table WHERE {lacks}"
        gone = int(self._session.rows(query)[0][0])
        if gone and (last.digest is not None or self._request.reload):
            self._warnings.append(f"{gone} rows of {self._request.target} were removed: the object lacks their keys")
        elif gone:
            raise WarehouseError(
                f"{self._request.target} was loaded by an older release and holds {gone} rows whose keys the published"
                " object does not have. A table holds only what is published now, so they would be removed",
                f"keep a copy if you need them, then load with {self._request.reload_command}",
            )

    def _insert_from(self, relation: str, columns: Sequence[str], seq: int) -> int:
        names = ", ".join(quoted(each) for each in columns)
        target, values = names, names
        if self._partition:
            target, values = f"{target}, {PARTITION_COLUMN}", f"{values}, {self._partition}"
        if self._request.mode == "append":
            target, values = f"{target}, {LOAD_COLUMN}", f"{values}, {seq}"
        return self._session.change(f"INSERT INTO {self._table} ({target}) SELECT {values} FROM {relation}")

    def _all_rows(self, found: int) -> None:
        if found != self._request.rows:
            raise WarehouseError(
                f"{self._request.target}: {found} rows arrived, but the object holds {self._request.rows}",
                "nothing was loaded; run the load again",
            )

    def _digest(self, where: str, loaded: int) -> str:
        made = digest(self._session, self._table, self._columns, where)
        found = int(made.rsplit(":", 2)[1])
        if found != loaded:
            raise WarehouseError(
                f"{self._request.target} holds {found} rows after the load, {loaded} were expected",
                "nothing was loaded; find what else writes the table (a program, a trigger or a rule) and stop it",
            )
        return made

    def _entry(self, seq: int, held: str | None, *, created: bool) -> dict[str, object]:
        """Return the ledger's entry without the time."""
        request = self._request
        return {
            "seq": seq,
            "tenant": request.tenant,
            "pipeline": request.pipeline,
            "schema_name": request.schema_name,
            "table_name": request.table,
            "partition": request.partition,
            "version": request.version,
            "run_id": request.run_id,
            "rows": request.rows,
            "mode": request.mode,
            "created_table": created,
            "digest": held,
            "upsert_by": request.upsert_by,
            "cut_by": request.cut_by,
        }

    def _count(self, where: str | None = None) -> int:
        found = self._session.rows(f"SELECT count(*) FROM {self._table} WHERE {where or self._slice}")
        return int(found[0][0])

    def _report(
        self, *, loaded: int, before: int, after: int, changed: bool, reason: str, added: tuple[str, ...] = ()
    ) -> LoadReport:
        foreign = (
            [f"{self._request.target} holds {self._foreign.described}; {remedy(self._request)}"]
            if self._foreign
            else []
        )
        return LoadReport(
            table=self._request.target,
            rows_loaded=loaded,
            rows_before=before,
            rows_after=after,
            changed=changed,
            reason=reason,
            warnings=(*self._warnings, *foreign),
            columns_added=added,
        )
