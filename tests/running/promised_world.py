"""A Dagster instance whose event log is written by hand, with the times that a test wants."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
    MetadataValue,
)
from dagster._core.events import (
    AssetMaterializationPlannedData,
    JobFailureData,
    StepFailureData,
    StepMaterializationData,
    StepSuccessData,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_shared.error import SerializableErrorInfo

from etl.config.tenant_config import Origin, TenantConfig
from etl.lake.lake import PLACEHOLDER_FOOTER, ObjectRef, Provenance, open_lake
from etl.settings import Settings

CONSOLIDATED = """
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config: {{base_dir: {folder}/events}}
telemetry: {{enabled: false}}
"""


def make_instance(folder: Path, *, consolidated: bool = False) -> DagsterInstance:
    """A real instance. Consolidated: one file for all events, which is quicker to write than one per run."""
    folder.mkdir(parents=True, exist_ok=True)
    text = CONSOLIDATED.format(folder=folder) if consolidated else "telemetry: {enabled: false}\n"
    (folder / "dagster.yaml").write_text(text)
    return DagsterInstance.from_config(str(folder))


def make_settings(folder: Path) -> Settings:
    return Settings(project_dir=folder, data_dir=folder / "data")


def publish(
    settings: Settings, tenant: str, pipeline: str, day: str | None, stage: Literal["extract", "transfer"] = "extract"
) -> None:
    """Publish an object without rows: of a day, or of a whole table."""
    lake = open_lake(settings)
    ref = ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline, partition=day)
    with lake.draft(ref, "run") as draft:
        pl.DataFrame({"id": []}).write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
        said = Provenance(
            tenant=tenant, stage=stage, pipeline=pipeline, partition=day, run_id="run", config_hash="", rows=0,
            audit="passed", rows_read=0, rows_quarantined=0, created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        lake.publish(ref, draft, said)


def make_config(tenant: str, pipelines: Mapping[str, Mapping[str, Any]], **more: Any) -> TenantConfig:
    """A tenant whose pipelines are one extract each, unless they say otherwise."""
    full = {name: {"source_table": name, **each} for name, each in pipelines.items()}
    config = TenantConfig.model_validate({"id": tenant, "group": "CD", "assets": {"pipelines": full}, **more})
    return config.with_origin(Origin(path=Path("/nowhere/config.yaml")))


class World:
    """Writes what runs would have written."""

    def __init__(self, instance: DagsterInstance, tenant: str) -> None:
        self.instance = instance
        self.tenant = tenant
        self.words: dict[str, str] = {}
        """What a check asks, where its name does not say it."""
        self._bulk: list[EventLogEntry] | None = None

    @contextmanager
    def in_bulk(self) -> Iterator[None]:
        """Runs of an instance in memory reach its log together at the end: thousands take a second, not a minute.

        The same rows, but for what Dagster remembers of an asset beside its events: for runs that publish nothing.
        """
        self._bulk = []
        try:
            yield
            storage: Any = self.instance.event_log_storage
            with storage.index_connection() as connection:
                connection.execute(
                    SqlEventLogStorageTable.insert(), [storage._event_to_row(each) for each in self._bulk]
                )
        finally:
            self._bulk = None

    def run(
        self,
        pipeline: str,
        begin: datetime,
        end: datetime,
        *,
        partition: str | None = None,
        stages: Sequence[str] = ("extract",),
        error: str | None = None,
        rows: int = 100,
        examined: int = 100,
        checks: Iterable[tuple[str, bool]] = (),
        job: str | None = None,
        dies: bool = False,
    ) -> str:
        """One run of one pipeline. With `error` its last stage fails; with `dies` no step says why."""
        job = job or f"{self.tenant}_{pipeline}"
        run_id = str(uuid.uuid4())
        tags = {"tenant": self.tenant} | ({"dagster/partition": partition} if partition else {})
        status = DagsterRunStatus.STARTED
        if self._bulk is not None:  # no event will change it
            status = DagsterRunStatus.SUCCESS if error is None and not dies else DagsterRunStatus.FAILURE
        self.instance.add_run(DagsterRun(job_name=job, run_id=run_id, status=status, tags=tags))
        first, last = begin.timestamp(), end.timestamp()
        share = (last - first) / len(stages)
        for stage in stages if dies else ():  # nobody asks for it otherwise
            key = AssetKey([self.tenant, stage, pipeline])
            planned = AssetMaterializationPlannedData(asset_key=key, partition=partition)
            self._event(run_id, job, DagsterEventType.ASSET_MATERIALIZATION_PLANNED, first, planned)
        for number, stage in enumerate(stages):
            key, step = AssetKey([self.tenant, stage, pipeline]), f"{self.tenant}__{stage}__{pipeline}"
            starts, ends = first + number * share, first + (number + 1) * share
            failing = number == len(stages) - 1 and (error is not None or dies)
            if dies:
                break
            self._event(run_id, job, DagsterEventType.STEP_START, starts, None, step)
            if number == len(stages) - 1:
                self._checks(run_id, job, step, key, checks, ends, partition, examined)
            if failing:
                self._event(run_id, job, DagsterEventType.STEP_FAILURE, ends, step_failure(error or ""), step)
                break
            said: dict[str, Any] = {"dagster/partition_row_count": MetadataValue.int(rows)}
            if stage == "load":  # the default of a pipeline that names no table
                said["dagster/table_name"] = MetadataValue.text(f"{self.tenant}.{pipeline}")
            made = AssetMaterialization(key, partition=partition, metadata=said)
            data = StepMaterializationData(made)
            self._event(run_id, job, DagsterEventType.ASSET_MATERIALIZATION, ends, data, step)
            self._event(run_id, job, DagsterEventType.STEP_SUCCESS, ends, StepSuccessData(1000.0 * share), step)
        if error is not None or dies:
            failure = JobFailureData(
                SerializableErrorInfo(error or "", [], "X") if dies else None,
                first_step_failure_event=None if dies else self._first_failure(pipeline, stages[-1], job, error or ""),
            )
            self._event(run_id, job, DagsterEventType.RUN_FAILURE, last, failure)
        else:
            self._event(run_id, job, DagsterEventType.RUN_SUCCESS, last, None)
        return run_id

    def begin(self, pipeline: str, at: datetime, *, partition: str) -> None:
        """A run that is at work."""
        run_id, job = str(uuid.uuid4()), f"{self.tenant}_{pipeline}"
        tags = {"tenant": self.tenant, "dagster/partition": partition}
        self.instance.add_run(DagsterRun(job_name=job, run_id=run_id, status=DagsterRunStatus.STARTING, tags=tags))
        planned = AssetMaterializationPlannedData(AssetKey([self.tenant, "extract", pipeline]), partition=partition)
        self._event(run_id, job, DagsterEventType.ASSET_MATERIALIZATION_PLANNED, at.timestamp(), planned)
        self._event(run_id, job, DagsterEventType.RUN_START, at.timestamp(), None)

    def _first_failure(self, pipeline: str, stage: str, job: str, error: str) -> DagsterEvent:
        step = f"{self.tenant}__{stage}__{pipeline}"
        data = step_failure(error)
        return DagsterEvent(DagsterEventType.STEP_FAILURE.value, job, step_key=step, event_specific_data=data)

    def _checks(
        self,
        run_id: str,
        job: str,
        step: str,
        key: AssetKey,
        checks: Iterable[tuple[str, bool]],
        at: float,
        partition: str | None,
        examined: int,
    ) -> None:
        for name, passed in checks:
            total = {
                "total": MetadataValue.int(examined),
                "asked": MetadataValue.text(self.words.get(name, words(name))),
            }
            severity = AssetCheckSeverity.ERROR
            found = AssetCheckEvaluation(key, name, passed, severity=severity, partition=partition, metadata=total)
            self._event(run_id, job, DagsterEventType.ASSET_CHECK_EVALUATION, at, found, step)

    def _event(
        self, run_id: str, job: str, event_type: DagsterEventType, at: float, data: Any, step: str | None = None
    ) -> None:
        event = DagsterEvent(event_type.value, job, step_key=step, event_specific_data=data)
        entry = EventLogEntry(None, 20, "", run_id, at, step, job, event)
        if self._bulk is None:
            self.instance.handle_new_event(entry)
        else:
            self._bulk.append(entry)


def words(check: str) -> str:
    """What a check asks that is called as its rule and its one column."""
    rule, _, column = check.partition("__")
    return f"{rule} of `{column}`" if column else rule


def step_failure(text: str) -> StepFailureData:
    cause = SerializableErrorInfo(text, [], "SourceError")
    wrapped = SerializableErrorInfo("dagster wraps it", [], "DagsterExecutionStepExecutionError", cause)
    return StepFailureData(error=wrapped, user_failure_data=None)
