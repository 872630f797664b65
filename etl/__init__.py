"""Many tenants, one product: a YAML file becomes a Dagster code location.

The two names below are what a tenant's `definitions.py` needs; they are loaded when they are first asked for, so that
`import etl.quality` stays free of any orchestrator.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.definitions import build_all_definitions, build_tenant_definitions, get_all_definitions

__all__ = ["build_all_definitions", "build_tenant_definitions", "get_all_definitions"]


def __getattr__(name: str) -> object:
    """Load the assembler on first use."""
    if name in __all__:
        from etl import definitions  # noqa: PLC0415  Dagster is imported only by those who build definitions

        return getattr(definitions, name)
    raise AttributeError(name)
