"""A connection to Trino with the methods that reading a table and changing it by SQL need.

Belongs here: Trino's SQL for one statement at a time, its values as Python's and Polars'. Not here: a load (`iceberg`),
the warehouse (`trino`).

Trino has no transaction over several statements for tables of Iceberg: each statement is a commit of its own.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from etl.errors import WarehouseError
from etl.extras import install
from etl.warehouse.contract import BATCH_ROWS, Column, Kind, TrinoPlace
from etl.warehouse.identifier import quoted, value_of, with_values, without_dots

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataType, DataTypeClass

_ARGUMENTS = 100
"""How many columns are joined at once; Trino limits the arguments of a function."""
NOT_THE_SAME = (
    "`warehouse.catalog` (Trino's catalog) and `warehouse.iceberg` (PyIceberg's) must name the same catalog; for one of"
    " type `sql`, `name` must be the `iceberg.jdbc-catalog.catalog-name` of Trino"
)
"""The remedy for a table that one of the two catalogs does not have."""
COMMIT_CONFLICTS = ("ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT")
"""Trino's names for the error that another commit of the table was quicker."""
_CONVERTED = re.compile(r"row\(|map\(|^uuid$")
_KINDS: dict[str, Kind] = {"BASE TABLE": "table", "VIEW": "view"}


def driver() -> Any:  # noqa: ANN401  a module of an optional library
    """Return the library that connects to Trino."""
    try:
        import trino  # noqa: PLC0415  an extra: `trino`
    except ImportError:
        raise WarehouseError("a Trino warehouse needs the libraries trino and pyiceberg", install("trino")) from None
    return trino


@contextmanager
def connected(place: TrinoPlace, *, transaction: bool = False) -> Iterator[Any]:
    """Open a connection; in a `transaction` Trino refuses to write."""
    trino = driver()
    auth = trino.auth.BasicAuthentication(place.user, place.password.get_secret_value()) if place.password else None
    connection = trino.dbapi.connect(
        host=place.host,
        port=place.port,
        user=place.user,
        auth=auth,
        http_scheme=place.scheme,
        catalog=place.catalog,
        source="etl",
        timezone="UTC",
        isolation_level=trino.transaction.IsolationLevel[("READ_COMMITTED" if transaction else "AUTOCOMMIT")],
    )
    try:
        yield connection
    finally:
        if connection.transaction is not None:
            with suppress(trino.exceptions.Error):  # a failed statement has ended it
                connection.rollback()
        connection.close()


