"""A key's value is compared by the column's type, and DuckDB gives the same answer as the objects of the lake."""

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.lifecycle.key_in_objects import count_in
from etl.warehouse.contract import Column
from etl.warehouse.key_value import NotComparableError, condition

UNCLEAR = "unclear"
BIG = 9_007_199_254_740_993
DAY = dt.datetime.fromisoformat("2026-01-01")
SEOUL = dt.datetime(2026, 1, 1, 1, 0, tzinfo=dt.UTC)
CASES: list[tuple[str, pa.DataType, list[Any], dict[str, int | str]]] = [
    ("VARCHAR", pa.string(), ["0", "00", None, " 0", "é"],
     {"0": 1, "00": 1, "0.0": 0, " 0": 1, "é": 1, "e\u0301": 0}),
    ("BIGINT", pa.int64(), [0, 10, BIG, None],
     {"0": 1, "00": 1, "0.0": 1, "1e1": 1, "10.5": 0, "P1": 0, "O'Brien": 0, " 10": UNCLEAR, "1,000": UNCLEAR,
      "0x0A": UNCLEAR, str(BIG): 1, str(2**70): 0, "nan": UNCLEAR}),
    ("UTINYINT", pa.uint8(), [0, 255], {"-1": 0, "255": 1, "256": 0, "-0": 1}),
    ("DOUBLE", pa.float64(), [10.0, 0.1, float(BIG), float("nan"), -0.0],
     {"10": 1, "10.00": 1, "0.1": 1, "0": 1, str(BIG): UNCLEAR, str(BIG - 1): 1, "1e999": 0, "nan": UNCLEAR, "x": 0}),
    ("FLOAT", pa.float32(), [0.1, 16_777_216.0], {"0.1": 1, "16777216": 1, "16777217": UNCLEAR}),
    ("DECIMAL(10,2)", pa.decimal128(10, 2), [Decimal("10.00"), Decimal("0.10")],
     {"10": 1, "0.1": 1, "0.100": 1, "0.101": 0, "123456789": 0, "abc": 0}),
    ("BOOLEAN", pa.bool_(), [True, False, None], {"true": 1, "TRUE": 1, "1": UNCLEAR, "x": 0}),
    ("DATE", pa.date32(), [dt.date(2026, 1, 1)],
     {"2026-01-01": 1, "2026-01-01 00:00:00": 1, "2026-01-01 10:00": 0, "1.1.2026": UNCLEAR, "P1": 0}),
    ("TIMESTAMP", pa.timestamp("us"), [DAY, DAY.replace(hour=1, minute=1, second=1, microsecond=5)],
     {"2026-01-01": 1, "2026-01-01T01:01:01.000005": 1, "2026-01-01T00:00:00Z": UNCLEAR, "01/01/2026": UNCLEAR,
      "2026-01-01 00:00:00.0000001": UNCLEAR}),
    ("TIMESTAMP_S", pa.timestamp("s"), [DAY],
     {"2026-01-01": 1, "2026-01-01 00:00:00.5": 0}),
    ("TIMESTAMP_NS", pa.timestamp("ns"), [DAY], {"2026-01-01": 1, "2026-01-02": 0}),
    ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "Asia/Seoul"), [SEOUL],
     {"2026-01-01T10:00:00+09:00": 1, "2026-01-01T01:00:00Z": 1, "2026-01-01 10:00:00": UNCLEAR}),
    ("TIME", pa.time64("us"), [dt.time(10, 0)], {"10:00:00": 1, "10:00:00.5": 0, "10 hours 00": UNCLEAR}),
    ("BLOB", pa.binary(), [b"P1"], {"P1": 1, "P2": 0, "5031": UNCLEAR}),
    ("UUID", pa.binary(16), [uuid.UUID(int=1).bytes],
     {str(uuid.UUID(int=1)): 1, uuid.UUID(int=1).hex: 1, "P1": 0, str(uuid.UUID(int=2)): 0}),
    ("VARCHAR[]", pa.list_(pa.string()), [["P1"]], {"P1": UNCLEAR}),
]  # fmt: skip


def in_duckdb(kind: str, values: list[Any], value: str) -> int | str:
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE t (k {kind})")
        for each in values:
            db.execute("INSERT INTO t VALUES (?)", [uuid.UUID(bytes=each) if kind == "UUID" else each])
        try:
            where = condition(Column("k", kind), value)
        except NotComparableError:
            return UNCLEAR
        if where is None:
            return 0
        found = db.execute(f"SELECT count(*) FROM t WHERE {where.sql}", list(where.parameters)).fetchone()
        return int(found[0]) if found else -1


def in_an_object(path: Path, kind: pa.DataType, values: list[Any], value: str) -> int | str:
    pq.write_table(pa.table({"K": pa.array(values, kind)}), path)
    found = count_in(path, {"k": value})
    return UNCLEAR if found.rows is None and found.why else -1 if found.rows is None else found.rows


@pytest.mark.parametrize("kind", [each[0] for each in CASES])
def test_the_same_rows_are_found_in_a_table_and_in_an_object(kind: str, tmp_path: Path) -> None:
    _, arrow, values, wanted = next(each for each in CASES if each[0] == kind)
    assert {value: in_duckdb(kind, values, value) for value in wanted} == wanted
    assert {value: in_an_object(tmp_path / "x.parquet", arrow, values, value) for value in wanted} == wanted


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("character varying(10)", "00", "CAST"),
        ("integer", "00", "= CAST(? AS integer)"),
        ("numeric", "1.50", "= CAST(? AS numeric)"),
        ("character(5)", "P1", "rtrim"),
        ("text", "a\0b", None),
        ("smallint", "70000", None),
        ("timestamp(3) without time zone", "2026-01-01", "TIMESTAMP"),
        ("jsonb", "1", UNCLEAR),
        ("integer[]", "1", UNCLEAR),
        ("citext", "1", UNCLEAR),
    ],
)
def test_types_of_postgresql(kind: str, value: str, wanted: str | None) -> None:
    try:
        found = condition(Column("k", kind), value)
    except NotComparableError:
        assert wanted == UNCLEAR
        return
    assert (found is None) == (wanted is None)
    assert found is None or (wanted is not None and wanted in found.sql)
