"""Reads the description of a database's tables with SQLAlchemy's inspector, which supports every dialect.

Belongs here: turning the inspector's answers into `CatalogueTable`. Not here: which schemas are described, and queries
that only one kind of database understands (both are in its driver).
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import ObjectKind

from etl.source.contract import CatalogueColumn, CatalogueForeignKey, CatalogueIndex, CatalogueTable


def described(
    connection: sa.Connection,
    schemas: Sequence[str | None],
    types: Iterable[Sequence[Any]] = (),
    rows: Iterable[Sequence[Any]] = (),
) -> tuple[CatalogueTable, ...]:
    """Describe every table and view of these schemas, ordered by schema and name.

    A driver that can ask the database for its own names of types gives `types` (schema, table, column, type), and one
    that can ask for estimates gives `rows` (schema, table, estimated number of rows).
    """
    own_types = {tuple(names): kind for *names, kind in types}
    estimates = {tuple(names): count for *names, count in rows}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # of types that SQLAlchemy does not know
        inspector = sa.inspect(connection)
        found = [table for schema in schemas for table in _of_schema(inspector, schema, own_types, estimates)]
    return tuple(sorted(found, key=lambda each: (each.schema_name or "", each.name)))


def _of_schema(
    inspector: sa.Inspector,
    schema: str | None,
    types: Mapping[tuple[Any, ...], str],
    rows: Mapping[tuple[Any, ...], int | None],
) -> Iterator[CatalogueTable]:
    views = {*inspector.get_view_names(schema), *_materialized(inspector, schema)}
    names = sorted({*inspector.get_table_names(schema), *views})
    described = _each(inspector.get_multi_columns, schema, names)
    broken = {name: _reason(inspector, schema, name) for name in names if (schema, name) not in described}
    names = [name for name in names if name not in broken]
    keys, foreign_keys, indexes, uniques = (
        _each(ask, schema, names)
        for ask in (
            inspector.get_multi_pk_constraint,
            inspector.get_multi_foreign_keys,
            inspector.get_multi_indexes,
            inspector.get_multi_unique_constraints,
        )
    )
    told = inspector.dialect.supports_comments
    comments = _each(inspector.get_multi_table_comment, schema, names) if told else None
    for name, why in broken.items():
        yield CatalogueTable(schema_name=schema, name=name, is_view=name in views, columns=(), broken=why)
    for found, columns in described.items():
        name = found[1]
        key = keys.get(found)
        of_table = [each for each in indexes.get(found, []) if each["name"]]
        unique: list[Sequence[str | None]] = [each["column_names"] for each in uniques.get(found, [])]
        unique += [each["column_names"] for each in of_table if each["unique"] and not _is_partial(each)]
        yield CatalogueTable(
            schema_name=schema,
            name=name,
            is_view=name in views,
            comment=(comments and comments.get(found, {}).get("text")) or "",
            columns=tuple(
                CatalogueColumn(
                    name=each["name"],
                    type=types.get((schema, name, each["name"]), _type_name(inspector, each)),
                    nullable=each["nullable"],
                    comment=each.get("comment") or "",
                )
                for each in columns
            ),
            primary_key=tuple(key["constrained_columns"] if key else ()),
            unique_keys=tuple(dict.fromkeys(tuple(filter(None, each)) for each in unique if all(each))),
            foreign_keys=tuple(
                CatalogueForeignKey(
                    columns=tuple(each["constrained_columns"]),
                    schema_name=each["referred_schema"] or schema,
                    table=each["referred_table"],
                    referred_columns=tuple(each["referred_columns"]),
                )
                for each in foreign_keys.get(found, [])
            ),
            indexes=tuple(
                CatalogueIndex(
                    name=str(each["name"]),
                    columns=tuple(name for name in each["column_names"] if name),
                    unique=bool(each["unique"]),
                )
                for each in of_table
            ),
            rows=rows.get((schema, name)),
        )


def _each(ask: Callable[..., Mapping[Any, Any]], schema: str | None, names: Sequence[str]) -> Mapping[Any, Any]:
    """Return the answers about all tables and views that the database can describe. `names` are those there are.

    A view whose table is gone makes some databases refuse the question about all tables together.
    """
    asked: dict[str, Any] = {"schema": schema, "kind": ObjectKind.ANY}
    try:
        found = ask(**asked)
    except sa.exc.DBAPIError:
        found = {}
        for name in names:
            with suppress(sa.exc.DBAPIError, sa.exc.UnreflectableTableError):
                found |= ask(**asked, filter_names=[name])
    return found


def _reason(inspector: sa.Inspector, schema: str | None, name: str) -> str:
    """Return the database's reason for not describing a table."""
    try:
        inspector.get_columns(name, schema)
    except sa.exc.DBAPIError as error:
        return str(error.orig).splitlines()[0]
    except sa.exc.SQLAlchemyError as error:
        return str(error).splitlines()[0]
    return "the database does not describe it together with the others"


def _materialized(inspector: sa.Inspector, schema: str | None) -> list[str]:
    """Return the names of materialized views. Only some databases have them."""
    try:
        return inspector.get_materialized_view_names(schema)
    except NotImplementedError:  # raised by dialects whose database has no materialized views
        return []


def _is_partial(index: Any) -> bool:  # noqa: ANN401  a dictionary of which each dialect has other keys
    """Whether the index covers only some rows. Its columns need not be unique in the whole table then."""
    return any(key.endswith("_where") and value is not None for key, value in index.get("dialect_options", {}).items())


def _type_name(inspector: sa.Inspector, column: ReflectedColumn) -> str:
    """Return the type as the dialect writes it; empty if SQLAlchemy does not know it."""
    kind = column["type"]
    return "" if isinstance(kind, sa.types.NullType) else kind.compile(dialect=inspector.dialect)
