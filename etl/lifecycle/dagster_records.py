"""What Dagster's storage holds of one tenant: runs, events, logs, assets, back-fills, schedules and sensors.

Belongs here: finding and removing all of it. Not here: what stands outside of Dagster's storage (`places`).

Dagster's own functions remove a run and an asset only in part: of a run, the snapshots of its job stay; of an asset,
its checks and its events without a run stay. So the rest is removed from the tables, whose columns are read from the
database itself. A run that executes assets of several tenants belongs to all of them, and is left alone and named.
"""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from etl.faults import reach
from etl.lifecycle.dagster_bodies import asset_tenants, bodies, snapshot_of, value_of
from etl.lifecycle.item import Item
from etl.running.naming import AssetAddress, source_pool, warehouse_pool

_T = TypeVar("_T")
_ENDED = frozenset({DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED})
_BY_ASSET = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions", "asset_daemon_asset_evaluations")
_BY_RUN = ("event_logs", "asset_check_executions", "concurrency_slots", "pending_steps")
_BY_POOL = ("concurrency_limits", "concurrency_slots", "pending_steps")
_BY_INSTIGATOR = ("jobs", "instigators", "job_ticks")
_FIRST = ("job_ticks", "backfill_tags")
"""Tables whose rows are known by the rows of another table, which therefore goes later."""
_TICK_LOGS = "log_key"
_PORTION = 5_000
"""So many values are in one statement; SQLite takes 32,766."""


@dataclass(frozen=True)
class TenantRuns:
    """The runs of a tenant."""

    own: tuple[DagsterRun, ...] = ()
    shared: tuple[DagsterRun, ...] = ()
    """Runs that execute assets of other tenants too."""
    others: tuple[DagsterRun, ...] = field(default=(), repr=False)

    @property
    def going_on(self) -> tuple[DagsterRun, ...]:
        """The runs that have not ended, also those that are queued."""
        return tuple(each for each in (*self.own, *self.shared) if each.status not in _ENDED)


