"""Finds the files that say what a tenant does, and tells whether they are the same as before.

Belongs here: the Python that a transform is made of, also from elsewhere in the project, and a hash of it. Not here:
importing it (`etl.config.tenant_loader`), comparing two descriptions (`compare`).

Imports are read and not run. An import that a file makes by a name that it computes is not seen, and neither are files
that are no code.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from etl.config.tenant_config import TenantConfig
from etl.config.tenant_loader import transform_path

_DEFINING = frozenset({".py", ".yaml", ".yml", ".sql", ".csv"})
_MADE = frozenset({"target", "logs", "dbt_packages", "__pycache__"})


def code_of(config: TenantConfig, pipeline: str) -> str:
    """Return a hash of the transform and of all files of the project that it may import.

    That are the files beside it, without the other transforms, and whatever these import.
    """
    own = transform_path(config.origin.folder, pipeline)
    others = {transform_path(config.origin.folder, name) for name in config.pipelines} - {own}
    beside = sorted({*own.parent.glob("*.py")} - others)
    digest = sha256()
    for path in beside:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    root = project_of(config)
    for path in sorted(imported({own, *beside}, root) - {*beside}):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def project_of(config: TenantConfig) -> Path:
    """Return the folder of the project in which the tenant's folder is."""
    return config.origin.folder.resolve().parents[1]


def files_digest(config: TenantConfig, dbt_project: Path | None) -> str:
    """Return a hash of every file that a run of the tenant takes its definitions and its code from."""
    root = project_of(config)
    found = {*_defining(config.origin.folder.resolve())}
    if dbt_project is not None and dbt_project.is_dir():
        found |= {*_defining(dbt_project.resolve())}
    found |= imported({each for each in found if each.suffix == ".py"}, root)
    digest = sha256()
    for path in sorted(found):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _defining(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix in _DEFINING and not _MADE & {*path.relative_to(folder).parts} and path.is_file():
            yield path


def imported(files: Iterable[Path], root: Path) -> frozenset[Path]:
    """Return the files of the project that these files import, directly or through others."""
    seen: set[Path] = set()
    new = {each.resolve() for each in files if each.is_file()}
    while new:
        seen |= new
        new = {other for one in new for other in _imports(one, one.stat().st_mtime_ns, root)} - seen
    return frozenset(seen)


@lru_cache(maxsize=4096)
def _imports(path: Path, _changed: int, root: Path) -> frozenset[Path]:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # that it is no Python is said when it is loaded
        return frozenset()
    found: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                found |= {*_files_of(root, each.name.split("."), root)}
        elif isinstance(node, ast.ImportFrom):
            start = root if not node.level else path.parents[node.level - 1]
            parts = node.module.split(".") if node.module else []
            for each in node.names:
                found |= {*_files_of(start, [*parts, each.name], root)}
    return frozenset(found - {path})


def _files_of(start: Path, parts: Sequence[str], root: Path) -> Iterator[Path]:
    """Yield the files that an import of a dotted name runs: the packages on the way, and the module."""
    place = start
    for part in parts:
        place = place / part
        for path in (place / "__init__.py", place.with_name(f"{part}.py")):
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path.resolve()
