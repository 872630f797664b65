"""What has to hold when all is quiet again: an oracle from the laws, in SQL, beside the product's own words.

Belongs here: the questions. Each answer is a text that says what is wrong; no answers, nothing is wrong.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow.parquet as pq
from dagster import DagsterInstance, RunsFilter

from tests.soak.world import BUCKET, DAYS, EXPECTED, FOUND, TABLES, TENANTS, World

LOCKS_PER_TENANT = 600
"""Names of locks that one tenant may leave; what matters is that they do not grow with the days and the runs."""


def wrong(world: World) -> list[str]:
    """Everything that does not hold."""
    looks = (_tables, _rejected, _models, _dagster, _leftovers, _strangers)
    return [problem for look in looks for problem in look(world)]


def rows_of_all(world: World) -> int:
    """The rows of all tables."""
    return sum(
        int(world.postgres.rows(f"SELECT count(*) FROM {tenant}.{table}")[0][0])
        for tenant in TENANTS
        for table in TABLES
        if _is_there(world, tenant, table)
    )


def _is_there(world: World, tenant: str, table: str) -> bool:
    return bool(world.postgres.rows(f"SELECT to_regclass('{tenant}.{table}') IS NOT NULL")[0][0])


def _tables(world: World) -> Iterator[str]:
    for tenant in TENANTS:
        for table, sql in EXPECTED.items():
            if not _is_there(world, tenant, table):
                yield f"{tenant}.{table} is not there"
                continue
            expected = sql.format(source=f"{tenant}_source")
            found = FOUND[table].format(target=tenant)
            for what, left, right in (("misses", expected, found), ("has too much", found, expected)):
                rows = world.postgres.rows(f"(SELECT * FROM ({left}) a) EXCEPT ALL (SELECT * FROM ({right}) b)")
                if rows:
                    yield f"{tenant}.{table} {what}: {len(rows)} rows, e.g. {rows[0]}"


def _rejected(world: World) -> Iterator[str]:
    """Each day's rejected rows are there once, in the one object that the footer of its published object names."""
    client = world.store.client()
    keys = world.store.keys(BUCKET)
    for tenant in TENANTS:
        expected = world.postgres.rows(f"SELECT id, at::date::text FROM {tenant}_source.events WHERE amount < 0")
        found: list[tuple[int, str]] = []
        named: set[str] = set()
        for day in DAYS:
            good = f"{tenant}/{tenant}/transfer/events/dt={day}/data.parquet"
            if good not in keys:
                yield f"{good} is not there"
                continue
            said = _footer(client, good)["rejected"]
            if said is None:
                continue
            key = f"{tenant}/{tenant}/transfer_quarantine/events/dt={day}/{said['name']}.parquet"
            named.add(key)
            if key not in keys:
                yield f"{key} is not there"
                continue
            ids = pq.read_table(_object(client, key), columns=["id"])["id"].to_pylist()
            found += [(each, day) for each in ids]
        if sorted(found) != sorted(expected):
            yield f"{tenant}: {len(found)} rows are rejected, {len(expected)} should be"
        others = [
            each for each in keys if each.startswith(f"{tenant}/{tenant}/transfer_quarantine/") and each not in named
        ]
        if others:
            yield f"{len(others)} objects of rejected rows that nobody names, e.g. {others[0]}"


def _object(client: Any, key: str) -> io.BytesIO:
    return io.BytesIO(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _footer(client: Any, key: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(pq.read_metadata(_object(client, key)).metadata[b"etl"])
    return said


def _models(world: World) -> Iterator[str]:
    for tenant in TENANTS:
        if not (world.data / "warehouse" / f"{tenant}.duckdb").is_file():
            yield f"{tenant}: dbt has made nothing"
            continue
        expected = world.postgres.rows(
            f"SELECT at::date::text, count(*), sum(amount)::float FROM {tenant}_source.events GROUP BY 1 ORDER BY 1"
        )
        with duckdb.connect(world.data / "warehouse" / f"{tenant}.duckdb", read_only=True) as connection:
            found = connection.execute(
                "SELECT day, events, amount::double FROM dbt.by_day WHERE events > 0 ORDER BY day"
            ).fetchall()
        if [(a, b, round(c, 2)) for a, b, c in expected] != [(a, b, round(c, 2)) for a, b, c in found]:
            yield f"{tenant}: dbt's by_day is {found}, not {expected}"


def _dagster(world: World) -> Iterator[str]:
    with DagsterInstance.from_config(str(world.home)) as instance:
        for run in instance.get_runs(RunsFilter()):
            if not run.is_finished:
                yield f"run {run.run_id} of {run.job_name} is {run.status.value}"
        storage = instance.event_log_storage
        for key in storage.get_concurrency_keys():
            info = storage.get_concurrency_info(key)
            if info.active_slot_count or info.pending_step_count:
                yield f"the pool {key} has {info.active_slot_count} held and {info.pending_step_count} waiting"


def _leftovers(world: World) -> Iterator[str]:
    for folder in ("staging", "backfills"):
        left = [path for path in (world.data / folder).rglob("*") if path.is_file()]
        if left:
            yield f"{len(left)} files below {folder}, e.g. {left[0].name}"
    locks = [path for path in (world.data / "locks").rglob("*") if path.is_file()]
    if len(locks) > LOCKS_PER_TENANT * len(TENANTS):
        yield f"{len(locks)} lock files"
    pending = world.store.pending_uploads(BUCKET)
    if pending:
        yield f"{len(pending)} uploads that were begun and never ended, e.g. {pending[0]}"
    staged = world.postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'etl_staging'")
    if staged:
        yield f"{len(staged)} staging tables, e.g. {staged[0][0]}"
    held = world.postgres.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    if held != [(0,)]:
        yield f"{held[0][0]} advisory locks are held"


def _strangers(world: World) -> Iterator[str]:
    for tenant in TENANTS:
        for table in [each for each in TABLES if _is_there(world, tenant, each)]:
            mixed = world.postgres.rows(f"SELECT count(*) FROM {tenant}.{table} WHERE owner <> '{tenant}'")
            if mixed != [(0,)]:
                yield f"{tenant}.{table} holds {mixed[0][0]} rows of another tenant"
    outside = [key for key in world.store.keys(BUCKET) if key.split("/")[0] not in TENANTS]
    if outside:
        yield f"{len(outside)} objects of no tenant, e.g. {outside[0]}"
    days = {part[3:] for key in world.store.keys(BUCKET) for part in key.split("/") if part.startswith("dt=")}
    if not days <= set(DAYS):
        yield f"objects of days that no pipeline has: {sorted(days - set(DAYS))}"
