"""`upsert` of one partition: a second table keeps all rows of all loaded objects, the table the last row of each key.

Belongs here: the kept rows, the choice of each key's last row, and putting these rows (the winners) into the table. Not
here: the steps around it (`transaction`), the ledger.

So the table depends only on the loaded objects, not on the order of the loads. When a partition is loaded again, its
new rows replace its old rows among the kept ones. Then the last row is chosen again for every key of its old and new
rows. If a key is no longer in the partition, the table gets the row of another partition with this key, or none.
"""

from collections.abc import Sequence

from etl.errors import WarehouseError
from etl.faults import reach
from etl.partitions.keys import column_type, column_value
from etl.warehouse.contract import (
    KEPT_SCHEMA,
    PARTITION_COLUMN,
    ROW_NUMBER,
    TECHNICAL_COLUMNS,
    Column,
    LedgerEntry,
    LoadRequest,
    kept_table,
)
from etl.warehouse.digest import digest, holds
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session

_TOUCHED = "etl_touched"
_ROWS = "etl_rows"
WANTED = "etl_wanted"
"""Names for two relations in one statement. Trino takes a short one such as `k` for a column of that name."""
_TEXT = ("VARCHAR", "TEXT", "CHAR")


class Upsert:
    """The kept rows of one table, and the table that holds the winners."""

    def __init__(self, session: Session, request: LoadRequest) -> None:
        self._session = session
        self._request = request
        self._table = session.relation(request.schema_name, request.table)
        self._name = kept_table(request.schema_name, request.table)
        self.kept = session.relation(KEPT_SCHEMA, self._name)
        self.of_partition = request.rows_of_partition

    def columns(self) -> list[Column]:
        """Return the columns of the kept rows; an empty list if no rows are kept."""
        return self._session.table_columns(KEPT_SCHEMA, self._name)

    def holds(self, columns: Sequence[Column], entry: LedgerEntry) -> bool:
        """Whether the kept rows are those of the ledger's entry, and the table holds exactly their winners."""
        kept = self.columns()
        if not holds(self._session, self.kept, kept, self.of_partition, entry.digest):
            return False
        if set(_own(columns)) - set(kept):  # a column was renamed or changed by hand
            return False
        keys = self._names(self._request.key_columns)
        mine = f"(SELECT DISTINCT {keys} FROM {self.kept} WHERE {self.of_partition}) AS {WANTED}"
        in_table = (
            f"(SELECT * FROM {self._table} AS {_ROWS} WHERE {self.of_partition} OR {self._has_key(mine)}) AS found"
        )
        winners = f"({self._winners(columns, mine)}) AS expected"
        partition = quoted(PARTITION_COLUMN)
        found, expected = (
            (
                digest(self._session, relation, columns),
                self._session.rows(f"SELECT {partition}, count(*) FROM {relation} GROUP BY {partition} ORDER BY 1"),
            )
            for relation in (in_table, winners)
        )
        return found == expected

    def keep(self, columns: Sequence[Column], *, anew: bool) -> None:
        """Create the table of the kept rows, or change its columns to those that the loaded table has now.

        `anew` is true if the kept rows may be incomplete, because an older release or another mode loaded the table.
        Then only the table's own rows are kept; a partition is complete again after it has been loaded again.
        """
        session = self._session
        if anew and self.columns():
            session.change(f"DROP TABLE {self.kept}")
        have = {each.name: each.type for each in self.columns()}
        own = _own(columns)
        if not have:
            session.ensure_schema(KEPT_SCHEMA)
            kept = [
                *own,
                Column(PARTITION_COLUMN, column_type(self._request.partition or "")),
                Column(ROW_NUMBER, "BIGINT"),
            ]
            session.change(f"CREATE TABLE {self.kept} ({', '.join(f'{quoted(c.name)} {c.type}' for c in kept)})")
            names = self._names([each.name for each in own] + [PARTITION_COLUMN])
            session.change(f"INSERT INTO {self.kept} ({names}, {ROW_NUMBER}) SELECT {names}, 0 FROM {self._table}")
        else:
            self._follow(own, have)
        session.ensure_index(KEPT_SCHEMA, self._name, PARTITION_COLUMN)

    def load(self, columns: Sequence[Column], incoming: Sequence[str], *, all_keys: bool) -> tuple[int, int]:
        """Replace the partition's kept rows and update the table. Returns the numbers of kept rows and of winners.

        `columns` are the table's, `incoming` the object's. With `all_keys`, every key of the table is decided again.
        """
        session, names = self._session, self._names(incoming)
        keys = self._names(self._request.key_columns)
        if not all_keys:
            mine = f"SELECT {keys} FROM {{}} WHERE {self.of_partition}"
            session.change(
                f"CREATE TEMP TABLE {_TOUCHED} {session.temporary} AS {mine.format(self._table)}"
                f" UNION {mine.format(self.kept)} UNION SELECT {keys} FROM {session.incoming}"
            )
        reach("warehouse.ranked")
        session.change(f"DELETE FROM {self.kept} WHERE {self.of_partition}")
        kept = session.change(
            f"INSERT INTO {self.kept} ({names}, {PARTITION_COLUMN}, {ROW_NUMBER})"
            f" SELECT {names}, {column_value(self._request.partition or '')}, {ROW_NUMBER} FROM {session.incoming}"
        )
        reach("warehouse.kept")
        touched = None if all_keys else f"{_TOUCHED} AS {WANTED}"
        where = f"{self.of_partition} OR {self._has_key(touched)}" if touched else "TRUE"
        session.change(f"DELETE FROM {self._table} AS {_ROWS} WHERE {where}")
        reach("warehouse.deleted")
        target = self._names(_all_but_technical(columns))
        decided = session.change(
            f"INSERT INTO {self._table} ({target}, {PARTITION_COLUMN}) {self._winners(columns, touched)}"
        )
        found = int(session.rows(f"SELECT count(*) FROM {self._table} AS {_ROWS} WHERE {where}")[0][0])
        if found != decided:
            raise WarehouseError(
                f"{self._request.target} holds {found} rows of the keys that were loaded, {decided} were expected",
                "nothing was loaded; find what else writes the table (a program, a trigger or a rule) and stop it",
            )
        return kept, decided

    def give_back(self, columns: Sequence[Column]) -> None:
        """Put all kept rows into the table, which is no longer loaded by `upsert`, and drop the kept rows."""
        session, names = self._session, self._names([*_all_but_technical(columns), PARTITION_COLUMN])
        session.change(f"DELETE FROM {self._table}")
        session.change(f"INSERT INTO {self._table} ({names}) SELECT {names} FROM {self.kept}")
        self.forget()

    def forget(self) -> None:
        """Drop the kept rows."""
        self._session.change(f"DROP TABLE {self.kept}")

    def _winners(self, columns: Sequence[Column], touched: str | None) -> str:
        """Return the query for the last row of each key: of the keys in `touched`, or of all."""
        names = self._names([*_all_but_technical(columns), PARTITION_COLUMN])
        where = f"WHERE {self._has_key(touched)}" if touched else ""
        ranked = ranking(
            self._session, self._request, columns, (f"{_ordered(self._session, PARTITION_COLUMN, columns)} DESC",)
        )
        return (
            f"SELECT {names} FROM"
            f" (SELECT {_ROWS}.*, {ranked} AS etl_rank FROM {self.kept} AS {_ROWS} {where}) AS ranked"
            " WHERE etl_rank = 1"
        )

    def _has_key(self, keys: str) -> str:
        same = " AND ".join(f"{_ROWS}.{quoted(each)} = {WANTED}.{quoted(each)}" for each in self._request.key_columns)
        return f"EXISTS (SELECT 1 FROM {keys} WHERE {same})"

    def _follow(self, own: Sequence[Column], have: dict[str, str]) -> None:
        """Make the changes to the columns of the kept rows that a load or a person made to the table's columns."""
        session = self._session
        for each in own:
            if each.name not in have:
                session.change(f"ALTER TABLE {self.kept} ADD COLUMN {quoted(each.name)} {each.type}")
            elif have[each.name] != each.type:
                session.change(f"ALTER TABLE {self.kept} ALTER COLUMN {quoted(each.name)} TYPE {each.type}")
        for name in have.keys() - {each.name for each in own} - TECHNICAL_COLUMNS:
            session.change(f"ALTER TABLE {self.kept} DROP COLUMN {quoted(name)}")

    @staticmethod
    def _names(names: Sequence[str]) -> str:
        return ", ".join(quoted(each) for each in names)


