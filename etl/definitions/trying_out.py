"""Finds out which tenants cannot be built, or must not be imported beside others, and why.

Belongs here: looking at the YAML and at the own Python of several tenants before any of it is served. Not here: the
process in which a tenant's Python is tried out (`etl.trial`), serving the tenants (`location`).
"""

import os
from collections.abc import Collection, Iterable, Sequence

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import process
from etl.definitions.one_tenant import build_tenant_definitions, folder_of, imported, make_importable
from etl.errors import ConfigError, EtlError
from etl.last_good import kept_config, served_instead
from etl.platform import platform_of
from etl.settings import Settings
from etl.trial.own_error import own_error
from etl.trial.own_python import has_own_python
from etl.trial.trial import TrialLimits, try_out
from etl.trial.trouble import TenantTrouble


def not_loadable(tenants: Sequence[str], settings: Settings, *, alone: bool = False) -> dict[str, EtlError]:
    """Return the tenants whose YAML cannot be built, or whose own Python must not be imported here, with the errors.

    A tenant that is `alone` in the process can hurt no other, so its Python is imported without a trial.
    """
    broken = _not_built(tenants, settings)
    if alone:
        return broken
    return broken | tried_out([each for each in tenants if each not in broken], settings)


def _not_built(tenants: Iterable[str], settings: Settings) -> dict[str, EtlError]:
    """Build the YAML of these tenants, and return an error for each of which it cannot be built."""
    broken: dict[str, EtlError] = {}
    for tenant in tenants:
        try:
            build_tenant_definitions(tenant)
        except Exception as error:  # noqa: BLE001  the error is shown in the place of the tenant
            process.configs.pop(tenant, None)  # what was read from an earlier file
            broken[tenant] = own_error(error, settings.tenants_dir)
    return broken


def troubles_of(tenants: Sequence[str], settings: Settings, together: Collection[str] = ()) -> dict[str, TenantTrouble]:
    """Return why each of these tenants cannot be built, as a location of several shows it.

    For pages and commands that have no use for definitions: of tenants without Python of their own, only the YAML is
    read, and what two tenants share is not looked at. Of the tenants in locations of several (`together`), it says what
    is served instead.
    """
    errors: dict[str, EtlError] = {}
    sound: list[str] = []
    for tenant in tenants:
        try:
            load_tenant(tenant, settings)
            sound.append(tenant)
        except EtlError as error:
            errors[tenant] = error
    errors |= tried_out(sound, settings)
    keeps = keeps_last_good(settings)
    return {
        tenant: TenantTrouble(
            tenant, error, served_instead(tenant, settings)[1] if keeps and tenant in together else None
        )
        for tenant, error in errors.items()
    }


def served_config(tenant: str, trouble: TenantTrouble | None, settings: Settings) -> TenantConfig | None:
    """Return the configuration that a tenant has, or is served with while it is broken; None if there is none."""
    last = served_instead(tenant, settings)[0] if trouble and trouble.instead and trouble.instead.is_served else None
    try:
        return kept_config(last, settings) if last is not None else load_tenant(tenant, settings)
    except EtlError:  # it is in trouble
        return None


def tried_out(tenants: Iterable[str], settings: Settings, seconds: float | None = None) -> dict[str, EtlError]:
    """Import the own Python of these tenants in another process, and return an error for each that must not be here.

    `seconds` is what the import of a tenant's Python may take; by default what the platform says. The YAML of these
    tenants is built here first, also by pages and commands: that is what the product itself changes in a process (it
    scrubs what Dagster reports), and a tenant's Python would seem to have done it.
    """
    own = [each for each in tenants if has_own_python(folder_of(each, settings))]
    if not own:
        return {}
    broken = _not_built(own, settings)
    make_importable(settings)
    platform = platform_of(settings.project_dir, os.environ)
    one = platform.python_seconds if seconds is None else seconds
    together = 2 * one if platform.python_seconds_together is None else platform.python_seconds_together
    limits = TrialLimits(one, together, platform.python_megabytes << 20)
    return broken | try_out([each for each in own if each not in broken], imported, settings.tenants_dir, limits)


def keeps_last_good(settings: Settings) -> bool:
    """Whether the last good configuration is kept, and served in the place of a broken one."""
    try:
        return platform_of(settings.project_dir, os.environ).keep_last_good and not is_strict(settings)
    except ConfigError:  # every tenant shows this error
        return False


def is_strict(settings: Settings) -> bool:
    """Whether a broken tenant stops the location: if that is asked for, and where definitions are validated."""
    return settings.strict or bool(os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"))
