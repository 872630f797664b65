"""Finds what a list of rejected rows does not know: rows that are gone, and rows whose published object is gone.

Belongs here: comparing what published objects name with what is kept beside them, whatever the YAML says. Not here: the
rejected rows themselves (`etl.pipeline.quarantine`), rows of a run that was killed (`etl.lake.pairs` removes them).
"""

from collections.abc import Iterator

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError
from etl.lake.lake import Lake, ObjectRef
from etl.lake.pairs import quarantine_stage, rejection_of
from etl.lake.tenant_folder import published_refs, refs_in
from etl.pipeline.stage import lake_of
from etl.plural import counted
from etl.settings import Settings

_STAGES = ("extract", "transfer")


def rejected_gaps(config: TenantConfig, settings: Settings, *, with_unreadable: bool = True) -> Iterator[str]:
    """Yield a sentence for each partition of which it is not known which rows are rejected.

    Without `with_unreadable`, damaged objects are left out: the caller reads every object anyway.
    """
    for local in (False, True) if config.storage.bucket else (False,):
        with lake_of(config, settings, local=local) as lake:
            for stage in _STAGES:
                yield from _of_stage(lake, config.id, stage, with_unreadable=with_unreadable)


def _of_stage(lake: Lake, tenant: str, stage: str, *, with_unreadable: bool) -> Iterator[str]:
    published = published_refs(lake, tenant, stage)
    for ref in published:
        try:
            found = rejection_of(lake, ref)
        except EtlError as error:
            if with_unreadable:
                yield f"{ref}: {error.problem}"
            continue
        if found is not None and found.state in ("missing", "replaced"):
            what = "gone" if found.state == "missing" else "replaced by others"
            yield f"{ref}: {counted(found.rows, 'rejected row')} {what}"
    places = {ref.place for ref in published}
    for rejected in refs_in(lake, tenant, quarantine_stage(stage)):
        owner = rejected.model_copy(update={"stage": stage})
        if owner.place not in places:
            yield _of_nobody(lake, rejected, owner)


def _of_nobody(lake: Lake, rejected: ObjectRef, owner: ObjectRef) -> str:
    try:
        found = lake.find(rejected)
    except LakeError as error:
        return f"{owner}: it is not published, and what is kept beside it cannot be read: {error.problem}"
    rows = counted(found.rows, "rejected row") if found else "nothing"
    run = f", by run {found.provenance.run_id[:8]}" if found else ""
    return f"{owner}: it is not published, and kept beside it: {rows} ({lake.store.uri(rejected.key)}{run})"
