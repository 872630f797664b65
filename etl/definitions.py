"""Assembles the Dagster definitions of one tenant, or of many tenants in one code location: all, or those of a shard.

Belongs here: joining the definitions that the factories make, once per process. Not here: making single definitions.
"""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache, wraps
from pathlib import Path

from dagster import (
    AssetChecksDefinition,
    AssetsDefinition,
    AssetSpec,
    BetaWarning,
    DagsterInvariantViolationError,
    Definitions,
    JobDefinition,
    PreviewWarning,
)

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant, load_text, tenants_listed_once
from etl.config.leaving import leaving_raises
from etl.config.shards import shard_members, shards_of
from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import DbtPlace, dbt_place
from etl.errors import ConfigError, EtlError
from etl.factories.anothers import refuse_anothers, refuse_anothers_file
from etl.factories.asset_factory import AssetFactory
from etl.factories.broken_tenant import broken_tenant
from etl.factories.check_factory import reconcile_checks, sla_checks
from etl.factories.dbt_factory import DbtFactory
from etl.factories.job_factory import JobFactory
from etl.factories.not_active import not_active
from etl.factories.one_location import EXECUTOR_OF_A_JOB, claim, claim_first, in_location, sharing
from etl.factories.page_sensor import location_page_sensor
from etl.factories.quota_sensor import Continued, location_quota_sensors, tenant_quota_sensors
from etl.factories.resource_factory import ResourceFactory
from etl.factories.schedule_factory import ScheduleFactory
from etl.factories.sensor_factory import SensorFactory, location_sensor
from etl.last_good import LastGood, keep, kept, served_instead, withdrawn
from etl.platform import platform_of
from etl.running import naming
from etl.running.executors import in_process_executor
from etl.running.run_process import keep_only, protect_texts
from etl.running.run_tenants import run_of_this_process, tenants_of
from etl.settings import Settings, load_settings
from etl.trial.own_python import has_own_python, import_from
from etl.trial.trial import Limits, try_out
from etl.trial.trouble import trouble_of

_configs: dict[str, TenantConfig] = {}
"""The configuration of each tenant that was built, to compare the tenants without reading their files again."""
_built: dict[str, Definitions] = {}
_pinned: dict[str, LastGood] = {}
"""The tenants of which this process serves the last good configuration, because their present files are broken."""

_shown: dict[str, str] = {}
"""Why each broken tenant of this process's location cannot be built."""


def build_tenant_definitions(tenant_id: str) -> Definitions:
    """Return all definitions for `tenants/<tenant_id>/config.yaml`, as one Dagster code location."""
    refuse_anothers_file(tenant_id, sys._getframe(1).f_code.co_filename, load_settings())  # noqa: SLF001  who calls
    return _build(tenant_id, _pinned.get(tenant_id))


@cache  # Dagster evaluates a code location up to 14 times in one process
def _build(tenant_id: str, pinned: LastGood | None) -> Definitions:
    config = load_tenant(tenant_id, load_settings()) if pinned is None else _config_of(pinned, load_settings())
    _configs[tenant_id] = config
    protect_texts(config)
    _built[tenant_id] = definitions_of(config)
    return _built[tenant_id]


def definitions_of(config: TenantConfig) -> Definitions:
    """Return the definitions of a configuration that is already loaded."""
    if config.origin.life is not None:
        return not_active(config, config.origin.life)
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
            sensors=[*sensors.create_all_sensors(), *tenant_quota_sensors(config, jobs)],
        )


setattr(build_tenant_definitions, "cache_clear", _build.cache_clear)  # noqa: B010  as a cached function has it


