"""Compares what stands in the files of a location with what its definitions hold.

Belongs here: `unregistered-definition`, `file-prefix`, and which files belong to a location. Not here: rules about the
text of a file (`source_rules`).
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dagster import AssetKey, AssetsDefinition, AssetSpec, Definitions, JobDefinition, SourceAsset

from etl.conventions.definition_rules import function_of
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.conventions.source_file import SourceFile, python_files, without_tests
from etl.conventions.written_assets import written_names
from etl.platform import Conventions

_FREE = ("__init__.py", "definitions.py")
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def package_files(definitions: Definitions, module: str) -> tuple[Path, set[Path]]:
    """Return the folder of a hand-written location, and its files: the whole package in which its assets are written.

    The files of installed libraries, whose assets a location may use too, are left out.
    """
    files: set[Path] = set()
    folder: Path | None = None
    modules = {module, *(each.__module__ for each in _functions(definitions))}
    for name in sorted(modules, key=lambda each: each != module):
        loaded = sys.modules.get(name)
        path = Path(loaded.__file__).resolve() if loaded is not None and loaded.__file__ else None
        if path is None or _INSTALLED & set(path.parts) or (_is_of_product(name) and not _is_of_product(module)):
            continue
        top = _top(path, name)
        folder = folder or top
        alone = "." not in name and path.name != "__init__.py"
        files |= {path} if alone else {path, *without_tests(python_files(top), top)}
    return folder or Path.cwd(), files


def unregistered(
    files: Iterable[SourceFile], definitions: Definitions, jobs: Sequence[JobDefinition]
) -> Iterator[CheckFinding]:
    """Yield what stands at the top of a file for Dagster, and is not part of the definitions."""
    registered = {
        "asset": {key.path[-1] for each in definitions.assets or () for key in _keys(each)},
        "check": {
            key.name
            for each in (*(definitions.assets or ()), *(definitions.asset_checks or ()))
            if isinstance(each, AssetsDefinition)
            for key in each.check_keys
        },
        "job": {each.name for each in jobs},
        "schedule": {each.name for each in definitions.schedules or ()},
        "sensor": {each.name for each in definitions.sensors or ()},
    }
    for file in files:
        for kind, name, node in written_names(file):
            if name not in registered[kind]:
                decorators = getattr(node, "decorator_list", ())
                line = min((each.lineno for each in decorators), default=getattr(node, "lineno", 1))
                yield finding(
                    "unregistered-definition",
                    f"the {kind} `{name}` is not part of the definitions",
                    subject=name,
                    path=file.path,
                    line=line,
                    end_line=getattr(node, "lineno", line),
                )


def wrong_prefixes(definitions: Definitions, conventions: Conventions) -> Iterator[CheckFinding]:
    """Yield the files whose names do not begin with the prefix of the group of their assets."""
    groups: dict[Path, set[str]] = {}
    for each in definitions.assets or ():
        function = function_of(each) if isinstance(each, AssetsDefinition) else None
        if function is not None and isinstance(each, AssetsDefinition) and "<locals>" not in function.__qualname__:
            path = Path(function.__code__.co_filename)
            groups.setdefault(path, set()).update(each.group_names_by_key.values())
    for path, names in sorted(groups.items()):
        wanted = {prefix for name in names if (prefix := _prefix(name, conventions))}
        if wanted and path.name not in _FREE and not path.name.startswith(tuple(wanted)):
            prefix = min(wanted)
            problem = f"the file has assets of the group {' and '.join(sorted(names))} and is called {path.name}"
            yield finding("file-prefix", problem, f"call it {prefix}{path.name}", path=path, line=1)


def _prefix(group: str, conventions: Conventions) -> str | None:
    if conventions.file_prefixes is not None:
        return conventions.file_prefixes.get(group)
    return f"{group.lower()}_" if group in conventions.groups else None


def _functions(definitions: Definitions) -> Iterator[object]:
    for each in definitions.assets or ():
        function = function_of(each) if isinstance(each, AssetsDefinition) else None
        if function is not None:
            yield function


def _keys(each: object) -> Iterable[AssetKey]:
    if isinstance(each, AssetsDefinition):
        return each.keys
    return [each.key] if isinstance(each, AssetSpec | SourceAsset) else []


def _is_of_product(module: str) -> bool:
    return module.partition(".")[0] == "etl"


def _top(path: Path, module: str) -> Path:
    """Return the folder of the package to which a module belongs; for a module of no package, its own folder."""
    above = module.count(".") - (path.name != "__init__.py")
    return path.parents[max(above, 0)]
