"""Finds the columns that a stage of a pipeline has published last, without reading a row.

Belongs here: the schema of the newest published object. Not here: comparing schemas (`schema_guard`).
"""

import polars as pl

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Published
from etl.pipeline.stage import StageRun
from etl.settings import Settings


def newest_schema(
    config: TenantConfig, settings: Settings, pipeline: str, stage: Stage
) -> tuple[pl.Schema, Published] | None:
    """Return the columns of the newest published partition, and that object; None if nothing is published."""
    run = StageRun(
        config=config,
        pipeline=config.assets.pipelines[pipeline],
        partition=None,
        run_id="",
        settings=settings,
    )
    try:
        partitions: tuple[str | None, ...] = (None,)
        if run.pipeline.partitions:
            partitions = run.lake.partitions(config.id, stage, pipeline)
        for key in reversed(partitions):
            found = run.lake.find_intact(run.ref(stage, pipeline, key))
            if found is not None:
                return pl.Schema(pl.read_parquet_schema(run.lake.local_copy(found.ref))), found
        return None
    finally:
        run.close()