class DagsterRecords:
    """What Dagster's storage holds of a tenant."""

    def __init__(
        self, instance: DagsterInstance, tenant: str, tenants: Collection[str], formerly: Collection[str] = ()
    ) -> None:
        """`tenants` are all tenants of the project; of two whose ids begin alike, the longer owns a name.

        `formerly` are ids that the tenant had before it was renamed.
        """
        self._instance = instance
        self._own = frozenset({tenant, *formerly})
        self._tenants = {*tenants, *self._own}

    def runs(self) -> TenantRuns:
        """Return the tenant's runs."""
        own, shared, others = [], [], []
        for run in self._instance.get_runs():
            named = self._tenants_of(run)
            if named and named <= self._own:
                own.append(run)
            elif named & self._own:
                shared.append(run)
            else:
                others.append(run)
        return TenantRuns(tuple(own), tuple(shared), tuple(others))

    def _tenants_of(self, run: DagsterRun) -> set[str]:
        keys = [*(run.asset_selection or ()), *(each.asset_key for each in run.asset_check_selection or ())]
        named = {AssetAddress.of(key).tenant for key in keys}
        if named:
            return named
        return {run.tags["tenant"]} if "tenant" in run.tags else {self._owner(run.job_name) or ""}

    def _owner(self, name: str) -> str | None:
        """Return the tenant with whose id a name begins; of two, the longer."""
        return max((each for each in self._tenants if name.startswith(f"{each}_")), key=len, default=None)

    def run_items(self) -> list[Item]:
        """Return the runs, each with the bytes of its own files."""
        own = self.runs().own
        return [Item(name=each.run_id, bytes=sum(map(_size, self._files(each.run_id)))) for each in own]

    def row_items(self) -> list[Item]:
        """Return each table of Dagster's databases that has rows of the tenant besides runs, with their number."""
        found: Counter[str] = Counter()
        for open_it in self._databases():
            with open_it() as connection:
                for table, condition in self.conditions(connection):
                    rows = connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar()
                    found[table.name] += int(rows or 0)
        with self._run_database() as connection:
            found["snapshots"] += len(self._left_snapshots(connection, _tables(connection)["snapshots"]))
        return [Item(name=name, rows=rows) for name, rows in found.items() if rows]

    def remove(self) -> None:
        """Remove everything. It can be called again after it was interrupted."""
        runs = self.runs()
        snapshots = self._snapshots(runs.own)
        for log_key in list(self._tick_logs()):
            self._instance.compute_log_manager.delete_logs(log_key=log_key)
        for open_it in self._databases():
            with open_it() as connection:
                for table, condition in list(self.conditions(connection)):  # all of them before the first removal
                    connection.execute(sa.delete(table).where(condition))
                    reach("lifecycle.rows_of_history_deleted")
        for run in runs.own:
            self._instance.compute_log_manager.delete_logs(prefix=[run.run_id])
            self._instance.delete_run(run.run_id)
            for path in self._files(run.run_id):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        reach("lifecycle.runs_deleted")
        with self._run_database() as connection:  # after the runs, whose rows refer to them
            table = _tables(connection)["snapshots"]
            for some in _portions(self._left_snapshots(connection, table, snapshots)):
                connection.execute(sa.delete(table).where(table.c.snapshot_id.in_(some)))

    def _left_snapshots(self, connection: Any, table: sa.Table, known: Collection[str] = ()) -> list[str]:  # noqa: ANN401
        """Return the snapshots that no run names any more, and that runs of the tenant have named.

        `known` were named by runs that are removed by now. If a removal was interrupted, nobody knows them any more:
        then the name of the job tells whose they are.
        """
        runs = self.runs()
        kept = self._snapshots((*runs.own, *runs.shared, *runs.others))
        free = {str(each) for (each,) in connection.execute(sa.select(table.c.snapshot_id))} - kept
        own = free & set(known)
        plans = {}
        for some in _portions(free - own):
            query = sa.select(table.c.snapshot_id, table.c.snapshot_body).where(table.c.snapshot_id.in_(some))
            for number, body in connection.execute(query):
                about = snapshot_of(bytes(body))
                plans[number] = about.of
                if about.job is not None and self._owner(about.job) in self._own:
                    own.add(number)
        return sorted(own | {number for number, of in plans.items() if of in own})

    def compact(self) -> str:
        """Write SQLite files again without deleted rows. Returns why that was not possible; empty if it was."""
        for open_it in self._databases():
            with open_it() as connection:
                path = _file_of(connection)
            if path:
                try:
                    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
                        db.execute("VACUUM")
                        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.OperationalError as error:
                    return f"{path}: {error}"
        return ""

    def server(self) -> str:
        """Return the kind of the server that has the history; empty if files have it."""
        with self._run_database() as connection:
            kind = str(connection.dialect.name)
        return "" if kind == "sqlite" else kind

    def files_beside_server(self) -> list[Path]:
        """Return folders with an earlier history in files, if a server has the history now."""
        home = Path(self._instance.root_directory)
        folders = [home / "history", home / "schedules"]
        return [each for each in folders if self.server() and any(each.rglob("*.db"))]

    def event_databases(self) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
        """Yield how each database with events of the tenant is opened: the index, and the file of each run."""
        storage: Any = self._instance.event_log_storage
        yield storage.index_connection
        yield from self._shard_without_run()
        if hasattr(storage, "path_for_shard"):
            for run in self.runs().own:
                yield partial(storage.run_connection, run.run_id)

    def _run_database(self) -> AbstractContextManager[Any]:
        storage: Any = self._instance.run_storage
        connection: AbstractContextManager[Any] = storage.connect()
        return connection

    def _databases(self) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
        """Yield how each database is opened, once if one database has everything, as in PostgreSQL."""
        instance: Any = self._instance
        seen = set()
        for open_it in (
            instance.run_storage.connect,
            instance.event_log_storage.index_connection,
            instance.schedule_storage.connect,
            *self._shard_without_run(),
        ):
            with open_it() as connection:
                place = _file_of(connection) or connection.engine.url
            if place not in seen:
                seen.add(place)
                yield open_it

    def _shard_without_run(self) -> tuple[Callable[[], AbstractContextManager[Any]], ...]:
        """Return how SQLite's file for events without a run is opened, if there is such a file."""
        storage: Any = self._instance.event_log_storage
        if hasattr(storage, "path_for_shard") and Path(storage.path_for_shard("")).exists():
            return (partial(storage.run_connection, ""),)
        return ()

    def conditions(self, connection: Any) -> Iterator[tuple[sa.Table, Any]]:  # noqa: ANN401  of SQLAlchemy
        """Yield the tables of a database that may hold rows of the tenant, with conditions for these rows.

        A table with many rows comes several times, each time with other rows: a statement can have some thousand
        values.
        """
        found = _tables(connection)
        for name, table in sorted(found.items(), key=lambda each: each[0] not in _FIRST):
            plain = self._of_assets(table) if name in _BY_ASSET and "asset_key" in table.c else []
            if name in _BY_POOL:
                pools = [pool(each) for each in self._own for pool in (source_pool, warehouse_pool)]
                plain.append(table.c.concurrency_key.in_(pools))
            if plain:
                yield table, sa.or_(*plain)
            others = sa.not_(sa.func.coalesce(sa.or_(*plain), sa.false())) if plain else sa.true()
            for column, values in self._listed(connection, found, name):
                for some in _portions(values):
                    yield table, sa.and_(column.in_(some), others)

    def _listed(
        self,
        connection: Any,  # noqa: ANN401  of SQLAlchemy
        found: Mapping[str, sa.Table],
        name: str,
    ) -> Iterator[tuple[sa.Column[Any], Iterable[object]]]:
        """Yield the columns of a table whose values tell rows of the tenant, with these values."""
        table = found[name]
        if name == "event_logs":
            yield table.c.id, self._without_run(connection, table)
        if name in _BY_RUN:
            yield table.c.run_id, [each.run_id for each in self.runs().own]
        if name in _BY_INSTIGATOR:
            yield table.c.id, self._instigators(connection, table, found["instigators"])
        if name in ("bulk_actions", "backfill_tags"):
            keys = self._backfills(connection, found["bulk_actions"])
            yield table.c["key" if name == "bulk_actions" else "backfill_id"], keys

    def _of_assets(self, table: sa.Table) -> list[Any]:
        """Return the conditions for rows about assets of the tenant."""
        starts = [f"[{json.dumps(each)}" for each in self._own]
        begins = [table.c.asset_key.startswith(f"{each}, ", autoescape=True) for each in starts]
        return [*begins, *(table.c.asset_key == f"{each}]" for each in starts)]

    def _without_run(self, connection: Any, table: sa.Table) -> list[int]:  # noqa: ANN401
        """Return the events of the tenant that belong to no run, such as checks that a sensor or a command judged."""
        found = []
        for number, text in connection.execute(sa.select(table.c.id, table.c.event).where(table.c.run_id == "")):
            try:
                named = set(asset_tenants(json.loads(text)))
            except (TypeError, ValueError):
                continue
            if named and named <= self._own:
                found.append(number)
        return found

    def _instigators(self, connection: Any, table: sa.Table, instigators: sa.Table) -> list[int]:  # noqa: ANN401
        """Return the rows of the tenant's schedules and sensors. A tick is whose its schedule is."""
        known: dict[object, bool] = {}
        if table.name == "job_ticks":
            known = {each: self._is_own(body) for each, body in bodies(connection, instigators, "selector_id")}
        return [
            number
            for number, body in bodies(connection, table)
            if known.get(value_of(body, "selector_id"), self._is_own(body))
        ]

    def _is_own(self, body: object) -> bool:
        """Whether a schedule or sensor is the tenant's. The name of its code location counts before its own name."""
        location = value_of(body, "location_name")
        if location in self._tenants:
            return location in self._own
        name = value_of(body, "instigator_name") or value_of(body, "job_name") or ""
        return self._owner(str(name)) in self._own

    def _tick_logs(self) -> Iterator[Sequence[str]]:
        storage: Any = self._instance.schedule_storage
        with storage.connect() as connection:
            found = _tables(connection)
            own = {*self._instigators(connection, found["job_ticks"], found["instigators"])}
            for number, body in bodies(connection, found["job_ticks"]):
                log_key = value_of(body, _TICK_LOGS)
                if number in own and isinstance(log_key, list) and log_key:
                    yield [str(each) for each in log_key]

    def _backfills(self, connection: Any, table: sa.Table) -> list[str]:  # noqa: ANN401
        """Return the back-fills whose assets are all of the tenant."""
        keys = []
        for key, body in bodies(connection, table, "key"):
            tags, named = value_of(body, "tags"), set(asset_tenants(body))
            if not named and isinstance(tags, Mapping):
                named = {str(tags.get("tenant", ""))}
            if named and named <= self._own:
                keys.append(key)
        return keys

    def _snapshots(self, runs: Iterable[DagsterRun]) -> set[str]:
        """Return the snapshots of jobs and plans that runs name, with the jobs of which a job is a part."""
        found: set[str] = set()
        for run in runs:
            job = run.job_snapshot_id
            while job and job not in found and self._instance.has_job_snapshot(job):
                found.add(job)
                lineage = self._instance.get_job_snapshot(job).lineage_snapshot
                job = lineage.parent_snapshot_id if lineage else None
            found |= {run.execution_plan_snapshot_id} if run.execution_plan_snapshot_id else set()
        return found

    def _files(self, run_id: str) -> list[Path]:
        """Return the files and folders of one run: its event log and its storage."""
        found = [Path(self._instance.storage_directory()) / run_id]
        storage: Any = self._instance.event_log_storage
        if hasattr(storage, "path_for_shard"):
            shard = Path(storage.path_for_shard(run_id))
            found += [shard, *(shard.with_name(shard.name + end) for end in ("-wal", "-shm", "-journal"))]
        return [each for each in found if each.exists()]


def _tables(connection: Any) -> dict[str, sa.Table]:  # noqa: ANN401  of SQLAlchemy
    found = sa.MetaData()
    found.reflect(bind=connection)
    return dict(found.tables)


def _file_of(connection: Any) -> str:  # noqa: ANN401  of SQLAlchemy
    """Return the file of a database; empty if a server has it. The URL of Dagster's engine may name no file."""
    if connection.dialect.name != "sqlite":
        return ""
    return str(connection.exec_driver_sql("PRAGMA database_list").fetchone()[2])


def _portions(values: Iterable[_T]) -> Iterator[list[_T]]:
    listed = list(values)
    for start in range(0, len(listed), _PORTION):
        yield listed[start : start + _PORTION]


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
    return path.lstat().st_size
