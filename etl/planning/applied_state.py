"""Keeps the description that was applied last, in the tenant's lake.

Belongs here: reading and writing it. Not here: its content (`description`), when it is written (`apply`).

The description is an object without rows of data, beside the objects that it describes: whoever can read the tenant's
lake, on any host, compares with the same applied state, and two that apply at once cannot overwrite each other's. It
holds one text in one column, because the lake publishes Parquet.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import polars as pl

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, NothingExamined
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, Provenance, Published, open_lake
from etl.pipeline.stage import lake_place
from etl.planning.description import Description, read_description
from etl.settings import Settings

STAGE, NAME, COLUMN = "plan", "applied", "description"


class Applied:
    """The applied state of one tenant, and when it was written."""

    def __init__(self, description: Description, at: datetime, by: str) -> None:
        """`by` is the id that the writer gave itself."""
        self.description, self.at, self.by = description, at, by


@contextmanager
def lake_of(config: TenantConfig, settings: Settings, *, local: bool = False) -> Iterator[Lake]:
    """Open the tenant's lake; with `local`, the local one that pipelines with `save_to_s3: false` use."""
    with closing(open_lake(settings, None if local else lake_place(config))) as lake:
        yield lake


def read_applied(config: TenantConfig, lake: Lake) -> Applied | None:
    """Return what was applied last; None if nothing was. A state that cannot be read is an error, never None."""
    ref = _ref(config)
    try:
        found: Published | None = lake.find(ref)
        if found is None:
            return None
        text = pl.read_parquet(lake.local_copy(ref)).item(0, COLUMN)
    except (EtlError, pl.exceptions.PolarsError, OSError) as error:
        raise NothingExamined(
            f"tenant {config.id}: the applied state cannot be read: {getattr(error, 'problem', error)}",
            "repair the lake, or compare with a revision: `--against main`",
        ) from error
    return Applied(
        read_description(text, f"the applied state of tenant {config.id}, {found.uri},"),
        found.provenance.created_at,
        found.provenance.run_id,
    )


def write_applied(config: TenantConfig, lake: Lake, description: Description, by: str) -> None:
    """Replace what was applied last. Raises an error if somebody else applied meanwhile."""
    ref = _ref(config)
    with lake.draft(ref, by) as draft:
        pl.DataFrame({COLUMN: [description.model_dump_json()]}).write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
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
                rows=1,
                rows_read=1,
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def _ref(config: TenantConfig) -> ObjectRef:
    return ObjectRef(tenant=config.id, stage=STAGE, pipeline=NAME)
