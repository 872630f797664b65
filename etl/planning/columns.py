"""Foresees which columns a changed pipeline will have, and compares them with the published ones.

Belongs here: columns that come, go, or change their type. Not here: the guards that a run has (`etl.pipeline`), which
refuse a column that is gone.

The transform is called as in a run, with frames that have the columns and no row. What cannot be foreseen is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.config.tenant_loader import load_transform
from etl.errors import EtlError
from etl.lake.lake import Lake, ObjectRef
from etl.planning.effects import Effect

Types = Mapping[str, pl.DataType]
StageOfColumns = Literal["extract", "transfer"]
STAGES: tuple[StageOfColumns, ...] = ("extract", "transfer")
REFUSED_BY_TABLES = ("removed", "widened", "retyped")
"""A table takes a new column, and a narrower type into its wider column (`etl.warehouse.schema_change`)."""
ColumnAction = Literal["added", "removed", "narrowed", "widened", "retyped"]

_FAMILIES: Sequence[Sequence[type[pl.DataType]]] = (
    (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128),
    (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    (pl.Float32, pl.Float64),
)

_MOST_DIGITS = 38


class ColumnChange(BaseModel):
    """One column of the rows that a pipeline publishes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    stage: StageOfColumns
    column: str
    action: ColumnAction
    old: str | None = None
    new: str | None = None

    @property
    def loses(self) -> str:
        """Why the change is destructive; empty if it is not."""
        match self.action:
            case "removed":
                return f"the column `{self.column}` is gone"
            case "narrowed" | "retyped":
                return f"the column `{self.column}` was {self.old} and will be {self.new}"
            case _:
                return ""


class Columns(BaseModel):
    """The columns that change, and what could not be foreseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changes: tuple[ColumnChange, ...] = ()
    unknown: tuple[str, ...] = ()


Asked = Mapping[str, pa.Schema]
"""The columns of each pipeline's source, where the source was asked."""


def foresee(
    config: TenantConfig,
    effects: Mapping[str, Effect],
    lakes: Mapping[str, Lake],
    asked: Asked,
    rewritten: frozenset[str],
) -> Columns:
    """Return the columns that change. `rewritten` are pipelines of which a query or a source is another."""
    changes: list[ColumnChange] = []
    unknown: list[str] = []
    for name, effect in effects.items():
        if effect.is_new or effect.since not in ("extract", "transfer"):
            continue
        pipeline = config.pipelines[name]
        before = len(unknown)
        for stage in STAGES if pipeline.has_transfer else STAGES[:1]:
            old = _published(config, name, stage, lakes[name])
            if old is None or len(unknown) > before:
                continue
            try:
                new = _made(config, pipeline, stage, lakes, asked, rewritten)
            except EtlError as error:
                unknown.append(f"{name}: the columns cannot be foreseen: {error.problem}")
                continue
            if new is None:
                unknown.append(f"{name}: the source was not asked for its columns; `--connect` does that")
            else:
                changes += _differences(name, stage, old, new)
    return Columns(changes=tuple(changes), unknown=tuple(unknown))


def _made(
    config: TenantConfig,
    pipeline: PipelineConfig,
    stage: str,
    lakes: Mapping[str, Lake],
    asked: Asked,
    rewritten: frozenset[str],
) -> Types | None:
    """The columns that a stage will publish; None if they are not known."""
    if stage == "extract":
        return _extracted(config, pipeline, lakes[pipeline.name], asked, rewritten)
    frames: dict[str, pl.LazyFrame] = {}
    for name in pipeline.transfer_inputs:
        types = _extracted(config, config.pipelines[name], lakes[name], asked, rewritten)
        if types is None:
            return None
        frames[name] = pl.LazyFrame(schema=dict(types))
    transform = load_transform(config.origin.folder, pipeline.name, pipeline.transfer_inputs)
    try:
        result = transform(*frames.values()) if len(frames) == 1 else transform(**frames)
        return dict(result.collect_schema())
    except Exception as error:  # a tenant's code may raise any error; the plan says that it will
        raise EtlError(
            f"the transform raises {type(error).__name__} with these columns, and the run will stop there"
        ) from error


def _extracted(
    config: TenantConfig, pipeline: PipelineConfig, lake: Lake, asked: Asked, rewritten: frozenset[str]
) -> Types | None:
    if pipeline.name in asked:
        return types_of(asked[pipeline.name])
    known = _published(config, pipeline.name, "extract", lake)
    if known is None or pipeline.name in rewritten:
        return None
    if not pipeline.columns:
        return known
    if any(each not in known for each in pipeline.columns):
        return None
    return {each: known[each] for each in pipeline.columns}


def _published(config: TenantConfig, pipeline: str, stage: str, lake: Lake) -> Types | None:
    """The columns of the newest published object of a stage; None if nothing is published."""
    newest: str | None = None
    if config.pipelines[pipeline].partitions:
        keys = lake.partitions(config.id, stage, pipeline)
        if not keys:
            return None
        newest = keys[-1]
    schema = lake.columns(ObjectRef(tenant=config.id, stage=stage, pipeline=pipeline, partition=newest))
    return None if schema is None else types_of(schema)


def types_of(schema: pa.Schema) -> Types:
    """Return the columns of a Parquet object as Polars reads them."""
    frame = pl.from_arrow(schema.empty_table())
    return dict(frame.schema) if isinstance(frame, pl.DataFrame) else {}


def _differences(pipeline: str, stage: StageOfColumns, old: Types, new: Types) -> list[ColumnChange]:
    found: list[ColumnChange] = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        action: ColumnAction = "added" if before is None else "removed"
        if before is not None and after is not None:
            action = _direction(before, after)
        found.append(
            ColumnChange(
                pipeline=pipeline,
                stage=stage,
                column=name,
                action=action,
                old=None if before is None else str(before),
                new=None if after is None else str(after),
            )
        )
    return found


def _direction(old: pl.DataType, new: pl.DataType) -> ColumnAction:
    if isinstance(old, pl.Decimal) and isinstance(new, pl.Decimal):
        scales = new.scale - old.scale
        whole = (new.precision or _MOST_DIGITS) - new.scale - (old.precision or _MOST_DIGITS) + old.scale
        return "widened" if scales >= 0 and whole >= 0 else "narrowed"
    for family in _FAMILIES:
        kinds = [*family]
        if type(old) in kinds and type(new) in kinds:
            return "widened" if kinds.index(type(new)) > kinds.index(type(old)) else "narrowed"
    return "retyped"


def refusals(config: TenantConfig, changes: Sequence[ColumnChange]) -> Iterator[str]:
    """Yield what the guards of a run will refuse, with the command by which a person accepts it."""
    tenant = config.id
    for name in dict.fromkeys(each.pipeline for each in changes):
        pipeline = config.pipelines[name]
        strict = pipeline.schema_changes == "fail"
        extract = [each for each in changes if each.pipeline == name and each.stage == "extract"]
        loaded = [each for each in changes if each.pipeline == name and each.stage == pipeline.published_stage]
        if any(strict or each.action != "added" for each in extract):
            yield f"the extract of `{name}` is refused until it is accepted: `etl schema accept {tenant} {name} --yes`"
        if pipeline.save_to_trino and any(strict or each.action in REFUSED_BY_TABLES for each in loaded):
            yield (
                f"the load of `{name}` is refused as long as the table has the old columns:"
                f" `etl set-aside {tenant} {name} --yes` moves the table away"
            )
