"""Makes the sensor that judges promises and sends messages about broken promises and failures.

Belongs here: when a tick happens, and its result for Dagster. Not here: the tick itself (`etl.running.sla_watch`,
`etl.running.sla_location`).

A tenant that is a location by itself has a sensor of its own. A location of several tenants has one sensor for all of
them, which reads the event log once. The sensor runs as soon as the location is loaded, without a click, in every
environment. Otherwise promises would not be watched until a person switches the sensor on. The sensor starts no run.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from dagster import DagsterInstance, DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SensorResult

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.factories.broken_tenant import BrokenTenants
from etl.factories.page_sensor import tenant_page_sensor
from etl.running import naming
from etl.running.explain import Explanation
from etl.running.sla_location import LocationWatch
from etl.running.sla_result import promised
from etl.running.sla_watch import SlaWatch, Unjudged, Verdicts
from etl.running.subjects import Location
from etl.settings import Settings, load_settings

INTERVAL_SECONDS = 60


class SensorFactory:
    """All sensors of one tenant."""

    def __init__(self, config: TenantConfig, settings: Settings | None = None) -> None:
        """`settings` name the data folder; without them, each tick reads the process environment."""
        self._config = config
        self._settings = settings

    def create_all_sensors(self) -> list[SensorDefinition]:
        """Return a sensor if the tenant has promises or notification targets, and one if its page is to be kept."""
        config, pages = self._config, tenant_page_sensor(self._config, self._settings)
        if not is_watched(config):
            return pages
        return [
            *pages,
            TenantSlaSensor(
                name=naming.sla_sensor_name(config.id),
                evaluation_fn=_evaluation(self._watch),
                minimum_interval_seconds=INTERVAL_SECONDS,
                default_status=DefaultSensorStatus.RUNNING,
                description=f"Whether {config.name} keeps what it promises; tells once when not, and once when again.",
                tags={"tenant": config.id},
            ),
        ]

    def judge_now(
        self, instance: DagsterInstance, now: datetime
    ) -> tuple[Verdicts, Unjudged, Callable[[str], Explanation]]:
        """Judge the promises for the check `sla` when it is run by hand. The last value explains one pipeline."""
        watch = self._watch()
        verdicts, unjudged = watch.judge_with_data(instance, now)
        return verdicts, unjudged, lambda name: watch.explained(name, verdicts, unjudged, now)

    def _watch(self) -> SlaWatch:
        return SlaWatch(self._config, self._settings or load_settings())


class TenantSlaSensor(SensorDefinition):
    """The sensor of one tenant. A location of several tenants leaves it out, and has one sensor for all of them."""


def location_sensor(
    configs: Sequence[TenantConfig], settings: Settings | None = None, *, troubles: Mapping[str, str] | None = None
) -> list[SensorDefinition]:
    """Return the one sensor of a location of several tenants; none if no tenant is watched, and none is broken.

    `troubles` say for each broken tenant why it cannot be built. The sensor writes this as a failed check.
    """
    watched = [each for each in configs if is_watched(each)]
    broken = BrokenTenants(troubles or {})
    made: list[LocationWatch] = []

    def watch() -> LocationWatch:
        if not made:  # kept for the next tick, because it remembers how far it has read
            made.append(LocationWatch.of(watched, settings or load_settings()))
        return made[0]

    about = f"Whether {len(watched)} tenants keep what they promise; tells the people of each tenant."
    sensor = SensorDefinition(
        name=naming.LOCATION_SLA_SENSOR,
        evaluation_fn=_evaluation(watch if watched else None, broken),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"{about} {len(broken)} tenants cannot be built." if broken else about,
    )
    return [sensor] if watched or broken else []


def is_watched(config: TenantConfig) -> bool:
    """Whether a tenant has promises to judge, or people who are told about failures."""
    return bool(config.pipelines and (promised(config) or config.notifications))


def _evaluation(
    make: Callable[[], SlaWatch | LocationWatch] | None, broken: BrokenTenants | None = None
) -> Callable[[SensorEvaluationContext], SensorResult]:
    alone = threading.Lock()  # a tick for which Dagster no longer waits may still be at work when the next one begins

    def evaluate(context: SensorEvaluationContext) -> SensorResult:
        with alone:
            now = datetime.now(UTC)
            for each in broken.due(now) if broken else ():
                context.instance.report_runless_asset_event(each)
            if make is None:
                return SensorResult(skip_reason="no tenant that can be built has promises")
            watch = make()
            tick = watch.tick(context.instance, now, context.cursor, _location(context))
            if tick.problems:
                for each in tick.checks:  # an error would discard the tick's result, but the checks are still right
                    context.instance.report_runless_asset_event(each)
                watch.confirm_told()
                raise EtlError("\n".join([tick.text, *tick.problems]), "what was not sent goes out with the next tick")
            cursor = now.isoformat() if tick.judged else context.cursor
            return SensorResult(skip_reason=tick.text, asset_events=tick.checks, cursor=cursor)

    return evaluate


def _location(context: SensorEvaluationContext) -> Location | None:
    """Return the sensor's location; None if the sensor is evaluated alone."""
    repository, origin = context.repository_def, context.code_location_origin
    return Location(repository, origin.location_name if origin else None) if repository else None
