"""subscription_change, refined: who joined (취득) and who left (상실), by workplace and day of report."""

import polars as pl


def subscription_change(subscription_change: pl.LazyFrame) -> pl.LazyFrame:
    """Drop reports sent twice and kinds of change that are neither, then add up by workplace."""
    people = pl.col("person_count")
    joined = people.filter(pl.col("change_type") == "취득").sum()
    left = people.filter(pl.col("change_type") == "상실").sum()
    return (
        subscription_change.with_columns(pl.col("change_type").str.strip_chars())
        .unique(pl.exclude("change_id"), keep="any")
        .filter(pl.col("workplace_id").is_not_null(), pl.col("change_type").is_in(["취득", "상실"]))
        .group_by("workplace_id")
        .agg(
            joined.cast(pl.Int64).alias("joined"),
            left.cast(pl.Int64).alias("left"),
            (joined.cast(pl.Int64) - left.cast(pl.Int64)).alias("net_change"),
            pl.len().cast(pl.Int64).alias("reports"),
            (pl.col("created_at").dt.date() - pl.col("effective_on")).dt.total_days().max().alias("longest_delay_days"),
            pl.col("created_at").max(),
        )
        .sort("workplace_id")
    )
