"""equipment_event, refined: every event once, with how late it arrived and how long the machine had been quiet."""

import polars as pl


def equipment_event(equipment_event: pl.LazyFrame) -> pl.LazyFrame:
    """Drop repeated deliveries, and measure delay and silence; bad codes and clocks are left for the rules to judge."""
    silence = pl.col("occurred_at") - pl.col("occurred_at").shift(1).over(
        "equipment_id", order_by=["occurred_at", "event_id"]
    )
    return (
        equipment_event.sort("event_id")
        .unique(["equipment_id", "event_code", "occurred_at"], keep="first", maintain_order=True)
        .with_columns(
            (pl.col("created_at") - pl.col("occurred_at")).dt.total_seconds().alias("delay_seconds"),
            (pl.col("occurred_at").dt.date() < pl.col("created_at").dt.date()).alias("is_late"),
            silence.dt.total_seconds().alias("seconds_since_previous"),
        )
        .sort("event_id")
    )
