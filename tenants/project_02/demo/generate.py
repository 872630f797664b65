"""The demo source of project_02: ten days of pension workplaces (국민연금 가입 사업장) in one SQLite file.

Belongs here: what the tables look like and what is wrong in them. The same seed gives the same bytes. Timestamps are
local wall time (Asia/Seoul), as the source writes them.
"""

import os
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

SEED = 20260202
DAYS = 10
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  naive on purpose: the database stores wall time
SECONDS_OF_A_DAY = 86_400

SCHEMA = """
CREATE TABLE workplace (
    change_id INTEGER PRIMARY KEY, workplace_id INTEGER NOT NULL, business_name TEXT, business_registration_number TEXT,
    address TEXT, industry_code TEXT, status_code INTEGER, subscriber_count INTEGER, monthly_amount NUMERIC(14,0),
    updated_at TIMESTAMP NOT NULL
);
CREATE TABLE subscription_change (
    change_id INTEGER PRIMARY KEY, workplace_id INTEGER, change_type TEXT, person_count INTEGER,
    effective_on DATE NOT NULL, created_at TIMESTAMP NOT NULL
);
CREATE TABLE industry (industry_code TEXT, industry_name TEXT, sector TEXT);
"""
INDEXES = """
CREATE INDEX workplace_updated_at ON workplace (updated_at);
CREATE INDEX subscription_change_created_at ON subscription_change (created_at);
"""
WORKPLACES = 9_000
INDUSTRIES = 1_900


def make_demo(path: Path) -> None:
    """Write the whole source to `path`, in one step: a reader sees the old file or the new one, never half of one."""
    rng = np.random.default_rng(SEED)
    tables = {
        "workplace": _workplace(rng),
        "subscription_change": _subscription_change(rng),
        "industry": _industry(rng),
    }
    _write(path, tables)


