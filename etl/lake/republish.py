"""Publishes an object as it is once more: of another lake, or with another footer. No row is read or written.

Belongs here: the two ways. Not here: drafting new rows (`lake`), the footer itself (`footer`).
"""

import shutil
from pathlib import Path

from etl.errors import LakeError
from etl.lake.footer import Stamp, data_version, read_footer, replace_stamp
from etl.lake.lake import Lake, check_provenance
from etl.lake.objects import ObjectRef, Provenance, Published


def adopt(lake: Lake, ref: ObjectRef, file: Path, provenance: Provenance | None = None) -> Published:
    """Publish a whole object of another lake as it is; with `provenance`, its footer says that instead.

    The rows of the file must be those of which its footer speaks. An object that is there already is an error,
    unless it is this one.
    """
    footer = read_footer(file, str(ref))
    stamp = footer.stamp(str(ref))
    if data_version(file, footer) != stamp.version or footer.rows != stamp.provenance.rows:
        raise LakeError(f"{ref}: the file is not as it was published", "export the tenant again")
    said = provenance or stamp.provenance
    check_provenance(ref, said)
    if (current := lake.find_intact(ref)) is not None:
        if current.version == stamp.version and current.provenance == said:
            return current.model_copy(update={"changed": False})
        raise LakeError(f"{ref} is published here already", "erase the tenant here first")
    with lake.draft(ref, said.run_id) as draft:
        shutil.copyfile(file, draft)
        if said != stamp.provenance:
            replace_stamp(draft, Stamp(said, stamp.version), footer, str(ref))
        if not lake.store.put(ref.key, draft, None):
            raise lake.lost(ref)
    return Published(
        ref=ref, uri=lake.store.uri(ref.key), version=stamp.version, rows=footer.rows, bytes=file.stat().st_size,
        provenance=said,
    )  # fmt: skip


def replace_provenance(lake: Lake, ref: ObjectRef, provenance: Provenance) -> Published:
    """Publish the same rows again with another footer. Raises an error if another run published meanwhile."""
    check_provenance(ref, provenance)
    with lake.draft(ref, provenance.run_id) as draft:
        shutil.copyfile(lake.local_copy(ref), draft)
        footer = read_footer(draft, str(ref))
        version = footer.stamp(str(ref)).version
        replace_stamp(draft, Stamp(provenance, version), footer, str(ref))
        if not lake.store.put(ref.key, draft, lake.seen(draft)):
            raise lake.lost(ref)
    return Published(
        ref=ref, uri=lake.store.uri(ref.key), version=version, rows=footer.rows, bytes=0, provenance=provenance
    )
