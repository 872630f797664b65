"""Materializes a stage's asset: its partitions one by one, with Dagster's events for each partition.

Belongs here: the step around a stage's function, its events, its progress. Not here: specs (`asset_factory`), what a
stage does (`etl.pipeline`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    Failure,
    MaterializeResult,
    MetadataValue,
    Output,
)

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import fingerprint
from etl.config.tenant_loader import code_digest
from etl.deployment.restore_mark import refuse_half_restored
from etl.errors import EtlError, SourceError
from etl.lineage.columns import unknown_lineage
from etl.pipeline.audit import Audit, Blocked
from etl.pipeline.backfill import Journal, each_partition
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.publish import already_published
from etl.pipeline.room import note_warehouse_size, require_warehouse_room
from etl.pipeline.source_range import SourceRange
from etl.pipeline.stage import StageResult, StageRun
from etl.pipeline.transfer import transfer
from etl.pipeline.undated import look_for_undated
from etl.quality.rules import check_names
from etl.quotas.claims import QuotaError
from etl.running import naming
from etl.running.check_results import (
    check_evaluations,
    checks_undated,
    partition_check_names,
    personal_evaluation,
    stage_check_names,
    undated_evaluation,
    volume_evaluation,
)
from etl.running.compat import AssetCheckExecutionRecordStatus as Status, PartitionKeyFilter
from etl.running.json_log import working_for
from etl.running.lineage_metadata import lineage_metadata
from etl.running.metadata import Metadata, secret_versions, stage_metadata
from etl.running.naming import PipelineStage
from etl.running.partition_keys import partition_keys
from etl.running.progress import progress_line
from etl.running.surroundings import step_of
from etl.settings import Settings
from etl.warehouse.series import LoadSeries

StepEvent = AssetCheckEvaluation | AssetMaterialization | MaterializeResult | Output  # type: ignore[type-arg]


@dataclass(frozen=True)
class _Reported:
    """The results that a step has published, and which of them were already reported to Dagster."""

    keys: Sequence[str | None]
    published: dict[str | None, StageResult] = field(default_factory=dict)
    checks: set[str | None] = field(default_factory=set)
    assets: set[AssetKey] = field(default_factory=set)

    @property
    def results(self) -> list[StageResult]:
        """The published results, in the order of the partitions."""
        return [self.published[key] for key in self.keys if key in self.published]


@dataclass(frozen=True)
class Step:
    """One stage of one pipeline, as Dagster executes it."""

    of: PipelineStage

    def run(self, context: AssetExecutionContext) -> Iterator[StepEvent]:
        """Do the stage for every partition of the step. A failure is reported without secrets."""
        run, pipeline = context.run.run_id, self.of.pipeline.name
        with step_of(self.of.config, context.log), working_for(tenant=self.of.config.id, run=run, pipeline=pipeline):
            yield from self._run(context)

    def _run(self, context: AssetExecutionContext) -> Iterator[StepEvent]:
        """Do the stage for every partition of the step. If one partition is bad, the others are still judged."""
        keys = partition_keys(context, self.of.pipeline.scheme)
        settings: Settings = getattr(context.resources, naming.lake_resource(self.of.config.id)).settings()
        refuse_half_restored(settings.data_dir)
        journal = Journal.open(
            settings.data_dir / "backfills" / self.of.config.id,
            self.of.stage,
            self.of.pipeline.name,
            keys,
            f"{fingerprint(self.of.pipeline)}-{code_digest(settings.tenants_dir / self.of.config.id)}",
        )
        reported = _Reported(keys)
        try:
            yield from self._undated(context, settings, keys[0])
            yield from self._judged(context, settings, journal, reported)
            journal.finish()
            yield from self._results(context, reported)
        except QuotaError as error:
            if error.until is None:
                journal.finish()
            else:
                journal.wait_for_room()
            raise
        except Exception:  # whatever failed, also in a tenant's code; it goes on as it is
            journal.finish()  # a person mends the cause, and then every partition is done again
            raise
        finally:
            # Published partitions stay published, even if the step fails: report each of them.
            self._report_the_rest(context, reported)

    def _undated(
        self, context: AssetExecutionContext, settings: Settings, partition: str | None
    ) -> Iterator[AssetCheckEvaluation]:
        """Count rows that belong to no partition, once for the step, before a partition is published."""
        if not checks_undated(self.of):
            return
        task = self._task(context, settings, partition)
        found = look_for_undated(task, self._source_url(context, task.label))
        yield undated_evaluation(self.of, found)
        if found.rows != 0 and self.of.pipeline.undated == "fail":
            remedy = f"{found.remedy}, or write `undated: warn`"
            raise Failure(
                f"{self.of.label} extract: nothing was published: {found.description}; {remedy}",
                allow_retries=False,
            )

    def _judged(
        self,
        context: AssetExecutionContext,
        settings: Settings,
        journal: Journal,
        reported: _Reported,
    ) -> Iterator[StepEvent]:
        """Do each partition and yield its checks; at the end, raise the failures of all partitions."""
        started = datetime.now(UTC)
        failed: list[EtlError] = []
        with ExitStack() as shared:
            keys = [key for key in reported.keys if journal.version(key) is None]
            stage = self._stage(context, shared, [self._task(context, settings, key) for key in keys])

            def do(key: str | None) -> StageResult:
                result = self._do(context, settings, journal, key, stage)
                reported.published[key] = result
                return result

            for partition, outcome in each_partition(reported.keys, do, self._in_flight):
                if isinstance(outcome, EtlError):
                    failed.append(outcome)
                    if isinstance(outcome, Blocked):
                        yield from self._evaluations(outcome.audit, partition, published=False)
                    continue
                yield from self._evaluations_of_result(context, outcome)
                reported.checks.add(partition)
                if len(reported.keys) > 1 and self.of.stage != "load":  # a load is looked up in the ledger
                    journal.record(partition, outcome.version)
                self._log_progress(context, outcome, len(reported.checks) + len(failed), len(reported.keys), started)
        if failed:
            if all(isinstance(each, Blocked) for each in failed):
                raise Failure("\n".join(str(each) for each in failed), allow_retries=False)
            raise failed[-1]

    @property
    def _in_flight(self) -> int:
        """A warehouse has one writer; everything else takes as many partitions at a time as the YAML says."""
        partitions = self.of.pipeline.partitions
        return partitions.in_flight if partitions and self.of.stage != "load" else 1

    def _do(
        self,
        context: AssetExecutionContext,
        settings: Settings,
        journal: Journal,
        partition: str | None,
        stage: Callable[[StageRun], StageResult],
    ) -> StageResult:
        run = self._task(context, settings, partition)
        try:
            before = self._resumable_result(context, run, journal)
            return before or stage(run)
        finally:
            run.close()

    def _source_url(self, context: AssetExecutionContext, label: str) -> str:
        resource = getattr(context.resources, naming.source_resource(self.of.config.id))
        try:
            url: str = resource.url(self.of.config)
        except SourceError as error:
            raise SourceError(f"{label} extract: nothing was published: {error.problem}", error.hint) from error
        return url  # it may be one that can be made again, so it is not turned into a text

    def _task(self, context: AssetExecutionContext, settings: Settings, partition: str | None) -> StageRun:
        return StageRun(
            config=self.of.config,
            pipeline=self.of.pipeline,
            partition=partition,
            run_id=context.run.run_id,
            settings=settings,
        )

    def _resumable_result(self, context: AssetExecutionContext, run: StageRun, journal: Journal) -> StageResult | None:
        """Return the result of an earlier, interrupted run of this range, if its object is still the published one."""
        version = journal.version(run.partition)
        if version is None or self.of.stage == "load":  # loading an object twice changes nothing, and is quick
            return None
        before = already_published(run, self.of.stage, datetime.now(UTC))
        if before is None or before.version != version:
            return None
        reported = {each.check_name for each in self._evaluations_of(context, before)}
        if not reported.issuperset(check_names(self.of.rules)):
            return None  # it is no longer known how its rows were judged
        context.log.warning(
            "%s: not made again, because a run that was killed had published it, and this run continues from there;"
            " a run of it alone makes it again",
            run.label,
        )
        return before

    def _stage(
        self, context: AssetExecutionContext, shared: ExitStack, runs: Sequence[StageRun]
    ) -> Callable[[StageRun], StageResult]:
        """The stage's function for one partition; what the partitions `runs` share is released with `shared`."""
        tenant = self.of.config.id
        match self.of.stage:
            case "extract":
                url = self._source_url(context, runs[0].label if runs else self.of.label)
                return partial(extract, source=shared.enter_context(SourceRange(url, runs)))
            case "transfer":
                return transfer
            case "load":
                warehouse = getattr(context.resources, naming.warehouse_resource(tenant)).open(self.of.config)
                if runs:
                    require_warehouse_room(runs[0], warehouse)
                    shared.callback(note_warehouse_size, runs[-1], warehouse)
                series = shared.enter_context(LoadSeries(warehouse))
                return partial(load, warehouse=series, reload=is_reload(context.run.tags))

    def _evaluations_of(self, context: AssetExecutionContext, before: StageResult) -> Iterator[AssetCheckEvaluation]:
        """Yield the evaluations of the interrupted run again, because this run has planned them too."""
        if before.partition is None:
            return
        for name in partition_check_names(self.of):
            records = context.instance.event_log_storage.get_asset_check_execution_history(
                AssetCheckKey(self.of.asset, name),
                limit=1,
                status={Status.SUCCEEDED, Status.FAILED},
                partition_filter=PartitionKeyFilter(key=before.partition),
            )
            event = records[0].event.dagster_event if records and records[0].event else None
            if event is None or records[0].run_id != before.run_id:
                continue
            reported = event.asset_check_evaluation_data
            yield AssetCheckEvaluation(
                asset_key=self.of.asset,
                check_name=name,
                passed=reported.passed,
                severity=reported.severity,
                description=reported.description,
                metadata={**reported.metadata, "judged_by_run": MetadataValue.text(before.run_id)},
                partition=before.partition,
            )

    def _evaluations(self, audit: Audit, partition: str | None, *, published: bool) -> Iterator[AssetCheckEvaluation]:
        return check_evaluations(self.of, audit, partition, published=published)

    def _evaluations_of_result(
        self, context: AssetExecutionContext, result: StageResult
    ) -> Iterator[AssetCheckEvaluation]:
        """The checks of a published partition, judged now or by the run that published it."""
        if result.volume is not None and result.volume.compared:
            yield volume_evaluation(self.of, result.volume, result.partition)
        elif result.volume is not None:  # without an evaluation, Dagster shows the check as skipped
            place = f" [{result.partition}]" if result.partition else ""
            context.log.info("%s%s: %s", self.of.asset.to_user_string(), place, result.volume.description)
        if result.personal is not None and result.personal.scanned:
            yield personal_evaluation(self.of, result.personal, result.partition)
        if result.audit is not None:
            yield from self._evaluations(result.audit, result.partition, published=True)
        elif result.run_id != context.run.run_id:
            yield from self._evaluations_of(context, result)

    def _results(self, context: AssetExecutionContext, reported: _Reported) -> Iterator[StepEvent]:
        """Yield one materialization for each partition, each with its own metadata, also if a range was one step."""
        done = reported.results
        for key, metadata_of in self._makers(context).items():
            if len(done) == 1:
                yield MaterializeResult(asset_key=key, metadata=metadata_of(done[0]))
            else:
                for result in done:
                    context.add_asset_metadata(metadata_of(result), asset_key=key, partition_key=result.partition)
                yield MaterializeResult(asset_key=key)
            reported.assets.add(key)
        # Each partition's evaluations are events of their own; the step still owes Dagster one output per check.
        for name in stage_check_names(self.of):
            yield Output(None, output_name=f"{self.of.asset.to_python_identifier()}_{name}")

    def _report_the_rest(self, context: AssetExecutionContext, reported: _Reported) -> None:
        """Write results that were not reported yet directly to the event log.

        After an exception, or when Dagster closes the step, Dagster no longer reads yielded events.
        """
        for result in reported.results:
            if result.partition not in reported.checks:
                for evaluation in self._evaluations_of_result(context, result):
                    context.log_event(evaluation)
        for key, metadata_of in self._makers(context).items():
            if key not in reported.assets:
                for result in reported.results:
                    context.log_event(
                        AssetMaterialization(asset_key=key, partition=result.partition, metadata=metadata_of(result))
                    )

    def _makers(self, context: AssetExecutionContext) -> dict[AssetKey, Callable[[StageResult], Metadata]]:
        """The assets of the step, each with the function that makes its metadata."""

        def with_secrets(result: StageResult) -> Metadata:
            return stage_metadata(result) | self._lineage(result) | secret_versions(self.of.config.id)

        makers: dict[AssetKey, Callable[[StageResult], Metadata]] = {self.of.asset: with_secrets}
        if self.of.quarantine in context.selected_asset_keys:
            makers[self.of.quarantine] = quarantine_metadata
        return makers

    @staticmethod
    def _lineage(result: StageResult) -> Metadata:
        lineage = result.lineage
        if lineage is None:
            columns = (name for name, _ in result.sample.columns)
            lineage = unknown_lineage(columns, "the partition was published by a run that was interrupted")
        return lineage_metadata(lineage, lineage.tables if result.stage == "extract" else ())

    def _log_progress(
        self, context: AssetExecutionContext, result: StageResult, position: int, total: int, started: datetime
    ) -> None:
        day = f" [{result.partition}]" if result.partition else ""
        line = progress_line(
            f"{self.of.label} {self.of.stage}{day}",
            rows=result.rows,
            seconds=result.seconds,
            rate=result.rows_per_second,
            done=position,
            total=total,
            elapsed=(datetime.now(UTC) - started).total_seconds(),
        )
        context.log.info(line)


def is_reload(tags: Mapping[str, str]) -> bool:
    """Whether the run has the tag that makes loads also load objects that the table already holds."""
    value = tags.get(naming.RELOAD_TAG, "false")
    if value not in ("true", "false"):
        raise EtlError(f"the run's tag `{naming.RELOAD_TAG}` is `{value}`", "write true or false")
    return value == "true"


def quarantine_metadata(result: StageResult) -> Metadata:
    """How many rows were rejected, and where they are."""
    count = "dagster/partition_row_count" if result.partition else "dagster/row_count"
    metadata: Metadata = {count: MetadataValue.int(result.rows_quarantined)}
    if result.quarantine is not None:
        metadata["dagster/uri"] = MetadataValue.text(result.quarantine.uri)
    return metadata


def resource_keys(tenant: str, stage: Stage) -> set[str]:
    """Which resources a stage opens."""
    keys = {naming.lake_resource(tenant)}
    if stage == "extract":
        keys.add(naming.source_resource(tenant))
    if stage == "load":
        keys.add(naming.warehouse_resource(tenant))
    return keys
