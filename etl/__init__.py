"""Turns a tenant's YAML file into a Dagster code location.

A tenant's `definitions.py` needs the two names below. They are loaded when they are first used, so that
`import etl.quality` imports no orchestrator.
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
    """Load the assembler on first use, or read the version from the package's metadata."""
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
