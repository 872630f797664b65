"""Keeps the description that was applied last, in the tenant's lake, and those that were begun.

Belongs here: reading and writing them. Not here: their content (`description`), when they are written (`apply`).

The description is an object without rows of data, beside the objects that it describes: whoever can read the tenant's
lake, on any host, compares with the same applied state, and two that apply at once cannot overwrite each other's. It
holds one text in one column, because the lake publishes Parquet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError, NothingExamined
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, Provenance, Published
from etl.lake.tenant_folder import tenants_in
from etl.planning.description import Description, read_description

STAGE, NAME, BEGUN, COLUMN = "plan", "applied", "begun", "description"


class Applied:
    """The applied state of one tenant, and when it was written."""

    def __init__(self, description: Description, at: datetime, by: str) -> None:
        """`by` is the id that the writer gave itself."""
        self.description, self.at, self.by = description, at, by


@dataclass(frozen=True)
class Begun:
    """What was begun to be applied and did not end, oldest first, and when the last of it was begun."""

    descriptions: tuple[Description, ...]
    at: datetime


def read_applied(tenant: str, lake: Lake) -> Applied | None:
    """Return what was applied last; None if nothing was. A state that cannot be read is an error, never None."""
    found = _read(tenant, lake, NAME)
    return Applied(found[0][0], found[1].created_at, found[1].run_id) if found else None


def write_applied(config: TenantConfig, lake: Lake, description: Description, by: str) -> None:
    """Replace what was applied last. Raises an error if somebody else applied meanwhile."""
    _write(config, lake, NAME, [description], by)


def read_begun(tenant: str, lake: Lake) -> Begun | None:
    """Return what was begun to be applied and not recorded since: its runs may have published some of it."""
    found = _read(tenant, lake, BEGUN)
    return Begun(found[0], found[1].created_at) if found else None


def write_begun(config: TenantConfig, lake: Lake, descriptions: Sequence[Description], by: str) -> None:
    """Note what is applied from now on, until it is recorded; without descriptions, nothing is any more."""
    if descriptions:
        _write(config, lake, BEGUN, descriptions, by)
    else:
        lake.delete(_ref(config.id, BEGUN))


def forget_tenant(tenant: str, lake: Lake) -> None:
    """Remove the applied state of a tenant that is not there any more. Its objects and tables stay."""
    for name in (BEGUN, NAME):
        lake.delete(_ref(tenant, name))


def applied_tenants(lake: Lake) -> Iterator[str]:
    """Yield the tenants of which an applied state is in the lake, also those that no file defines any more."""
    for tenant in tenants_in(lake):
        try:
            found = lake.tag(_ref(tenant, NAME))
        except LakeError:  # a folder that no tenant can have
            continue
        if found is not None:
            yield tenant


def _read(tenant: str, lake: Lake, name: str) -> tuple[tuple[Description, ...], Provenance] | None:
    ref = _ref(tenant, name)
    try:
        found: Published | None = lake.find(ref)
        if found is None:
            return None
        texts = pl.read_parquet(lake.local_copy(ref))[COLUMN].to_list()
    except (EtlError, pl.exceptions.PolarsError, OSError) as error:
        raise NothingExamined(
            f"tenant {tenant}: the applied state cannot be read: {getattr(error, 'problem', error)}",
            "repair the lake, or compare with a revision: `--against main`",
        ) from error
    what = f"the applied state of tenant {tenant}, {found.uri},"
    return tuple(read_description(each, what) for each in texts), found.provenance


def _write(config: TenantConfig, lake: Lake, name: str, descriptions: Sequence[Description], by: str) -> None:
    ref = _ref(config.id, name)
    with lake.draft(ref, by) as draft:
        frame = pl.DataFrame({COLUMN: [each.model_dump_json() for each in descriptions]})
        frame.write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
        lake.publish(
            ref,
            draft,
            Provenance(
                tenant=ref.tenant,
                stage=ref.stage,
                pipeline=ref.pipeline,
                partition=None,
                run_id=by,
                config_hash=config.origin.config_hash,
                rows=len(descriptions),
                rows_read=len(descriptions),
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def _ref(tenant: str, name: str) -> ObjectRef:
    return ObjectRef(tenant=tenant, stage=STAGE, pipeline=name)
