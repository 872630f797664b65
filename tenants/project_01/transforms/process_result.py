"""process_result, refined: the day's statistics of each lot, step and parameter, with the product they belong to."""

import polars as pl


def process_result(process_result: pl.LazyFrame, lot_history: pl.LazyFrame) -> pl.LazyFrame:
    """Drop repeated measurements, aggregate, and look up product and machine of the lot in the same day's history."""
    lots = (
        lot_history.with_columns(pl.col("lot_id").str.strip_chars().str.to_uppercase())
        .filter(pl.col("lot_id").is_not_null())
        .sort("updated_at", "id")
        .unique(["lot_id", "process_step"], keep="last", maintain_order=True)
        .select("lot_id", "process_step", "product_code", "equipment_id")
    )
    inside = pl.col("value").is_between("lower_limit", "upper_limit")
    return (
        process_result.unique(pl.exclude("result_id"), keep="any")
        .group_by("lot_id", "process_step", "parameter")
        .agg(
            pl.col("value").count().cast(pl.Int64).alias("measurements"),
            pl.col("value").mean().alias("mean_value"),
            pl.col("value").min().alias("min_value"),
            pl.col("value").max().alias("max_value"),
            (~inside).sum().cast(pl.Int64).alias("out_of_spec"),
            pl.col("measured_at").max(),
        )
        .join(lots, on=["lot_id", "process_step"], how="left")
        .select(
            "lot_id",
            "process_step",
            "parameter",
            "product_code",
            "equipment_id",
            "measurements",
            "mean_value",
            "min_value",
            "max_value",
            "out_of_spec",
            "measured_at",
        )
        .sort("lot_id", "process_step", "parameter")
    )
