"""Makes the sensor that keeps the pages of tenants fresh, where `ETL_PORTAL_DIR` names the folder of the pages.

Belongs here: when a tick happens, which pages it builds, and its result for Dagster. Not here: the pages
(`etl.portal`).

A tenant that is a location by itself has a sensor of its own, which writes only its page: its process may be one that
cannot read the pages of others. The sensor of a location of several tenants also writes the operator's page, and
removes the pages of tenants that are gone. A tick begins with the oldest page and ends after `SECONDS`; what is left
comes first in the next tick. The sensor starts no run, and connects to no source and no warehouse.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason

from etl.config.config_loader import list_tenants
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.plural import counted
from etl.portal.build import build_operator, build_pages, remove_pages
from etl.portal.folder import read_summary
from etl.portal.gather import Gathering
from etl.running import naming
from etl.settings import Settings, load_settings
from etl.trial.trouble import TenantTrouble

INTERVAL_SECONDS = 300
SECONDS = 30.0
READING = 10.0
PATIENCE = 2.0
VALID = timedelta(hours=1)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class TenantPageSensor(SensorDefinition):
    """The sensor of one tenant. A location of several tenants leaves it out, and has one sensor for all of them."""


def tenant_page_sensor(config: TenantConfig, settings: Settings | None = None) -> list[SensorDefinition]:
    """Return the sensor of one tenant; none if no folder of pages is named."""
    settings = settings or load_settings()
    if settings.portal_dir is None:
        return []
    return [
        TenantPageSensor(
            name=naming.page_sensor_name(config.id),
            evaluation_fn=_evaluation({config.id: config}, {}, settings, settings.portal_dir, with_operator=False),
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description=f"Keeps the page of {config.name} fresh.",
            tags={"tenant": config.id},
        )
    ]


def location_page_sensor(
    configs: Mapping[str, TenantConfig | None], troubles: Mapping[str, TenantTrouble], settings: Settings
) -> list[SensorDefinition]:
    """Return the one sensor of a location of several tenants, also of those that cannot be built.

    `configs` are None for tenants of which no configuration can be read, neither the present one nor one that is served
    instead. `troubles` are those of tenants whose present files cannot be built.
    """
    if settings.portal_dir is None or not configs:
        return []
    return [
        SensorDefinition(
            name=naming.LOCATION_PAGE_SENSOR,
            evaluation_fn=_evaluation(configs, troubles, settings, settings.portal_dir, with_operator=True),
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description=f"Keeps the pages of {counted(len(configs), 'tenant')} fresh,"
            " and the operator's page over all.",
        )
    ]


def _evaluation(
    configs: Mapping[str, TenantConfig | None],
    troubles: Mapping[str, TenantTrouble],
    settings: Settings,
    folder: Path,
    *,
    with_operator: bool,
) -> Callable[[SensorEvaluationContext], SkipReason]:
    alone = threading.Lock()  # a tick for which Dagster no longer waits may still be at work when the next one begins

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        with alone:
            now, every = datetime.now(UTC), list_tenants(settings)
            gathering = Gathering(
                settings,
                context.instance,
                now,
                # A tenant that was erased after this process had begun gets no page again.
                {each: configs[each] for each in _oldest_first(configs, folder) if each in every},
                troubles,
                valid_for=VALID,
                tenants=every,
                budget=READING,
                patience=PATIENCE,
            )
            built = build_pages(gathering, folder, SECONDS)
            removed: list[str] = []
            if with_operator:
                removed = remove_pages(folder, every)[0]
                build_operator(folder, every, datetime.now(UTC))
            wrong = {**gathering.errors, **built.problems}
            if wrong:
                problems = [f"{tenant}: {error}" for tenant, error in wrong.items()]
                raise EtlError("\n".join(problems), f"the other {counted(len(built.pages), 'page')} were written")
            parts = [f"{counted(len(built.pages), 'page')} written"]
            parts += [f"{len(built.left)} left for the next tick"] if built.left else []
            parts += [f"removed those of {', '.join(removed)}"] if removed else []
            return SkipReason("; ".join(parts))

    return evaluate


def _oldest_first(configs: Mapping[str, object], folder: Path) -> list[str]:
    pages = {each: read_summary(folder / each) for each in configs}
    return sorted(configs, key=lambda each: (page.made_at if (page := pages[each]) else _BEFORE_ALL, each))
