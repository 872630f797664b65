"""industry, refined: each industry once."""

import polars as pl


def industry(industry: pl.LazyFrame) -> pl.LazyFrame:
    """Drop repeated rows; an industry without a sector is filed under X, where the register files the unknown."""
    return industry.unique(keep="any").with_columns(pl.col("sector").fill_null("X")).sort("industry_code")
