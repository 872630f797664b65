"""Drafts, verifies, publishes and reads Parquet objects, in a local folder or on S3.

Belongs here: the life of an object. Not here: all that a tenant has (`tenant_folder`), how a store publishes an object
in one step (`local_store`, `s3_store`), the content of the footer (`footer`), and the meaning of the rows.
"""

import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from etl.errors import LakeError, LakeUnreadableError
from etl.extras import install
from etl.faults import reach
from etl.lake.footer import (
    PLACEHOLDER_FOOTER,
    DamagedError,
    Stamp,
    data_version,
    read_footer,
    write_stamp,
)
from etl.lake.local_store import LocalStore
from etl.lake.objects import DATA, SUFFIX, Input, Inputs, ObjectRef, Partner, Provenance, Published
from etl.lake.scan import scan_files
from etl.lake.staging import StagingFolder
from etl.lake.store import Store
from etl.partitions.keys import key_in
from etl.secrets.renewal import Renewable
from etl.settings import Settings

__all__ = [
    "PLACEHOLDER_FOOTER",
    "BucketKeys",
    "Input",
    "Inputs",
    "Lake",
    "LakePlace",
    "ObjectRef",
    "OvertakenError",
    "Partner",
    "Pinned",
    "Provenance",
    "Published",
    "open_lake",
]

logger = logging.getLogger(__name__)


class OvertakenError(LakeError):
    """Another run published the object after this run had begun, so this run's draft file is not published."""


_PUBLISHED = f"/{DATA}{SUFFIX}"


class BucketKeys(NamedTuple):
    """The login of a bucket."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        """No value."""
        return "BucketKeys(...)"


class LakePlace(BaseModel):
    """Where a tenant's objects are stored; without a bucket in the local lake. The address is resolved before.

    `keys` are the tenant's own keys, which are resolved when the bucket is opened; None: the platform's keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    bucket: str | None = None
    base_path: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    keys: Renewable[BucketKeys] | None = Field(None, repr=False, exclude=True)


@dataclass(frozen=True)
class _Draft:
    """The object of a draft file, and the tag of the object that was published when the file's writer began."""

    ref: ObjectRef
    seen: str | None


@dataclass(frozen=True)
class Pinned:
    """An object as it was at one moment, in a file that no later run replaces. The lake's `close` removes the file."""

    ref: ObjectRef
    path: Path
    provenance: Provenance
    version: str

    @property
    def rows(self) -> int:
        """The number of rows of the object."""
        return self.provenance.rows

    @property
    def as_input(self) -> Input:
        """Return the entry about this object for the footer of an object that is made from it."""
        ref = self.ref
        return Input(
            stage=ref.stage,
            pipeline=ref.pipeline,
            partition=ref.partition,
            version=self.version,
            run_id=self.provenance.run_id,
        )


