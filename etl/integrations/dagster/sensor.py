"""Watches the evaluations of asset checks and acts once for each new failure.

Belongs here: `DataQualitySensor`. Not here: how a check is judged, promises about data (the SLA sensor).

A tick reads the newest evaluation of all checks in one query, and reads the history only of checks with a new
evaluation. An evaluation gets its place in the history when its run is planned. Runs can end in another order than they
began (a back-fill), so a planned evaluation is remembered until it is decided. So no failure is missed.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)

from etl.errors import EtlError, QualityError
from etl.formats import check_format
from etl.running.compat import AssetCheckExecutionRecord, AssetCheckExecutionRecordStatus as Status
from etl.suggest import did_you_mean

HISTORY = 1000
"""Evaluations of one check that a tick reads at most."""
CURSOR_FORMAT = 1
"""The format of the cursor that Dagster stores; cursors without a number have the same format."""
SENSOR_TAG = "dagster/sensor_name"

Target = Any
"""What `SensorDefinition` takes as a job."""


@dataclass(frozen=True, slots=True)
class QualityFailure:
    """Checks of one asset that failed in one run."""

    asset_key: AssetKey
    check_names: tuple[str, ...]
    run_id: str
    partition: str | None

    @property
    def key(self) -> str:
        """The key of the failure: the sensor never acts twice on the same key."""
        return "/".join([self.asset_key.to_user_string(), *self.check_names, self.run_id, self.partition or ""])

    def describe(self) -> str:
        """One line for people."""
        where = f" (partition {self.partition})" if self.partition else ""
        return f"{self.asset_key.to_user_string()}{where}: {', '.join(self.check_names)} failed in run {self.run_id}"


class DataQualitySensor(SensorDefinition):
    """Acts once for each new failure: it requests a run of `job`, if there is a job, and logs the failure.

    A failure of a run that this sensor requested is only logged, so that a job that checks the same asset cannot start
    itself for ever. `request` makes the run request of a failure, for jobs with partitions or configuration.
    """

    def __init__(
        self,
        *,
        name: str = "data_quality_sensor",
        job: Target | None = None,
        job_name: str | None = None,
        assets: Sequence[str | AssetKey] | None = None,
        check_names: Collection[str] | None = None,
        request: Callable[[QualityFailure], RunRequest] | None = None,
        minimum_interval_seconds: int = 30,
        description: str | None = None,
        default_status: DefaultSensorStatus = DefaultSensorStatus.STOPPED,
    ) -> None:
        """`assets` and `check_names` limit the watched checks; without them, all checks of the location are watched."""
        acts = job is not None or job_name is not None
        if request is not None and not acts:
            raise QualityError(f"the sensor `{name}` has a `request` and no job to run", "give it a job or a job_name")
        keys = None if assets is None else [_asset_key(each) for each in assets]
        names = None if check_names is None else frozenset(check_names)

        def evaluate(context: SensorEvaluationContext) -> SensorResult | SkipReason:
            return _tick(context, name, _watched(context, keys, names), (request or _request) if acts else None)

        super().__init__(
            name=name,
            evaluation_fn=evaluate,
            job=job,
            job_name=job_name,
            minimum_interval_seconds=minimum_interval_seconds,
            description=description or "Acts once for each asset check that fails.",
            default_status=default_status,
        )


def _tick(
    context: SensorEvaluationContext,
    name: str,
    watched: Sequence[AssetCheckKey],
    request: Callable[[QualityFailure], RunRequest] | None,
) -> SensorResult:
    failures, cursor = new_failures(context.instance, watched, context.cursor)
    requests = []
    for failure in failures:
        context.log.warning(failure.describe())
        if request is None:
            continue
        if _requested_by(context.instance, failure.run_id, name):
            context.log.warning("run %s was requested by this sensor; no other run is requested", failure.run_id)
            continue
        requests.append(request(failure))
    skipped = None
    if not requests:
        known = "; ".join(each.describe() for each in failures)
        skipped = SkipReason(known or f"no new failure among {len(watched)} checks")
    return SensorResult(run_requests=requests, skip_reason=skipped, cursor=cursor)


def new_failures(
    instance: DagsterInstance, watched: Sequence[AssetCheckKey], cursor: str | None
) -> tuple[list[QualityFailure], str]:
    """The failures since `cursor`, and the cursor after them. Without a cursor, all present failures are new."""
    seen, pending = _read(cursor)
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(watched) if watched else {}
    failed: list[AssetCheckExecutionRecord] = []
    undecided: dict[str, list[int]] = {}
    for key, newest in latest.items():
        name = key.to_user_string()
        waiting = pending.get(name, [])
        if newest.id <= seen and not waiting:
            continue
        history = [newest] if cursor is None else storage.get_asset_check_execution_history(key, limit=HISTORY)
        news = [each for each in history if each.id > seen or each.id in waiting]
        failed += [each for each in news if each.status is Status.FAILED]
        still = [each.id for each in news if each.status is Status.PLANNED and _may_come(instance, each)]
        if still:
            undecided[name] = still
    seen = max([seen, *(each.id for each in latest.values())])
    return _grouped(failed), json.dumps({"format": CURSOR_FORMAT, "seen": seen, "pending": undecided})


def _grouped(records: Sequence[AssetCheckExecutionRecord]) -> list[QualityFailure]:
    """Return one failure for each asset, run and partition, the oldest first; 200 broken rules are one failure."""
    groups: dict[tuple[AssetKey, str, str | None], set[str]] = {}
    for each in sorted(records, key=lambda record: record.id):
        groups.setdefault((each.key.asset_key, each.run_id, each.partition), set()).add(each.key.name)
    return [
        QualityFailure(asset, tuple(sorted(names)), run_id, partition)
        for (asset, run_id, partition), names in groups.items()
    ]


def _may_come(instance: DagsterInstance, record: AssetCheckExecutionRecord) -> bool:
    """Whether a planned evaluation can still be decided: its run is not over."""
    run = instance.get_run_by_id(record.run_id)
    return run is not None and not run.is_finished


def _requested_by(instance: DagsterInstance, run_id: str, sensor: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.get(SENSOR_TAG) == sensor


def _request(failure: QualityFailure) -> RunRequest:
    tags = {
        "data_quality/asset": failure.asset_key.to_user_string(),
        "data_quality/checks": ",".join(failure.check_names),
        "data_quality/run_id": failure.run_id,
    }
    if failure.partition is not None:
        tags["data_quality/partition"] = failure.partition
    return RunRequest(run_key=failure.key, tags=tags)


def _watched(
    context: SensorEvaluationContext, assets: Sequence[AssetKey] | None, names: Collection[str] | None
) -> list[AssetCheckKey]:
    repository = context.repository_def
    if repository is None:
        raise QualityError(
            "the sensor does not know its code location",
            "evaluate it with build_sensor_context(definitions=defs) or in a running instance",
        )
    known = repository.asset_graph.asset_check_keys
    if assets is not None:
        checked = {each.asset_key.to_user_string() for each in known}
        for asset in assets:
            if asset.to_user_string() not in checked:
                word = asset.to_user_string()
                raise QualityError(
                    f"no asset `{word}` with a check is in this code location{did_you_mean(word, [*checked])}"
                )
    wanted = (each for each in known if assets is None or each.asset_key in assets)
    return sorted(
        (each for each in wanted if names is None or each.name in names), key=lambda key: key.to_user_string()
    )


def _asset_key(asset: str | AssetKey) -> AssetKey:
    return AssetKey.from_user_string(asset) if isinstance(asset, str) else asset


def _read(cursor: str | None) -> tuple[int, Mapping[str, list[int]]]:
    if not cursor:
        return 0, {}
    try:
        read = json.loads(cursor)
        check_format(read.get("format"), newest=CURSOR_FORMAT, what="the cursor of a quality sensor")
        return int(read["seen"]), dict(read["pending"])
    except (ValueError, TypeError, AttributeError, KeyError):
        raise EtlError(
            f"the cursor of a quality sensor cannot be read: {cursor[:80]!r}",
            "it was changed by hand: clear it in the UI, on the sensor's page, and the sensor begins anew",
        ) from None


quality_sensor = DataQualitySensor(
    name="quality_sensor",
    description="Logs each asset check that fails, once.",
    default_status=DefaultSensorStatus.RUNNING,
)
"""A sensor that is on and logs each asset check that fails, once."""
