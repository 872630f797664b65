"""VACUUM (ANALYZE) of the tenant's own tables in PostgreSQL.

Belongs here: the statement, the right to it, the numbers. Not here: which tables the tenant owns (`care`), the
connection (`postgres`).

VACUUM removes the rows that loads have replaced, for which no transaction asks any more, and gives their space to
later loads; the table does not become smaller. Loads and readers go on meanwhile. VACUUM FULL writes the table again
without its free space, and nobody reads or loads it meanwhile. If the user may not do it, PostgreSQL only warns and
does nothing, so the right is looked at first, and a warning is an error.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from etl.errors import WarehouseError
from etl.warehouse.care import noted
from etl.warehouse.contract import KEPT_SCHEMA, Care, CareRequest, kept_table
from etl.warehouse.session import Session

if TYPE_CHECKING:
    from psycopg import Connection

_LOOK = """
SELECT pg_total_relation_size(c.oid), coalesce(pg_stat_get_dead_tuples(c.oid), 0),
 pg_has_role(c.relowner, 'USAGE')
 OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())
 OR CASE WHEN current_setting('server_version_num')::integer >= 170000
  THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""
_REMEDY = "let the role that owns the table do it, or give it to the tenant's role: ALTER TABLE ... OWNER TO ..."
_WARNING = "WARNING"


def vacuum_each(
    connection: "Connection",
    session: Session,
    tables: Mapping[tuple[str, str], Care],
    errors: Callable[[str], AbstractContextManager[None]],
    asked: CareRequest,
) -> Iterator[Care]:
    """Vacuum the tables and their kept rows, one after the other."""
    for (schema, name), care in tables.items():
        kind = session.kind(schema, name)
        if not care.left_alone and kind != "table":
            care.left_alone = f"it is a {kind}" if kind else "there is no such table any more"
        if not care.left_alone:
            with noted(care), errors(f"{care.table} could not be vacuumed"):
                _vacuum(connection, session.relation(schema, name), care, asked)
        yield care
        kept = kept_table(schema, name)
        if not care.left_alone and session.kind(KEPT_SCHEMA, kept) == "table":
            care_of_kept = Care(f"{KEPT_SCHEMA}.{kept}")
            with noted(care_of_kept), errors(f"{care_of_kept.table} could not be vacuumed"):
                _vacuum(connection, session.relation(KEPT_SCHEMA, kept), care_of_kept, asked)
            yield care_of_kept


def _vacuum(connection: "Connection", relation: str, care: Care, asked: CareRequest) -> None:
    care.before, is_permitted = _look(connection, relation, care)
    care.after = care.before
    if not is_permitted:
        raise WarehouseError(f"{care.table} is another role's, and only its owner may vacuum it", _REMEDY)
    options, done = (
        ("FULL, ANALYZE", "wrote the table again") if asked.rewrite else ("ANALYZE", "vacuumed and analyzed")
    )
    if asked.dry_run:
        care.done.append("would write the table again" if asked.rewrite else "would vacuum and analyze")
    else:
        warnings = _warnings_of(connection, f"VACUUM ({options}) {relation}")
        if warnings:
            raise WarehouseError(f"PostgreSQL warns of {care.table}: {'; '.join(warnings)}", _REMEDY)
        care.after, _ = _look(connection, relation, care)
        care.done.append(done)


def _warnings_of(connection: "Connection", statement: str) -> list[str]:
    warnings: list[str] = []

    def note(said: object) -> None:
        if getattr(said, "severity_nonlocalized", "") == _WARNING:
            warnings.append(str(getattr(said, "message_primary", "")))

    connection.add_notice_handler(note)
    try:
        connection.execute(statement.encode())
    finally:
        connection.remove_notice_handler(note)
    return warnings


def _look(connection: "Connection", relation: str, care: Care) -> tuple[Mapping[str, int], bool]:
    """Return the table's size, and whether the user may vacuum it."""
    row = connection.execute(_LOOK, [relation]).fetchone()
    if row is None:
        raise WarehouseError(f"{care.table} was dropped meanwhile", "nothing is left to do")
    return {"bytes": int(row[0]), "dead rows": int(row[1])}, bool(row[2])
