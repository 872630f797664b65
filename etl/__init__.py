"""Many tenants, one product: a YAML file becomes a Dagster code location.

The two names below are what a tenant's `definitions.py` needs; they are loaded when they are first asked for, so that
`import etl.quality` stays free of any orchestrator.
"""

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from etl.errors import EtlError
from etl.extras import install

if TYPE_CHECKING:
    from etl.definitions import build_all_definitions, build_tenant_definitions, get_all_definitions

__all__ = ["build_all_definitions", "build_tenant_definitions", "get_all_definitions"]


def __getattr__(name: str) -> object:
    """Load the assembler on first use, and the version, which stands in the package's metadata."""
    if name in __all__:
        try:
            from etl import definitions  # noqa: PLC0415  Dagster is imported only by those who build definitions
        except ModuleNotFoundError as missing:
            if find_spec("dagster") is not None:
                raise
            raise EtlError(f"etl.{name} needs Dagster", install("dagster")) from missing
        return getattr(definitions, name)
    if name == "__version__":
        return version("tenant-etl")
    raise AttributeError(name)
