"""A location of two tenants, of which one is broken by a test and made whole again by the next."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster import Definitions

from etl.definitions import build_all_definitions, build_tenant_definitions
from tests.factories.test_building import forget_packages
from tests.tiny_project import TinyProject, make_project
from tests.trial.dump import dump_by_tenant

Served = tuple[TinyProject, dict[str, str]]
"""The project, and what its tenants define while both are good."""


def build() -> Definitions:
    """The location, built anew."""
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    forget_packages()
    return build_all_definitions()


@contextmanager
def serving(root: Path, second: str, limits: str) -> Iterator[Served]:
    """The tenants `acme` and `second`, whose Python has the `limits` of `[tool.etl]`."""
    project = make_project(root)
    (project.root / "pyproject.toml").write_text(f"[tool.etl]\n{limits}\n")
    project.write_tenant(tenant=second)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in project.environ.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(project.root))
        yield project, dump_by_tenant(build())
    forget_packages()


def whole_again(project: TinyProject, tenant: str) -> Path:
    """The folder of a tenant, as if nothing had been done to it."""
    folder = project.root / "tenants" / tenant
    shutil.rmtree(folder)
    project.write_tenant(tenant=tenant)
    return folder
