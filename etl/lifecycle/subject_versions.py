"""One person's rows in earlier versions of objects, which a bucket with versioning keeps.

Belongs here: finding and removing such versions. Not here: the present objects (`subject_objects`), how a store lists
versions (`etl.lake.s3_versions`).

A version cannot be written again, so the whole version is removed if the person is in it. The present object stays.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

import pyarrow as pa

from etl.lake.lake import open_lake
from etl.lake.objects import SUFFIX
from etl.lake.store import Version, VersionsUnknownError
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.certificate import NotErased
from etl.lifecycle.erasable import Subject
from etl.lifecycle.item import Amount, Item
from etl.lifecycle.key_in_objects import count_in
from etl.lifecycle.subject_objects import NO_DATA
from etl.pipeline.stage import lake_place

TITLE = "earlier versions of objects in the bucket"


class PersonVersions(NamedTuple):
    """The earlier versions in which the person is."""

    amount: Amount
    not_examined: tuple[NotErased, ...]


def count_versions(subject: Subject, key: Mapping[str, str]) -> PersonVersions:
    """Count the earlier versions with rows of the person. Nothing is changed."""
    items, lacking, problem = [], 0, None
    try:
        for _, version, rows in _examined(subject, key):
            lacking += rows is None
            if rows:
                items.append(Item(name=f"{version.key} {version.id}", bytes=version.bytes, rows=rows))
    except VersionsUnknownError as error:
        problem = NotErased(what=TITLE, why=error.problem, do=error.hint)
    if lacking:
        problem = NotErased(
            what=f"{lacking} {TITLE}",
            why="they lack a key column, cannot be compared with the value, or are no Parquet, so nothing tells whether"
            " the person is in them",
            do="remove them with the store's own tool, or let a lifecycle rule of the bucket do it",
        )
    return PersonVersions(Amount.of("versions", TITLE, items), (problem,) if problem else ())


def remove_versions(subject: Subject, key: Mapping[str, str]) -> int:
    """Remove the earlier versions with rows of the person. Returns how many were removed."""
    removed = 0
    try:
        for folder, version, rows in list(_examined(subject, key)):
            removed += bool(rows and folder.delete_version(version))
    except VersionsUnknownError:  # the count at the end says it
        return removed
    return removed


def _examined(subject: Subject, key: Mapping[str, str]) -> Iterator[tuple[TenantFolder, Version, int | None]]:
    """Yield each earlier version of an object with rows, with the number of the person's rows."""
    if subject.config.storage.bucket is None:
        return
    for tenant in (subject.id, *subject.formerly):
        with closing(open_lake(subject.settings, lake_place(subject.config))) as lake:
            folder = TenantFolder(lake, tenant)
            for version in folder.earlier_versions():
                stage = version.key.split("/")[1]
                if version.is_mark or stage in NO_DATA:
                    continue
                try:
                    copy = folder.local_copy_of_version(version)
                    yield folder, version, count_in(copy, key).rows if version.key.endswith(SUFFIX) else None
                    copy.unlink()
                except pa.ArrowInvalid:  # no Parquet
                    yield folder, version, None
