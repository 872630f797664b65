"""Finds the tenants of a command, and refuses a command without any tenant.

Belongs here: the choice of tenants. Not here: what a command does with them.
"""

from collections.abc import Sequence

from etl.config.config_loader import list_tenants
from etl.errors import EtlError, NothingExamined
from etl.settings import Settings
from etl.suggest import nearest


def asked_tenants(settings: Settings, only: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the tenants that are named, or else all of them. A name that no tenant has is refused."""
    every = list_tenants(settings)
    if not only:
        if not every:
            raise no_tenant(settings)
        return every
    for name in only:
        if name not in every:
            close = nearest(name, every)
            hint = f"did you mean `{close}`?" if close else f"tenants here: {', '.join(every) or 'none'}"
            raise EtlError(f"there is no tenant `{name}` in {settings.tenants_dir}", hint)
    return tuple(only)


def no_tenant(settings: Settings) -> NothingExamined:
    """Say that the project has no tenant, so nothing was examined."""
    return NothingExamined(
        f"nothing was examined: there is no tenant in {settings.tenants_dir}",
        "`etl new NAME` makes one",
    )