def _workplace(rng: np.random.Generator) -> pl.DataFrame:
    """Changes of workplaces as the register writes them: the newest row of a workplace is its state."""
    rows = 33_500
    heads = pl.Series(["(주)한빛", "㈜서울", "대한", "주식회사 미래 ", "행복한", "카페 cafe\u0301 ", "Ünal ", "🌱초록"])
    tails = pl.Series(["전자", "건설", "식품", "물류", "소프트", "의원", "학원", "상사"])
    towns = pl.Series(
        ["서울특별시 중구", "부산광역시 해운대구", "경기도  성남시", "제주특별자치도 제주시", "강원도 춘천시"]
    )
    workplace = rng.integers(0, WORKPLACES, rows)
    second = np.sort(rng.integers(0, DAYS * SECONDS_OF_A_DAY, rows))
    second[::1_201] -= second[::1_201] % SECONDS_OF_A_DAY
    base = pl.DataFrame(
        {
            "workplace": workplace,
            "second": second,
            # A change that arrives the following day keeps its time and stands later in the table.
            "arrival": second + np.where(rng.random(rows) < 0.02, SECONDS_OF_A_DAY, 0),
            "number": (workplace.astype(np.int64) * 7_919_317) % 9_000_000_000 + 1_000_000_000,
            "form": rng.choice(4, rows, p=[0.88, 0.1, 0.015, 0.005]),
            "town": rng.integers(0, len(towns), rows),
            "industry": (workplace * 13) % INDUSTRIES,
            "industry_known": rng.random(rows) >= 0.01,
            "status": rng.choice([1, 2, 9], rows, p=[0.93, 0.067, 0.003]),
            "people": rng.geometric(0.05, rows),
            "negative": rng.random(rows) < 0.001,
            "people_known": rng.random(rows) >= 0.006,
            "pay": rng.integers(150_000, 320_000, rows),
        },
    )
    repeated = base.gather(np.sort(rng.choice(rows, 500, replace=False)))
    number = pl.col("number").cast(pl.String)
    people = pl.when("negative").then(-pl.col("people")).otherwise("people")
    return (
        pl.concat([base, repeated])
        .sort("arrival", "second", "workplace", maintain_order=True)
        .select(
            pl.int_range(1, pl.len() + 1).alias("change_id"),
            (pl.col("workplace") + 1).alias("workplace_id"),
            pl.format(
                "{}{}",
                _pick(heads, pl.col("workplace") % len(heads)),
                _pick(tails, pl.col("workplace") // 8 % len(tails)),
            ).alias("business_name"),
            pl.when(pl.col("form") == 0)
            .then(number)
            .when(pl.col("form") == 1)
            .then(pl.format("{}-{}-{}", number.str.slice(0, 3), number.str.slice(3, 2), number.str.slice(5)))
            .when(pl.col("form") == 2)
            .then(number.str.slice(0, 7))
            .alias("business_registration_number"),
            pl.format("{} {}번길 {}", _pick(towns, pl.col("town")), pl.col("industry"), pl.col("workplace") % 90).alias(
                "address"
            ),
            pl.when("industry_known").then(pl.col("industry").cast(pl.String).str.zfill(6)).alias("industry_code"),
            pl.col("status").alias("status_code"),
            pl.when("people_known").then(people).alias("subscriber_count"),
            pl.when("people_known").then(pl.col("people") * pl.col("pay")).alias("monthly_amount"),
            _stamp(pl.col("second")).alias("updated_at"),
        )
    )


def _subscription_change(rng: np.random.Generator) -> pl.DataFrame:
    """People joining (취득) and leaving (상실), reported up to a month after it happened."""
    rows = 43_600
    types = pl.Series(["취득", "상실", " 취득", "전입", "?"])
    second = np.sort(rng.integers(0, DAYS * SECONDS_OF_A_DAY, rows))
    day = second // SECONDS_OF_A_DAY
    reported_after = np.where(rng.random(rows) < 0.3, rng.integers(1, 30, rows), 0)
    reported_after = np.where(rng.random(rows) < 0.002, -40, reported_after)
    base = pl.DataFrame(
        {
            "second": second,
            "workplace": rng.integers(1, WORKPLACES + 60, rows),  # the last ones are in no register
            "workplace_known": rng.random(rows) >= 0.002,
            "type": rng.choice(len(types), rows, p=[0.52, 0.44, 0.03, 0.006, 0.004]),
            "people": rng.geometric(0.4, rows),
            "people_known": rng.random(rows) >= 0.003,
            "effective": day - reported_after,
        },
    )
    repeated = base.gather(np.sort(rng.choice(rows, 400, replace=False)))
    return (
        pl.concat([base, repeated])
        .sort("second", "workplace", "type", maintain_order=True)
        .select(
            pl.int_range(1, pl.len() + 1).alias("change_id"),
            pl.when("workplace_known").then("workplace").alias("workplace_id"),
            _pick(types, pl.col("type")).alias("change_type"),
            pl.when("people_known").then("people").alias("person_count"),
            _stamp(pl.col("effective") * SECONDS_OF_A_DAY).str.head(10).alias("effective_on"),
            _stamp(pl.col("second")).alias("created_at"),
        )
    )


def _industry(rng: np.random.Generator) -> pl.DataFrame:
    """The classification of industries; a hundred rows stand in it twice, exactly alike: the table has no key."""
    names = pl.Series(
        [
            "반도체 제조업",
            "소프트웨어 개발",
            "한식 음식점업",
            "의원",
            "도로 화물 운송업",
            "부동산 임대업",
            "교육 서비스업",
        ]
    )
    code = np.concatenate([np.arange(INDUSTRIES), np.sort(rng.choice(INDUSTRIES, 100, replace=False))])
    return (
        pl.DataFrame({"code": code})
        .sort("code")
        .select(
            pl.col("code").cast(pl.String).str.zfill(6).alias("industry_code"),
            pl.format("{} {}", _pick(names, pl.col("code") % len(names)), pl.col("code") // len(names)).alias(
                "industry_name"
            ),
            pl.when(pl.col("code") % 211 != 0)
            .then(pl.lit("ABCDEFGHIJ").str.slice(pl.col("code") % 10, 1))
            .alias("sector"),
        )
    )


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
