"""Whether the lock of a project has what an image needs, so that no image is built whose services do not start.

Belongs here: the names in the lock, and those that the extras of the product need. Not here: the image (`dockerfile`).
"""

import re
from collections.abc import Sequence
from importlib.metadata import requires
from pathlib import Path

from etl.deployment.dockerfile import LOCK
from etl.errors import EtlError

_PRODUCT = "tenant-etl"
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
_EXTRA = re.compile(r"""extra\s*==\s*["']([a-z0-9-]+)["']""")


def require_lock(project: Path, extras: Sequence[str], *, is_package: bool) -> None:
    """Raise an error if the lock is missing, has no hashes, or lacks a library of these extras.

    With `is_package`, the project is the product itself, so the lock does not name the product.
    """
    path = project / LOCK
    remedy = (
        f"write '{_PRODUCT}[{','.join(extras)}]' among the dependencies of pyproject.toml, then:"
        f" uv pip compile pyproject.toml --generate-hashes --output-file {LOCK}"
    )
    if not path.is_file():
        raise EtlError(f"there is no {LOCK} in {project}: an image has exactly the libraries of this file", remedy)
    text = path.read_text(encoding="utf-8")
    if "--hash=" not in text:
        raise EtlError(f"{path} has no hashes, and an image takes no library without its hash", remedy)
    needed = _libraries(extras) | (set() if is_package else {_PRODUCT})
    missing = sorted(needed - {_plain(each) for each in _NAME.findall(text)})
    if missing:
        raise EtlError(f"{path} lacks {', '.join(missing)}: the services of the image would not start", remedy)


def _libraries(extras: Sequence[str]) -> set[str]:
    """Return the libraries that these extras of the installed product name."""
    found: dict[str, set[str]] = {each: set() for each in extras}
    for each in requires(_PRODUCT) or ():
        extra, name = _EXTRA.search(each), _NAME.match(each)
        if extra and name and extra[1] in found:
            found[extra[1]].add(_plain(name[1]))
    if unknown := [extra for extra, names in found.items() if not names]:
        raise EtlError(
            f"the installed {_PRODUCT} says nothing about its extra {unknown[0]}, so the lock cannot be examined",
            f"its files and what it says of itself are of two releases: install {_PRODUCT} again (`make env`)",
        )
    return set().union(*found.values())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
