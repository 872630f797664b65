"""cfg_item_master, refined: the item version that counts."""

import polars as pl


def cfg_item_master(cfg_item_master: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the newest version of each item, name it in one Unicode form, and give the price its exact type."""
    return (
        cfg_item_master.with_columns(
            pl.col("item_name").str.strip_chars().str.normalize("NFC"),
            pl.col("category").str.to_uppercase(),
            pl.col("unit_price").cast(pl.Decimal(12, 2)),
            pl.col("is_active") == 1,
        )
        .sort("valid_from", "id")
        .unique("item_code", keep="last", maintain_order=True)
        .select("item_code", "item_name", "category", "unit_price", "is_active", "valid_from", "valid_to")
        .sort("item_code")
    )
