"""Where the state of a tenant's life stands, and refusing work for a tenant that is retired or being removed.

Belongs here: the record of the state, reading and writing it, and the refusal. Not here: what retiring, erasing or
importing does (`etl.lifecycle`).

The state stands in two places, and the stricter one counts:

- an object of the tenant's lake, `<tenant>/life/state`. Whoever can write the tenant's data, on any host and with any
  version of the tenant's files, reads it there before a step begins. It stays after the tenant was erased, so that an
  old copy of the tenant's files does not bring the tenant back;
- the file `tenants/<tenant>/life.json`, which people see in the project and in its history. Definitions are built from
  it, without a look into the lake: a tenant that is not active has no assets, jobs and schedules.

If one of the two is lost, the other one still stops the tenant, and `etl doctor` names the difference.
"""

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from etl.config.life import FILE, FORMAT, State, TenantLife, read_life_file
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError
from etl.formats import check_format
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, Provenance, open_lake
from etl.lake.tenant_folder import TenantFolder
from etl.pipeline.stage import lake_place
from etl.settings import Settings

STAGE, NAME, COLUMN = "life", "state", "record"


@contextmanager
def main_lake(config: TenantConfig, settings: Settings) -> Iterator[Lake]:
    """Open the lake in which the state stands: the tenant's bucket if any pipeline uses it, or else the local lake."""
    uses_bucket = config.storage.bucket is not None and (
        any(each.save_to_s3 for each in config.assets.pipelines.values()) or not config.assets.pipelines
    )
    with closing(open_lake(settings, lake_place(config) if uses_bucket else None)) as lake:
        yield lake


def life_in(lake: Lake, tenant: str) -> TenantLife | None:
    """Return the state that the lake has of a tenant; None if nothing was ever said about it."""
    text = read_note(lake, tenant, NAME)
    if text is None:
        return None
    try:
        content = json.loads(text)
        check_format(content.get("format"), newest=FORMAT, what=f"the state of tenant {tenant} in its lake")
        return TenantLife.model_validate(content)
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(lake, tenant, NAME, error) from None


def write_life(lake: Lake, tenant: str, life: TenantLife) -> None:
    """Replace the state in the lake; earlier ids are kept. Raises an error if somebody else replaced it meanwhile."""
    before = life_in(lake, tenant)
    if before is not None and not life.formerly:
        life = life.model_copy(update={"formerly": before.formerly})
    write_note(lake, tenant, NAME, life.model_dump_json())


def read_note(lake: Lake, tenant: str, name: str) -> str | None:
    """Return the text of an object beside the state; None if there is none."""
    ref = ObjectRef(tenant=tenant, stage=STAGE, pipeline=name)
    if lake.tag(ref) is None:
        return None
    try:
        (text,) = pl.read_parquet(lake.local_copy(ref))[COLUMN].to_list()
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        raise _damaged(lake, tenant, name, error) from None
    return str(text)


def _damaged(lake: Lake, tenant: str, name: str, error: Exception) -> LakeError:
    return LakeError(
        f"tenant {tenant}: the state of its life cannot be read: {type(error).__name__}",
        f"restore {TenantFolder(lake, tenant).address}/{STAGE}/{name} from a backup",
    )


def write_note(lake: Lake, tenant: str, name: str, text: str | None) -> None:
    """Replace the text of an object beside the state; without a text, remove the object."""
    ref = ObjectRef(tenant=tenant, stage=STAGE, pipeline=name)
    if text is None:
        lake.delete(ref)
        TenantFolder(lake, tenant).prune()
        return
    with lake.draft(ref, "life") as draft:
        pl.DataFrame({COLUMN: [text]}).write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
        lake.publish(
            ref,
            draft,
            Provenance(
                tenant=tenant,
                stage=ref.stage,
                pipeline=ref.pipeline,
                partition=None,
                run_id="life",
                config_hash="",
                rows=1,
                rows_read=1,
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def now(state: State, reason: str = "", certificate: str = "") -> TenantLife:
    """Return a state that begins now."""
    return TenantLife(
        state=state,
        since=datetime.now(UTC),
        by=f"{getpass.getuser()}@{socket.gethostname()}",
        reason=reason,
        certificate=certificate,
    )


def life_of(config: TenantConfig, settings: Settings) -> TenantLife | None:
    """Return the state of a tenant's life; None if it is active. The lake counts before the tenant's folder."""
    with main_lake(config, settings) as lake:
        found = life_in(lake, config.id)
    if found is None or found.state == "active":
        found = read_life_file(life_file(config.id, settings))
    return None if found is None or found.state == "active" else found


def life_file(tenant: str, settings: Settings) -> Path:
    """Return the path of the file that says the state in the tenant's folder."""
    return settings.tenants_dir / tenant / FILE


def require_active(config: TenantConfig, settings: Settings) -> None:
    """Raise an error if the tenant is retired, is being removed or imported, or was erased."""
    found = life_of(config, settings)
    if found is not None:
        raise refused(config.id, found)


def refused(tenant: str, life: TenantLife) -> EtlError:
    """Return the error for work that a tenant in this state may not do."""
    changing = (
        f"`etl tenant erase-subject {tenant}` or `etl tenant rename {tenant}` was not finished: run it again"
        f" (`etl tenant rename {tenant} --undo` gives a renaming up)"
    )
    what = {
        "retired": ("is retired", f"`etl tenant retire {tenant} --undo` makes it active again"),
        "changing": ("is being changed", changing),
        "erasing": ("is being erased", f"`etl tenant erase {tenant} --confirm {tenant}` finishes it"),
        "erased": (
            "was erased",
            "take its folder out of the project; another tenant gets another id, or is imported",
        ),
        "importing": ("is being imported", f"run `etl tenant import` of {tenant} again: it goes on where it ended"),
        "active": ("is active", ""),
    }
    said, remedy = what[life.state]
    why = f": {life.reason}" if life.reason else ""
    return EtlError(f"tenant {tenant} {said}, since {life.since:%Y-%m-%d %H:%M} UTC by {life.by}{why}", remedy)
