"""Makes a tenant's sensor, which judges promises and sends messages about broken promises and failures.

Belongs here: when a tick happens, and its result for Dagster. Not here: the tick itself (`etl.running.sla_watch`).

The sensor runs as soon as the location is loaded, without a click, in every environment. Otherwise promises would not
be watched until a person switches the sensor on. The sensor starts no run.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from dagster import DagsterInstance, DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SensorResult

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.running import naming
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
        """Return one sensor if the tenant has promises or notification targets."""
        config = self._config
        if not config.pipelines or not (promised(config) or config.notifications):
            return []
        return [
            SensorDefinition(
                name=naming.sla_sensor_name(config.id),
                evaluation_fn=self._evaluation(),
                minimum_interval_seconds=INTERVAL_SECONDS,
                default_status=DefaultSensorStatus.RUNNING,
                description=f"Whether {config.name} keeps what it promises; tells once when not, and once when again.",
                tags={"tenant": config.id},
            )
        ]

    def judge_now(self, instance: DagsterInstance, now: datetime) -> tuple[Verdicts, Unjudged]:
        """Judge the promises for the check `sla` when it is run by hand."""
        return self._watch().judge_now(instance, now)

    def _watch(self) -> SlaWatch:
        return SlaWatch(self._config, self._settings or load_settings())

    def _evaluation(self) -> Callable[[SensorEvaluationContext], SensorResult]:
        def evaluate(context: SensorEvaluationContext) -> SensorResult:
            now = datetime.now(UTC)
            watch = self._watch()
            tick = watch.tick(context.instance, now, context.cursor, _location(context))
            if tick.problems:
                for each in tick.checks:  # an error would discard the tick's result, but the checks are still right
                    context.instance.report_runless_asset_event(each)
                watch.log.confirm_told()
                raise EtlError("\n".join([tick.text, *tick.problems]), "what was not sent goes out with the next tick")
            cursor = now.isoformat() if tick.judged else context.cursor
            return SensorResult(skip_reason=tick.text, asset_events=tick.checks, cursor=cursor)

        return evaluate


def _location(context: SensorEvaluationContext) -> Location | None:
    """Return the sensor's location; None if the sensor is evaluated alone."""
    repository, origin = context.repository_def, context.code_location_origin
    return Location(repository, origin.location_name if origin else None) if repository else None
