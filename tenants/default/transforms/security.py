"""security, refined: what is listed, as it is called now."""

import polars as pl


def security(security: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the newest version of each ticker, with market and name in one spelling."""
    return (
        security.with_columns(
            pl.col("name").str.strip_chars().str.normalize("NFC"),
            pl.col("market").str.strip_chars().str.to_uppercase(),
        )
        .sort("changed_at")
        .unique("ticker", keep="last", maintain_order=True)
        .sort("ticker")
    )
