"""Objects as files below one folder.

Belongs here: how an object appears whole or not at all on a local disk. Not here: what an object means.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etl import locks
from etl.errors import LakeError, LakeUnreadableError
from etl.faults import reach
from etl.lake.footer import Footer, read_footer
from etl.lake.store import Version


class LocalStore:
    """Publishes by one rename; drafts must lie on the same disk."""

    def __init__(self, root: Path, lock_dir: Path) -> None:
        self._root = root
        self._lock_dir = lock_dir

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Name the lake in an error that has nothing to do with a single object."""
        try:
            yield
        except (NotADirectoryError, PermissionError) as error:
            raise LakeUnreadableError(
                f"the lake {self._root} cannot be read: {error.strerror}",
                "nothing is known about what is published; see who owns the folder, or ETL_LAKE_DIR",
            ) from error

    def uri(self, key: str) -> str:
        """The file's path."""
        return str(self._root / key)

    def etag(self, key: str) -> str | None:
        """Return a tag that changes with every replacement; `None` if there is no object."""
        try:
            with self._reading():
                stat = (self._root / key).stat()
        except FileNotFoundError:
            return None
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"

    def footer(self, key: str) -> tuple[Footer, int] | None:
        """Return the object's footer and size; `None` if there is no object."""
        path = self._root / key
        try:
            with self._reading():
                return read_footer(path, str(path)), path.stat().st_size
        except FileNotFoundError:
            return None

    def put(self, key: str, draft: Path, expected: str | None) -> bool:
        """Publish the draft file as the object. Return False if the present object is not the expected object."""
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = self._lock_dir / f"{key.split('/', 1)[0]}.publish"
        with locks.exclusive(lock, what="the lake", limit_seconds=60, error=LakeError):
            if self.etag(key) != expected:
                return False
            reach("lake.before_rename")
            draft.replace(target)
            reach("lake.renamed")
            _sync_folder(target.parent)
        return True

    def fetch(self, key: str, into: Path) -> Path:
        """Return the object as it is now under a name that no replacement changes: a hard link, not a copy."""
        source = self._root / key
        tag = self.etag(key)
        if tag is None:
            raise FileNotFoundError(source)
        pinned = into / f"{tag}.parquet"
        if not pinned.exists():
            _link(source, pinned)
        return pinned

    def names(self, folder: str) -> tuple[str, ...]:
        """Return all objects below the folder, by their path in the folder."""
        root = self._root / folder
        with self._reading():
            self._refuse_a_file()
            return tuple(each.relative_to(root).as_posix() for each in root.glob("**/*.parquet"))

    def everything(self, folder: str) -> tuple[tuple[str, int], ...]:
        """Return the key and the size of every file below the folder. A folder that cannot be read is an error."""
        found: list[tuple[str, int]] = []
        with self._reading():
            self._refuse_a_file()
            for place, folders, names in os.walk(self._root / folder, onerror=_raise_unless_missing):
                links = [each for each in folders if os.path.islink(os.path.join(place, each))]  # noqa: PTH114, PTH118  fast
                start = os.path.relpath(place, self._root)
                for name in (*names, *links):
                    with suppress(FileNotFoundError):  # it was replaced or deleted meanwhile
                        size = os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  half the time of Path
                        found.append((f"{start}/{name}", size))
        return tuple(sorted(found))

    def _refuse_a_file(self) -> None:
        """A lake that is no folder is not an empty one; a search below it finds nothing and says nothing."""
        if self._root.exists() and not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._root))

    def folders(self) -> tuple[str, ...]:
        """Return the folders of the first level, in order."""
        with self._reading():
            self._refuse_a_file()
            if not self._root.is_dir():
                return ()
            return tuple(sorted(each.name for each in self._root.iterdir() if each.is_dir()))

    def delete(self, key: str) -> None:
        """Remove the object; a missing object is no error."""
        (self._root / key).unlink(missing_ok=True)

    def prune(self, folder: str) -> None:
        """Remove the empty folders below the folder, and the folder if it is empty. No run may publish meanwhile."""
        root = self._root / folder
        inner = sorted(
            (each for each in root.rglob("*") if each.is_dir()), key=lambda each: len(each.parts), reverse=True
        )
        for each in (*inner, root):
            if each.is_dir() and not any(each.iterdir()):
                each.rmdir()

    def versions(self, folder: str) -> tuple[Version, ...]:  # noqa: ARG002  of the protocol
        """Return none: a file that is replaced or deleted leaves nothing."""
        return ()

    def delete_version(self, version: Version) -> bool:  # noqa: ARG002  of the protocol
        """Refuse: there are no versions."""
        return False

    def fetch_version(self, version: Version, into: Path) -> Path:
        """Raise an error: there are no versions."""
        raise FileNotFoundError(into / version.key)


def _raise_unless_missing(error: OSError) -> None:
    """A folder that is not there holds nothing; one that cannot be read is not empty."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except PermissionError:  # a file system without hard links
        shutil.copyfile(source, target)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
