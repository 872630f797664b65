"""Real runs of assets against an instance of their own, and what they left in its event log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    ExecuteInProcessResult,
    materialize,
)

from etl.integrations.dagster import DataQualityResource

RULES = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "unique"},
    {"column": "qty", "type": "in_range", "min": 0},
]
GOOD = pl.DataFrame({"id": [1, 2, 3], "qty": [1, 0, 5]})
BAD = pl.DataFrame({"id": [1, 2, 3], "qty": [1, -1, -5]})
NULL_AND_DUPLICATE = pl.DataFrame({"id": [1, 1, None], "qty": [1, 2, 3]})
EMPTY = GOOD.clear()
POLARS = DataQualityResource(engine="polars")


@contextmanager
def instance_in(folder: Path) -> Iterator[DagsterInstance]:
    """An instance with storage on disk, which other processes can open too."""
    folder.mkdir(exist_ok=True)
    with DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


def run(
    assets: Sequence[AssetsDefinition], resource: Any = POLARS, instance: DagsterInstance | None = None, **options: Any
) -> ExecuteInProcessResult:
    """One run of all of them, failed or not."""
    resources = {"data_quality": resource, **options.pop("resources", {})}
    return materialize(assets, resources=resources, instance=instance, raise_on_error=False, **options)


def materialized(result: ExecuteInProcessResult) -> set[str]:
    """The keys that the run materialized, from its events."""
    events = result.get_asset_materialization_events()
    return {event.asset_key.to_user_string() for event in events if event.asset_key is not None}


def skipped(result: ExecuteInProcessResult) -> set[str]:
    """The steps that never began."""
    began = {event.step_key for event in result.all_events if event.is_step_start}
    return {name for name in result.job_def.graph.node_dict if name not in began}


def evaluations(result: ExecuteInProcessResult) -> list[AssetCheckEvaluation]:
    """The check evaluations of the run."""
    return list(result.get_asset_check_evaluations())


def plain(metadata: Any) -> dict[str, Any]:
    """Metadata as plain values."""
    return {key: value.value for key, value in metadata.items()}


def metadata_of(result: ExecuteInProcessResult, key: str) -> dict[str, Any]:
    """The metadata with which the run materialized an asset."""
    for event in result.get_asset_materialization_events():
        if event.asset_key == AssetKey.from_user_string(key):
            return plain(event.materialization.metadata)
    raise AssertionError(f"{key} was not materialized")


def failure_text(result: ExecuteInProcessResult) -> str:
    """Why the steps of the run failed, causes too."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None:
                texts.append(error.message)
                error = error.cause
            texts.append(str(getattr(event.step_failure_data.user_failure_data, "description", "")))
    return "\n".join(texts)
