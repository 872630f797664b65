"""Examines stored state: whether its files are whole, and of a format that this release reads.

Belongs here: the state files and the newest object of each pipeline. Not here: the comparison of numbers
(`etl.formats`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.formats import check_format
from etl.health.finding import Condition, Examined, good
from etl.lake.lake import ObjectRef, open_lake
from etl.notify import outbox
from etl.pipeline.stage import lake_place
from etl.promises import pipeline_log, state_log
from etl.settings import Settings
from etl.telemetry import sending, sent

_STAGES = ("extract", "transfer")


def examine_state_files(settings: Settings) -> Iterator[Examined]:
    """Yield the state of the files in which promises, messages and sent runs are kept."""
    files = [(settings.data_dir / "sla.sqlite", state_log.FORMAT), (settings.data_dir / "notify.sqlite", outbox.FORMAT)]
    files += [(settings.data_dir / sending.MEMORY, sent.FORMAT)]
    files += [(each, pipeline_log.FORMAT) for each in sorted((settings.data_dir / "sla").glob("*.sqlite"))]
    there = [(path, newest) for path, newest in files if path.is_file()]
    wrong = [found for path, newest in there if (found := _file(path, newest))]
    yield from wrong
    if not wrong:
        said = f"{len(there)} whole, of a format that this release reads" if there else "none yet"
        yield good("data", "state files", said)


def _file(path: Path, newest: int) -> Examined | None:
    remedy = f"restore it from a backup, or begin a new one: mv '{path}' '{path}.damaged'"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            number = db.execute("PRAGMA user_version").fetchone()[0]
            (whole,) = db.execute("PRAGMA quick_check(1)").fetchone()
        check_format(number or None, newest=newest, what=str(path))
    except sqlite3.Error as error:
        return Examined("data", path.name, Condition.BAD, f"{path} cannot be read: {error}", remedy)
    except EtlError as error:
        return Examined("data", path.name, Condition.BAD, error.problem, error.hint)
    return None if whole == "ok" else Examined("data", path.name, Condition.BAD, f"{path} is damaged: {whole}", remedy)


def examine_objects(config: TenantConfig, settings: Settings) -> Iterator[Examined]:
    """Yield whether the newest object of each stage can be read by this release."""
    local, shared = open_lake(settings), open_lake(settings, lake_place(config))
    count = 0
    wrong: list[Examined] = []
    for name, pipeline in config.pipelines.items():
        lake = shared if pipeline.save_to_s3 else local
        for stage in _STAGES:
            try:
                partitions = lake.partitions(config.id, stage, name)
                newest = partitions[-1] if partitions else None
                ref = ObjectRef(tenant=config.id, stage=stage, pipeline=name, partition=newest)
                count += lake.find(ref) is not None
            except EtlError as error:
                wrong.append(Examined(config.id, f"{name} {stage}", Condition.BAD, error.problem, error.hint))
    yield from wrong
    if not wrong:
        yield good(
            config.id,
            "objects",
            f"the footers of the newest of {count} stages can be read; rows were not" if count else "none is published",
        )
