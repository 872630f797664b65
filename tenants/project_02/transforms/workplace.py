"""workplace, refined: the newest state of each workplace that changed on the day."""

import polars as pl


def workplace(workplace: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the last change of each workplace; names in one Unicode form and one spacing, numbers without hyphens."""
    return (
        workplace.sort("updated_at", "change_id")
        .unique("workplace_id", keep="last", maintain_order=True)
        .with_columns(
            pl.col("business_name", "address").str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars(),
            pl.col("business_registration_number").str.replace_all("-", "", literal=True),
            pl.col("monthly_amount").cast(pl.Decimal(14, 0)),
        )
        .select(
            "workplace_id",
            "business_name",
            "business_registration_number",
            "address",
            "industry_code",
            "status_code",
            "subscriber_count",
            "monthly_amount",
            "updated_at",
        )
        .sort("workplace_id")
    )
