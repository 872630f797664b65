"""Versions of the engines' libraries, and demanding one: `require_engine("truthound>=3.1,<4")`.

Belongs here: which distribution has an engine's version. Not here: versions and their order, which are those of
`packaging`.
"""

from importlib.metadata import PackageNotFoundError, entry_points, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from etl.errors import QualityError
from etl.extras import install
from etl.quality.engine import BUILT_IN, DataQualityEngine, engine_names, get_engine
from etl.suggest import did_you_mean


def engine_version(name: str) -> Version:
    """Return the version of an engine: of its library, or of the distribution that registers it.

    The engine is not imported. Raises an error if there is no such engine, or if its library is not installed.
    """
    registered = [each for each in entry_points(group="etl.quality.engines") if each.name == name]
    if not registered and name not in BUILT_IN:
        raise QualityError(f"there is no quality engine `{name}`{did_you_mean(name, engine_names())}")
    own = registered[0].dist if registered else None
    extra = name.replace("_", "-")
    try:
        found = own.version if own is not None else version(extra)
        return Version(found)
    except PackageNotFoundError as missing:
        raise QualityError(f"the library of the engine `{name}` is not installed", install(extra)) from missing
    except InvalidVersion as strange:
        raise QualityError(
            f"the engine `{name}` has the version {found}, which cannot be compared",
            "its distribution needs a version as PEP 440 describes it",
        ) from strange


def require_engine(requirement: str) -> DataQualityEngine:
    """Return the engine that a requirement names, such as `truthound>=3.1,<4`, if its version is one of those.

    Raises an error otherwise, which names both versions. A program rarely needs it: the extras of this package already
    name the versions of the libraries that each release was tested with.
    """
    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as broken:
        raise QualityError(
            f"`{requirement}` is not a requirement of an engine", "write for example `truthound>=3.1,<4`"
        ) from broken
    if wanted.extras or wanted.url or wanted.marker:
        raise QualityError(
            f"`{requirement}` says more than a name and versions", "write for example `truthound>=3.1,<4`"
        )
    name = wanted.name.replace("-", "_") if wanted.name.replace("-", "_") in BUILT_IN else wanted.name
    found = engine_version(name)
    if not wanted.specifier.contains(found, prereleases=True):
        raise QualityError(
            f"the engine `{name}` has version {found}, but {wanted.specifier} is required",
            f"pip install '{wanted.name}{wanted.specifier}'" if name in BUILT_IN else "install such a version",
        )
    return get_engine(name)
