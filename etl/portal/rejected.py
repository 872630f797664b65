"""The rejected rows of a pipeline for its page: how many, by which rule, and of which partition. No value is shown.

Belongs here: from the lake's rejected rows to the page's models. Not here: rejecting rows, and decisions about them
(`etl.pipeline.quarantine`).
"""

from collections.abc import Collection
from contextlib import closing

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.pairs import rejection_of
from etl.pipeline.quarantine import rejected_rows
from etl.pipeline.stage import StageRun
from etl.plural import counted
from etl.portal.page import Reason, RejectedPart, Rejections
from etl.settings import Settings

NEWEST = 10
"""The rejected rows of so many of the newest partitions are read."""


def rejections_of(
    config: TenantConfig, settings: Settings, pipeline: str, named: Collection[str] = (), *, is_there: bool
) -> Rejections:
    """Return the rejected rows that are there now. Where nothing is published, no row can have been rejected.

    `named` are the partitions of which rows were rejected when they were published, as the event log says.
    """
    try:
        found = rejected_rows(config, settings, pipeline, NEWEST)
        parts = [
            RejectedPart(
                partition=each.partition or "",
                rows=each.rows,
                rows_read=each.rows_read,
                at=each.at,
                reasons=tuple(Reason(rule=rule, rows=rows) for rule, rows in each.reasons.items()),
            )
            for each in found
        ]
        gone = [each for each in named if _is_gone(config, settings, pipeline, each)]
    except (EtlError, OSError):  # its text names places of the lake: `etl quarantine list` shows it
        return Rejections(pipeline=pipeline, level="unknown", unknown="the rejected rows could not be read")
    if gone:
        why = f"rejected rows of {counted(len(gone), 'partition')} are gone"
        return Rejections(pipeline=pipeline, level="unknown", unknown=why)
    return Rejections(
        pipeline=pipeline,
        level="notice" if parts else "good" if is_there else "none",
        rows=sum(each.rows for each in parts),
        parts=tuple(reversed(parts)),
        may_have_more=len(parts) >= NEWEST,
    )


def _is_gone(config: TenantConfig, settings: Settings, pipeline: str, partition: str) -> bool:
    """Whether the published object names rejected rows that are not there. Rows that were discarded are not gone."""
    of = config.pipelines[pipeline]
    with closing(
        StageRun(config=config, pipeline=of, partition=partition or None, run_id="", settings=settings)
    ) as run:
        found = rejection_of(run.lake, run.ref(of.published_stage))
    return found is not None and found.state in ("missing", "replaced")
