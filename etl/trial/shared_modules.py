"""Finds modules, functions and classes that a tenant's Python replaced, and modules under names that are not its own.

Belongs here: comparing `sys.modules`, and what these modules contain. Not here: other settings of a process
(`process_state`).

Only what was there before the tenant's Python is compared. What a tenant adds harms no other tenant, unless it takes
the name of a module that somebody else may import.
"""

import operator
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

from etl.trial.process_state import is_librarys

_CODE = (
    FunctionType,
    BuiltinFunctionType,
    type,
    staticmethod,
    classmethod,
    property,
    MethodDescriptorType,
    WrapperDescriptorType,
)
_VALUES = (int, float, complex, str, bytes, tuple, frozenset)
_SETS_ITSELF = frozenset({"mimetypes", "site", "sys", "time"})
"""Modules of Python that set values of their own when a function is called. The time zone is looked at by itself."""
_OURS = "etl"
_PACKAGE = Path(__file__).parents[1]
_SHOWN = 3


@dataclass(frozen=True)
class SharedModules:
    """The modules at one moment, with what they contained."""

    modules: Mapping[str, ModuleType]
    contents: Mapping[str, Mapping[str, Any]]
    classes: Mapping[type, Mapping[str, Any]]
    constants: Mapping[tuple[str, str], Any]
    """Copies of the collections that are constants of this package, by module and name."""


def shared_modules() -> SharedModules:
    """Return the modules of this process now."""
    modules = {name: each for name, each in [*sys.modules.items()] if isinstance(each, ModuleType)}
    contents = {name: dict(vars(each)) for name, each in modules.items()}
    classes = {
        each: dict(vars(each)) for found in contents.values() for each in found.values() if isinstance(each, type)
    }
    return SharedModules(modules, contents, classes, dict(_constants(contents)))


def replaced_since(before: SharedModules, tenants: Collection[str], tenants_dir: Path) -> list[str]:
    """Return what was replaced, and names of modules that belong to none of these tenants, as words for people."""
    found = [f"the module {name}" for name, each in before.modules.items() if sys.modules.get(name) is not each]
    found += [f"the module {name}" for name in _foreign(before, tenants, tenants_dir)]
    found += [f"{module}.{name}" for module, name in _changed(before)]
    return [f"replaces {', '.join(found[:_SHOWN])}{' and more' if len(found) > _SHOWN else ''}"] if found else []


def _changed(before: SharedModules) -> Iterator[tuple[str, str]]:
    for module, old in before.contents.items():
        yield from ((module, each) for each in _other(old, vars(before.modules[module]), module))
    for owner, old in before.classes.items():
        now = dict(vars(owner))
        place = f"{owner.__module__}.{owner.__qualname__}"
        yield from ((place, each) for each in _other(old, now))
        yield from ((place, each) for each in now.keys() - old.keys() if _hides(owner, each, now[each]))
    now_constants = dict(_constants({name: vars(each) for name, each in before.modules.items()}))
    for key, value in before.constants.items():
        if now_constants.get(key) != value:
            yield key


def _other(old: Mapping[str, Any], now: Mapping[str, Any], module: str = "") -> Iterator[str]:
    """Yield the names of functions and classes that are other ones now, and of values in a module of Python's own."""
    if len(old) == len(now) and all(map(operator.is_, old.values(), now.values())):
        return
    for name, value in old.items():
        if now.get(name) is not value and (isinstance(value, _CODE) or _is_fixed(module, name, value)):
            yield name


def _is_fixed(module: str, name: str, value: object) -> bool:
    """Whether this is a public number or text of Python's own modules, which no import has a reason to change."""
    return (
        isinstance(value, _VALUES)
        and module.partition(".")[0] in sys.stdlib_module_names
        and not name.startswith("_")
        and module not in _SETS_ITSELF
    )


def _hides(owner: type, name: str, value: object) -> bool:
    """Whether a new attribute of a class stands before one that the class has inherited.

    What a library writes there is its own work: Dagster compiles methods of a class when it is used for the first time.
    """
    is_new = isinstance(value, _CODE) and any(name in vars(each) for each in owner.__mro__[1:])
    return is_new and not _is_written_by_library(value)


def _is_written_by_library(value: object) -> bool:
    """Whether a function was made by code of an installed library, also if that code compiled it from a text."""
    made_in = getattr(getattr(value, "__func__", value), "__globals__", {})
    return is_librarys(str(made_in.get("__file__") or ""))


def libraries_since(before: SharedModules) -> list[str]:
    """Return the modules of Python, of installed libraries and of this package that were imported since, in order."""
    found = []
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        is_ours = name.startswith(f"{_OURS}.") and isinstance(file, str) and Path(file).is_relative_to(_PACKAGE)
        if name not in before.modules and isinstance(file, str) and (is_ours or is_librarys(file)):
            found.append(name)
    return found


def _constants(contents: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield copies of this package's constants that a stranger could change in place."""
    for module, found in contents.items():
        if module == _OURS or module.startswith(f"{_OURS}."):
            for name, value in found.items():
                if name.isupper() and isinstance(value, dict | list | set):
                    yield (module, name), value.copy()


def _foreign(before: SharedModules, tenants: Collection[str], tenants_dir: Path) -> Iterator[str]:
    """Yield new modules with a name by which another tenant, or this package, would import another file."""
    package = tenants_dir.name
    own = tuple(each for tenant in tenants for each in (f"{package}.{tenant}.", f"_tenant_{tenant}_"))
    for name, module in [*sys.modules.items()]:
        if name in before.modules or f"{name}.".startswith(own):
            continue
        written = getattr(module, "__file__", None)
        file = Path(written).resolve() if isinstance(written, str) else None
        top, *rest = name.split(".")
        if top in (package, _OURS):
            root = tenants_dir if top == package else _PACKAGE
            place = root.joinpath(*rest)
            is_foreign = file not in (None, place.with_suffix(".py"), place / "__init__.py") or (
                file is None and (top == _OURS or not _is_folder(module, place))
            )
        elif file is not None and file.is_relative_to(tenants_dir):
            is_foreign = True
        else:
            is_made = getattr(module, "__spec__", None) is None or not is_librarys(written or "")
            is_foreign = not rest and is_made and _is_elsewhere(name, written)
        if is_foreign:
            yield name


def _is_folder(module: object, place: Path) -> bool:
    """Whether a module without a file is the package that this folder is without an `__init__.py`."""
    return any(Path(each).resolve() == place.resolve() for each in getattr(module, "__path__", ()))


def _is_elsewhere(name: str, file: str | None) -> bool:
    """Whether an import of the name would find another file than the one that the module has."""
    try:
        spec = PathFinder.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and spec.origin is not None and spec.origin != file
