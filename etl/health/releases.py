"""Examines the installed libraries: whether their versions are those that the product was made for.

Belongs here: comparing installed distributions with what the package declares. Not here: formats of files (`formats`).
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from etl.health.finding import Condition, Examined, good

TOGETHER = (("dagster", "dagster-webserver", "dagster-shared", "dagster-dg-cli"), ("dagster-dbt", "dagster-duckdb"))
"""Distributions of which all must have the same version."""


def examine_releases() -> Iterator[Examined]:
    """Yield the versions that do not fit; one finding if all fit."""
    wrong = [*_outside(), *_apart()]
    yield from wrong
    if not wrong:
        yield good("libraries", "versions", f"tenant-etl {version('tenant-etl')} with versions that it was made for")


def _outside() -> Iterator[Examined]:
    """Yield installed libraries with a version outside the declared range. What is not installed is not needed."""
    for text in sorted(set(requires("tenant-etl") or ())):
        wanted = Requirement(text)
        found = _installed(wanted.name)
        if found is not None and not wanted.specifier.contains(found, prereleases=True):
            yield Examined(
                "libraries",
                wanted.name,
                Condition.BAD,
                f"{found} is installed, {wanted.specifier} is needed",
                f"pip install '{wanted.name}{wanted.specifier}'",
            )


def _apart() -> Iterator[Examined]:
    for names in TOGETHER:
        found = {name: each for name in names if (each := _installed(name)) is not None}
        if len(set(found.values())) > 1:
            said = ", ".join(f"{name} {each}" for name, each in found.items())
            newest = max(found.values())
            remedy = "pip install " + " ".join(f"{name}=={newest}" for name in found)
            yield Examined("libraries", names[0], Condition.WARNING, f"{said}: these are released together", remedy)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
