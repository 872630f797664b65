"""Finds every file of a service's folder for its backup, also those that lie behind links on another disk.

Belongs here: which links are followed, which stay links, and what no backup can have. Not here: in which order files
are read, and what belongs to processes (`archive`).

Nothing is left out without a word: what cannot be copied is an error that names the path and the remedy. Only what is
removed while the folder is read is passed over.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from etl.errors import EtlError

_NO_DISK = (Path("/proc"), Path("/sys"), Path("/dev/fd"))


def files_in(folder: Path, at: Path, *, passed_over: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """Yield each file below `at`, a place in `folder`, by its name in `folder`; files behind links too.

    A link to another place in the same folder is yielded as a file: it stays a link (`stays_link`).
    """
    if at.is_symlink():
        yield from _behind(folder, at, (), passed_over)
    elif at.exists():
        yield from _listed(folder, at, (at.resolve(),), passed_over)


def stays_link(folder: Path, path: Path) -> bool:
    """Whether this is a link to another place in the same folder, which the backup has by its own name."""
    return path.is_symlink() and path.resolve().is_relative_to(folder.resolve())


def _listed(folder: Path, at: Path, above: tuple[Path, ...], passed_over: Callable[[Path], bool]) -> Iterator[Path]:
    try:
        with os.scandir(at) as found:
            paths = sorted(Path(each.path) for each in found)
    except FileNotFoundError:
        return
    for path in paths:
        if passed_over(path):
            continue
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode):
            yield from _behind(folder, path, above, passed_over)
        elif stat.S_ISDIR(mode):
            yield from _listed(folder, path, (*above, path.resolve()), passed_over)
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise EtlError(
                f"{path} is a pipe, a socket or a device, which no backup can have", "remove it, or move it elsewhere"
            )


def _behind(folder: Path, link: Path, above: tuple[Path, ...], passed_over: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the link itself if it stays one, and otherwise what is behind it."""
    try:
        real = link.resolve(strict=True)
    except (FileNotFoundError, RuntimeError):
        if not link.is_symlink():
            return  # it was removed in this moment
        raise EtlError(
            f"{link} is a link to {link.readlink()}, which is not there",
            "mount the disk on which it lies, or remove the link",
        ) from None
    if folder.resolve().is_relative_to(real) or any(each.is_relative_to(real) for each in above):
        raise EtlError(f"{link} is a link to {real}, which contains it", "remove the link")
    if stays_link(folder, link):
        if passed_over(folder / real.relative_to(folder.resolve())):
            raise EtlError(f"{link} is a link to {real}, which is in no backup", "remove the link")
        yield link
        return
    found = real.stat()
    if any(real.is_relative_to(each) for each in _NO_DISK) or not (
        stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    ):
        raise EtlError(f"{link} is a link to {real}, which is no file on a disk", "remove the link")
    owner = folder.stat().st_uid
    if found.st_uid != owner:
        raise EtlError(
            f"{link} is a link to {real}, which belongs to another user than {folder}",
            f"give it to the same user (chown -R --reference='{folder}' '{real}'), or remove the link",
        )
    if stat.S_ISDIR(found.st_mode):
        yield from _listed(folder, link, (*above, real), passed_over)
    else:
        yield link
