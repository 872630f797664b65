"""Compares rows of a table on Trino with rows of objects by their portable digests, without moving a row.

Belongs here: which rows and which columns the digests are made of, on both sides. Not here: the SQL of a digest
(`portable`), and what differs where the digests do (`etl.pipeline.verify_table`).

An object that has a column which the table lacks or has with another type is not compared here, and neither is a type
without a portable text. Such rows are compared by their values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from etl.warehouse.contract import ROW_NUMBER, TECHNICAL_COLUMNS, Column, ObjectRows, RowsOf
from etl.warehouse.digest import of_partitions
from etl.warehouse.duckdb import engine_config, make_room
from etl.warehouse.iceberg_types import iceberg_type
from etl.warehouse.loadable import Loadable, typed_columns
from etl.warehouse.portable import PortableColumn, PortableDigest, digest_of, duckdb_digest, trino_digest
from etl.warehouse.session import Session

_RELATION = "etl_rows"
"""The alias of the table: without it, `"a"."b"` could be the column b of a table a, or the field b of a column a."""

Columns = Mapping[str, PortableColumn]
"""The columns of an object by their names in small letters, as Trino writes them."""


def equal_rows(
    session: Session,
    schema: str,
    table: str,
    wanted: Mapping[RowsOf, ObjectRows],
    made_types: Callable[[str], tuple[str, ...]],
) -> Iterator[RowsOf]:
    """Return those rows of one table that have the digests of their objects."""
    own = [each for each in session.table_columns(schema, table) if each.name not in TECHNICAL_COLUMNS]
    objects = {rows: _columns(of.path, own, made_types) for rows, of in wanted.items()}
    comparable = {rows: columns for rows, columns in objects.items() if columns is not None}
    if not comparable:
        return
    kinds = {name: column.kind for columns in comparable.values() for name, column in columns.items()}
    select = trino_digest([PortableColumn(each.name, kinds.get(each.name)) for each in own], _RELATION)
    found = _digests(session, f"{session.relation(schema, table)} AS {_RELATION}", select, list(comparable))
    with duckdb.connect(config=engine_config()) as engine:
        make_room(engine, len(own))
        engine.execute("SET TimeZone = 'UTC'")
        for rows, columns in comparable.items():
            here = _of_object(engine, wanted[rows], [columns.get(each.name) for each in own])
            if here == found.get(rows, digest_of(0, None)):
                yield rows


def _columns(path: Path, own: Sequence[Column], made_types: Callable[[str], tuple[str, ...]]) -> Columns | None:
    """Return the columns of an object; None if a load of it would not make such columns of the table."""
    types = {each.name: each.type for each in own}
    found: dict[str, PortableColumn] = {}
    for name, kind in typed_columns(path).items():
        if types.get(name.lower()) not in made_types(kind):
            return None
        found[name.lower()] = PortableColumn(name, iceberg_type(duckdb.type(kind), name, "the table"))
    return found


def _digests(session: Session, relation: str, select: str, wanted: Sequence[RowsOf]) -> dict[RowsOf, PortableDigest]:
    """Return the digests of rows of the table: those of partitions together, others each by itself."""
    by_key = {each.partition: each for each in wanted if each.partition is not None and each.load is None}
    there = of_partitions(session, relation, select, list(by_key))
    found = {by_key[key]: digest_of(*numbers) for key, numbers in there.items() if key in by_key}
    for each in wanted:
        if each.partition is None or each.load is not None:
            found[each] = digest_of(*session.rows(f"SELECT {select} FROM {relation} WHERE {each.where}")[0])
    return found


def _of_object(
    engine: duckdb.DuckDBPyConnection, of: ObjectRows, columns: Sequence[PortableColumn | None]
) -> PortableDigest:
    """Return the digest of rows of an object, over the columns of the table in their order."""
    loadable = Loadable(of.path, frozenset(), tuple(each.name for each in columns if each))
    if of.positions is None:
        source = f"({loadable.select()})"
    else:
        engine.register("chosen", of.positions.collect().to_arrow())
        source = f"({loadable.select(ROW_NUMBER)}) WHERE {ROW_NUMBER} IN (SELECT {ROW_NUMBER} FROM chosen)"
    return digest_of(*engine.execute(f"SELECT {duckdb_digest(columns)} FROM {source}").fetchall()[0])