def _config_of(pinned: LastGood, settings: Settings) -> TenantConfig:
    """Return the configuration of the kept files, which every asset of it names in a tag."""
    path = pinned.folder / CONFIG_FILE
    config = load_text(pinned.tenant, path.read_bytes(), path, settings)
    tagged = config.model_copy(update={"tags": {**config.tags, naming.LAST_GOOD_TAG: pinned.digest[:12]}})
    return tagged.with_origin(config.origin)


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
    taken: dict[tuple[str, str], str] = dict.fromkeys(
        (("sensor", name) for name in naming.LOCATION_SENSORS), "all tenants"
    )
    places: dict[str, DbtPlace | None] = {}
    for tenant in [*_pinned]:  # the present files are looked at again
        _unpin(tenant)
    _shown.clear()
    # The longest first: `acme_eu_all` belongs to the tenant `acme_eu`, not to a job `eu_all` of `acme`.
    order = sorted(tenants, key=len, reverse=True)
    keeps = _keeps_last_good(settings)
    broken = _not_loadable(order, settings, alone=len(order) == 1 and not keeps)
    present = dict(broken)
    if keeps:
        broken = _with_last_good(broken, settings)
    claim_first({tenant: _built[tenant] for tenant in order if tenant not in broken}, taken)
    for tenant in order:
        if tenant in broken:
            continue
        try:
            definitions = load_location(tenant)
            claim(tenant, definitions, taken)
            places[tenant] = dbt_place(_configs[tenant], settings)
            found[tenant] = definitions
        except (Exception, SystemExit) as error:  # noqa: BLE001  a tenant's own Python may raise any error, also SystemExit
            broken[tenant] = error
    broken |= sharing({tenant: _configs[tenant] for tenant in found}, places)
    if broken and _is_strict(settings):
        raise ConfigError(
            f"{len(broken)} tenant(s) cannot be built",
            "mend their folders; without ETL_STRICT=1, `dagster dev` serves the other tenants meanwhile",
            problems=[trouble_of(tenant, error) for tenant, error in sorted(broken.items())],
        )
    sound = {tenant: each for tenant, each in found.items() if tenant not in broken}
    if keeps and run_of_this_process() is None:
        for tenant in sound.keys() - present.keys():
            keep(tenant, settings)
    troubles = {tenant: trouble_of(tenant, error) for tenant, error in {**present, **broken}.items()}
    for tenant in troubles.keys() & sound.keys():
        troubles[tenant] += f"\nIts last good configuration is served: {_pinned[tenant]}"
    _shown.update(troubles)
    return Definitions.merge(
        *map(in_location, sound.values()),
        *(broken_tenant(tenant, trouble) for tenant, trouble in troubles.items()),
        Definitions(
            sensors=[
                *location_sensor([_configs[tenant] for tenant in sorted(sound)], troubles=troubles),
                *location_quota_sensors(list(_continued(sound)), settings),
                *location_page_sensor({each: _configs[each] for each in order if each in _configs}, troubles, settings),
            ]
        ),
    )


def _keeps_last_good(settings: Settings) -> bool:
    try:
        return platform_of(settings.project_dir, os.environ).keep_last_good and not _is_strict(settings)
    except ConfigError:  # every tenant shows this error
        return False


