"""The result of the check `reconciled` for Dagster: days, differences and remedies.

Belongs here: from a reconciliation to a sentence and metadata. Not here: the check and its job
(`etl.factories.check_factory`), the comparison (`etl.pipeline.verify`).
"""

import hashlib
import json

from dagster import MetadataValue

from etl.config.pipeline_config import PipelineConfig
from etl.pipeline.verdict import Finding, Reconciliation
from etl.running.metadata import Metadata, markdown_table

SHOWN_DAYS = 31


SUMMED_UP = 2
COMPARED = "compared_digest"
"""The name of the digest of what was compared, in the metadata of a result."""
_COMPARES = {
    *("source_table", "source_schema", "query", "date_column", "columns", "partitions"),
    *("has_transfer", "transfer_inputs", "save_to_trino", "trino_output"),
}


def summary(found: Reconciliation) -> str:
    """Return one line: the last complete day, the first difference or what was not compared, and its remedy."""
    parts = []
    if found.status == "agrees":
        parts.append(f"complete to {found.complete_to}" if found.complete_to else "complete")
    elif found.complete_to:
        parts.append(f"complete to {found.complete_to}")
    told = [_told(*each) for each in found.differing]
    told = told or [f"not compared: {_told(*each)}" for each in found.unknown]
    parts += told[:SUMMED_UP]
    if len(told) > SUMMED_UP:
        parts.append(f"and {len(told) - SUMMED_UP} more")
    if found.undated:
        parts.append(f"{found.undated} rows of the source belong to no partition")
    if not found.has_table:
        parts.append("not loaded: source and lake were compared")
    return "; ".join(parts)


def _told(place: str, finding: Finding) -> str:
    return f"{place}: {finding}" if place else str(finding)


def what_is_compared(pipeline: PipelineConfig) -> str:
    """Return a digest of what is read and what is loaded: a comparison says nothing about another source or table."""
    said = pipeline.model_dump(mode="json", include=_COMPARES)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def reconciliation_metadata(found: Reconciliation, pipeline: PipelineConfig) -> Metadata:
    """Return the days as a table, and the counts as numbers."""
    agreeing = [each for each in found.days if each.status == "agrees"]
    shown = [each for each in found.days if each.status != "agrees"][:SHOWN_DAYS] or agreeing[-SHOWN_DAYS:]
    rows = [
        {
            "day": each.partition or "whole",
            "source": each.source_rows,
            "published": each.published_rows,
            "quarantined": each.quarantined_rows,
            "loaded": each.loaded_rows,
            "status": each.status.replace("_", " "),
            "differences": "; ".join(finding.problem for finding in each.differences),
            "not compared": "; ".join(finding.problem for finding in each.not_compared),
            "what to do": "; ".join({finding.remedy: "" for finding in (*each.differences, *each.not_compared)}),
        }
        for each in shown
    ]
    whole = "whole" if found.status == "agrees" else "nothing"
    metadata: Metadata = {
        COMPARED: MetadataValue.text(what_is_compared(pipeline)),
        "status": MetadataValue.text(found.status),
        "complete_to": MetadataValue.text(found.complete_to or whole),
        "days_compared": MetadataValue.int(len(found.days)),
        "days_that_differ": MetadataValue.int(sum(bool(each.differences) for each in found.days)),
    }
    if found.differences:
        metadata["differences"] = MetadataValue.text("\n".join(map(str, found.differences)))
    if found.not_compared:
        metadata["not_compared"] = MetadataValue.text("\n".join(map(str, found.not_compared)))
    if found.undated is not None:
        metadata["rows_without_a_partition"] = MetadataValue.int(found.undated)
    if found.notes:
        metadata["notes"] = MetadataValue.text("\n".join(map(str, found.notes)))
    if rows:
        metadata["days"] = MetadataValue.md(markdown_table(rows))
    return metadata
