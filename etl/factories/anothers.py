"""Refuses definitions by which a tenant's own Python takes what belongs to another tenant.

Belongs here: whose definitions, assets, jobs, schedules and sensors these are, by object and by id. Not here: equal
names in one location (`one_location`), building definitions (`etl.definitions`).
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from dagster import AssetsDefinition, AssetSpec, Definitions, SourceAsset

from etl.running.naming import AssetAddress
from etl.settings import Settings
from etl.trial.own_error import OwnPythonError


def refuse_anothers_file(tenant: str, caller: str, settings: Settings) -> None:
    """Refuse that a file in the folder of one tenant builds another tenant.

    Dagster imports the file by itself if the tenant has a location of its own, so it is found out here at the latest.
    """
    file = Path(caller)
    if not file.is_relative_to(settings.tenants_dir):
        return
    owner, *rest = file.relative_to(settings.tenants_dir).parts
    if rest and owner != tenant:
        raise _taken(owner, f"has the definitions of tenant {tenant}")


def refuse_anothers(
    tenant: str, found: Definitions, built: Mapping[str, Definitions], tenants: Collection[str]
) -> None:
    """Refuse what a tenant's own Python defines if it is another tenant's, or stands under another tenant's id.

    `built` are the definitions of each tenant's YAML; what is there for this tenant is not looked at.
    """
    others = frozenset(tenants) - {tenant}
    for other in others & built.keys():
        if found is built[other]:
            raise _taken(tenant, f"has the definitions of tenant {other}")
    own = built.get(tenant)
    for kind, name, other in _under(others, tenant, found, own if own is not None else Definitions()):
        raise _taken(tenant, f"defines the {kind} `{name}`, which is under the id of tenant {other}")


def _under(others: frozenset[str], tenant: str, found: Definitions, own: Definitions) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and tenant of what stands under the id of another tenant."""
    known = {id(each) for each in (*(own.assets or ()), *(own.jobs or ()))}
    for each in found.assets or ():
        if id(each) in known:
            continue
        specs = each.specs if isinstance(each, AssetsDefinition) else ()
        keys = [spec.key for spec in specs] + ([each.key] if isinstance(each, AssetSpec | SourceAsset) else [])
        owners = [(key, AssetAddress.of(key).tenant) for key in keys]
        yield from (("asset", key.to_user_string(), owner) for key, owner in owners if owner in others)
    named = [("job", each.name) for each in found.jobs or () if id(each) not in known]
    named += [("schedule", each.name) for each in found.schedules or ()]
    named += [("sensor", each.name) for each in found.sensors or ()]
    for kind, name in named:
        if not name.startswith(f"{tenant}_"):
            yield from ((kind, name, other) for other in sorted(others) if name.startswith(f"{other}_"))


def _taken(tenant: str, what: str) -> OwnPythonError:
    return OwnPythonError(
        f"tenants/{tenant}/definitions.py {what}",
        f'write: defs = build_tenant_definitions("{tenant}"), and begin names of your own with {tenant}',
        told=f"tenants/{tenant}/definitions.py has or names something that is not the tenant's; `etl check` shows it",
    )
