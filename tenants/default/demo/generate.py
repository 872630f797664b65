"""The demo source of the default tenant: ten days of a stock exchange in one SQLite file.

Belongs here: what the tables look like and what is wrong in them. The exchange is closed on New Year's Day and on
Saturdays and Sundays, so some days are rightly empty. The same seed gives the same bytes. Timestamps are local wall
time (Asia/Seoul), as the source writes them.
"""

import os
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

SEED = 20260303
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  naive on purpose: the database stores wall time
TRADING_DAYS = (1, 4, 5, 6, 7, 8)  # 2 January (Friday), then Monday to Friday
SECONDS_OF_A_DAY = 86_400
SECURITIES = 2_500

SCHEMA = """
CREATE TABLE security (
    ticker TEXT NOT NULL, name TEXT, market TEXT, listed_on DATE, shares INTEGER, changed_at TIMESTAMP NOT NULL
);
CREATE TABLE stock_price (
    ticker TEXT NOT NULL, trade_date DATE NOT NULL, open NUMERIC(12,2), high NUMERIC(12,2), low NUMERIC(12,2),
    close NUMERIC(12,2), volume INTEGER, received_at TIMESTAMP NOT NULL
);
CREATE TABLE price_bar (
    ticker TEXT NOT NULL, bar_at TIMESTAMP NOT NULL, open REAL, high REAL, low REAL, close REAL, volume INTEGER
);
"""
INDEXES = """
CREATE INDEX stock_price_trade_date ON stock_price (trade_date);
CREATE INDEX price_bar_bar_at ON price_bar (bar_at);
"""


def make_demo(path: Path) -> None:
    """Write the whole source to `path`, in one step: a reader sees the old file or the new one, never half of one."""
    rng = np.random.default_rng(SEED)
    level = np.round(np.exp(rng.normal(9.5, 1.2, SECURITIES)), 0) + 100
    tables = {
        "security": _security(rng),
        "stock_price": _stock_price(rng, level),
        "price_bar": _price_bar(rng, level),
    }
    _write(path, tables)


