"""Checks or profiles an asset's data in the asset's own step, then materializes the data or stops the step.

Belongs here: from a verdict to Dagster's events. Not here: the asset's function (`signature`), judging (`resource`).

For data that may not be published, only the evaluation of the check is recorded. Then the step fails, so that nothing
is materialized and no downstream asset runs. (A blocking check of Dagster fails only after the materialization.)
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    Failure,
    MaterializeResult,
    MetadataValue,
    Output,
    PartitionsDefinition,
    PreviewWarning,
)

from etl.errors import QualityError
from etl.integrations.dagster.asset_config import QualityAssetConfig
from etl.integrations.dagster.outputs import Metadata, QualityCheckOutput
from etl.integrations.dagster.resource import DataQualityResource
from etl.quality.results import DataQualityError


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """Which parts a profile has, and of how many rows it is made."""

    columns: tuple[str, ...] | None = None
    include_statistics: bool = True
    include_patterns: bool = True
    include_distributions: bool = True
    sample_size: int | None = None
    replaces_data: bool = False
    """Whether the asset's value is the profile instead of the data."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The parts of a function's result."""

    value: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: Any = None
    tags: Mapping[str, str] | None = None
    check_results: Sequence[AssetCheckResult] = ()

    def materialized(self, value: object, metadata: Metadata, check: AssetCheckResult) -> MaterializeResult[Any]:
        """Return the materialization of `value`, with its metadata and the result of its check."""
        return MaterializeResult(
            value=value,
            metadata={**self.metadata, **metadata},
            data_version=self.data_version,
            tags=self.tags,
            check_results=[*self.check_results, check],
        )


def check_spec(
    name: str, asset: AssetKey, description: str, partitions: PartitionsDefinition[Any] | None, *, blocking: bool
) -> AssetCheckSpec:
    """Return the asset check that shows the verdict, for each partition if the asset has partitions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)  # without it, the history of a check has no partition
        return AssetCheckSpec(name, asset=asset, description=description, blocking=blocking, partitions_def=partitions)


def judge(
    config: QualityAssetConfig,
    metadata: Metadata,
    context: AssetExecutionContext,
    resource: DataQualityResource,
    returned: object,
) -> Iterator[AssetCheckEvaluation | AssetCheckResult | MaterializeResult[Any]]:
    """Check the data. Materialize the data, or record only the evaluation and fail."""
    parts = _taken_apart(returned)
    value, frame = _settled(context, parts.value)
    result = resource.check(
        frame, config.rules, fail_on_error=False, timeout=config.timeout, sample_size=config.sample_size
    )
    stops = config.fail_on_error and result.is_blocking
    found = {**result.to_metadata(), **metadata, "rules_count": MetadataValue.int(len(config.rules))}
    if not stops:
        if not result.is_success:
            context.log.warning("%s is materialized although %s", context.asset_key.to_user_string(), result.summary)
        published = value if config.output_type == "validated" else result.to_dict()
        verdict = AssetCheckResult(
            check_name=config.check_name,
            passed=result.is_success,
            severity=_severity(result, config),
            description=result.summary,
            metadata=found,
        )
        yield parts.materialized(published, found, verdict)
        return
    yield from parts.check_results
    yield AssetCheckEvaluation(  # the data is not published, so this targets no materialization
        asset_key=context.asset_key,
        check_name=config.check_name,
        passed=False,
        severity=AssetCheckSeverity.ERROR,
        description=result.summary,
        metadata=found,
        blocking=True,
        partition=context.partition_key if context.has_partition_key else None,
    )
    raise blocked(f"{context.asset_key.to_user_string()}: nothing was materialized", result)


def blocked(subject: str, result: QualityCheckOutput) -> Failure:
    """Return the failure of a step whose data did not pass. The step is not run again: the result would be the same."""
    failure = Failure(description=f"{subject}, {result.summary}", metadata=result.to_metadata(), allow_retries=False)
    failure.__cause__ = DataQualityError(result.summary, result=result)
    return failure


def describe(
    options: ProfileOptions,
    check_name: str,
    metadata: Metadata,
    context: AssetExecutionContext,
    resource: DataQualityResource,
    returned: object,
) -> Iterator[MaterializeResult[Any]]:
    """Profile the data and materialize it with the profile as metadata."""
    parts = _taken_apart(returned)
    value, frame = _settled(context, parts.value)
    profile = resource.profile(
        frame,
        columns=options.columns,
        include_statistics=options.include_statistics,
        include_patterns=options.include_patterns,
        include_distributions=options.include_distributions,
        sample_size=options.sample_size,
    )
    found = profile.to_metadata()
    summary = f"{profile.row_count} rows, {len(profile.columns)} columns described"
    if profile.sampled_from is not None:
        summary += f", a sample of {profile.sampled_from} rows"
    verdict = AssetCheckResult(check_name=check_name, passed=True, description=summary, metadata=found)
    yield parts.materialized(profile.columns if options.replaces_data else value, {**found, **metadata}, verdict)


def _severity(result: QualityCheckOutput, config: QualityAssetConfig) -> AssetCheckSeverity:
    """A failure that is allowed is a warning. A rule that could not be judged is an error, even if it is allowed."""
    let_through = result.status == "warning" or (result.status == "failed" and not config.fail_on_error)
    return AssetCheckSeverity.WARN if let_through else AssetCheckSeverity.ERROR


def _taken_apart(returned: object) -> Returned:
    if isinstance(returned, MaterializeResult):
        return Returned(
            returned.value,
            returned.metadata or {},
            returned.data_version,
            returned.tags,
            tuple(returned.check_results or ()),
        )
    if isinstance(returned, Output):
        return Returned(returned.value, returned.metadata, returned.data_version, returned.tags or None)
    return Returned(returned)


def _settled(context: AssetExecutionContext, value: object) -> tuple[object, pl.DataFrame]:
    """Return what to publish, and its rows. A lazy frame is computed once, so that the judged rows are published."""
    if isinstance(value, pl.DataFrame):
        return value, value
    if isinstance(value, pl.LazyFrame):
        frame = value.collect()
        return frame.lazy(), frame
    if isinstance(value, Mapping) and value:  # several partitions of one upstream asset, by their keys
        parts = [*value.values()]
        if all(isinstance(each, pl.DataFrame | pl.LazyFrame) for each in parts):
            frame = pl.concat(pl.collect_all([each.lazy() for each in parts]))
            return frame, frame
    raise QualityError(
        f"{context.asset_key.to_user_string()}: a {type(value).__name__} cannot be checked",
        "return a Polars DataFrame or LazyFrame",
    )
