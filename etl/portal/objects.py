"""Looks at the objects of a stage in the lake: which partitions are there, and which of them nobody can read.

Belongs here: an object that is empty or cut off, though its name stands in the lake. Not here: what a page says of it
(`completeness`, `published`).

The size of every object comes with the listing. Footers are opened of the newest objects only, because each one costs a
question: of those whose numbers the page shows, and in a bucket, which answers slowly, of the newest few.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from etl.lake.footer import TRAILER, DamagedError
from etl.lake.tenant_folder import published_sizes
from etl.pipeline.stage import StageRun
from etl.portal.completeness import COUNTED
from etl.running.naming import Stage

OPENED_IN_A_BUCKET = 3
"""Of so many of the newest objects of a bucket the footer is read."""


@dataclass(frozen=True)
class StageObjects:
    """The partitions of a stage that have an object; the empty key stands for a whole table."""

    keys: frozenset[str]
    """Those that are there, and whole as far as is known."""
    damaged: frozenset[str]


def objects_of(run: StageRun, stage: Stage) -> StageObjects:
    """Return what is there of a stage. Raises an error if the lake cannot be read."""
    is_cut = run.pipeline.partitions is not None
    found: Mapping[str, int] = {
        key: size
        for key, size in published_sizes(run.lake, run.config.id, stage, run.pipeline.name).items()
        if bool(key) is is_cut
    }
    damaged = {key for key, size in found.items() if size <= TRAILER}
    in_bucket = run.config.storage.bucket is not None and run.pipeline.save_to_s3
    newest = sorted(found.keys() - damaged)[-(OPENED_IN_A_BUCKET if in_bucket else COUNTED) :]
    damaged |= {key for key in newest if _is_damaged(run, stage, key)}
    return StageObjects(frozenset(found.keys() - damaged), frozenset(damaged))


def _is_damaged(run: StageRun, stage: Stage, key: str) -> bool:
    """Whether the object is no complete Parquet file, or one of another partition; or is removed since the listing."""
    partition = key or None
    try:
        found = run.lake.find(run.ref(stage, run.pipeline.name, partition))
    except DamagedError:
        return True
    return found is None or found.provenance.partition != partition
