"""Assembles the Dagster definitions of one tenant, or of many tenants in one code location: all, or those of a shard.

Belongs here: joining the definitions that the factories make, once per process. Not here: making single definitions.
"""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps

from dagster import (
    AssetChecksDefinition,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BetaWarning,
    DagsterInvariantViolationError,
    Definitions,
    PreviewWarning,
    asset,
)
from dagster_shared.record import copy

from etl.config.config_loader import load_tenant, tenants_listed_once
from etl.config.leaving import leaving_raises
from etl.config.shards import shard_members, shards_of
from etl.config.shared_prefixes import shared_prefixes
from etl.config.shared_tables import shared_tables
from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import DbtPlace, dbt_place, shared_dbt_schemas
from etl.errors import ConfigError, EtlError
from etl.factories.asset_factory import AssetFactory
from etl.factories.check_factory import reconcile_checks, sla_checks
from etl.factories.dbt_factory import DbtFactory
from etl.factories.job_factory import JobFactory
from etl.factories.own_resources import with_own_resources
from etl.factories.page_sensor import TenantPageSensor, location_page_sensor
from etl.factories.resource_factory import ResourceFactory
from etl.factories.schedule_factory import ScheduleFactory
from etl.factories.sensor_factory import SensorFactory, TenantSlaSensor, location_sensor
from etl.running import naming
from etl.running.executors import in_process_executor
from etl.running.run_process import keep_only, protect_texts
from etl.running.run_tenants import run_of_this_process, tenants_of
from etl.secrets.scrub import scrub
from etl.settings import Settings, load_settings

_EXECUTOR_OF_A_JOB = (
    "leave `executor` out of Definitions(...) and give it to a job: define_asset_job(..., executor_def=...)"
)
_configs: dict[str, TenantConfig] = {}
"""The configuration of each tenant that was built, to compare the tenants without reading their files again."""
_built: dict[str, Definitions] = {}


@cache  # Dagster evaluates a code location up to 14 times in one process
def build_tenant_definitions(tenant_id: str) -> Definitions:
    """Return all definitions for `tenants/<tenant_id>/config.yaml`, as one Dagster code location."""
    config = load_tenant(tenant_id, load_settings())
    _configs[tenant_id] = config
    protect_texts(config)
    _built[tenant_id] = definitions_of(config)
    return _built[tenant_id]


def definitions_of(config: TenantConfig) -> Definitions:
    """Return the definitions of a configuration that is already loaded."""
    with warnings.catch_warnings():
        # Dagster marks partitioned checks and single-run back-fills as previews; tests here cover both.
        warnings.simplefilter("ignore", BetaWarning)
        warnings.simplefilter("ignore", PreviewWarning)
        assets: list[AssetsDefinition | AssetSpec] = [*AssetFactory(config).create_all_etl_assets()]
        dbt_tests: list[AssetChecksDefinition] = []
        if config.dbt.enabled:
            dbt = DbtFactory(config)
            assets += dbt.create_all_dbt_assets()
            dbt_tests += dbt.create_test_steps()
        resources = ResourceFactory(config).create_all_resources()
        reconciled = reconcile_checks(config)
        jobs = JobFactory(config, [*assets, *dbt_tests], resources, reconciled).create_all_jobs()
        sensors = SensorFactory(config)
        return Definitions(
            assets=assets,
            asset_checks=[*sla_checks(config, sensors.judge_now), *reconciled, *dbt_tests],
            resources=resources,
            executor=in_process_executor,
            jobs=jobs,
            schedules=ScheduleFactory(config, jobs).create_all_schedules(),
            sensors=sensors.create_all_sensors(),
        )


def built_config(tenant_id: str) -> TenantConfig | None:
    """Return the configuration of a tenant that this process has built, or None. Its file is not read again."""
    return _configs.get(tenant_id)


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
    found: dict[str, Definitions] = {}
    broken: dict[str, BaseException] = {}
    taken: dict[tuple[str, str], str] = dict.fromkeys(
        (("sensor", naming.LOCATION_SLA_SENSOR), ("sensor", naming.LOCATION_PAGE_SENSOR)), "all tenants"
    )
    places: dict[str, DbtPlace | None] = {}
    # The longest first: `acme_eu_all` belongs to the tenant `acme_eu`, not to a job `eu_all` of `acme`.
    for tenant in sorted(tenants, key=len, reverse=True):
        try:
            definitions = load_location(tenant)
            _claim(tenant, definitions, taken)
            places[tenant] = dbt_place(_configs[tenant], settings)
            found[tenant] = definitions
        except (Exception, SystemExit) as error:  # noqa: BLE001  a tenant's own Python may raise any error, also SystemExit
            broken[tenant] = error
    broken |= _sharing(found, places)
    if broken and os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"):
        raise ConfigError(
            f"{len(broken)} tenant(s) cannot be built",
            "mend their config.yaml; `dagster dev` serves the other tenants meanwhile",
            problems=[f"{tenant}: {error}" for tenant, error in broken.items()],
        )
    sound = {tenant: each for tenant, each in found.items() if tenant not in broken}
    return Definitions.merge(
        *map(_in_location, sound.values()),
        *(_broken_tenant(tenant, error) for tenant, error in broken.items()),
        Definitions(
            sensors=[
                *location_sensor([_configs[tenant] for tenant in sorted(sound)]),
                *location_page_sensor({each: _configs[each] for each in tenants if each in _configs}, broken, settings),
            ]
        ),
    )


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
    if not whose_job or any(_broken_key(each) in selected for each in own):
        return served
    keep_only(own, every)
    return own


