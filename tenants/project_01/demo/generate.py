"""The demo source of project_01: ten days of a factory in one SQLite file, with the dirt of real data.

Belongs here: what the tables look like and what is wrong in them. The same seed gives the same bytes, so that a second
run changes nothing. Timestamps are local wall time of the factory (Asia/Seoul), as its database writes them.
"""

import os
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

SEED = 20260101
DAYS = 10
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  naive on purpose: the database stores wall time
SECONDS_OF_A_DAY = 86_400
STEPS = ("DIFF", "PHOTO", "ETCH", "IMPLANT", "CMP")

SCHEMA = """
CREATE TABLE lot_history (
    id INTEGER PRIMARY KEY, lot_id TEXT, product_code TEXT, process_step TEXT, equipment_id TEXT, qty INTEGER,
    status TEXT, operator TEXT, note TEXT, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL
);
CREATE TABLE equipment_event (
    event_id INTEGER PRIMARY KEY, equipment_id TEXT NOT NULL, event_code TEXT, severity TEXT, value REAL, message TEXT,
    occurred_at TIMESTAMP NOT NULL, created_at TIMESTAMP NOT NULL
);
CREATE TABLE process_result (
    result_id INTEGER PRIMARY KEY, lot_id TEXT NOT NULL, process_step TEXT NOT NULL, parameter TEXT NOT NULL,
    value REAL, lower_limit REAL, upper_limit REAL, measured_at TIMESTAMP NOT NULL
);
CREATE TABLE cfg_item_master (
    id INTEGER PRIMARY KEY, item_code TEXT NOT NULL, item_name TEXT, category TEXT, unit_price NUMERIC(12,2),
    is_active INTEGER NOT NULL, valid_from DATE NOT NULL, valid_to DATE
);
"""
INDEXES = """
CREATE INDEX lot_history_created_at ON lot_history (created_at);
CREATE INDEX equipment_event_created_at ON equipment_event (created_at);
CREATE INDEX process_result_measured_at ON process_result (measured_at);
"""


def make_demo(path: Path) -> None:
    """Write the whole source to `path`, in one step: a reader sees the old file or the new one, never half of one."""
    rng = np.random.default_rng(SEED)
    lots = _lot_history(rng)
    tables = {
        "lot_history": lots,
        "equipment_event": _equipment_event(rng),
        "process_result": _process_result(rng, lots),
        "cfg_item_master": _cfg_item_master(rng),
    }
    _write(path, tables)


