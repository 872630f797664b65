"""Tells which tenants have Python of their own, so that the others need neither an import nor a trial.

Belongs here: reading a tenant's `definitions.py` without running it, and the folder that Python imports it from. Not
here: running it (`child`).
"""

import ast
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

FILE = "definitions.py"
_MODULES = frozenset({"etl", "etl.definitions"})
_BUILDER = "build_tenant_definitions"


def has_own_python(folder: Path) -> bool:
    """Whether importing `tenants.<id>.definitions` runs more than the two lines that every tenant has."""
    path = folder / FILE
    if not path.is_file():
        return False
    if any(_statements(each) != [] for each in (folder / "__init__.py", folder.parent / "__init__.py")):
        return True
    found = _statements(path)
    return found is None or not _is_usual(found, folder.name)


def import_from(tenant: str, folder: Path | None) -> None:
    """Let Python import `tenants.<id>` from this folder from now on; with None, from the tenant's own again."""
    name = f"tenants.{tenant}"
    for each in [each for each in sys.modules if f"{each}.".startswith(f"{name}.")]:
        del sys.modules[each]
    if folder is not None:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def _statements(path: Path) -> list[ast.stmt] | None:
    """Return the statements of a file without texts that stand alone; None if it is no Python."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return []
    return _read(path, changed)


@lru_cache(maxsize=4096)
def _read(path: Path, _changed: int) -> list[ast.stmt] | None:
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return None
    return [each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]


def _is_usual(statements: Iterable[ast.stmt], tenant: str) -> bool:
    """Whether the statements are the import of the function and `defs = build_tenant_definitions("<tenant>")`."""
    match [*statements]:
        case [
            ast.ImportFrom(module=module, names=[ast.alias(name=name, asname=None)], level=0),
            ast.Assign(
                targets=[ast.Name(id="defs")],
                value=ast.Call(func=ast.Name(id=called), args=[ast.Constant(value=value)], keywords=[]),
            ),
        ]:
            return module in _MODULES and name == called == _BUILDER and value == tenant
    return False
