"""The order in which PostgreSQL lets tables and views be dropped.

Belongs here: which view reads what. Not here: which tables are dropped (`contents`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.warehouse.contents import OwnTable
    from etl.warehouse.session import Session

_READS = """
SELECT DISTINCT rn.nspname::text, r.relname::text, sn.nspname::text, s.relname::text
FROM pg_depend d
JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
JOIN pg_class r ON r.oid = w.ev_class JOIN pg_namespace rn ON rn.oid = r.relnamespace
JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid
JOIN pg_namespace sn ON sn.oid = s.relnamespace
WHERE r.oid <> s.oid
"""


def readers_first(session: "Session", tables: "Sequence[OwnTable]") -> "list[OwnTable]":
    """Return the tables and views so that each one comes before those that it reads.

    A view that is not among them is not dropped: then the server refuses, and names it.
    """
    left = {(each.schema_name, each.name): each for each in tables}
    reads = [((schema, name), (of, read)) for schema, name, of, read in session.rows(_READS)]
    ordered: list[OwnTable] = []
    while left:
        read = {source for reader, source in reads if reader in left}
        free = [place for place in left if place not in read]
        ordered += [left.pop(place) for place in free or list(left)]
    return ordered
