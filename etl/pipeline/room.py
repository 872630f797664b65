"""Asks the tenant's quotas for room before a stage publishes or loads.

Belongs here: what the quotas need to know of a stage's task. Not here: the decision (`etl.quotas.claims`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from etl.config.pipeline_config import Stage
from etl.errors import EtlError
from etl.lake.tenant_folder import TenantFolder
from etl.pipeline.stage import StageRun
from etl.quotas.claims import (
    Account,
    claim,
    give_back,
    note_warehouse,
    refuse_full_warehouse,
    refuse_if_used_up,
)
from etl.quotas.quotas_file import Quotas, read_quotas
from etl.quotas.usage_state import Claim, Counted
from etl.warehouse.care import used_bytes
from etl.warehouse.contract import Warehouse

logger = logging.getLogger(__name__)

_REWRITE = "`etl maintain {tenant} --rewrite` gives back the space of replaced rows"
_SMALLER = {
    "duckdb": _REWRITE,
    "postgres": _REWRITE,
    "trino": "`etl maintain {tenant}` removes what was replaced more than 7 days ago; see its --older-than",
}
"""What makes the tables of a warehouse smaller."""


@contextmanager
def room_to_publish(run: StageRun, stage: Stage, rows: int, size: int) -> Iterator[None]:
    """Count an object that the block publishes. If the block fails, the object is not counted.

    Raises QuotaError, and nothing is published, if there is no room for it.
    """
    quotas = read_quotas(run.settings)
    if quotas is None:
        yield
        return
    place, claimed = _place(run, stage, quotas), _claim(run, stage, rows, size)
    claim(place, claimed)
    try:
        yield
    except Exception:
        give_back(place, claimed)
        raise


def require_room(run: StageRun, stage: Stage) -> None:
    """Refuse before the source is read if the day's quota is used up already."""
    quotas = read_quotas(run.settings)
    if quotas is not None:
        refuse_if_used_up(_place(run, stage, quotas), _claim(run, stage, 0, 0))


def require_warehouse_room(run: StageRun, warehouse: Warehouse) -> None:
    """Refuse loads if the tenant's tables take all the room that they may. It is looked at once, before a run loads.

    The size is unknown before a load and known after it, so the load that passes the limit is the last one.
    """
    quotas = read_quotas(run.settings)
    if quotas is not None and quotas.limits_of(run.config.id).warehouse_bytes is not None:
        used = used_bytes(warehouse, run.run_id)
        way = _SMALLER[run.config.warehouse.type].format(tenant=run.config.id)
        refuse_full_warehouse(_place(run, "load", quotas), _claim(run, "load", 0, 0), used, way)


def note_warehouse_size(run: StageRun, warehouse: Warehouse) -> None:
    """Keep the size of the tenant's tables after its loads, for those who look. It cannot fail the loads."""
    try:
        quotas = read_quotas(run.settings)
        if quotas is not None:
            note_warehouse(_place(run, "load", quotas), _claim(run, "load", 0, 0), used_bytes(warehouse, run.run_id))
    except EtlError as error:
        logger.warning("%s load: the size of the tables is not known: %s", run.label, error.problem)


def _place(run: StageRun, stage: Stage, quotas: Quotas) -> Account:
    def published() -> tuple[str, int] | None:
        found = run.lake.find_intact(run.ref(stage))
        return (found.provenance.run_id, found.bytes) if found else None

    return Account(
        tenant=run.config.id,
        label=run.label,
        lake=run.tenant_lake,
        limits=quotas.limits_of(run.config.id),
        measure=lambda: sum(TenantFolder(lake, run.config.id).used_bytes() for lake in run.lakes),
        published=published,
    )


def _claim(run: StageRun, stage: Stage, rows: int, size: int) -> Claim:
    return Claim(
        run_id=run.run_id,
        stage=stage,
        pipeline=run.pipeline.name,
        partition=run.partition,
        amount=Counted(rows=rows, bytes=size),
        at=now(),
    )


def now() -> datetime:
    """Return the moment at which something is counted: the clock of this machine."""
    return datetime.now(UTC)
