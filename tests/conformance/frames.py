"""Generated frames: the same columns, filled according to a kind of data, from a seed."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from tests.conformance import texts

NOW = datetime(2026, 1, 15, 3, 4, 5, 678901, tzinfo=UTC)
KINDS = (
    "clean", "dirty", "null", "all_null", "nan", "infinite", "empty", "one_row", "unicode", "duplicates", "boundaries",
    "zones", "decimals", "sorted",
)  # fmt: skip
NAN, INF = float("nan"), float("inf")
LETTERS = pl.Enum(["b", "a", "", "ab", "é", "A"])

SCHEMA: dict[str, Any] = {
    "x": pl.Int32, "y": pl.Int64, "i": pl.Int64, "tiny": pl.Int8, "u": pl.UInt64, "f": pl.Float64, "g": pl.Float32, "w": pl.Float64,
    "d": pl.Decimal(12, 2), "p": pl.Decimal(20, 5), "s": pl.String, "mail": pl.String, "link": pl.String, "ident": pl.String,
    "host": pl.String, "c": pl.Categorical, "e": LETTERS, "b": pl.Boolean, "day": pl.Date, "seen": pl.Datetime("us"),
    "ms": pl.Datetime("ms"), "ns": pl.Datetime("ns"), "utc": pl.Datetime("us", "UTC"), "seoul": pl.Datetime("ms", "Asia/Seoul"),
    "ny": pl.Datetime("us", "America/New_York"), "tod": pl.Time, "dur": pl.Duration("us"), "k": pl.Int64, "h": pl.String,
    "tags": pl.List(pl.Int64), "rec": pl.Struct({"a": pl.Int64}),
}  # fmt: skip
TABLES = {
    "t_ints": pl.DataFrame({"k": [0, 1, 2, None, 2], "small": pl.Series([0, 1, 2, 3, 3], dtype=pl.Int16), "name": ["a", "b", "", None, "é"]}),
    "t_none": pl.DataFrame({"k": [], "name": []}, schema={"k": pl.Int64, "name": pl.String}),
}  # fmt: skip

_TEXTS = ["a", "ab", "b", "abc", "apple", "", " ", "A", "a-1", "x$", "12", "a\nb", "a\n", "banana"]
_UNICODE = [
    "é",
    "e\u0301",
    "한국어",
    "🤦🏼\u200d♂️",
    "ß",
    "İ",
    "ﬁ",
    "٣",
    "a\u0000b"[:1],
    "日本",
    "\u00a0",
    "Ａ",
    "🇰🇷",
    "a",
]
_LOCAL_NOW = NOW.replace(tzinfo=None)


def make_frame(kind: str, seed: int) -> pl.DataFrame:
    """Return the frame of that kind and seed, always the same."""
    chance = random.Random(f"{kind} {seed}")
    rows = {"empty": 0, "one_row": 1}.get(kind, chance.choice([2, 3, 7, 20, 60]))
    nulls = {"clean": 0.0, "sorted": 0.0, "null": 0.6, "all_null": 1.0, "dirty": 0.15}.get(kind, 0.08)
    data = {}
    for column, dtype in SCHEMA.items():
        pool = _pool(column, kind, chance)
        if kind == "duplicates":
            pool = chance.sample(pool, min(3, len(pool)))
        values = [chance.choice(pool) for _ in range(rows)]
        if kind == "sorted" and column not in ("tags", "rec"):
            values.sort(reverse=seed % 2 == 1)
        values = [None if chance.random() < nulls else value for value in values]
        data[column] = _series(column, values, dtype)
    return pl.DataFrame(data)


def _series(column: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    if column == "ns":
        return pl.Series(column, values, dtype=pl.Int64).cast(dtype)
    return pl.Series(column, values, dtype=dtype)


def _moments(kind: str, chance: random.Random) -> list[datetime]:
    """Moments in UTC: far, near and exactly now, and around midnights."""
    found = [NOW - timedelta(days=chance.randint(0, 40), seconds=chance.randint(0, 86_400)) for _ in range(5)]
    if kind == "clean":
        return found
    found += [NOW + timedelta(microseconds=step) for step in (-1, 0, 1, 99, -901, 1_000_000)]
    found += [NOW + timedelta(hours=hours) for hours in (-30, -25, -24, 5, 9, 15, 48)]
    midnight = datetime(2026, 1, 15, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)
    found += [midnight, midnight - timedelta(milliseconds=1), datetime(2026, 1, 15, tzinfo=UTC)]
    if kind == "boundaries":
        found += [datetime(1970, 1, 1, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)]
    return found


def _dates(chance: random.Random) -> list[date]:
    return [
        date(2026, 1, 15) + timedelta(days=days) for days in (-400, -31, -2, -1, 0, 1, 2, 30, chance.randint(-60, 20))
    ]


def _pool(column: str, kind: str, chance: random.Random) -> list[Any]:
    far = kind == "boundaries"
    match column:
        case "x" | "y":
            return [*range(-3, 6)]
        case "k":
            return [*range(5)]
        case "i":
            return [-(2**63), 2**63 - 1, 2**53 - 1, 2**53, 2**53 + 1, -1, 0, 1] if far else [*range(-2, 12)]
        case "tiny":
            return [-128, 127, 0, 1, -1] if far else [*range(-2, 12)]
        case "u":
            return [0, 1, 2**53 + 1, 2**63, 2**64 - 1] if far else [*range(12)]
        case "f" | "g" | "w":
            return _floats(column, kind)
        case "d":
            cents = [*range(-120, 260, 7), 100, 0, 10, 200] if kind != "clean" else [*range(0, 200, 5)]
            return [Decimal(each).scaleb(-2) for each in [*cents, *([10**12 - 1, 1 - 10**12] if far else [])]]
        case "p":
            return [Decimal(each).scaleb(-5) for each in (0, 1, -1, 100_000, 110_000, 99_999, 100_001, 10_000)]
        case "s" | "h":
            return {"unicode": _UNICODE, "clean": ["a", "ab", "abc"]}.get(kind, _TEXTS)
        case "mail":
            return _format(texts.GOOD_EMAILS, texts.BAD_EMAILS, kind)
        case "link":
            return _format(texts.GOOD_URLS, texts.BAD_URLS, kind)
        case "ident":
            return _format(texts.GOOD_UUIDS, texts.BAD_UUIDS, kind)
        case "host":
            return _format(texts.GOOD_ADDRESSES[None], texts.ADDRESSES, kind)
        case "c" | "e":
            return ["a", "b", "", "ab", "é", "A"]
        case "b":
            return [True, False]
        case "tod":
            return [time(0), time(9), time(9, 0, 0, 1), time(12, 30), time(23, 59, 59, 999999)]
        case "dur":
            return [timedelta(microseconds=each) for each in (0, 1, -1, 60_000_000, 3_600_000_000, -86_400_000_000)]
        case "tags":
            return [[], [1], [1, 2]]
        case "rec":
            return [{"a": 1}, {"a": None}]
    return _points(column, _moments(kind, chance), chance)


def _points(column: str, moments: Sequence[datetime], chance: random.Random) -> list[Any]:
    if column == "day":
        return _dates(chance)
    if column == "ns":
        extra = chance.choice([0, 1, 999])
        return [
            (each - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000 + extra for each in moments
        ]
    if column in ("seen", "ms"):
        return [each.replace(tzinfo=None) for each in moments]
    return list(moments)


def _format(good: Sequence[str], bad: Sequence[str], kind: str) -> list[str]:
    return [*good] if kind == "clean" else [*good, *bad]


def _floats(column: str, kind: str) -> list[float]:
    # Quarters add up exactly in any order, so that sums are the same everywhere.
    plain = [each / 4 for each in range(-6, 13)]
    if kind == "nan":
        return [*plain[:6], NAN, NAN, -0.0, 0.0]
    if kind == "infinite":
        return [*plain[:6], INF, -INF, -0.0, *([NAN] if column != "w" else [])]
    if column == "w" or kind != "boundaries":
        return [each for each in plain if each >= 0] if kind == "clean" else plain
    edges = [0.1, -0.1, 0.0, -0.0, 5e-324, 1.0, 1.5]
    return [
        *edges,
        *([2.0**53, 2.0**53 + 2, -(2.0**53), 1.7e308, -1.7e308, 2.0**63] if column == "f" else [16_777_216.0, 3.4e38]),
    ]
