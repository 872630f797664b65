"""Retires a tenant: it stops, and everything that it has stays. It can be made active again.

Belongs here: writing the state in both of its places. Not here: what the state does (`etl.pipeline.life`,
`etl.definitions`), erasing (`erase`).
"""

from etl.config.life import TenantLife, write_life_file
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.faults import reach
from etl.lifecycle.dagster_records import DagsterRecords
from etl.pipeline.life import life_file, life_in, main_lake, now, refused, write_life
from etl.settings import Settings


def retire(
    config: TenantConfig, settings: Settings, records: DagsterRecords, reason: str
) -> tuple[TenantLife, tuple[str, ...]]:
    """Retire the tenant. Returns its state, and the runs that had begun before, which end as they would have ended."""
    with main_lake(config, settings) as lake:
        before = life_in(lake, config.id)
        if before is not None and before.state not in ("active", "retired"):
            raise refused(config.id, before)
        state = before if before is not None and before.state == "retired" else now("retired", reason)
        write_life(lake, config.id, state)  # first, so that no run on any host begins to work
    reach("lifecycle.fenced")
    write_life_file(life_file(config.id, settings), state)
    return state, tuple(each.run_id for each in records.runs().going_on)


def make_active(config: TenantConfig, settings: Settings) -> None:
    """Make a retired tenant active again."""
    with main_lake(config, settings) as lake:
        before = life_in(lake, config.id)
        if before is not None and before.state not in ("active", "retired"):
            raise refused(config.id, before)
        if before is None and not life_file(config.id, settings).exists():
            raise EtlError(f"tenant {config.id} is not retired", "nothing was changed")
        write_life(lake, config.id, now("active"))
    write_life_file(life_file(config.id, settings), None)
