"""Turns a tenant's YAML file into a Dagster code location.

The names below are what a tenant's `definitions.py` and `dg` need. They are loaded when they are first used, so that
`import etl.quality` imports no orchestrator.
"""

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from etl.errors import EtlError
from etl.extras import install

if TYPE_CHECKING:
    from etl.component import TenantComponent
    from etl.definitions import build_all_definitions, build_tenant_definitions, get_all_definitions

__all__ = ["TenantComponent", "build_all_definitions", "build_tenant_definitions", "get_all_definitions"]


def __dir__() -> list[str]:
    """Return what `dg` looks for when it lists the components of an environment."""
    return ["TenantComponent"]


def __getattr__(name: str) -> object:
    """Load the assembler on first use, or read the version from the package's metadata."""
    if name in __all__:
        try:
            # Dagster is imported only by those who build definitions.
            if name == "TenantComponent":
                from etl import component as home  # noqa: PLC0415
            else:
                from etl import definitions as home  # type: ignore[no-redef]  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            if find_spec("dagster") is not None:
                raise
            raise EtlError(f"etl.{name} needs Dagster", install("dagster")) from missing
        return getattr(home, name)
    if name == "__version__":
        return version("tenant-etl")
    raise AttributeError(name)
