"""Transfer: runs the tenant's own transform lazily over Parquet.

Belongs here: giving the transform its inputs, checking its result, writing the result in a stream. Not here: finding
the function in the tenant's folder (`etl.config.tenant_loader`).
"""

import logging
import os
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl.config.tenant_loader import load_transform
from etl.errors import TransformError
from etl.faults import reach
from etl.lake.lake import PLACEHOLDER_FOOTER, Inputs
from etl.lake.readable import require_readable
from etl.pipeline.lineage import transfer_lineage
from etl.pipeline.named_columns import require_named
from etl.pipeline.publish import DraftRows, audit_and_publish, drafting
from etl.pipeline.stage import StageResult, StageRun, disk_errors
from etl.pipeline.tables import pinned_frame, pinned_inputs, referenced_tables
from etl.quality.failures import describe_failure

logger = logging.getLogger(__name__)

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def transfer(run: StageRun, *, now: datetime | None = None) -> StageResult:
    """Run the transform over this partition of its inputs, audit the result and publish it.

    `now` is the moment for rules such as `not_future`. Default: the clock.
    """
    started = now or datetime.now(UTC)
    pipeline = run.pipeline
    transform = load_transform(run.tenant_dir, pipeline.name, inputs=pipeline.transfer_inputs)
    # The published object is remembered before the inputs are read, so that older inputs cannot overwrite newer rows.
    with disk_errors(run, "transfer"), drafting(run, "transfer") as draft:
        inputs = {name: pinned_inputs(run, name) for name in pipeline.transfer_inputs}
        frames = {name: pinned_frame(each) for name, each in inputs.items()}
        reach("transfer.start")
        result = _call(run, transform, frames)
        _check_date_column(run, frames, result)
        try:
            _in_microseconds(result).sink_parquet(
                draft,
                compression="zstd",
                metadata=dict(PLACEHOLDER_FOOTER),
                arrow_schema=file_schema(result),
                engine="streaming",
            )
        except OSError:
            raise
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  a tenant's code may raise anything
            _raise_disk_error(error, draft)
            raise TransformError(
                f"{run.label}: the transform `{pipeline.name}` failed while it ran: {_said(run, error)}",
                f"see tenants/{run.config.id}/transforms/{pipeline.name}.py; nothing was published",
            ) from _cause(run, error)
        reach("transfer.written")
        require_readable(draft, f"{run.label} transfer")
        rows = int(pq.read_metadata(draft).num_rows)
        tables = referenced_tables(run, "transfer")
        read = [each.as_input for pinned in inputs.values() for each in pinned]
        detail = {"from_run": ", ".join(dict.fromkeys(each.run_id for each in read))}
        of_inputs = {name: frame.collect_schema().names() for name, frame in frames.items()}
        inner = [name for names in of_inputs.values() for name in names]
        require_named(run.pipeline, pq.read_schema(draft).names, inner, label=f"{run.label} transfer")
        done = audit_and_publish(DraftRows(run, "transfer", draft, rows, started, tables, Inputs.of(read), detail))
        lineage = transfer_lineage(run, [name for name, _ in done.sample.columns], of_inputs)
        return done.model_copy(update={"lineage": lineage})


def refined_rows(run: StageRun) -> pl.LazyFrame:
    """Return what the transform makes of the published inputs of this partition. It runs when the rows are collected.

    Nothing is written or published. `StageRun.close` removes the inputs.
    """
    transform = load_transform(run.tenant_dir, run.pipeline.name, inputs=run.pipeline.transfer_inputs)
    frames = {name: pinned_frame(pinned_inputs(run, name)) for name in run.pipeline.transfer_inputs}
    result = _call(run, transform, frames)
    _check_date_column(run, frames, result)
    return _in_microseconds(result)


def file_schema(result: pl.LazyFrame) -> pa.Schema | None:
    """Return the types for the file if they differ from the types that Polars would write.

    A time of day is written in microseconds, as every source and warehouse stores it. Polars has only nanoseconds, so
    a time would otherwise change its type.
    """
    types = result.collect_schema()
    if pl.Time not in types.values():
        return None
    polars = pl.DataFrame(schema=types).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.schema(
        [field.with_type(pa.time64("us")) if pa.types.is_time64(field.type) else field for field in polars]
    )


def _in_microseconds(result: pl.LazyFrame) -> pl.LazyFrame:
    """Return the same rows. A time that is finer than the file can hold raises an error."""
    times = [name for name, dtype in result.collect_schema().items() if dtype == pl.Time]
    if not times:
        return result
    return result.with_columns(
        pl.col(name).map_batches(partial(_refuse_nanoseconds, name), return_dtype=pl.Time, is_elementwise=True)
        for name in times
    )


def _refuse_nanoseconds(name: str, values: pl.Series) -> pl.Series:
    if (values.to_physical() % 1000 != 0).any():
        raise ValueError(f"column `{name}` holds a time of day that is finer than a microsecond")
    return values


def _raise_disk_error(error: BaseException, path: Path) -> None:
    """Raise the operating system's error if it is the cause; Polars only quotes its text."""
    found = _OS_ERROR.search(str(error))
    if found is not None:
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from None


def _call(run: StageRun, transform: object, frames: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    where = f"tenants/{run.config.id}/transforms/{run.pipeline.name}.py"
    if not callable(transform):
        raise TransformError(f"{run.label}: `{run.pipeline.name}` in {where} is not a function", "define it with `def`")
    try:
        # One input is given by position, so that the author chooses its name; several inputs by their pipelines' names.
        result = transform(*frames.values()) if len(frames) == 1 else transform(**frames)
    except Exception as error:  # noqa: BLE001  a tenant's code may raise any error; only this tenant fails
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
    """Refuse a date column with a new type, because later comparisons would silently ignore the column."""
    column = run.pipeline.date_column
    own = frames.get(run.pipeline.name)
    try:
        after = result.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` cannot work: {_said(run, error)}",
            f"see tenants/{run.config.id}/transforms/{run.pipeline.name}.py; nothing was published",
        ) from _cause(run, error)
    objects = [name for name, dtype in after.items() if dtype == pl.Object]
    if objects:
        raise TransformError(
            f"{run.label}: the transform `{run.pipeline.name}` makes Python objects of `{'`, `'.join(objects)}`",
            "no file can hold them; give the column a type, e.g. by `.map_elements(..., return_dtype=pl.String)`",
        )
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
    """Whether text became a date or a timestamp, which a transform may do."""
    return before == pl.String and after.is_temporal()


def _said(run: StageRun, error: BaseException) -> str:
    """Return the first line of an error, without quoted values if some columns are personal."""
    if _personal(run):
        named = describe_failure(error, (*run.pipeline.columns, *run.pipeline.pii_columns))
        return named.removeprefix(f"{type(error).__name__}: ")
    return str(error).strip().split("\n", maxsplit=1)[0][:300]


def _cause(run: StageRun, error: BaseException) -> BaseException | None:
    """Return the error as a cause, or None if columns are personal: Dagster shows a cause's whole text."""
    return None if _personal(run) else error


def _personal(run: StageRun) -> bool:
    """Whether any input of the transform has personal columns."""
    pipelines = run.config.pipelines
    return any(pipelines[name].pii_columns for name in {run.pipeline.name, *run.pipeline.transfer_inputs})
