"""Finds the lake objects that a stage reads: its inputs, and the tables that its foreign keys refer to.

Belongs here: turning names in the configuration into lazy frames over Parquet. Not here: reading or writing objects.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.errors import LakeError
from etl.lake.lake import Input, Inputs, ObjectRef, Pinned, scan_pinned
from etl.pipeline.stage import StageRun


def pinned_inputs(run: StageRun, name: str) -> tuple[Pinned, ...]:
    """The extract of pipeline `name` that belongs to this partition, as it is now: one object, or all of them."""
    return tuple(run.lake_of(name).pin(ref) for ref in input_refs(run, "extract", name))


def present_inputs(run: StageRun) -> Inputs:
    """Return the inputs that are published at this moment for a transfer of this partition."""
    found: list[Input] = []
    for name in run.pipeline.transfer_inputs:
        lake = run.lake_of(name)
        for ref in input_refs(run, "extract", name):
            published = lake.find(ref)
            if published is not None:
                found.append(
                    Input(
                        stage=ref.stage,
                        pipeline=ref.pipeline,
                        partition=ref.partition,
                        version=published.version,
                        run_id=published.provenance.run_id,
                    )
                )
    return Inputs.of(found)


def pinned_frame(pinned: Sequence[Pinned]) -> pl.LazyFrame:
    """Return the rows of exactly these copies."""
    return scan_pinned([(each.ref, each.path) for each in pinned])


def refined_frame(run: StageRun, name: str) -> pl.LazyFrame:
    """Return all published rows of pipeline `name`: after its transform if it has one, or else as extracted."""
    other = run.config.pipelines[name]
    lake = run.lake_of(name)
    stage = other.published_stage
    partitions = lake.partitions(run.config.id, stage, name)
    refs = [run.ref(stage, name, each) for each in partitions] if other.partitions else [run.ref(stage, name)]
    return lake.scan(refs)


def referenced_tables(run: StageRun, stage: Stage) -> Mapping[str, pl.LazyFrame]:
    """The pipelines that this stage's rules refer to, by name: in foreign keys and in arguments of named validators."""
    rules = run.pipeline.rules_for(stage)
    names = {rule.to for rule in rules if rule.type == "foreign_key"}
    args = [value for rule in rules if rule.type == "truthound" for value in rule.args.values()]
    names |= {each for each in args if isinstance(each, str)}
    return {name: refined_frame(run, name) for name in names if name in run.config.pipelines}


def input_refs(run: StageRun, stage: Stage, name: str) -> list[ObjectRef]:
    """Return the objects of pipeline `name` for this partition. Raises an error if an object is not published."""
    other: PipelineConfig = run.config.pipelines[name]
    if not other.partitions:
        refs = [run.ref(stage, name)]
    elif run.partition is not None:
        refs = [run.ref(stage, name, run.partition)]
    else:  # a whole-table pipeline over a partitioned one reads every partition there is
        refs = [run.ref(stage, name, each) for each in run.lake_of(name).partitions(run.config.id, stage, name)]
    missing = [ref for ref in refs if run.lake_of(name).find(ref) is None]
    if missing or not refs:
        raise LakeError(
            f"{run.label}: its input {run.config.id}/{stage}/{name}"
            + (f" has no partition {run.partition}" if other.partitions and run.partition else " was never published"),
            f"materialize {run.config.id}/{stage}/{name} first",
        )
    return refs
