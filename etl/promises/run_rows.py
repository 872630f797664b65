"""The finished runs of pipelines in the file of an excerpt.

Belongs here: the tables of runs, storing a run, reading the runs. Not here: which runs change a verdict
(`pipeline_log`), judging them (`judge`).
"""

import sqlite3

from etl.partitions.zones import moment
from etl.promises.judge import PipelineRun
from etl.sla.metrics import SLAMetrics

RUNS_KEPT = 20
RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    pipeline TEXT NOT NULL, ended REAL NOT NULL, run_id TEXT NOT NULL, succeeded INTEGER NOT NULL,
    complete INTEGER NOT NULL, partition TEXT NOT NULL,
    passed INTEGER NOT NULL, failed INTEGER NOT NULL, warned INTEGER NOT NULL, errored INTEGER NOT NULL,
    milliseconds REAL NOT NULL, row_count INTEGER,
    PRIMARY KEY (pipeline, ended, run_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs_without_rows (
    pipeline TEXT NOT NULL, run_id TEXT NOT NULL, PRIMARY KEY (pipeline, run_id)
) WITHOUT ROWID;
"""
_COLUMNS = (
    "pipeline, ended, run_id, succeeded, complete, partition, passed, failed, warned, errored, milliseconds, row_count"
)


def store_run(db: sqlite3.Connection, pipeline: str, run: PipelineRun) -> None:
    """Store a run, and delete runs that are too old to count."""
    found = run.metrics or SLAMetrics()
    counts = (found.passed_count, found.failed_count, found.warning_count, found.error_count)
    values = (
        pipeline,
        run.ended.timestamp(),
        run.run_id,
        run.succeeded,
        run.complete,
        run.partition or "",
        *counts,
        found.execution_time_ms,
        found.row_count,
    )
    db.execute(f"INSERT OR IGNORE INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    if run.examined_nothing:
        db.execute("INSERT OR IGNORE INTO runs_without_rows VALUES (?, ?)", (pipeline, run.run_id))
    newest = "SELECT ended FROM runs WHERE pipeline = ? ORDER BY ended DESC LIMIT 1 OFFSET ?"
    last = db.execute(newest, (pipeline, RUNS_KEPT - 1)).fetchone()
    if last is not None:
        db.execute("DELETE FROM runs WHERE pipeline = ? AND ended < ?", (pipeline, last[0]))
        left = "SELECT run_id FROM runs WHERE pipeline = ?"
        query = f"DELETE FROM runs_without_rows WHERE pipeline = ? AND run_id NOT IN ({left})"
        db.execute(query, (pipeline, pipeline))


def stored_runs(db: sqlite3.Connection) -> dict[str, list[PipelineRun]]:
    """Return the runs of each pipeline in the order of time."""
    empty = {*db.execute("SELECT pipeline, run_id FROM runs_without_rows").fetchall()}
    found: dict[str, list[PipelineRun]] = {}
    for row in db.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY pipeline, ended").fetchall():
        found.setdefault(row[0], []).append(_run(row, examined_nothing=(row[0], row[2]) in empty))
    return found


def _run(
    row: tuple[str, float, str, int, int, str, int, int, int, int, float, int | None], *, examined_nothing: bool
) -> PipelineRun:
    _, ended, run_id, succeeded, complete, partition, passed, failed, warned, errored, milliseconds, row_count = row
    at = moment(ended)
    metrics = SLAMetrics.model_construct(  # validated when it was recorded
        passed_count=passed,
        failed_count=failed,
        warning_count=warned,
        error_count=errored,
        execution_time_ms=milliseconds,
        row_count=row_count,
        asset_key=None,
        run_id=run_id,
        timestamp=at,
    )
    return PipelineRun(
        run_id,
        at,
        bool(succeeded),
        partition or None,
        metrics,
        complete=bool(complete),
        examined_nothing=examined_nothing,
    )
