"""Lets a process serve the last good configuration of tenants whose present files cannot be built.

Belongs here: trying the kept files, and letting this process build and import them. Not here: which files are kept, and
whether they may be served (`etl.last_good`).
"""

from collections.abc import Mapping

from etl.definitions import process
from etl.definitions.trying_out import not_loadable
from etl.errors import EtlError
from etl.last_good import LastGood, served_instead
from etl.settings import Settings
from etl.trial.own_python import import_from
from etl.trial.trouble import Instead


def serve_last_good(broken: Mapping[str, EtlError], settings: Settings) -> dict[str, Instead]:
    """Pin the broken tenants of which the last good configuration can be served, and return what is served of each."""
    found: dict[str, Instead] = {}
    of_present = dict(process.configs)
    for tenant in broken:
        last, found[tenant] = served_instead(tenant, settings)
        if last is not None:
            _pin(last)
    still = not_loadable([*process.pinned], settings)
    for tenant, error in still.items():
        unpin(tenant)
        process.configs.pop(tenant, None)
        if tenant in of_present:
            process.configs[tenant] = of_present[tenant]
        found[tenant] = Instead(is_served=False, words=str(error), told=error.told)
    return found


def _pin(last: LastGood) -> None:
    """Let this process build and import the kept files of a tenant from now on."""
    process.pinned[last.tenant] = last
    import_from(last.tenant, last.folder)


def unpin(tenant: str) -> None:
    """Let this process build and import the present files of a tenant again."""
    if process.pinned.pop(tenant, None) is not None:
        import_from(tenant, None)
