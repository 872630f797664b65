"""stock_price, refined: one row per ticker and day, with market value and rank."""

import polars as pl


def stock_price(stock_price: pl.LazyFrame, security: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the last correction of each day's price, look up the security, and rank by turnover within its market."""
    listed = (
        security.with_columns(pl.col("market").str.strip_chars().str.to_uppercase())
        .sort("changed_at")
        .unique("ticker", keep="last", maintain_order=True)
        .select("ticker", "market", "shares")
    )
    price = pl.Decimal(18, 2)
    turnover = pl.col("close") * pl.col("volume").cast(price)
    return (
        stock_price.sort("received_at")
        .unique(["ticker", "trade_date"], keep="last", maintain_order=True)
        .with_columns(pl.col("open", "high", "low", "close").cast(price))
        .join(listed, on="ticker", how="left")
        .with_columns(
            turnover.cast(price).alias("turnover"),
            (pl.col("close") * pl.col("shares").cast(price)).cast(pl.Decimal(24, 2)).alias("market_value"),
        )
        .with_columns(
            pl.col("turnover")
            .rank("min", descending=True)
            .over("trade_date", "market")
            .cast(pl.Int64)
            .alias("turnover_rank"),
        )
        .select(
            "ticker",
            "trade_date",
            "market",
            "open",
            "high",
            "low",
            "close",
            "volume",
            "turnover",
            "turnover_rank",
            "market_value",
            "received_at",
        )
        .sort("ticker", "trade_date")
    )
