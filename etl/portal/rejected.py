"""The rejected rows of a pipeline for its page: how many, by which rule, and of which partition. No value is shown.

Belongs here: from the lake's rejected rows to the page's models. Not here: rejecting rows, and decisions about them
(`etl.pipeline.quarantine`).
"""

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.pipeline.quarantine import rejected_rows
from etl.portal.page import Reason, RejectedPart, Rejections
from etl.settings import Settings

NEWEST = 10
"""The rejected rows of so many of the newest partitions are read."""


def rejections_of(config: TenantConfig, settings: Settings, pipeline: str, *, is_there: bool) -> Rejections:
    """Return the rejected rows that are there now. Where nothing is published, no row can have been rejected."""
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
    except (EtlError, OSError):  # its text names places of the lake: `etl quarantine list` shows it
        return Rejections(pipeline=pipeline, level="unknown", unknown="the rejected rows could not be read")
    return Rejections(
        pipeline=pipeline,
        level="notice" if parts else "good" if is_there else "none",
        rows=sum(each.rows for each in parts),
        parts=tuple(reversed(parts)),
        may_have_more=len(parts) >= NEWEST,
    )
