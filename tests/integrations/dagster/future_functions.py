"""Functions whose annotations are texts, as in every module that begins like this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from dagster import AssetExecutionContext, Config, ConfigurableResource

if TYPE_CHECKING:
    from decimal import Decimal


class Scale(ConfigurableResource):
    factor: int = 1


class Wanted(Config):
    rows: int = 3


def with_context(context: AssetExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
    context.log.info("with a context")
    return raw


def without_context(raw: pl.DataFrame) -> pl.DataFrame:
    return raw


async def asynchronous(context: AssetExecutionContext, raw: pl.DataFrame) -> pl.DataFrame:
    context.log.info("with a context")
    return raw


def with_everything(context: AssetExecutionContext, config: Wanted, raw: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    assert context.resources.scale.factor == scale.factor
    return raw.head(config.rows).with_columns(pl.col("qty") * scale.factor)


def unreadable(amount: Decimal) -> pl.DataFrame:
    return pl.DataFrame({"amount": [amount]})


def unreadable_result(raw: pl.DataFrame) -> Decimal:
    return raw