def get_all_definitions() -> Definitions:
    """The name for `build_all_definitions` in guides."""
    return build_all_definitions()


def _claim(tenant: str, found: Definitions, taken: dict[tuple[str, str], str]) -> None:
    """Record the names of `found` for `tenant`, and refuse a name of another tenant, which would break the location."""
    names = [("job", each.name) for each in found.jobs or ()]
    names += [("schedule", each.name) for each in found.schedules or ()]
    names += [("sensor", each.name) for each in found.sensors or ()]
    names += [("resource", key) for key in found.resources or {}]
    names += [("logger", key) for key in found.loggers or {}]
    specs = [spec for each in found.assets or () for spec in (each.specs if isinstance(each, AssetsDefinition) else ())]
    names += [("asset", spec.key.to_user_string()) for spec in specs]
    for kind, name in names:
        if (other := taken.get((kind, name))) is not None:
            raise EtlError(
                f"the {kind} `{name}` of tenant {tenant} is one of {other} too",
                f"rename it in tenants/{tenant}, or serve the tenants apart: dagster dev -w workspace.yaml",
            )
    taken.update(dict.fromkeys(names, f"tenant {tenant}"))
    if found.executor not in (None, in_process_executor):
        raise EtlError(
            f"tenants/{tenant}/definitions.py gives all of its runs an executor of its own",
            f"{_EXECUTOR_OF_A_JOB}, or serve the tenants apart: dagster dev -w workspace.yaml",
        )


def _sharing(tenants: Iterable[str], places: Mapping[str, DbtPlace | None]) -> dict[str, ConfigError]:
    """Return each tenant that would use an earlier tenant's table, place in a bucket, or schema, with the error."""
    order = list(tenants)
    configs = [_configs[each] for each in order]
    found: dict[str, ConfigError] = {}
    for sharing, error in (
        *shared_tables(configs),
        *shared_prefixes(configs),
        *shared_dbt_schemas(configs, [places[each] for each in order]),
    ):
        found.setdefault(max(sharing, key=order.index), error)
    return found


def _in_location(found: Definitions) -> Definitions:
    """Return the definitions of a tenant as a location of many has them: without the tenant's own sensors.

    The location has one sensor of promises and one of pages for all tenants, and the resources of all.
    """
    return copy(
        found,
        sensors=[each for each in found.sensors or () if not isinstance(each, TenantSlaSensor | TenantPageSensor)],
        assets=with_own_resources(found.assets or ()),
        asset_checks=with_own_resources(found.asset_checks or ()),
    )


def load_location(tenant: str) -> Definitions:
    """Return the definitions of the tenant's own `definitions.py`, which may add to the YAML, or else of the YAML."""
    built = build_tenant_definitions(tenant)
    settings = load_settings()
    if not (settings.tenants_dir / tenant / "definitions.py").is_file():
        return built
    if str(settings.project_dir) not in sys.path:
        sys.path.insert(0, str(settings.project_dir))
    with leaving_raises():
        module = importlib.import_module(f"tenants.{tenant}.definitions")
    found = getattr(module, "defs", None)
    if not isinstance(found, Definitions):
        raise EtlError(
            f"tenants/{tenant}/definitions.py has no `defs`",
            f'write: defs = build_tenant_definitions("{tenant}")',
        )
    if found is not built:
        Definitions.validate_loadable(found)  # Dagster would check hand-written definitions only later
    return found


def explain_merging() -> None:
    """Make `Definitions.merge` name the file and the remedy if a tenant's definitions cannot be merged."""
    merge = Definitions.merge
    if hasattr(merge, "etl_explains"):
        return

    @wraps(merge)
    def explained(*definitions: Definitions) -> Definitions:
        try:
            return merge(*definitions)
        except DagsterInvariantViolationError as error:
            tenants = [tenant for tenant, built in _built.items() if any(built is each for each in definitions)]
            if len(tenants) != 1:
                raise
            about_executor = "executor" in str(error)
            raise EtlError(
                f"tenants/{tenants[0]}/definitions.py cannot be merged with what config.yaml defines: {error}",
                _EXECUTOR_OF_A_JOB if about_executor else "rename what has a key that the tenant's definitions have",
            ) from error

    setattr(explained, "etl_explains", True)  # noqa: B010  an attribute that functions do not have
    Definitions.merge = staticmethod(explained)  # type: ignore[method-assign]


explain_merging()  # here, because `Definitions.merge(build_tenant_definitions(...))` looks `merge` up before it builds


def _broken_key(tenant: str) -> AssetKey:
    return naming.asset_key(tenant, "broken", "configuration")


def _broken_tenant(tenant: str, error: BaseException) -> Definitions:
    """Return an asset that shows the problem, so that a broken tenant is visible beside the others."""

    @asset(
        key=_broken_key(tenant),
        description=f"Tenant {tenant} cannot be built:\n\n```\n{scrub(str(error))}\n```",
        tags={"tenant": tenant, "broken": "true", "data_tier": naming.TIERS["broken"]},
    )
    def configuration() -> None:
        # Not the error itself, because a SystemExit would end the run's process.
        raise EtlError(
            f"tenant {tenant} cannot be built: {scrub(repr(error))}", "mend its folder, then load the location again"
        )

    return Definitions(assets=[configuration])