def _security(rng: np.random.Generator) -> pl.DataFrame:
    """What is listed; a change of name or market is a further row of the same ticker."""
    ticker = np.concatenate([np.arange(SECURITIES), np.sort(rng.choice(SECURITIES, 150, replace=False))])
    rows = len(ticker)
    heads = pl.Series(["한국", "대한", "Café ", "미래🚀", "서울 ", "Nordsjö ", "新星"])
    tails = pl.Series(["전자", "바이오", "홀딩스", "화학", "게임즈"])
    return pl.DataFrame(
        {
            "ticker": ticker,
            "renamed": np.arange(rows) >= SECURITIES,
            "market": rng.choice(4, rows, p=[0.35, 0.6, 0.04, 0.01]),
            "listed": rng.integers(0, 12_000, rows),
            "shares": rng.integers(1_000_000, 900_000_000, rows),
            "shares_known": rng.random(rows) >= 0.004,
        },
    ).select(
        _ticker().alias("ticker"),
        pl.format(
            "{}{}{}",
            _pick(heads, pl.col("ticker") % len(heads)),
            _pick(tails, pl.col("ticker") // 7 % len(tails)),
            pl.when("renamed").then(pl.lit(" (신)")).otherwise(pl.lit("")),
        ).alias("name"),
        _pick(pl.Series(["KOSPI", "KOSDAQ", "kosdaq ", None]), pl.col("market")).alias("market"),
        (pl.date(1985, 1, 1) + pl.duration(days="listed")).dt.to_string("%Y-%m-%d").alias("listed_on"),
        pl.when("shares_known").then("shares").alias("shares"),
        _stamp(pl.when("renamed").then(-86_400 * 9 + pl.col("ticker")).otherwise(-86_400 * 400)).alias("changed_at"),
    )


def _stock_price(rng: np.random.Generator, level: np.ndarray) -> pl.DataFrame:
    """A row per ticker and trading day; some are corrected in the evening, some stand twice."""
    rows = SECURITIES * len(TRADING_DAYS)
    day = np.repeat(np.array(TRADING_DAYS), SECURITIES)
    moves = np.cumsum(rng.normal(0.0, 0.02, (len(TRADING_DAYS), SECURITIES)), axis=0)
    close = (level * np.exp(moves)).ravel()
    spread = np.abs(rng.normal(0.0, 0.01, (2, rows)))
    start = close * (1 + rng.normal(0.0, 0.01, rows))
    base = pl.DataFrame(
        {
            "ticker": np.tile(np.arange(SECURITIES), len(TRADING_DAYS)),
            "day": day,
            "open": start,
            "high": np.maximum(start, close) * (1 + spread[0]),
            "low": np.minimum(start, close) * (1 - spread[1]),
            "close": np.where(rng.random(rows) < 0.001, -close, close),
            "close_known": rng.random(rows) >= 0.002,
            "turned": rng.random(rows) < 0.003,
            "volume": rng.geometric(1e-5, rows),
            "received": day * SECONDS_OF_A_DAY + 56_000 + rng.integers(0, 1_800, rows),
        },
    ).with_columns(pl.col("open", "high", "low", "close").round(2))
    corrected = base.gather(np.sort(rng.choice(rows, 300, replace=False))).with_columns(
        pl.col("close").abs(),
        pl.lit(value=True).alias("close_known"),
        pl.lit(value=False).alias("turned"),
        received=pl.col("received") + 9_000,
    )
    # Corrections that arrive two days later still belong to the day that was traded.
    late = base.gather(np.sort(rng.choice(rows, 100, replace=False))).with_columns(
        volume=pl.col("volume") + 1,
        received=pl.col("received") + 2 * SECONDS_OF_A_DAY,
    )
    repeated = base.gather(np.sort(rng.choice(rows, 200, replace=False)))
    return (
        pl.concat([base, corrected, late, repeated])
        .sort("received", "ticker", maintain_order=True)
        .select(
            _ticker().alias("ticker"),
            _stamp(pl.col("day") * SECONDS_OF_A_DAY).str.head(10).alias("trade_date"),
            "open",
            pl.when("turned").then("low").otherwise("high").alias("high"),
            pl.when("turned").then("high").otherwise("low").alias("low"),
            pl.when("close_known").then("close").alias("close"),
            "volume",
            _stamp(pl.col("received")).alias("received_at"),
        )
    )


def _price_bar(rng: np.random.Generator, level: np.ndarray) -> pl.DataFrame:
    """Bars of five minutes of the ninety most watched tickers, 09:00 to 15:25; the table has no key."""
    tickers, bars = 90, 78
    rows = tickers * bars * len(TRADING_DAYS)
    day = np.repeat(np.array(TRADING_DAYS), tickers * bars)
    bar = np.tile(np.repeat(np.arange(bars), tickers), len(TRADING_DAYS))
    ticker = np.tile(np.arange(tickers), bars * len(TRADING_DAYS))
    steps = rng.normal(0.0, 0.001, (len(TRADING_DAYS) * bars, tickers))
    close = np.round((level[:tickers] * np.exp(np.cumsum(steps, axis=0))).ravel(), 2)
    start = np.round(close * (1 + rng.normal(0.0, 0.0005, rows)), 2)
    base = pl.DataFrame(
        {
            "ticker": ticker,
            "second": day * SECONDS_OF_A_DAY + 32_400 + bar * 300,
            "open": start,
            "high": np.maximum(start, close),
            "low": np.minimum(start, close),
            "close": close,
            "close_known": rng.random(rows) >= 0.001,
            "volume": np.where(rng.random(rows) < 0.002, -1, rng.integers(0, 5_000, rows)),
        },
    )
    repeated = base.gather(np.sort(rng.choice(rows, 400, replace=False)))
    return (
        pl.concat([base, repeated])
        .sort("second", "ticker", maintain_order=True)
        .select(
            _ticker().alias("ticker"),
            _stamp(pl.col("second")).alias("bar_at"),
            "open",
            "high",
            "low",
            pl.when("close_known").then("close").alias("close"),
            "volume",
        )
    )


def _ticker() -> pl.Expr:
    """Six digits, as the exchange writes them."""
    return (pl.col("ticker") * 10 + 5930).cast(pl.String).str.zfill(6)


def _pick(values: pl.Series, index: pl.Expr) -> pl.Expr:
    """The value at each position of `index`."""
    return pl.lit(values).gather(index)


def _stamp(seconds: pl.Expr) -> pl.Expr:
    """Seconds since the first midnight as the text that SQLite keeps."""
    return (pl.lit(FIRST_DAY) + pl.duration(seconds=seconds)).dt.to_string("%Y-%m-%d %H:%M:%S")


def _write(path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    try:
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")
        for name, frame in tables.items():
            marks = ", ".join("?" * frame.width)
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", zip(*frame, strict=True))
        connection.commit()
        connection.executescript(INDEXES)
    finally:
        connection.close()
    unfinished.replace(path)
