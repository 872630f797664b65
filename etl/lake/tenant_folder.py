"""All that a lake holds of one tenant, as a whole: it is listed, measured, copied and removed.

Belongs here: the folder of a tenant, also what is no object in it. Not here: single objects (`lake`), how a store lists
(`local_store`, `s3_store`).
"""

from pathlib import Path

from etl.errors import LakeError
from etl.lake.lake import Lake, named_errors
from etl.lake.objects import DATA, SUFFIX, ObjectRef
from etl.lake.store import Version
from etl.partitions.keys import key_in


def tenants_in(lake: Lake) -> tuple[str, ...]:
    """Return the folders of the lake's first level, in order: the tenants that have any object."""
    return lake.store.folders()


def published_sizes(lake: Lake, tenant: str, stage: str, pipeline: str) -> dict[str, int]:
    """Return the size of each published object, by its partition; the empty key stands for the whole table."""
    folder, found = ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline).folder, {}
    for path, size in lake.store.everything(folder):
        place, _, name = path.removeprefix(folder).rpartition("/")
        key = key_in(place.removeprefix("/")) if place else ""
        if name == f"{DATA}{SUFFIX}" and key is not None:
            found[key] = size
    return found


def published_refs(lake: Lake, tenant: str, stage: str) -> tuple[ObjectRef, ...]:
    """Return the published objects of a stage, of every pipeline that has any, in order."""
    return tuple(each for each in refs_in(lake, tenant, stage) if each.attempt == DATA)


def refs_in(lake: Lake, tenant: str, stage: str) -> tuple[ObjectRef, ...]:
    """Return the objects of a stage of any attempt, of every pipeline that has any, in order."""
    found = []
    for name in sorted(lake.store.names(f"{tenant}/{stage}")):
        pipeline, *folder, file = name.split("/")
        key = key_in(folder[0]) if len(folder) == 1 else None
        if pipeline != name and (key is not None or not folder):
            attempt = file.removesuffix(SUFFIX)
            found.append(ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline, partition=key, attempt=attempt))
    return tuple(found)


class TenantFolder:
    """What is stored of one tenant in one lake."""

    def __init__(self, lake: Lake, tenant: str) -> None:
        self.tenant = tenant
        self._lake = lake
        self._store = lake.store

    @property
    def address(self) -> str:
        """The address of the folder, for people."""
        return self._store.uri(self.tenant)

    def everything(self) -> tuple[tuple[str, int], ...]:
        """Return the key and the size of all that is in the folder, also of what is no object."""
        with named_errors(f"the objects of {self.tenant} could not be listed"):
            return self._store.everything(self.tenant)

    def used_bytes(self) -> int:
        """Return the size of all objects, of every stage, also those of rejected rows."""
        with named_errors(f"the objects of {self.tenant} could not be measured"):
            return sum(size for _, size in self._store.everything(self.tenant))

    def local_copy(self, key: str) -> Path:
        """Return what is stored under a key as a local file. The lake's `close` removes the file."""
        return self._store.fetch(self._own(key), self._lake.pins(self.tenant))

    def delete(self, key: str) -> None:
        """Remove what is stored under a key; a missing object is no error."""
        self._store.delete(self._own(key))

    def prune(self) -> None:
        """Remove the empty folders, if objects were removed."""
        self._store.prune(self.tenant)

    def earlier_versions(self) -> tuple[Version, ...]:
        """Return the versions that are not the present object, and the marks of deletions, in a bucket with versioning.

        Raises VersionsUnknownError if the store or the keys do not allow to look.
        """
        return tuple(each for each in self._store.versions(self.tenant) if each.is_mark or not each.is_latest)

    def delete_version(self, version: Version) -> bool:
        """Remove one version. Return False if the store refuses it, such as one that is locked."""
        self._own(version.key)
        return self._store.delete_version(version)

    def local_copy_of_version(self, version: Version) -> Path:
        """Return one version as a local file. The lake's `close` removes the file."""
        self._own(version.key)
        return self._store.fetch_version(version, self._lake.pins(self.tenant))

    def _own(self, key: str) -> str:
        if not key.startswith(f"{self.tenant}/"):
            raise LakeError(
                f"`{key}` is not in the folder of tenant {self.tenant}", "report this as a fault of the program"
            )
        return key
