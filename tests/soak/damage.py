"""Damage of which the judge has to tell, each kind after the other, in a world in which nothing is wrong.

Belongs here: one small change for each thing that the judge asks. Not here: the questions (`judge`).
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import duckdb
from dagster import DagsterInstance

from etl.running import naming
from tests.soak.world import BUCKET, DAYS, TENANTS, World

ONE, OTHER = TENANTS


def _sql(statement: str) -> Callable[[World], None]:
    return lambda world: world.postgres.run(statement)


def _object(key: str) -> Callable[[World], None]:
    return lambda world: world.store.client().put_object(Bucket=BUCKET, Key=key, Body=b"x")


def _upload(world: World) -> None:
    world.store.client().create_multipart_upload(Bucket=BUCKET, Key=f"{ONE}/begun")


def _rejected(world: World) -> None:
    client = world.store.client()
    for key in world.store.keys(BUCKET):
        if key.startswith(f"{OTHER}/{OTHER}/transfer_quarantine/"):
            client.delete_object(Bucket=BUCKET, Key=key)


def _file(folder: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        path = world.data / folder / ONE / "left"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    return make


def _model(world: World) -> None:
    with duckdb.connect(world.data / "warehouse" / f"{ONE}.duckdb") as connection:
        connection.execute("UPDATE dbt.by_day SET amount = amount + 1")


def _run(world: World) -> None:
    with closing(sqlite3.connect(world.home / "history" / "runs.db")) as runs, runs:
        newest = "(SELECT max(id) FROM runs)"
        runs.execute(
            f"UPDATE runs SET status = 'STARTED', run_body = replace(run_body, 'SUCCESS', 'STARTED') WHERE id = {newest}"
        )


def _slot(world: World) -> None:
    with DagsterInstance.from_config(str(world.home)) as instance:
        instance.event_log_storage.claim_concurrency_slot(naming.source_pool(OTHER), "no-run", "no-step")


DAMAGE: dict[str, Callable[[World], None]] = {
    "a value of a replaced partition": _sql(
        f"UPDATE {ONE}.events SET note = note || 'x' WHERE id = (SELECT min(id) FROM {ONE}.events)"
    ),
    "a key that the source does not have": _sql(
        f"INSERT INTO {ONE}.states (id, state, owner) VALUES (999, 'x', '{ONE}')"
    ),
    "an older value of a key": _sql(
        f"UPDATE {OTHER}.states SET state = 'old' WHERE id = (SELECT min(id) FROM {OTHER}.states)"
    ),
    "a row of a whole table that is gone": _sql(
        f"DELETE FROM {ONE}.codes WHERE id = (SELECT min(id) FROM {ONE}.codes)"
    ),
    "rows that were appended twice": _sql(
        f"INSERT INTO {ONE}.ticks SELECT * FROM {ONE}.ticks WHERE at::date = '{DAYS[2]}'"
    ),
    "rows of the other tenant": _sql(f"UPDATE {OTHER}.snaps SET owner = '{ONE}'"),
    "a table that is gone": _sql(f"DROP TABLE {OTHER}.ticks"),
    "rejected rows that are gone": _rejected,
    "rejected rows that nobody names": _object(f"{ONE}/{ONE}/transfer_quarantine/events/dt={DAYS[0]}/other.parquet"),
    "an object of no tenant": _object("elsewhere/x"),
    "an object of a day that is none": _object(f"{ONE}/{ONE}/extract/events/dt=2030-01-01/data.parquet"),
    "an upload that was begun": _upload,
    "a staged file": _file("staging"),
    "a journal of a range of days": _file("backfills"),
    "a staging table": _sql("CREATE TABLE etl_staging.load_left (id int)"),
    "a model of dbt": _model,
    "a slot that is held": _slot,
    "a run that has not ended": _run,
}
