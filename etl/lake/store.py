"""What the lake asks of a store of objects.

Belongs here: the protocol. Not here: the stores (`local_store`, `s3_store`), and what an object is (`objects`).
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from etl.errors import LakeError
from etl.lake.footer import Footer


class VersionsUnknownError(LakeError):
    """Nothing is known about earlier versions of objects: the store, or the keys, do not allow to look."""


class Version(NamedTuple):
    """One version of an object in a bucket with versioning, or the mark of its deletion."""

    key: str
    id: str
    bytes: int
    is_latest: bool
    is_mark: bool


class Store(Protocol):
    """The operations that the lake needs from a disk or an object store."""

    def uri(self, key: str) -> str:
        """Return an object's address, for people."""
        ...

    def etag(self, key: str) -> str | None:
        """Return a tag that changes with every replacement; None if there is no object."""
        ...

    def footer(self, key: str) -> tuple[Footer, int] | None:
        """Return the footer of an object and the object's size; None if there is no object."""
        ...

    def put(self, key: str, draft: Path, expected: str | None) -> bool:
        """Publish the draft if the present object has the expected tag. Return whether it was published."""
        ...

    def fetch(self, key: str, into: Path) -> Path:
        """Return the object as it is now as a local file in a folder."""
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names of the objects below a folder."""
        ...

    def everything(self, folder: str) -> tuple[tuple[str, int], ...]:
        """Return the key and the size of everything below a folder, also of what is no object of the lake."""
        ...

    def folders(self) -> tuple[str, ...]:
        """Return the folders at the top."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; a missing object is no error."""
        ...

    def prune(self, folder: str) -> None:
        """Remove the empty folders below a folder. No run may publish there meanwhile."""
        ...

    def versions(self, folder: str) -> tuple[Version, ...]:
        """Return all versions below a folder, also the present ones. Raises VersionsUnknownError if nobody can tell."""
        ...

    def delete_version(self, version: Version) -> bool:
        """Remove one version. Return False if the store refuses it."""
        ...

    def fetch_version(self, version: Version, into: Path) -> Path:
        """Return one version as a local file in a folder."""
        ...
