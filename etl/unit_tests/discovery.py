"""Finds the unit tests of a tenant: `tests/<pipeline>/*.yaml` in the tenant's folder.

Belongs here: the folders, names that are no pipeline, pipelines that no test examines. Not here: reading a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.settings import Settings
from etl.suggest import nearest
from etl.unit_tests.fixture import UnitTest
from etl.unit_tests.reading import read_unit_tests

TESTS = "tests"


@dataclass(frozen=True)
class TenantTests:
    """All unit tests of a tenant, and what they leave out."""

    tests: Mapping[str, tuple[UnitTest, ...]]
    """The tests by pipeline, for each pipeline that has any."""
    untested: tuple[str, ...] = ()
    """Pipelines with a transform that no test examines."""
    disabled: tuple[str, ...] = ()
    """Pipelines with tests that are switched off, so their tests do not run."""


def tests_folder(settings: Settings, tenant: str, pipeline: str) -> Path:
    """Return the folder of a pipeline's unit tests."""
    return settings.tenants_dir / tenant / TESTS / pipeline


def find_unit_tests(config: TenantConfig, settings: Settings, only: str | None = None) -> TenantTests:
    """Return the unit tests of a tenant, or of one pipeline. Raises one ConfigError for all wrong files."""
    root = settings.tenants_dir / config.id / TESTS
    folders = sorted(each for each in root.iterdir() if each.is_dir()) if root.is_dir() else []
    names = [each.name for each in folders if not each.name.startswith((".", "_"))]
    every = config.assets.pipelines
    if only is not None and only not in every:
        close = nearest(only, every)
        hint = f"did you mean `{close}`?" if close else f"one of {', '.join(every)}"
        raise ConfigError(f"tenant {config.id} has no pipeline `{only}`", hint)
    problems = [
        f"{_shown(root / name, settings)} is no pipeline of the tenant"
        + (f", did you mean `{close}`?" if (close := nearest(name, every)) else "")
        for name in names
        if name not in every
    ]
    problems += [
        f"{_shown(path, settings)} belongs to no pipeline: unit tests stand in {TESTS}/<pipeline>/"
        for path in sorted(root.glob("*.y*ml"))
    ]
    found: dict[str, tuple[UnitTest, ...]] = {}
    for name in (each for each in names if each in every and only in (None, each)):
        tests: list[UnitTest] = []
        for path in sorted(each for each in (root / name).iterdir() if each.suffix in {".yaml", ".yml"}):
            try:
                tests += read_unit_tests(path, _shown(path, settings), config, name)
            except ConfigError as error:
                problems += error.problems or (error.problem,)
        if tests:
            found[name] = tuple(tests)
    if problems:
        raise ConfigError(
            f"the unit tests of tenant `{config.id}` have mistakes",
            "correct the files; docs/testing-a-tenant.md lists every key",
            problems=problems,
        )
    asked = [only] if only else list(config.pipelines)
    return TenantTests(
        tests={name: tests for name, tests in found.items() if name in config.pipelines},
        untested=tuple(name for name in asked if every[name].has_transfer and name not in found),
        disabled=tuple(name for name in found if name not in config.pipelines),
    )


def _shown(path: Path, settings: Settings) -> str:
    return path.relative_to(settings.project_dir).as_posix()
