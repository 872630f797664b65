"""price_bar, refined: the bars of a day as one row per ticker."""

import polars as pl


def price_bar(price_bar: pl.LazyFrame) -> pl.LazyFrame:
    """Drop repeated bars, then open, high, low, close, volume and the volume-weighted price of the day."""
    traded = pl.col("volume").clip(lower_bound=0)
    return (
        price_bar.unique(keep="any")
        .drop_nulls("close")
        .sort("bar_at")
        .group_by("ticker")
        .agg(
            pl.len().cast(pl.Int64).alias("bars"),
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            traded.sum().alias("volume"),
            # Rounded, because the last digits of a sum depend on the order, and equal rows are to be equal objects.
            ((pl.col("close") * traded).sum() / traded.sum()).round(6).alias("vwap"),
            pl.col("bar_at").max(),
        )
        .sort("ticker")
    )
