"""Publishes a partition's good rows and its rejected rows as two objects that become visible together.

Belongs here: publishing the pair, finding the rejected rows of an object, removing rejected rows that no object names.
Not here: which rows are rejected (`etl.pipeline.publish`), decisions about them (`etl.pipeline.quarantine`).

The rejected rows are published first, under a name that no other run uses. Then the published object appears and names
them. Readers ignore rejected rows that no published object names, so both objects become visible at the same moment.
This works on any host, because the store itself decides which of two runs replaces an object.

A killed run can leave such rows. The next run that publishes the partition removes them. A run that is still at work
has them too: their footer names the published object that the run will replace, and they are kept while it exists.
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
from etl.lake.objects import WITHOUT_ERASED

_LOG = logging.getLogger(__name__)
DISCARDED = "discarded"
"""The verdict in the footer of the empty object that replaces rejected rows after a person discarded them."""

State = Literal["none", "there", "discarded", "missing", "replaced"]
"""The published object names rejected rows that are gone (`missing`), or other rows are there (`replaced`)."""


@dataclass(frozen=True)
class Rejection:
    """The state of the rows that were rejected with a published object."""

    state: State
    published: Published
    rows: int = 0
    """The number of rejected rows according to the published object."""
    object: Pinned | None = None
    """The object of the rejected rows, if it exists."""


def quarantine_stage(stage: str) -> str:
    """Return the name of the folder for a stage's rejected rows, beside the stage's own folder."""
    return f"{stage}_quarantine"


def attempt(ref: ObjectRef, run_id: str) -> ObjectRef:
    """Return the name of the object for the rows that a run rejects for `ref`; no other run has the same name."""
    name = "-".join(filter(None, (file_safe(run_id)[:8].strip("-_"), secrets.token_hex(8))))
    return ref.model_copy(update={"stage": quarantine_stage(ref.stage), "attempt": name})


def publish_pair(
    lake: Lake,
    good: tuple[ObjectRef, Path, Provenance],
    rejected: tuple[ObjectRef, Path, Provenance],
    *,
    between: Callable[[], None],
) -> tuple[Published, Published]:
    """Publish good rows and the rows rejected with them. Both become visible at the same moment, or neither.

    `between` is called when the rejected rows are stored and no published object names them yet.
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
        lake.delete(
            rejected_ref
        )  # after this error, no published object names the rows; after other errors that is not certain
        raise
    return published, kept


def rejection_of(lake: Lake, ref: ObjectRef) -> Rejection | None:
    """Return the state of the rows rejected with the present published object; None if nothing is published."""
    published = lake.find(ref)
    while published is not None:
        found = _rejection(lake, published)
        if found.state not in ("missing", "replaced"):
            return found
        now = lake.find(ref)  # another run may have replaced the pair and removed the older rejected rows
        if now == published:
            return found
        published = now
    return None


def _rejection(lake: Lake, published: Published) -> Rejection:
    said, ref = published.provenance, published.ref
    place = ref.model_copy(update={"stage": quarantine_stage(ref.stage)})
    if said.format == 1:
        # An earlier release stored rejected rows under one fixed key; only their number shows whether they belong here.
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
    """Write the empty object that replaces discarded rejected rows, and return its provenance.

    The empty object is published like any other object, so that readers on every host see the person's decision.
    """
    empty = scan_pinned([(rejected.ref, rejected.path)]).head(0).collect()
    empty.write_parquet(path, compression="zstd", metadata=dict(PLACEHOLDER_FOOTER))
    return rejected.provenance.model_copy(
        update={"rows": 0, "audit": DISCARDED, "format": max(rejected.provenance.format, WITHOUT_ERASED)}
    )


def remove_unnamed(lake: Lake, ref: ObjectRef) -> None:
    """Remove rejected rows that no published object names and no run can still publish. In doubt, rows stay.

    This is called after a run has published. An error is only logged, because the rows are already published.
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
    # The order matters: rows that were listed before the published object was read belong to it or to an older object.
    before, published, after = lake.tag(ref), lake.find(ref), lake.tag(ref)
    if published is None or before != after:
        return  # another run publishes at this moment and removes the rows
    for each in waiting:
        if not _is_named(each, published) and not _may_be_named(each, after):
            lake.delete(each.ref)


def _is_named(rejected: Published, published: Published) -> bool:
    said = published.provenance
    if said.format == 1:
        return rejected.provenance.format == 1
    return said.rejected is not None and said.rejected.name == rejected.ref.attempt


def _may_be_named(rejected: Published, tag: str | None) -> bool:
    """Whether the run that rejected these rows may still publish: the object that it would replace is still there."""
    return rejected.provenance.format > 1 and rejected.provenance.replaces == tag
