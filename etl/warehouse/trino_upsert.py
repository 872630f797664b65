"""`upsert` of one partition in tables of Iceberg: one MERGE of Trino changes the table for all keys of the partition.

Belongs here: the statements that differ from those of a database with transactions. Not here: which row of a key is
the last one (`upsert`), the steps around it (`iceberg`).

A load puts the partition's rows among the kept rows, then runs the MERGE, then commits the ledger's entry. Until the
entry is there, the next load of the partition does all of it again.
"""

from collections.abc import Sequence

from etl.faults import reach
from etl.warehouse.contract import KEPT_SCHEMA, PARTITION_COLUMN, ROW_NUMBER, TECHNICAL_COLUMNS, Column
from etl.warehouse.identifier import quoted
from etl.warehouse.upsert import WANTED, Upsert

_OPERATION = "etl_operation"
_TABLE, _CHANGE = "etl_table", "etl_change"


class TrinoUpsert(Upsert):
    """The kept rows of one table, and the table that holds the winners."""

    @property
    def identifier(self) -> tuple[str, str]:
        """The schema and the name of the table of the kept rows."""
        return KEPT_SCHEMA, self._name

    def keep(self, columns: Sequence[Column], *, anew: bool) -> None:
        """Change the columns of the kept rows to those that the table has; `fill` follows if they are kept `anew`."""
        if not anew:
            own = [each for each in columns if each.name not in TECHNICAL_COLUMNS]
            self._follow(own, {each.name: each.type for each in self.columns()})

    def fill(self, columns: Sequence[str], relation: str) -> bool:
        """Keep the table's own rows, in a new table for the kept rows. False if it does not hold just these rows then.

        The library sends a statement again if its answer is lost, and the rows would be there twice.
        """
        names = self._names(columns)
        kept = self._session.change(
            f"INSERT INTO {relation} ({names}, {ROW_NUMBER}) SELECT {names}, 0 FROM {self._table}"
        )
        return bool(self._session.rows(f"SELECT count(*) FROM {relation}") == [(kept,)])

    def merge(self, columns: Sequence[Column], *, since: int | None, all_keys: bool) -> None:
        """Give the table the last row of each key of the partition, and take out the rows that were there before.

        The keys are those of the partition's kept rows and of its rows in the table, now and in the snapshot `since`.
        With `all_keys`, every key is decided again.
        """
        keys = self._names(self._request.key_columns)
        places = [self._table, self.kept]
        if since is not None and not all_keys:
            places.append(f"{self._table} FOR VERSION AS OF {since}")
        where = "" if all_keys else f" WHERE {self.of_partition}"
        touched = " UNION ".join(f"SELECT {keys} FROM {each}{where}" for each in places)
        winners = self._winners(columns, None if all_keys else f"({touched}) AS {WANTED}")
        self._session.change(self._merged(columns, touched, winners))

    def give_back(self, columns: Sequence[Column]) -> None:
        """Put all kept rows into the table, in one statement, and drop the kept rows."""
        own = [*(each for each in columns if each.name not in TECHNICAL_COLUMNS), *_partition(columns)]
        names = self._names([each.name for each in own])
        there = f"SELECT DISTINCT {PARTITION_COLUMN} FROM {self._table}"
        kept = f"SELECT {names} FROM {self.kept}"
        self._session.change(self._statement(own, [PARTITION_COLUMN], there, kept))
        reach("warehouse.given_back")
        self.forget()

    def _merged(self, columns: Sequence[Column], touched: str, winners: str) -> str:
        own = [*(each for each in columns if each.name not in TECHNICAL_COLUMNS), *_partition(columns)]
        names = {each.casefold() for each in self._request.key_columns}
        keys = [each.name for each in own if each.name.casefold() in names]
        return self._statement(own, keys, touched, winners)

    def _statement(self, own: Sequence[Column], by: Sequence[str], gone: str, come: str) -> str:
        """Return the MERGE that deletes the rows with these values of `by`, and inserts the rows of `come`."""
        names = [quoted(each.name) for each in own]
        values = ", ".join(
            quoted(c.name) if c.name in by else f"CAST(NULL AS {c.type}) AS {quoted(c.name)}" for c in own
        )
        same = " AND ".join(f"{_TABLE}.{quoted(each)} = {_CHANGE}.{quoted(each)}" for each in by)
        listed = ", ".join(names)
        return (
            f"MERGE INTO {self._table} AS {_TABLE} USING (SELECT 0 AS {_OPERATION}, {values} FROM ({gone}) AS gone"
            f" UNION ALL SELECT 1, {listed} FROM ({come}) AS come) AS {_CHANGE}"
            f" ON {_CHANGE}.{_OPERATION} = 0 AND {same}"
            f" WHEN MATCHED THEN DELETE"
            f" WHEN NOT MATCHED AND {_CHANGE}.{_OPERATION} = 1 THEN INSERT ({listed})"
            f" VALUES ({', '.join(f'{_CHANGE}.{each}' for each in names)})"
        )

    def _follow(self, own: Sequence[Column], have: dict[str, str]) -> None:
        for each in own:
            if each.name not in have:
                self._session.change(f"ALTER TABLE {self.kept} ADD COLUMN {quoted(each.name)} {each.type}")
            elif have[each.name] != each.type:
                self._session.change(
                    f"ALTER TABLE {self.kept} ALTER COLUMN {quoted(each.name)} SET DATA TYPE {each.type}"
                )
        for name in have.keys() - {each.name for each in own} - TECHNICAL_COLUMNS:
            self._session.change(f"ALTER TABLE {self.kept} DROP COLUMN {quoted(name)}")


def _partition(columns: Sequence[Column]) -> list[Column]:
    return [each for each in columns if each.name == PARTITION_COLUMN]
