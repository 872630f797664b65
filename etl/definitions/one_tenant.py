"""Builds the Dagster definitions of one tenant, once per process: those of its YAML, and those of its own Python.

Belongs here: joining what the factories make of a configuration, and importing the tenant's `definitions.py`. Not
here: several tenants in one location (`location`), finding out that a tenant cannot be built (`trying_out`).
"""

import importlib
import sys
import warnings
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

from dagster import AssetChecksDefinition, AssetsDefinition, AssetSpec, BetaWarning, Definitions, PreviewWarning

from etl.config.config_loader import list_tenants, load_tenant
from etl.config.leaving import leaving_raises
from etl.config.tenant_config import TenantConfig
from etl.definitions import process
from etl.errors import EtlError
from etl.factories.anothers import refuse_anothers, refuse_anothers_file
from etl.factories.asset_factory import AssetFactory
from etl.factories.check_factory import reconcile_checks, sla_checks
from etl.factories.dbt_factory import DbtFactory
from etl.factories.job_factory import JobFactory
from etl.factories.not_active import not_active
from etl.factories.quota_sensor import tenant_quota_sensors
from etl.factories.resource_factory import ResourceFactory
from etl.factories.schedule_factory import ScheduleFactory
from etl.factories.sensor_factory import SensorFactory
from etl.last_good import LastGood, kept_config
from etl.running import naming
from etl.running.executors import in_process_executor
from etl.running.run_process import protect_texts
from etl.settings import Settings, load_settings
from etl.trial.own_python import has_own_python


def build_tenant_definitions(tenant_id: str) -> Definitions:
    """Return all definitions for `tenants/<tenant_id>/config.yaml`, as one Dagster code location."""
    refuse_anothers_file(tenant_id, sys._getframe(1).f_code.co_filename, load_settings())  # noqa: SLF001  who calls
    return _build(tenant_id, process.pinned.get(tenant_id))


@cache  # Dagster evaluates a code location up to 14 times in one process
def _build(tenant_id: str, pinned: LastGood | None) -> Definitions:
    config = load_tenant(tenant_id, load_settings()) if pinned is None else _marked(pinned, load_settings())
    process.configs[tenant_id] = config
    protect_texts(config)
    process.built[tenant_id] = definitions_of(config)
    return process.built[tenant_id]


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


def _marked(pinned: LastGood, settings: Settings) -> TenantConfig:
    """Return the configuration of the kept files, which every asset of it names in a tag."""
    config = kept_config(pinned, settings)
    tagged = config.model_copy(update={"tags": {**config.tags, naming.LAST_GOOD_TAG: pinned.digest[:12]}})
    return tagged.with_origin(config.origin)


def built_config(tenant_id: str) -> TenantConfig | None:
    """Return the configuration of a tenant that this process has built, or None. Its file is not read again."""
    return process.configs.get(tenant_id)


def load_location(tenant: str) -> Definitions:
    """Return the definitions of the tenant's own `definitions.py`, which may add to the YAML, or else of the YAML."""
    built = build_tenant_definitions(tenant)
    settings = load_settings()
    if not has_own_python(folder_of(tenant, settings)):
        return built
    make_importable(settings)
    found = imported(tenant)
    if found is not built:
        Definitions.validate_loadable(found)  # Dagster would check hand-written definitions only later
    return found


def folder_of(tenant: str, settings: Settings) -> Path:
    """Return the folder that this process builds the tenant from."""
    return process.pinned[tenant].folder if tenant in process.pinned else settings.tenants_dir / tenant


def imported(tenant: str) -> Definitions:
    """Return the `defs` of the tenant's own `definitions.py`."""
    with leaving_raises(), redirect_stdout(sys.stderr):  # what a program reads from our output is not the tenant's
        module = importlib.import_module(f"tenants.{tenant}.definitions")
    found = getattr(module, "defs", None)
    if not isinstance(found, Definitions):
        raise EtlError(
            f"tenants/{tenant}/definitions.py has no `defs`",
            f'write: defs = build_tenant_definitions("{tenant}")',
        )
    refuse_anothers(tenant, found, process.built, list_tenants(load_settings()))
    return found


def make_importable(settings: Settings) -> None:
    """Let Python find the package `tenants` of this project."""
    if str(settings.project_dir) not in sys.path:
        sys.path.insert(0, str(settings.project_dir))
