"""What has to hold at any moment, also while processes are killed: asked again and again, beside the runs.

Belongs here: what a reader of the warehouse may see in one snapshot. Not here: what holds when all is quiet (`judge`).

1. Each day of a table is what the source was at one moment, wholly. It never goes back to an earlier moment.
2. The ledger and the rows change together: one version in the ledger means the same rows whenever it is seen.
"""

import contextlib
import threading
from collections import Counter
from typing import Any, Self

from tests.soak.world import DAILY, FOUND, ROWS_OF_ANY_STATE, TENANTS, World, digests, lines

SECONDS_BETWEEN_LOOKS = 0.1
_NEWEST = """
SELECT DISTINCT ON (table_name, partition) table_name, coalesce(partition, 'all'), version FROM etl_ledger.loads
WHERE schema_name = %s ORDER BY table_name, partition, seq DESC
"""
_APPENDED = (
    "SELECT seq::text, version FROM etl_ledger.loads WHERE schema_name = %s AND table_name = 'snaps' ORDER BY seq"
)

Parts = dict[str, str]
Seen = dict[str, Parts]


class Watcher:
    """A thread that looks at the warehouse; `problems` says what it saw that must not be."""

    def __init__(self, world: World) -> None:
        self.problems: list[str] = []
        self.looks = 0
        self.compared: Counter[str] = Counter()
        """How many different states of the parts of each table were compared."""
        self._world = world
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._floor: dict[tuple[str, str, str], int] = {}
        self._meaning: dict[tuple[str, str, object], str] = {}
        self._last: dict[str, object] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _watch(self) -> None:
        try:
            with self._world.postgres.connect() as connection:
                connection.execute("SET default_transaction_isolation = 'repeatable read'")
                while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
                    for tenant in TENANTS:
                        self.look(connection, tenant)
                    self.looks += 1
        except BaseException as error:
            self._wrong(f"the watcher itself ended: {error!r}")
            raise

    def look(self, connection: Any, tenant: str) -> None:
        """One look at the tables of a tenant, in one snapshot."""
        import psycopg

        with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            with connection.transaction():
                newest: Seen = {}
                for name, part, version in connection.execute(_NEWEST, [tenant]).fetchall():
                    newest.setdefault(name, {})[part] = version
                appended = dict(connection.execute(_APPENDED, [tenant]).fetchall()) if "snaps" in newest else {}
                seen = {name: self._parts(connection, tenant, name) for name in newest}
                unknown = self._unknown(connection, tenant) if "states" in newest else 0
            state = (newest, appended, seen)
            if self._last.get(tenant) != state:
                self._last[tenant] = state
                self._judge(connection, tenant, newest, appended, seen)
            if unknown:
                self._wrong(f"{tenant}.states holds {unknown} rows that the source never had")

    def _parts(self, connection: Any, tenant: str, name: str) -> Parts:
        if name == "snaps":
            sql = f"SELECT etl_load, id, label, owner FROM {tenant}.snaps"
            found = digests(sql, "etl_load", "ROW(q.id, q.label, q.owner)::text")
            return dict(connection.execute(found).fetchall())
        part = "at::date" if name in DAILY else "'all'"
        return dict(connection.execute(digests(FOUND[name].format(target=tenant), part)).fetchall())

    def _unknown(self, connection: Any, tenant: str) -> int:
        rows = lines(FOUND["states"].format(target=tenant))
        known = f"SELECT FROM soak.lines k WHERE k.tenant = '{tenant}' AND k.name = 'states' AND k.line = l.line"
        return int(connection.execute(f"SELECT count(*) FROM ({rows}) l WHERE NOT EXISTS ({known})").fetchone()[0])

    def _judge(self, connection: Any, tenant: str, newest: Seen, appended: Parts, seen: Seen) -> None:
        for name, versions in newest.items():
            if name in ROWS_OF_ANY_STATE:
                self._means(tenant, name, tuple(sorted(versions.items())), seen[name].get("all", ""))
            elif name == "snaps":
                self._appended(connection, tenant, appended, seen[name])
            else:
                for part, version in versions.items():
                    digest = seen[name].get(part, "")
                    self._means(tenant, name, (part, version), digest)
                    self._is_a_state(connection, tenant, name, part, digest)
                stranger = seen[name].keys() - versions.keys()
                if stranger:
                    self._wrong(f"{tenant}.{name} holds rows of {sorted(stranger)}, of which the ledger knows nothing")

    def _means(self, tenant: str, name: str, version: object, digest: str) -> None:
        """The same versions in the ledger are the same rows."""
        if self._meaning.setdefault((tenant, name, version), digest) != digest:
            self._wrong(f"{tenant}.{name}: the ledger said {version} with two different contents of the table")

    def _is_a_state(self, connection: Any, tenant: str, name: str, part: str, digest: str) -> None:
        key = (tenant, name, part)
        states = connection.execute(
            "SELECT nth FROM soak.history WHERE tenant = %s AND name = %s AND part = %s AND digest = %s ORDER BY nth",
            [tenant, name, part, digest],
        ).fetchall()
        floor = self._floor.get(key, 0)
        later = [nth for (nth,) in states if nth >= floor]
        self.compared[name] += 1
        if not states:
            self._wrong(f"{tenant}.{name} of {part} is nothing that the source was at any moment")
        elif not later:
            self._wrong(f"{tenant}.{name} of {part} went back to the state {states[-1][0]} after the state {floor}")
        else:
            self._floor[key] = later[0]

    def _appended(self, connection: Any, tenant: str, appended: Parts, found: Parts) -> None:
        """Each version is there once: under the number of its newest entry, as one state of the source."""
        live = {version: seq for seq, version in appended.items()}
        wanted = set(live.values())
        for seq in sorted(found.keys() - wanted):
            self._wrong(f"{tenant}.snaps holds rows of the load {seq}, which the ledger does not know")
        for version, seq in live.items():
            digest = found.get(seq, "")
            self._means(tenant, "snaps", version, digest)
            self.compared["snaps"] += 1
            query = "SELECT 1 FROM soak.history WHERE tenant = %s AND name = 'codes' AND digest = %s LIMIT 1"
            if not connection.execute(query, [tenant, digest]).fetchall():
                self._wrong(f"{tenant}.snaps: the load {seq} is nothing that the source was at any moment")

    def _wrong(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
