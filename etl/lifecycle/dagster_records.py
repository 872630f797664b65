"""What Dagster's storage holds of one tenant: runs, events, logs, assets, back-fills, schedules and sensors.

Belongs here: finding and removing all of it. Not here: what stands outside of Dagster's storage (`places`).

Dagster's own functions remove a run and an asset only in part: of a run, the snapshots of its job stay; of an asset,
its checks and its events without a run stay. So the rest is removed from the tables, whose columns are read from the
database itself. A run that executes assets of several tenants belongs to all of them, and is left alone and named.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from etl.lifecycle.item import Item
from etl.running.naming import AssetAddress, source_pool, warehouse_pool

_ENDED = frozenset({DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED})
_BY_ASSET = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions", "asset_daemon_asset_evaluations")
_BY_RUN = ("event_logs", "asset_check_executions", "concurrency_slots", "pending_steps", "runs", "run_tags")
_BY_POOL = ("concurrency_limits", "concurrency_slots", "pending_steps")
_BY_INSTIGATOR = ("jobs", "instigators", "job_ticks")
_TICK_LOGS = "log_key"


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
        found: list[Item] = []
        for open_it in self._databases():
            with open_it() as connection:
                for table, condition in self._conditions(connection, ()):
                    rows = connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar()
                    if rows:
                        found.append(Item(name=table.name, rows=int(rows)))
        return found

    def remove(self) -> None:
        """Remove everything. It can be called again after it was interrupted."""
        runs = self.runs()
        snapshots = self._snapshots(runs.own) - self._snapshots((*runs.shared, *runs.others))
        for log_key in list(self._tick_logs()):
            self._instance.compute_log_manager.delete_logs(log_key=log_key)
        for open_it in self._databases():
            with open_it() as connection:
                for table, condition in self._conditions(connection, snapshots):
                    connection.execute(sa.delete(table).where(condition))
        for run in runs.own:
            self._instance.compute_log_manager.delete_logs(prefix=[run.run_id])
            self._instance.delete_run(run.run_id)
            for path in self._files(run.run_id):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def compact(self) -> str:
        """Write SQLite files again without deleted rows. Returns why that was not possible; empty if it was."""
        for open_it in self._databases():
            with open_it() as connection:
                path = connection.engine.url.database if connection.dialect.name == "sqlite" else None
            if path:
                try:
                    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
                        db.execute("VACUUM")
                        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.OperationalError as error:
                    return f"{path}: {error}"
        return ""

    def conditions(self, connection: Any) -> Iterator[tuple[sa.Table, Any]]:  # noqa: ANN401  of SQLAlchemy
        """Yield the tables of a database that may hold rows of the tenant, with the condition for these rows."""
        return self._conditions(connection, ())

    def event_databases(self) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
        """Yield how each database with events of the tenant is opened: the index, and the file of each run."""
        storage: Any = self._instance.event_log_storage
        yield storage.index_connection
        yield from self._shard_without_run()
        if hasattr(storage, "path_for_shard"):
            for run in self.runs().own:
                yield partial(storage.run_connection, run.run_id)

    def _databases(self) -> tuple[Callable[[], AbstractContextManager[Any]], ...]:
        instance: Any = self._instance
        return (
            instance.run_storage.connect,
            instance.event_log_storage.index_connection,
            instance.schedule_storage.connect,
            *self._shard_without_run(),
        )

    def _shard_without_run(self) -> tuple[Callable[[], AbstractContextManager[Any]], ...]:
        """Return how SQLite's file for events without a run is opened, if there is such a file."""
        storage: Any = self._instance.event_log_storage
        if hasattr(storage, "path_for_shard") and Path(storage.path_for_shard("")).exists():
            return (partial(storage.run_connection, ""),)
        return ()

    def _conditions(self, connection: Any, snapshots: Collection[str]) -> Iterator[tuple[sa.Table, Any]]:  # noqa: ANN401
        """Yield the tables of a database that may hold rows of the tenant, with the condition for these rows."""
        found = sa.MetaData()
        found.reflect(bind=connection)
        runs = [each.run_id for each in self.runs().own]
        pools = [pool(each) for each in self._own for pool in (source_pool, warehouse_pool)]
        for name, table in found.tables.items():
            conditions = []
            if name in _BY_ASSET and "asset_key" in table.c:
                conditions += self._of_assets(table)
            if name == "event_logs" and (numbers := self._without_run(connection, table)):
                conditions += [table.c.id.in_(numbers)]
            if name in _BY_RUN and name not in ("runs", "run_tags") and runs:
                conditions += [table.c.run_id.in_(runs)]
            if name in _BY_POOL:
                conditions += [table.c.concurrency_key.in_(pools)]
            if name in _BY_INSTIGATOR and (numbers := self._instigators(connection, table)):
                conditions += [table.c.id.in_(numbers)]
            if name == "snapshots" and snapshots:
                conditions += [table.c.snapshot_id.in_(sorted(snapshots))]
            if name in ("bulk_actions", "backfill_tags") and (keys := self._backfills(connection, found)):
                conditions += [table.c["key" if name == "bulk_actions" else "backfill_id"].in_(keys)]
            if conditions:
                yield table, sa.or_(*conditions)

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
                named = set(_asset_tenants(json.loads(text)))
            except (TypeError, ValueError):
                continue
            if named and named <= self._own:
                found.append(number)
        return found

    def _instigators(self, connection: Any, table: sa.Table) -> list[int]:  # noqa: ANN401
        """Return the rows of the tenant's schedules and sensors."""
        return [number for number, body in _bodies(connection, table) if self._is_own(body)]

    def _is_own(self, body: object) -> bool:
        """Whether a schedule or sensor is the tenant's. The name of its code location counts before its own name."""
        location = _value(body, "location_name")
        if location in self._tenants:
            return location in self._own
        name = _value(body, "instigator_name") or _value(body, "job_name") or ""
        return self._owner(str(name)) in self._own

    def _tick_logs(self) -> Iterator[Sequence[str]]:
        with self._databases()[2]() as connection:
            found = sa.MetaData()
            found.reflect(bind=connection)
            if "job_ticks" in found.tables:
                for _, body in _bodies(connection, found.tables["job_ticks"]):
                    log_key = _value(body, _TICK_LOGS)
                    if isinstance(log_key, list) and log_key and self._is_own(body):
                        yield [str(each) for each in log_key]

    def _backfills(self, connection: Any, found: sa.MetaData) -> list[str]:  # noqa: ANN401
        """Return the back-fills whose assets are all of the tenant."""
        table = found.tables["bulk_actions"]
        keys = []
        for number, body in _bodies(connection, table):
            tags, named = _value(body, "tags"), set(_asset_tenants(body))
            if not named and isinstance(tags, Mapping):
                named = {str(tags.get("tenant", ""))}
            if named and named <= self._own:
                keys.append(connection.execute(sa.select(table.c.key).where(table.c.id == number)).scalar())
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


def _bodies(connection: Any, table: sa.Table) -> Iterator[tuple[int, object]]:  # noqa: ANN401
    """Yield number and content of each row of a table whose content is one JSON text."""
    (column,) = [each for each in table.c if each.name in ("job_body", "instigator_body", "tick_body", "body")]
    for number, text in connection.execute(sa.select(table.c.id, column)).fetchall():
        try:
            yield number, json.loads(text)
        except (TypeError, ValueError):
            continue


def _value(body: object, key: str) -> object:
    """Return the first value of a key, at any depth."""
    if isinstance(body, Mapping):
        if key in body:
            return body[key]
        body = list(body.values())
    if isinstance(body, list):
        for each in body:
            if (found := _value(each, key)) is not None:
                return found
    return None


def _asset_tenants(body: object) -> Iterator[str]:
    """Yield the first part of every asset key in a JSON value."""
    if isinstance(body, Mapping):
        path = body.get("path")
        if body.get("__class__") == "AssetKey" and isinstance(path, list) and path:
            yield str(path[0])
        body = list(body.values())
    if isinstance(body, list):
        for each in body:
            yield from _asset_tenants(each)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
    return path.lstat().st_size