class TrinoSession:
    """A connection to one catalog."""

    incoming = ""
    temporary = ""
    binary = ""
    retypes = False

    def __init__(self, connection: Any, catalog: str, version: Callable[["TrinoSession"], str]) -> None:  # noqa: ANN401
        self._connection = connection
        self._catalog = catalog
        self._version = version

    @property
    def algorithm(self) -> str:
        """The name of the hash, with the release of the server, because Trino does not promise to keep it."""
        return f"trino-{self._version(self)}"

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement, which is committed when this returns, and return the number of rows it changed."""
        cursor = self._execute(sql, parameters)
        cursor.fetchall()
        return max(0, int(cursor.rowcount))

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return [tuple(each) for each in self._execute(sql, parameters).fetchall()]

    def frames(self, sql: str) -> "Iterator[pl.DataFrame]":
        """Run a query and return its rows in frames of `BATCH_ROWS` rows."""
        cursor = self._execute(sql, ())
        yield from frames_of(cursor)

    def described(self, schemas: Collection[str]) -> list[tuple[str, str, Kind, str, str]]:
        """Return the columns of the tables and views in these schemas."""
        wanted = ", ".join(value_of(each.lower()) for each in schemas)
        of = f"{quoted(self._catalog)}.information_schema"
        found = self.rows(
            "SELECT t.table_schema, t.table_name, t.table_type, c.column_name, c.data_type"
            f" FROM {of}.tables AS t JOIN {of}.columns AS c"
            " ON c.table_schema = t.table_schema AND c.table_name = t.table_name"
            f" WHERE t.table_schema IN ({wanted or 'NULL'}) AND c.table_schema IN ({wanted or 'NULL'})"
            " ORDER BY t.table_schema, t.table_name, c.ordinal_position"
        )
        return [(schema, table, _KINDS.get(kind, "view"), *rest) for schema, table, kind, *rest in found]

    def incoming_columns(self) -> list[Column]:
        """Return the object's columns."""
        return []

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """Return a table's columns; an empty list if there is no such table."""
        found = self.rows(
            f"SELECT column_name, data_type FROM {quoted(self._catalog)}.information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema.lower(), without_dots(table)],
        )
        return [Column(name, kind) for name, kind in found]

    def kind(self, schema: str, name: str) -> Kind:
        """Return the kind of the table or view with this name; empty if there is none."""
        found = self.rows(
            f"SELECT table_type FROM {quoted(self._catalog)}.information_schema.tables"
            " WHERE table_schema = ? AND table_name = ?",
            [schema.lower(), without_dots(name)],
        )
        return _KINDS.get(found[0][0], "view") if found else ""

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name in SQL."""
        return ".".join(quoted(each) for each in (self._catalog.lower(), schema.lower(), without_dots(table)))

    def is_called(self, column: str) -> str:
        """Return the condition that compares a column of names with the parameter `?`."""
        return f"lower({column}) = lower(?)"

    def ensure_schema(self, name: str) -> None:
        """Create the schema if it does not exist."""
        self.change(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._catalog)}.{quoted(name.lower())}")

    def ensure_index(self, schema: str, table: str, columns: str, where: str = "") -> None:
        """Do nothing: Iceberg knows which file holds which partition."""

    def rows_hash(self, columns: Sequence[Column]) -> str:
        """Hash each row as bytes. The checksum of a ROW is no use: it stays the same if two rows swap a value."""
        parts = [_bytes(quoted(each.name), each.type) for each in columns]
        while len(parts) > 1:
            parts = [_joined(parts[at : at + _ARGUMENTS]) for at in range(0, len(parts), _ARGUMENTS)]
        return f"coalesce(to_hex(checksum({parts[0]})), '0')"

    def _execute(self, sql: str, parameters: Sequence[object]) -> Any:  # noqa: ANN401  a cursor of an optional library
        cursor = self._connection.cursor()
        cursor.execute(with_values(sql, parameters))
        return cursor


def _joined(parts: Sequence[str]) -> str:
    """Return eight bytes for the bytes of several columns."""
    return f"xxhash64(concat({', '.join(parts)}))" if len(parts) > 1 else parts[0]


def _bytes(name: str, kind: str) -> str:
    """Return the bytes of a value, as many for each value of a type, with a first byte that tells a null."""
    match kind.partition("(")[0]:
        case "bigint":
            found = f"to_big_endian_64({name})"
        case "integer" | "smallint" | "tinyint" | "boolean":
            found = f"to_big_endian_64(CAST({name} AS bigint))"
        case "double":
            found = f"to_ieee754_64({name})"
        case "real":
            found = f"to_ieee754_32({name})"
        case "varbinary":
            found = f"xxhash64({name})"
        case "varchar":
            found = f"xxhash64(to_utf8({name}))"
        case "array" | "map" | "row":
            found = f"xxhash64(to_utf8(json_format(CAST({name} AS JSON))))"
        case _:
            found = f"xxhash64(to_utf8(CAST({name} AS varchar)))"
    return f"coalesce(X'01' || {found}, X'00')"


def frames_of(cursor: Any) -> "Iterator[pl.DataFrame]":  # noqa: ANN401  a cursor of an optional library
    """Return the rows of a result in frames of `BATCH_ROWS` rows, with the types that Trino names."""
    import polars as pl  # noqa: PLC0415  a load does not need it

    names = [each[0] for each in cursor.description or ()]
    schema = dict(zip(names, [_polars_type(each[1]) for each in cursor.description or ()], strict=True))
    convert = [at for at, each in enumerate(cursor.description or ()) if _CONVERTED.search(each[1])]
    seen = False
    while rows := cursor.fetchmany(BATCH_ROWS):
        seen = True
        if convert:
            rows = [[_plain(value) if at in convert else value for at, value in enumerate(row)] for row in rows]
        yield pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    if not seen:
        yield pl.DataFrame(schema=schema)


def _plain(value: Any) -> Any:  # noqa: ANN401  a value of any type
    """Return a row as a dict, a map as a list of its entries, and a UUID as text, because Polars knows none of them."""
    if isinstance(value, tuple):
        names = value.__annotations__["names"]
        return dict(zip(names, map(_plain, value), strict=True))
    if isinstance(value, dict):
        return [{"key": _plain(key), "value": _plain(each)} for key, each in value.items()]
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, int | float | str | bytes) else _text_of(value)


def _text_of(value: object) -> object:
    return str(value) if type(value).__name__ == "UUID" else value


def _polars_type(kind: str) -> "DataType | DataTypeClass | None":
    """Return the type of Polars for a type of Trino; None if Polars has to look at the values."""
    import polars as pl  # noqa: PLC0415  a load does not need it

    plain: dict[str, DataType | DataTypeClass] = {
        "boolean": pl.Boolean,
        "tinyint": pl.Int8,
        "smallint": pl.Int16,
        "integer": pl.Int32,
        "bigint": pl.Int64,
        "real": pl.Float32,
        "double": pl.Float64,
        "varbinary": pl.Binary,
        "uuid": pl.String,
        "date": pl.Date,
    }
    if found := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind):
        return pl.Decimal(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"array\((.*)\)", kind):
        inner = _polars_type(found[1])
        return pl.List(inner) if inner is not None else None
    if kind.startswith(("varchar", "char")):
        return pl.String
    if kind.startswith("timestamp"):
        return pl.Datetime("us", "UTC" if kind.endswith("with time zone") else None)
    if kind.startswith("time("):
        return pl.Time
    return plain.get(kind)