def _lot_history(rng: np.random.Generator) -> pl.DataFrame:
    """Every lot passes five steps in a day; corrections and repeated deliveries of the same row follow later."""
    per_day = 1_340
    lots = DAYS * per_day
    rows = lots * len(STEPS)
    lot = np.repeat(np.arange(lots), len(STEPS))
    step = np.tile(np.arange(len(STEPS)), lots)
    day = lot // per_day
    # A lot starts in the first half of the day and needs some two hours a step, so it never crosses midnight.
    start = np.repeat(rng.integers(0, SECONDS_OF_A_DAY // 2, lots), len(STEPS))
    second = start + step * 7_200 + rng.integers(0, 3_600, rows)
    second[::997] = 0  # exactly midnight belongs to the day that begins
    scrap = np.cumsum(rng.binomial(1, 0.08, (lots, len(STEPS))), axis=1).ravel()
    qty = 25 - scrap
    base = pl.DataFrame(
        {
            "lot": lot,
            "day": day,
            "second": day * SECONDS_OF_A_DAY + second,
            "step": step,
            "tool": rng.integers(1, 13, rows),
            "product": np.repeat(rng.integers(0, 40, lots), len(STEPS)),
            "qty": np.where(rng.random(rows) < 0.003, -qty, qty),
            "qty_known": rng.random(rows) >= 0.004,
            "lot_known": rng.random(rows) >= 0.002,
            "blank": rng.integers(0, 60, rows),
            "status": rng.choice(5, rows, p=[0.70, 0.20, 0.06, 0.035, 0.005]),
            "person": rng.integers(0, 6, rows),
            "note": rng.integers(0, 50, rows),
            "delay": rng.integers(1, 600, rows),
            # 1.5 % of the rows reach the database only on the following day.
            "arrival": (rng.random(rows) < 0.015).astype(np.int64),
        },
    )
    corrected = base.gather(np.sort(rng.choice(rows, 1_500, replace=False))).with_columns(
        pl.col("qty").abs() - 1,
        pl.lit(value=True).alias("qty_known"),
        delay=pl.col("delay") + 3_600,
    )
    repeated = base.gather(np.sort(rng.choice(rows, 900, replace=False)))
    names = pl.Series(["김민수", "이서연", "박지훈", "최유진 ", "Jürgen Groß", "정하늘"])
    notes = pl.Series(
        ["재작업 필요 🔧", "확인 완료 ✅", "cafe\u0301 라인", "온도 23.5°C, 습도 45%", "  ", "O'Brien; 확인"]
    )
    states = pl.Series(["DONE", "RUN", "HOLD", "done", "???"])
    lot_id = pl.format("LOT{}", (pl.col("lot") + 100_000).cast(pl.String))
    return (
        pl.concat([base, corrected, repeated])
        .sort(pl.col("second") + pl.col("arrival") * SECONDS_OF_A_DAY, "delay", "lot", "step", maintain_order=True)
        .select(
            pl.int_range(1, pl.len() + 1).alias("id"),
            pl.when("lot_known")
            .then(
                pl.when(pl.col("blank") == 0)
                .then(pl.format(" {}", lot_id))
                .when(pl.col("blank") == 1)
                .then(pl.format("{}\u3000", lot_id))
                .when(pl.col("blank") == 2)
                .then(lot_id.str.to_lowercase())
                .otherwise(lot_id)
            )
            .alias("lot_id"),
            pl.format("P-{}", (pl.col("product") + 100).cast(pl.String)).alias("product_code"),
            _pick(pl.Series(STEPS), "step").alias("process_step"),
            pl.format("EQ-{}-{}", _pick(pl.Series(STEPS), "step"), pl.col("tool").cast(pl.String).str.zfill(2)).alias(
                "equipment_id"
            ),
            pl.when("qty_known").then("qty").alias("qty"),
            _pick(states, "status").alias("status"),
            _pick(names, "person").alias("operator"),
            pl.when(pl.col("note") < len(notes)).then(_pick(notes, pl.col("note") % len(notes))).alias("note"),
            _stamp(pl.col("second")).alias("created_at"),
            _stamp(pl.col("second") + pl.col("delay")).alias("updated_at"),
        )
    )


def _equipment_event(rng: np.random.Generator) -> pl.DataFrame:
    """Alarms of the machines: delivered at least once, some a day late, some from clocks that run ahead."""
    rows = 59_400
    second = np.sort(rng.integers(0, DAYS * SECONDS_OF_A_DAY - 600, rows))
    second[::1_499] -= second[::1_499] % SECONDS_OF_A_DAY
    late = (rng.random(rows) < 0.02) & (second >= SECONDS_OF_A_DAY)
    ahead = rng.random(rows) < 0.004
    delay = np.where(late, rng.integers(20_000, 80_000, rows), rng.integers(0, 90, rows))
    delay = np.where(ahead & ~late, -rng.integers(5, 400, rows), delay)
    codes = ["E101", "E102", "E205", "E310", "W010", "W044", "W120", "E999X", "null", ""]
    base = pl.DataFrame(
        {
            "created": second,
            "occurred": second - delay,
            "tool": rng.integers(1, 13, rows),
            "step": rng.integers(0, len(STEPS), rows),
            "code": rng.choice(len(codes), rows, p=[0.2, 0.15, 0.15, 0.1, 0.15, 0.15, 0.094, 0.003, 0.002, 0.001]),
            "value": np.round(rng.normal(50.0, 12.0, rows), 3),
            "value_known": rng.random(rows) >= 0.03,
            "spike": rng.random(rows) < 0.002,
            "message": rng.integers(0, 5, rows),
        },
    )
    again = base.gather(np.sort(rng.choice(rows, 600, replace=False))).with_columns(
        (pl.col("created") + 7).clip(upper_bound=DAYS * SECONDS_OF_A_DAY - 1),
    )
    messages = pl.Series(
        ["진공 압력 이상 ⚠️", "챔버 온도 상승 🌡️", "Gas flow out of range", "정상 복귀", "Übertemperatur"]
    )
    return (
        pl.concat([base, again])
        .sort("created", "occurred", "tool", "step", "code", maintain_order=True)
        .select(
            pl.int_range(1, pl.len() + 1).alias("event_id"),
            pl.format("EQ-{}-{}", _pick(pl.Series(STEPS), "step"), pl.col("tool").cast(pl.String).str.zfill(2)).alias(
                "equipment_id"
            ),
            _pick(pl.Series(codes), "code").alias("event_code"),
            pl.when(pl.col("code").is_in([4, 5, 6])).then(pl.lit("WARN")).otherwise(pl.lit("ALARM")).alias("severity"),
            pl.when("value_known").then(pl.when("spike").then(-999.0).otherwise("value")).alias("value"),
            _pick(messages, "message").alias("message"),
            _stamp(pl.col("occurred")).alias("occurred_at"),
            _stamp(pl.col("created")).alias("created_at"),
        )
    )


def _process_result(rng: np.random.Generator, lots: pl.DataFrame) -> pl.DataFrame:
    """Measurements at some steps of the lots; a few name lots that nobody knows."""
    known = (
        lots.drop_nulls("lot_id").gather_every(2).with_columns(pl.col("lot_id").str.strip_chars().str.to_uppercase())
    )
    wanted = 22_300
    picked = known.gather(np.sort(rng.choice(known.height, wanted, replace=False)))
    unknown = rng.random(wanted) < 0.006
    base = pl.concat(
        [
            picked.select(
                pl.when(pl.Series(unknown))
                .then(pl.format("LOT9{}", pl.int_range(10_000, 10_000 + pl.len()).cast(pl.String)))
                .otherwise("lot_id")
                .alias("lot_id"),
                "process_step",
                pl.lit(parameter).alias("parameter"),
                pl.Series(np.round(rng.normal(mean, spread, wanted), 4)).alias("value"),
                pl.Series(rng.random(wanted) >= 0.005).alias("value_known"),
                pl.lit(mean - 3 * spread).alias("lower_limit"),
                pl.lit(mean + 3 * spread).alias("upper_limit"),
                "created_at",
            )
            for parameter, mean, spread in (("thickness_nm", 120.0, 1.5), ("temp_c", 350.0, 4.0))
        ],
    )
    repeated = base.gather(np.sort(rng.choice(base.height, 400, replace=False)))
    return (
        pl.concat([base, repeated])
        .sort("created_at", "lot_id", "process_step", "parameter", "value", maintain_order=True)
        .select(
            pl.int_range(1, pl.len() + 1).alias("result_id"),
            "lot_id",
            "process_step",
            "parameter",
            pl.when("value_known").then("value").alias("value"),
            "lower_limit",
            "upper_limit",
            pl.col("created_at").alias("measured_at"),
        )
    )


def _cfg_item_master(rng: np.random.Generator) -> pl.DataFrame:
    """The items and their prices, with older versions of some of them and names in two Unicode forms."""
    items, versions = 4_000, 1_000
    item = np.concatenate([np.arange(items), np.sort(rng.choice(items, versions, replace=False))])
    rows = items + versions
    begin = np.where(np.arange(rows) < items, 0, 400) + rng.integers(0, 300, rows)
    names = pl.Series(["웨이퍼 12인치", "포토레지스트", "cafe\u0301 필터", "슬러리 🧪", " 가스 N2 ", "Gehäuse Ø5"])
    categories = pl.Series(["RAW", "GAS", "CHEM", "PART", "raw"])
    day = pl.date(2024, 1, 1)
    return pl.DataFrame(
        {
            "item": item,
            "name": rng.integers(0, len(names), rows),
            "category": rng.integers(0, len(categories), rows),
            "cents": rng.integers(100, 9_999_999, rows),
            "cents_known": rng.random(rows) >= 0.01,
            "active": (rng.random(rows) < 0.93).astype(np.int64),
            "begin": begin,
            "ends": rng.random(rows) < 0.2,
        },
    ).select(
        pl.int_range(1, pl.len() + 1).alias("id"),
        pl.format("ITEM-{}", (pl.col("item") + 10_000).cast(pl.String)).alias("item_code"),
        _pick(names, "name").alias("item_name"),
        _pick(categories, "category").alias("category"),
        pl.when("cents_known").then(pl.col("cents") / 100).alias("unit_price"),
        pl.col("active").alias("is_active"),
        (day + pl.duration(days="begin")).dt.to_string("%Y-%m-%d").alias("valid_from"),
        pl.when("ends")
        .then((day + pl.duration(days=pl.col("begin") + 365)).dt.to_string("%Y-%m-%d"))
        .alias("valid_to"),
    )


def _pick(values: pl.Series, index: str | pl.Expr) -> pl.Expr:
    """The value at each position of `index`."""
    position = pl.col(index) if isinstance(index, str) else index
    return pl.lit(values).gather(position)


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