def ranking(session: Session, request: LoadRequest, columns: Sequence[Column], then: Sequence[str] = ()) -> str:
    """Return the window expression that numbers the rows of a key, beginning with the last one."""
    keys = ", ".join(quoted(each) for each in request.key_columns)
    order = [f"{_ordered(session, request.order_column, columns)} DESC NULLS LAST"] if request.order_column else []
    return f"row_number() OVER (PARTITION BY {keys} ORDER BY {', '.join([*order, *then, f'{ROW_NUMBER} DESC'])})"


def check_keys(session: Session, request: LoadRequest, columns: Sequence[str]) -> None:
    """Refuse an object without the key columns, with nulls in them, or with equal keys and no order column."""
    incoming = session.incoming
    for name in (*request.key_columns, *filter(None, (request.order_column,))):
        if name not in columns:
            raise WarehouseError(
                f"{request.target}: the object has no column `{name}` to upsert by",
                "correct `key_columns` and `order_column`, or the transform",
            )
    nulls = " OR ".join(f"{quoted(each)} IS NULL" for each in request.key_columns)
    missing = int(session.rows(f"SELECT count(*) FROM {incoming} WHERE {nulls}")[0][0])
    if missing:
        raise WarehouseError(
            f"{request.target}: {missing} rows have a null in their key ({', '.join(request.key_columns)})",
            "a row without a key cannot be upserted: filter or fill it in the transform, or check `not_null`",
        )
    if request.order_column:
        return
    keys = ", ".join(quoted(each) for each in request.key_columns)
    doubled = f"(SELECT {keys} FROM {incoming} GROUP BY {keys} HAVING count(*) > 1) AS doubled"
    count = int(session.rows(f"SELECT count(*) FROM {doubled}")[0][0])
    if count:
        raise WarehouseError(
            f"{request.target}: {count} keys ({', '.join(request.key_columns)}) are in more than one row of the"
            " object, and no column tells which row is the last",
            "name an `order_column`, or make the rows unique in the transform",
        )


def _ordered(session: Session, name: str, columns: Sequence[Column]) -> str:
    """Return the expression to order by. Text is ordered by its bytes, so that each warehouse has the same winner."""
    kind = next((each.type.upper() for each in columns if each.name.casefold() == name.casefold()), "")
    return quoted(name) + (f" {session.binary}" if any(each in kind for each in _TEXT) else "")


def _own(columns: Sequence[Column]) -> list[Column]:
    return [each for each in columns if each.name not in TECHNICAL_COLUMNS]


def _all_but_technical(columns: Sequence[Column]) -> list[str]:
    return [each.name for each in _own(columns)]
