"""Transfer: the tenant's own transform, lazily over Parquet.

Belongs here: giving the transform its inputs, holding it to its contract, writing its result in a stream. Does not:
finding the function in the tenant's folder (`etl.config.tenant_loader`).
"""

import logging
from datetime import UTC, datetime

import polars as pl
import pyarrow.parquet as pq

from etl.config.tenant_loader import load_transform
from etl.errors import TransformError
from etl.faults import reach
from etl.pipeline.publish import StagedRows, audit_and_publish, staging
from etl.pipeline.stage import StageResult, StageRun, disk_errors
from etl.pipeline.tables import pinned_frame, pinned_inputs, referenced_tables
from etl.quality.engine import describe_failure
from etl.storage.lake import PLACEHOLDER_FOOTER, Inputs

logger = logging.getLogger(__name__)


def transfer(run: StageRun) -> StageResult:
    """Run the transform over this partition of its inputs, audit what it made and publish it."""
    started = datetime.now(UTC)
    pipeline = run.pipeline
    transform = load_transform(run.tenant_dir, pipeline.name, inputs=pipeline.transfer_inputs)
    # What is published is remembered before the inputs are read: who reads older ones may not overwrite newer rows.
    with disk_errors(run, "transfer"), staging(run, "transfer") as staged:
        inputs = {name: pinned_inputs(run, name) for name in pipeline.transfer_inputs}
        frames = {name: pinned_frame(each) for name, each in inputs.items()}
        reach("transfer.start")
        result = _call(run, transform, frames)
        _check_date_column(run, frames, result)
        try:
            result.sink_parquet(staged, compression="zstd", metadata=dict(PLACEHOLDER_FOOTER), engine="streaming")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise TransformError(
                f"{run.label}: the transform `{pipeline.name}` failed while it ran: {_said(run, error)}",
                f"see tenants/{run.config.id}/transforms/{pipeline.name}.py; nothing was published",
            ) from _cause(run, error)
        reach("transfer.written")
        rows = int(pq.read_metadata(staged).num_rows)
        tables = referenced_tables(run, "transfer")
        read = [each.as_input for pinned in inputs.values() for each in pinned]
        detail = {"from_run": ", ".join(dict.fromkeys(each.run_id for each in read))}
        return audit_and_publish(StagedRows(run, "transfer", staged, rows, started, tables, Inputs.of(read), detail))


def _call(run: StageRun, transform: object, frames: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    where = f"tenants/{run.config.id}/transforms/{run.pipeline.name}.py"
    if not callable(transform):
        raise TransformError(f"{run.label}: `{run.pipeline.name}` in {where} is not a function", "define it with `def`")
    try:
        # One input by position, so that its name is the author's; several by the names of their pipelines.
        result = transform(*frames.values()) if len(frames) == 1 else transform(**frames)
    except Exception as error:  # noqa: BLE001  a tenant's code may raise anything; it is this tenant's failure
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` raised {type(error).__name__}: {_said(run, error)}",
            f"see {where}; nothing was published",
        ) from _cause(run, error)
    if not isinstance(result, pl.LazyFrame):
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` returned {type(result).__name__}, not a LazyFrame",
            f"return the lazy frame itself in {where}: no .collect(), and no forgotten `return`",
        )
    return result


def _check_date_column(run: StageRun, frames: dict[str, pl.LazyFrame], result: pl.LazyFrame) -> None:
    """A date column that changes its type would silently fall out of every later comparison."""
    column = run.pipeline.date_column
    own = frames.get(run.pipeline.name)
    try:
        after = result.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` cannot work: {_said(run, error)}",
            f"see tenants/{run.config.id}/transforms/{run.pipeline.name}.py; nothing was published",
        ) from _cause(run, error)
    if column is None or own is None or column not in after:
        return
    before = own.collect_schema().get(column)
    if before is not None and before != after[column] and not _is_parsed_text(before, after[column]):
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` changes the date column `{column}`"
            f" from {before} to {after[column]}",
            "keep its type; put a derived date into a column of another name",
        )


def _is_parsed_text(before: pl.DataType, after: pl.DataType) -> bool:
    """Text that becomes a date or a timestamp is what a refining stage is for."""
    return before == pl.String and after.is_temporal()


def _said(run: StageRun, error: BaseException) -> str:
    """The first line of what was raised; without the values that it quotes where some are personal."""
    if _personal(run):
        named = describe_failure(error, (*run.pipeline.columns, *run.pipeline.pii_columns))
        return named.removeprefix(f"{type(error).__name__}: ")
    return str(error).strip().split("\n", maxsplit=1)[0][:300]


def _cause(run: StageRun, error: BaseException) -> BaseException | None:
    """What Dagster shows of an error's cause is its whole text, so that a cause may quote personal values too."""
    return None if _personal(run) else error


def _personal(run: StageRun) -> bool:
    """Whether any input of the transform has personal columns."""
    pipelines = run.config.pipelines
    return any(pipelines[name].pii_columns for name in {run.pipeline.name, *run.pipeline.transfer_inputs})
