"""lot_history, refined: one row per lot and process step."""

import polars as pl


def lot_history(lot_history: pl.LazyFrame) -> pl.LazyFrame:
    """Clean the keys, keep the latest version of each lot at each step, and say what was lost since the step before."""
    in_order = ["created_at", "id"]
    qty_before = pl.col("qty").shift(1).over("lot_id", order_by=in_order)
    return (
        lot_history.with_columns(
            pl.col("lot_id", "product_code", "process_step", "status").str.strip_chars().str.to_uppercase(),
            pl.col("operator", "note").str.strip_chars().str.normalize("NFC"),
        )
        .filter(pl.col("lot_id").is_not_null())
        .sort("updated_at", "id")
        .unique(["lot_id", "process_step"], keep="last", maintain_order=True)
        .with_columns(
            pl.when(pl.col("note") != "").then("note").alias("note"),
            pl.int_range(1, pl.len() + 1).over("lot_id", order_by=in_order).alias("step_no"),
            (qty_before - pl.col("qty")).alias("lost_qty"),
        )
        .select(
            "lot_id",
            "process_step",
            "step_no",
            "product_code",
            "equipment_id",
            "qty",
            "lost_qty",
            "status",
            "operator",
            "note",
            "created_at",
            "updated_at",
        )
        .sort("lot_id", "step_no")
    )