class Lake:
    """All objects of one store. Threads that write drafts at the same time must each open their own lake."""

    def __init__(self, store: Store, staging_dir: Path, lock_dir: Path) -> None:
        self.store = store
        self._staging_dir = staging_dir
        self._lock_dir = lock_dir
        self._drafts: dict[Path, _Draft] = {}
        self._pins: dict[str, StagingFolder] = {}

    @contextmanager
    def draft(self, ref: ObjectRef, run_id: str = "", *, like: Path | None = None) -> Iterator[Path]:
        """Yield a path for the object's file, in a private folder that is removed afterwards.

        The object that is published at this moment is remembered: if another run publishes the same object meanwhile,
        `publish` refuses to overwrite it. If the file is made from another draft file, give that file as `like`: then
        the object that was published when the other file was begun is remembered.
        """
        label = ".".join(filter(None, (ref.partition or "whole", file_safe(run_id))))
        with named_errors(f"the draft of {ref} could not be made"):
            seen = self._drafts[like].seen if like else self.store.etag(ref.key)
            folder = self._folder(ref.tenant, f"{ref.stage}/{ref.pipeline}", label)
        path = folder.path / f"{DATA}{SUFFIX}"
        self._drafts[path] = _Draft(ref, seen)
        try:
            with named_errors(f"the draft of {ref} could not be made"):
                reach("lake.staged")
            yield path
        finally:
            self._drafts.pop(path, None)
            folder.remove()

    def scratch(self, ref: ObjectRef, run_id: str) -> StagingFolder:
        """Make a private folder for files of which drafts of `ref` and other objects are made; its `remove` ends it."""
        with named_errors(f"a folder for {ref} could not be made"):
            return self._folder(ref.tenant, f"{ref.stage}/{ref.pipeline}", file_safe(f"range-{run_id}"))

    def seen(self, draft: Path) -> str | None:
        """The tag of the object that was published when the draft's writer began; None if there was no object."""
        return self._drafts[draft].seen

    def refuse_if_changed(self, ref: ObjectRef, draft: Path) -> None:
        """Raise an error if another run published since the draft was begun; called before its rejected rows appear."""
        if self.store.etag(ref.key) != self._drafts[draft].seen:
            raise self.lost(ref)

    def publish(self, ref: ObjectRef, draft: Path, provenance: Provenance) -> Published:
        """Verify the draft, write the provenance into the file, and make the whole file visible in one step."""
        if draft not in self._drafts or self._drafts[draft].ref != ref:
            raise LakeError(f"{draft} is no draft of {ref}", "publish the path that Lake.draft(ref) gave")
        with named_errors(f"{ref} could not be published"):
            return self._publish(ref, draft, provenance)

    def _publish(self, ref: ObjectRef, draft: Path, provenance: Provenance) -> Published:
        check_provenance(ref, provenance)
        footer = read_footer(draft, f"the draft of {ref}")
        if footer.rows != provenance.rows:
            raise LakeError(
                f"the draft of {ref} holds {footer.rows} rows, {provenance.rows} were to be written",
                "nothing was published; run the partition again",
            )
        reach("lake.verified")
        version = data_version(draft, footer)
        published = Published(
            ref=ref,
            uri=self.store.uri(ref.key),
            version=version,
            rows=footer.rows,
            bytes=draft.stat().st_size,
            provenance=provenance,
        )
        expected = self._drafts[draft].seen
        if expected and (current := self._same(ref, version, provenance)):
            return current.model_copy(update={"changed": False})
        write_stamp(draft, Stamp(provenance, version), footer, str(ref))
        reach("lake.stamped")
        if not self.store.put(ref.key, draft, expected):
            raise self.lost(ref)
        reach("lake.published")
        return published

    def find(self, ref: ObjectRef) -> Published | None:
        """Return the published object that readers see, from its footer; `None` if nothing is published."""
        found = self.store.footer(ref.key)
        if found is None:
            return None
        footer, size = found
        uri = self.store.uri(ref.key)
        stamp = footer.stamp(uri)
        return Published(
            ref=ref, uri=uri, version=stamp.version, rows=footer.rows, bytes=size, provenance=stamp.provenance
        )

    def columns(self, ref: ObjectRef) -> pa.Schema | None:
        """Return the columns of the published object, from its footer; `None` if nothing is published."""
        found = self.store.footer(ref.key)
        return found[0].schema if found is not None else None

    def find_intact(self, ref: ObjectRef) -> Published | None:
        """The same for a run that is going to replace the object: a damaged object counts as no object."""
        try:
            return self.find(ref)
        except DamagedError as error:
            logger.warning("%s; the object counts as missing", error.problem)
            return None

    def _same(self, ref: ObjectRef, version: str, provenance: Provenance) -> Published | None:
        """Return the published object if it has the same rows and origin, and its bytes are undamaged; else None."""
        current = self.find_intact(ref)
        if current is None or current.version != version or not current.provenance.same_origin(provenance):
            return None
        try:
            copy = self.local_copy(ref)
            found = data_version(copy, read_footer(copy, str(ref)))
        except LakeError:  # the object was just deleted or damaged: the store decides whether it may be replaced
            return None
        if found != version:
            logger.warning("%s: the file was damaged after it was published; this run replaces it", ref)
        return current if found == version else None

    def partitions(self, tenant: str, stage: str, pipeline: str) -> tuple[str, ...]:
        """Return the published partitions, in order."""
        return self._keys(tenant, stage, pipeline, _PUBLISHED)

    def pipelines(self, tenant: str, stage: str) -> tuple[str, ...]:
        """Return the pipelines of which a stage has published objects, in order."""
        names = self.store.names(f"{tenant}/{stage}")
        return tuple(sorted({each.partition("/")[0] for each in names if each.endswith(_PUBLISHED)}))

    def folders(self, tenant: str, stage: str, pipeline: str) -> tuple[str, ...]:
        """Return the partitions that have an object of any name, in order."""
        return self._keys(tenant, stage, pipeline, "")

    def _keys(self, tenant: str, stage: str, pipeline: str, ending: str) -> tuple[str, ...]:
        names = self.store.names(ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline).folder)
        keys = (key_in(each.partition("/")[0]) for each in names if "/" in each and each.endswith(ending))
        return tuple(sorted({key for key in keys if key}))

    def attempts(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Return all objects in the folder of `ref`, of any attempt."""
        names = self.store.names(ref.place)
        stems = sorted(each.removesuffix(SUFFIX) for each in names if "/" not in each)
        return tuple(ref.model_copy(update={"attempt": each}) for each in stems)

    def tag(self, ref: ObjectRef) -> str | None:
        """Return a tag that changes with every replacement and is never used again; None if there is no object."""
        return self.store.etag(ref.key)

    def scan(self, refs: Sequence[ObjectRef]) -> pl.LazyFrame:
        """Return a lazy frame of the rows of exactly these objects, in the given order.

        Each object is pinned as it is now (a hard link, or a local copy of an S3 object). Otherwise, a run that
        replaces the object during the read would mix two versions or crash the reader. `close` removes the pins.
        """
        return scan_pinned([(ref, self.local_copy(ref)) for ref in refs])

    def pin(self, ref: ObjectRef) -> Pinned:
        """Pin the object as it is now, with the content of its own footer, so that footer and rows fit together."""
        path = self.local_copy(ref)
        stamp = read_footer(path, str(ref)).stamp(str(ref))
        return Pinned(ref, path, stamp.provenance, stamp.version)

    def local_copy(self, ref: ObjectRef) -> Path:
        """Return the object as it is now as a local file that no later run replaces. `close` removes the file."""
        try:
            return self.store.fetch(ref.key, self.pins(ref.tenant))
        except FileNotFoundError:
            raise LakeError(f"{ref} is not published", "materialize it first") from None

    def pins(self, tenant: str) -> Path:
        """Return the folder of the local copies of a tenant's objects. `close` removes it."""
        if tenant not in self._pins:
            folder = self._folder(tenant, "reading", "pins")
            self._pins[tenant] = folder
            weakref.finalize(self, _remove_quietly, folder)
        return self._pins[tenant].path

    def delete(self, ref: ObjectRef) -> None:
        """Remove an object; a missing object is no error."""
        self.store.delete(ref.key)

    def try_out(self, tenant: str) -> str:
        """Publish and delete an object that no pipeline has, to see that a run can. Returns its folder's address."""
        key = f"{tenant}/etl-check-{uuid4().hex}"
        with named_errors(f"an object below {self.store.uri(tenant)} could not be published"):
            folder = self._folder(tenant, "check", "connect")
            try:
                draft = folder.path / DATA
                draft.write_bytes(b"etl check --connect")
                self.store.put(key, draft, None)
                draft.write_bytes(b"etl check --connect, again")
                if self.store.etag(key) is None or self.store.put(key, draft, None):
                    raise LakeError(
                        f"{self.store.uri(tenant)}: the store overwrites an object that must not be overwritten",
                        "use a store that keeps the condition `If-None-Match` of an upload",
                    )
            finally:
                self.store.delete(key)
                folder.remove()
        return self.store.uri(tenant)

    def close(self) -> None:
        """Release all objects that were opened for reading. Frames from `scan` cannot be collected afterwards."""
        while self._pins:
            self._pins.popitem()[1].remove()

    def _folder(self, tenant: str, group: str, label: str) -> StagingFolder:
        return StagingFolder(self._staging_dir / tenant, group, label, self._lock_dir)

    def lost(self, ref: ObjectRef) -> OvertakenError:
        """Return the error of a run whose object another run has published before it."""
        winner = self.find_intact(ref)
        who = (
            f"run `{winner.provenance.run_id}` published it at {winner.provenance.created_at.isoformat()}"
            if winner
            else "it was deleted or damaged"
        )
        return OvertakenError(
            f"{ref} has changed since this run began: {who}",
            "nothing was overwritten; run the partition again if this run's rows are the newer ones",
        )


def scan_pinned(objects: Sequence[tuple[ObjectRef, Path]]) -> pl.LazyFrame:
    """Return a lazy frame of the rows of pinned objects, in the given order."""
    if not objects:
        raise LakeError("no object to read", "name at least one partition")
    return scan_files([(str(ref), path) for ref, path in objects])


def open_lake(settings: Settings, storage: LakePlace | None = None) -> Lake:
    """Open the lake that `storage` names: its bucket, or the local folder."""
    locks_dir = settings.data_dir / "locks"
    store: Store = LocalStore(settings.lake_dir, locks_dir)
    if storage and storage.bucket:
        try:
            from etl.lake.s3_store import S3Store  # noqa: PLC0415  an extra: `s3`
        except ModuleNotFoundError:
            raise LakeError(f"the bucket {storage.bucket} cannot be read without obstore", install("s3")) from None
        own = {"endpoint_url": storage.endpoint_url, "region": storage.region}
        s3 = settings.s3.model_copy(update={key: value for key, value in own.items() if value})
        store = S3Store(s3, storage.bucket, storage.base_path, keys=storage.keys)
    return Lake(store, settings.staging_dir, locks_dir)


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Turn an error of the operating system into one that also names the operation that failed."""
    try:
        yield
    except (OSError, LakeUnreadableError) as error:
        raise LakeError(
            f"{what}: {getattr(error.__cause__ or error, 'strerror', None) or error}",
            "readers see the old object or the whole new one; remove the cause and run the partition again",
        ) from error


def check_provenance(ref: ObjectRef, provenance: Provenance) -> None:
    """Refuse a provenance that is about another object."""
    said = ObjectRef(
        tenant=provenance.tenant, stage=provenance.stage, pipeline=provenance.pipeline, partition=provenance.partition
    )
    if said != ref.model_copy(update={"attempt": DATA}):
        raise LakeError(f"the provenance is of {said}, the object is {ref}", "publish each object with its provenance")


def _remove_quietly(folder: StagingFolder) -> None:
    if folder.path.exists():
        folder.remove()


def file_safe(text: str) -> str:
    """Return a text that people gave in a form that can be part of a file's name."""
    return "".join(each if (each.isascii() and each.isalnum()) or each in "-_" else "_" for each in text)[:64]
