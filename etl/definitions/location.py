"""Assembles many tenants in one code location: all, or those of a shard. A broken tenant is shown as broken.

Belongs here: merging the tenants, and the sensors that the location has once. Not here: one tenant (`one_tenant`),
finding out which tenants are broken (`trying_out`), the last good configuration (`last_good_served`).
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from dagster import Definitions, JobDefinition

from etl.config.config_loader import tenants_listed_once
from etl.config.shards import shard_members, shards_of
from etl.dbt.ownership import DbtPlace, dbt_place
from etl.definitions import process
from etl.definitions.last_good_served import serve_last_good, unpin
from etl.definitions.one_tenant import load_location
from etl.definitions.trying_out import is_strict, keeps_last_good, not_loadable
from etl.errors import ConfigError, EtlError
from etl.factories.broken_tenant import broken_tenant
from etl.factories.one_location import claim, claim_first, in_location, sharing
from etl.factories.page_sensor import location_page_sensor
from etl.factories.quota_sensor import Continued, location_quota_sensors
from etl.factories.sensor_factory import location_sensor
from etl.last_good import keep
from etl.running import naming
from etl.running.run_process import keep_only
from etl.running.run_tenants import run_of_this_process, tenants_of
from etl.settings import Settings, load_settings
from etl.trial.own_error import own_error
from etl.trial.trouble import Instead, TenantTrouble


@cache
def build_all_definitions(shard: int | None = None) -> Definitions:
    """Return all tenants, or those of one shard, in one code location.

    A tenant that cannot be built is shown as broken; the others work.
    """
    settings = load_settings()
    with _for_the_life_of_the_process(), tenants_listed_once(settings) as every:
        served = every if shard is None else shard_members(every, shard, shards_of(settings))
        return _location(_tenants_of_this_process(served, every), settings)


@contextmanager
def _for_the_life_of_the_process() -> Iterator[None]:
    """Let the garbage collector ignore what exists before and after the block.

    Libraries and definitions live as long as the process. The collector would search all of them again and again, which
    took a fifth of the time of building and serializing a location.
    """
    gc.freeze()
    yield
    gc.freeze()


def _location(tenants: Iterable[str], settings: Settings) -> Definitions:
    for tenant in [*process.pinned]:  # the present files are looked at again
        unpin(tenant)
    # The longest first: `acme_eu_all` belongs to the tenant `acme_eu`, not to a job `eu_all` of `acme`.
    order = sorted(tenants, key=len, reverse=True)
    keeps = keeps_last_good(settings)
    present = not_loadable(order, settings, alone=len(order) == 1 and not keeps)
    instead = serve_last_good(present, settings) if keeps else {}
    served = [each for each in order if each not in present or each in process.pinned]
    sound, broken = _side_by_side(served, settings)
    if keeps and run_of_this_process() is None:
        for tenant in sound.keys() - present.keys():
            keep(tenant, settings)
    for tenant in broken.keys() & present.keys():  # the kept files cannot be served beside the other tenants
        instead[tenant] = Instead(is_served=False, words=str(broken[tenant]), told=broken[tenant].told)
    troubles = {
        tenant: TenantTrouble(tenant, error, instead.get(tenant))
        for tenant, error in sorted({**broken, **present}.items())
    }
    if troubles and is_strict(settings):
        raise ConfigError(
            f"{len(troubles)} tenant(s) cannot be built",
            "mend their folders; without ETL_STRICT=1, `dagster dev` serves the other tenants meanwhile",
            problems=[str(trouble) for trouble in troubles.values()],
        )
    configs = {tenant: process.configs[tenant] for tenant in order if tenant in process.configs}
    return Definitions.merge(
        *map(in_location, sound.values()),
        *(broken_tenant(tenant, str(trouble)) for tenant, trouble in troubles.items()),
        Definitions(
            sensors=[
                *location_sensor(
                    [configs[tenant] for tenant in sorted(sound)],
                    troubles={tenant: str(trouble) for tenant, trouble in troubles.items()},
                ),
                *location_quota_sensors(list(_continued(sound)), settings),
                *location_page_sensor({tenant: configs.get(tenant) for tenant in order}, troubles, settings),
            ]
        ),
    )


def _side_by_side(tenants: Iterable[str], settings: Settings) -> tuple[dict[str, Definitions], dict[str, EtlError]]:
    """Return the definitions of the tenants that can be served together, and an error for each of the others."""
    found: dict[str, Definitions] = {}
    broken: dict[str, EtlError] = {}
    places: dict[str, DbtPlace | None] = {}
    taken = dict.fromkeys((("sensor", name) for name in naming.LOCATION_SENSORS), "all tenants")
    claim_first({tenant: process.built[tenant] for tenant in tenants}, taken)
    for tenant in tenants:
        try:
            definitions = load_location(tenant)
            claim(tenant, definitions, taken)
            places[tenant] = dbt_place(process.configs[tenant], settings)
            found[tenant] = definitions
        except (Exception, SystemExit) as error:  # noqa: BLE001  a tenant's own Python may raise any error, also SystemExit
            broken[tenant] = own_error(error, settings.tenants_dir)
    broken |= sharing({tenant: process.configs[tenant] for tenant in found}, places)
    return {tenant: each for tenant, each in found.items() if tenant not in broken}, broken


def _continued(sound: Mapping[str, Definitions]) -> Iterator[Continued]:
    """Yield the tenants of a location with their own jobs, which a sensor may start."""
    for tenant, found in sorted(sound.items()):
        own, there = process.built[tenant].jobs or (), found.jobs or ()
        jobs = [each for each in own if isinstance(each, JobDefinition) and each in there]
        yield Continued(process.configs[tenant], jobs)


def _tenants_of_this_process(served: tuple[str, ...], every: tuple[str, ...]) -> Sequence[str]:
    """Return what is served; in the process of a run only its tenants, whose code then sees no other's variables.

    The run of a tenant that could not be built uses all tenants, as the location was served.
    """
    run = run_of_this_process()
    if run is None:
        return served
    own = tenants_of(run, served)
    selected = {*(run.asset_selection or ()), *(each.asset_key for each in run.asset_check_selection or ())}
    whose_job = [each for each in own if selected or run.job_name.startswith(f"{each}_")]
    if not whose_job or any(naming.broken_key(each) in selected for each in own):
        return served
    keep_only(own, every)
    return own


def get_all_definitions() -> Definitions:
    """The name for `build_all_definitions` in guides."""
    return build_all_definitions()