def _is_strict(settings: Settings) -> bool:
    """Whether a broken tenant stops the location: if that is asked for, and where definitions are validated."""
    return settings.strict or bool(os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"))


def _with_last_good(broken: dict[str, BaseException], settings: Settings) -> dict[str, BaseException]:
    """Pin the broken tenants of which the last good configuration can be served, and return the others.

    An error says why the kept files are not served, beside why the present ones are not.
    """
    still: dict[str, BaseException] = {}
    for tenant, error in broken.items():
        try:
            last = kept(tenant, settings)
            why = withdrawn(last, settings) if last is not None else "nothing was kept"
        except EtlError as wrong:
            last, why = None, wrong.problem
        if last is not None and why is None:
            _pin(last)
            why = "; ".join(str(each) for each in _not_loadable([tenant], settings, alone=False).values()) or None
        if why is not None:
            _unpin(tenant)
            text = trouble_of(tenant, error).removeprefix(f"tenant {tenant} cannot be built: ")
            still[tenant] = EtlError(f"{text}\nIts last good configuration is not served: {why}")
    return still


def _pin(last: LastGood) -> None:
    """Let this process build and import the kept files of a tenant from now on."""
    _pinned[last.tenant] = last
    import_from(last.tenant, last.folder)


def _unpin(tenant: str) -> None:
    """Let this process build and import the present files of a tenant again."""
    if _pinned.pop(tenant, None) is not None:
        import_from(tenant, None)


def _not_loadable(tenants: Sequence[str], settings: Settings, *, alone: bool) -> dict[str, BaseException]:
    """Return the tenants whose YAML cannot be built, or whose own Python must not be imported here, with the errors.

    A tenant that is `alone` in the process can hurt no other, so its Python is imported without a trial.
    """
    broken: dict[str, BaseException] = {}
    for tenant in tenants:
        try:
            build_tenant_definitions(tenant)
        except Exception as error:  # noqa: BLE001  the error is shown in the place of the tenant
            broken[tenant] = error
    if alone:
        return broken
    return broken | tried_out([each for each in tenants if each not in broken], settings)


def troubles_of(tenants: Sequence[str], settings: Settings) -> dict[str, str]:
    """Return the text about each of these tenants that cannot be built, as a location of several shows it.

    For pages and commands that have no use for definitions: of tenants without Python of their own, only the YAML is
    read, and what two tenants share is not looked at. In the process of a location, the text is what is shown there.
    """
    errors: dict[str, EtlError] = {}
    sound: list[str] = []
    shown = {tenant: _shown[tenant] for tenant in tenants if tenant in _shown}
    for tenant in tenants:
        if tenant in shown:
            continue
        try:
            load_tenant(tenant, settings)
            sound.append(tenant)
        except EtlError as error:
            errors[tenant] = error
    errors |= tried_out(sound, settings)
    after = _keeps_last_good(settings)
    return shown | {
        tenant: trouble_of(tenant, error) + (f"\n{served_instead(tenant, settings)}" if after else "")
        for tenant, error in errors.items()
    }


def tried_out(tenants: Iterable[str], settings: Settings, seconds: float | None = None) -> dict[str, EtlError]:
    """Import the own Python of these tenants in another process, and return an error for each that must not be here.

    `seconds` is what the import of a tenant's Python may take; by default what the platform says.
    """
    own = [each for each in tenants if has_own_python(_folder_of(each, settings))]
    if not own:
        return {}
    _make_importable(settings)
    platform = platform_of(settings.project_dir, os.environ)
    one = platform.python_seconds if seconds is None else seconds
    together = 2 * one if platform.python_seconds_together is None else platform.python_seconds_together
    return try_out(own, _imported, settings.tenants_dir, Limits(one, together, platform.python_megabytes << 20))


def _continued(sound: Mapping[str, Definitions]) -> Iterator[Continued]:
    """Yield the tenants of a location with their own jobs, which a sensor may start."""
    for tenant, found in sorted(sound.items()):
        own = _built[tenant].jobs or ()
        yield Continued(
            _configs[tenant], [each for each in own if isinstance(each, JobDefinition) and each in (found.jobs or ())]
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
    if not whose_job or any(naming.broken_key(each) in selected for each in own):
        return served
    keep_only(own, every)
    return own


def get_all_definitions() -> Definitions:
    """The name for `build_all_definitions` in guides."""
    return build_all_definitions()


def load_location(tenant: str) -> Definitions:
    """Return the definitions of the tenant's own `definitions.py`, which may add to the YAML, or else of the YAML."""
    built = build_tenant_definitions(tenant)
    settings = load_settings()
    if not has_own_python(_folder_of(tenant, settings)):
        return built
    _make_importable(settings)
    found = _imported(tenant)
    if found is not built:
        Definitions.validate_loadable(found)  # Dagster would check hand-written definitions only later
    return found


def _folder_of(tenant: str, settings: Settings) -> Path:
    """Return the folder that this process builds the tenant from."""
    return _pinned[tenant].folder if tenant in _pinned else settings.tenants_dir / tenant


def _imported(tenant: str) -> Definitions:
    """Return the `defs` of the tenant's own `definitions.py`."""
    with leaving_raises(), redirect_stdout(sys.stderr):  # what a program reads from our output is not the tenant's
        module = importlib.import_module(f"tenants.{tenant}.definitions")
    found = getattr(module, "defs", None)
    if not isinstance(found, Definitions):
        raise EtlError(
            f"tenants/{tenant}/definitions.py has no `defs`",
            f'write: defs = build_tenant_definitions("{tenant}")',
        )
    refuse_anothers(tenant, found, _built, list_tenants(load_settings()))
    return found


def _make_importable(settings: Settings) -> None:
    """Let Python find the package `tenants` of this project."""
    if str(settings.project_dir) not in sys.path:
        sys.path.insert(0, str(settings.project_dir))


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
                EXECUTOR_OF_A_JOB if about_executor else "rename what has a key that the tenant's definitions have",
            ) from error

    setattr(explained, "etl_explains", True)  # noqa: B010  an attribute that functions do not have
    Definitions.merge = staticmethod(explained)  # type: ignore[method-assign]


explain_merging()  # here, because `Definitions.merge(build_tenant_definitions(...))` looks `merge` up before it builds
