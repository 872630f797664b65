"""Extract, check, transform, check, load. Bad rows never reach the destination."""

import polars as pl
from prefect import flow, get_run_logger, task

from etl.integrations.prefect import DataQualityBlock, adata_quality_check_task

EMAIL = r"^[\w\.-]+@[\w\.-]+\.[a-zA-Z]{2,}$"


@task
def extract_data(source: str) -> pl.DataFrame:
    """Read the source."""
    return pl.read_parquet(source)


@task
def transform_data(data: pl.DataFrame) -> pl.DataFrame:
    """Keep what is active, and round."""
    return data.filter(pl.col("status") == "active").with_columns(pl.col("amount").round(2))


@task
def load_data(data: pl.DataFrame, destination: str) -> None:
    """Write the destination."""
    data.write_parquet(destination)


@flow(name="etl_with_quality_gates")
async def etl_pipeline(source: str, destination: str) -> dict[str, object]:
    """Move rows that pass from the source to the destination."""
    logger = get_run_logger()
    block = DataQualityBlock(engine_name="truthound")

    raw_data = extract_data(source)
    raw_quality = await adata_quality_check_task(
        raw_data,
        block=block,
        rules=[
            {"column": "id", "type": "not_null"},
            {"column": "id", "type": "unique"},
            {"column": "email", "type": "regex", "pattern": EMAIL},
            {"column": "amount", "type": "in_range", "min": 0},
        ],
        key="raw",
    )

    transformed_data = transform_data(raw_data)
    await adata_quality_check_task(
        transformed_data,
        block=block,
        rules=[
            {"column": "id", "type": "not_null"},
            {"column": "amount", "type": "in_range", "min": 0},
        ],
        key="transformed",
    )

    load_data(transformed_data, destination)
    logger.info("%d of %d rows loaded", len(transformed_data), len(raw_data))
    return {
        "extracted_rows": len(raw_data),
        "raw_quality": raw_quality.status.value,
        "loaded_rows": len(transformed_data),
    }
