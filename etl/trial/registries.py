"""Reads what is registered in libraries for everything in the process: how YAML, CSV and SQLite are read and written.

Belongs here: registries and settings that a process has once, and that are changed by a call or in place. Not here:
names of modules that get another value (`shared_modules`), the process itself (`process_state`).
"""

import copyreg
import csv
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_YAML = (
    "yaml_constructors",
    "yaml_multi_constructors",
    "yaml_implicit_resolvers",
    "yaml_path_resolvers",
    "yaml_representers",
    "yaml_multi_representers",
)
_INSTALLED = ("site-packages", "dist-packages")


def registered() -> Iterator[tuple[str, object]]:
    """Yield each registry as it is now, by a name for people. What an installed library registered is left out."""
    yield "the size of a field of CSV", csv.field_size_limit()
    yield (
        "the dialects of CSV",
        {name: tuple(_attributes(csv.get_dialect(name))) for name in csv.list_dialects()},
    )
    for name in ("adapters", "converters"):
        yield f"the {name} of sqlite3", _own(getattr(sqlite3, name, {}))
    yield "copyreg.dispatch_table", _own(copyreg.dispatch_table)
    for name, each in vars(yaml).items():
        if isinstance(each, type):
            for registry in _YAML:
                if (found := getattr(each, registry, None)) is not None:
                    yield f"yaml.{name}.{registry}", _own(found)


def _attributes(dialect: object) -> Iterator[object]:
    for name in (
        "delimiter",
        "doublequote",
        "escapechar",
        "lineterminator",
        "quotechar",
        "quoting",
        "skipinitialspace",
    ):
        yield getattr(dialect, name, None)


def _own(registry: Mapping[Any, object]) -> dict[object, object]:
    """Return the entries that no installed library has made; a list in it, as YAML has, as a tuple."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in registry.items()
        if not _is_installed(value)
    }


def _is_installed(value: object) -> bool:
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return any(each in (getattr(module, "__file__", None) or "") for each in _INSTALLED)
