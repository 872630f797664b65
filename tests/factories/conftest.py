"""The definitions of this project's tenants, built once for all tests of this folder."""

from collections.abc import Mapping

import pytest
from dagster import Definitions

from etl.definitions import build_all_definitions, build_tenant_definitions
from tests.installation import TENANTS, Installation


@pytest.fixture(scope="session")
def definitions(installation: Installation) -> Mapping[str, Definitions]:
    """By tenant, and `all` for the location that holds every tenant."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in installation.environ.items():
            patch.setenv(name, value)
        build_tenant_definitions.cache_clear()
        build_all_definitions.cache_clear()
        return {**{name: build_tenant_definitions(name) for name in TENANTS}, "all": build_all_definitions()}
