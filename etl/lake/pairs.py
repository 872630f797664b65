"""A partition's published rows and the rows rejected with them: two objects, one decision.

Belongs here: publishing the two, going from one to the other, removing what no published object names. Does not: which
rows are rejected (`etl.pipeline.publish`), what a person decides about them (`etl.pipeline.quarantine`).

The rejected rows are published first, under a name that no other run uses. The published object then names them, and
its appearance is the decision: nobody sees rejected rows that no published object names. So it does not matter which
host a run works on, as long as the store itself decides which of two runs replaces an object.

What a killed run leaves behind is an object that nobody names. The next run that publishes the partition removes it.
A run that is still at work has such an object too: it says which published object its run is going to replace, and is
left alone as long as that one is still there.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etl.errors import EtlError, LakeError
from etl.lake.lake import (
    PLACEHOLDER_FOOTER,
    Lake,
    ObjectRef,
    OvertakenError,
    Partner,
    Pinned,
    Provenance,
    Published,
    file_safe,
    scan_pinned,
)
from etl.lake.objects import FORMAT

_LOG = logging.getLogger(__name__)
DISCARDED = "discarded"
"""The verdict in the footer of the empty object that stands where a person discarded rejected rows."""

State = Literal["none", "there", "discarded", "missing", "replaced"]
"""`missing` and `replaced`: the published object names rejected rows, and these are gone or others stand there."""


@dataclass(frozen=True)
class Rejection:
    """What became of the rows that were rejected with a published object."""

    state: State
    published: Published
    rows: int = 0
    """How many rows the published object says were rejected."""
    object: Pinned | None = None
    """The rows themselves, where they are there."""


def quarantine_stage(stage: str) -> str:
    """The folder beside a stage's own that holds what it rejected."""
    return f"{stage}_quarantine"


def attempt(ref: ObjectRef, run_id: str) -> ObjectRef:
    """A new place for the rows that a run rejects of the object `ref`; no other run has the same."""
    name = "-".join(filter(None, (file_safe(run_id)[:8].strip("-_"), secrets.token_hex(8))))
    return ref.model_copy(update={"stage": quarantine_stage(ref.stage), "attempt": name})


def publish_pair(
    lake: Lake,
    good: tuple[ObjectRef, Path, Provenance],
    rejected: tuple[ObjectRef, Path, Provenance],
    *,
    between: Callable[[], None],
) -> tuple[Published, Published]:
    """Publish good rows and the rows rejected with them; both are visible from the same moment on, or neither.

    `between` is called when the rejected rows lie there and nobody names them yet.
    """
    good_ref, good_path, good_said = good
    rejected_ref, rejected_path, rejected_said = rejected
    lake.refuse_if_changed(good_ref, good_path)
    replaces = lake.seen(good_path)
    kept = lake.publish(rejected_ref, rejected_path, rejected_said.model_copy(update={"replaces": replaces}))
    between()
    partner = Partner(name=rejected_ref.attempt, version=kept.version, rows=kept.rows)
    try:
        published = lake.publish(good_ref, good_path, good_said.model_copy(update={"rejected": partner}))
    except OvertakenError:
        lake.delete(rejected_ref)  # certainly not named by anybody; after any other error that is not known
        raise
    return published, kept


def rejection_of(lake: Lake, ref: ObjectRef) -> Rejection | None:
    """The rows that were rejected with the object that is published now; None where nothing is published."""
    published = lake.find(ref)
    while published is not None:
        found = _rejection(lake, published)
        if found.state not in ("missing", "replaced"):
            return found
        now = lake.find(ref)  # a run that replaced the pair meanwhile has removed the older rejected rows
        if now == published:
            return found
        published = now
    return None


def _rejection(lake: Lake, published: Published) -> Rejection:
    said, ref = published.provenance, published.ref
    place = ref.model_copy(update={"stage": quarantine_stage(ref.stage)})
    if said.format == 1:
        # An earlier release kept them under the one key of published rows; the number is all that tells whose they are.
        if not said.rows_quarantined:
            return Rejection("none", published)
        partner = Partner(name=ref.attempt, version="", rows=said.rows_quarantined)
    elif said.rejected is None:
        return Rejection("none", published)
    else:
        partner = said.rejected
    place = place.model_copy(update={"attempt": partner.name})
    if lake.tag(place) is None:
        return Rejection("missing", published, partner.rows)
    try:
        pinned = lake.pin(place)
    except LakeError:
        if lake.tag(place) is None:
            return Rejection("missing", published, partner.rows)
        raise
    if pinned.provenance.audit == DISCARDED:
        return Rejection("discarded", published, partner.rows)
    same = pinned.version == partner.version if partner.version else pinned.rows == partner.rows
    return Rejection("there" if same else "replaced", published, partner.rows, pinned if same else None)


def write_discarded(rejected: Pinned, path: Path) -> Provenance:
    """Write the empty object that takes the place of rejected rows, and give what its footer says.

    It is published like any other object, so that readers on every host know that a person decided so.
    """
    empty = scan_pinned([(rejected.ref, rejected.path)]).head(0).collect()
    empty.write_parquet(path, compression="zstd", metadata=dict(PLACEHOLDER_FOOTER))
    return rejected.provenance.model_copy(update={"rows": 0, "audit": DISCARDED, "format": FORMAT})


def remove_unnamed(lake: Lake, ref: ObjectRef) -> None:
    """Remove rejected rows that no published object names or can come to name; what is not certain stays.

    Called when a run has published: an error here is logged, because the rows are published and stay so.
    """
    try:
        _remove_unnamed(lake, ref)
    except EtlError as error:
        _LOG.warning("%s: older rejected rows were not removed, the next run of it tries again: %s", ref, error.problem)


def _remove_unnamed(lake: Lake, ref: ObjectRef) -> None:
    place = ref.model_copy(update={"stage": quarantine_stage(ref.stage)})
    waiting = [found for found in map(lake.find, lake.attempts(place)) if found is not None]
    if not waiting:
        return
    # In this order: what was listed before the published object was looked at replaces this one or an older one.
    before, published, after = lake.tag(ref), lake.find(ref), lake.tag(ref)
    if published is None or before != after:
        return  # another run publishes at this moment, and removes them
    for each in waiting:
        if not _is_named(each, published) and not _may_be_named(each, after):
            lake.delete(each.ref)


def _is_named(rejected: Published, published: Published) -> bool:
    said = published.provenance
    if said.format == 1:
        return rejected.provenance.format == 1
    return said.rejected is not None and said.rejected.name == rejected.ref.attempt


def _may_be_named(rejected: Published, tag: str | None) -> bool:
    """Whether the run that rejected these rows may still publish: the object that it replaces is the present one."""
    return rejected.provenance.format > 1 and rejected.provenance.replaces == tag
