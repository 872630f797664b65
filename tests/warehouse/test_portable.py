"""Trino and DuckDB make one digest of equal rows and two of others, beside a slow comparison of the rows in Python."""

import math
import random
import struct
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from etl.lake.lake import PLACEHOLDER_FOOTER, Lake
from etl.lake.scan import scan_files
from etl.pipeline.digest import as_published, differences, digest
from etl.warehouse.contract import ROW_NUMBER, ObjectRows, RowsOf, Warehouse
from etl.warehouse.iceberg_types import iceberg_type
from etl.warehouse.portable import PortableColumn, digest_of, duckdb_digest, trino_digest
from tests.amounts import amount
from tests.lake.objects import DAY, load, provenance_of, ref_of
from tests.warehouse.cluster import Execute, catalog, execute, lake, warehouse

__all__ = ["catalog", "execute", "lake", "warehouse"]

texts = st.text(st.sampled_from("a;:!'[(\\\0\né한😀\U0010ffff"), max_size=6) | st.text(max_size=12)
floats = st.floats() | st.sampled_from([0.0, -0.0, math.nan, struct.unpack("<d", b"\x01" + b"\xff" * 7)[0], 5e-324])
small_floats = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan])
EXAMPLES = amount(5, whole=25)
DAY_US = 86_400_000_000
days = st.integers(-20_000, 40_000) | st.integers(-719_162, 2_932_896)  # what PyIceberg can describe: 0001 to 9999
moments = days.flatmap(lambda day: st.integers(0, DAY_US - 1).map(lambda us: day * DAY_US + us))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**precision) + 1, 10**precision - 1).map(lambda n: Decimal(f"{n}E-{scale}"))


def whole(bits: int, *, signed: bool = True) -> st.SearchStrategy[int]:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(least, most) | st.sampled_from([least, 0, 1, most])


PAIR = pa.struct(
    [("n", pa.int32()), ("Text", pa.string()), ("at", pa.timestamp("us")), ("on", pa.date32()), ("x", pa.float64())]
)
pairs = st.fixed_dictionaries(
    {
        "n": st.none() | whole(32),
        "Text": st.none() | texts,
        "at": st.none() | moments,
        "on": st.none() | days,
        "x": floats,
    }
)
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "yes": (pa.bool_(), st.booleans()),
    "int8": (pa.int8(), whole(8)),
    "int16": (pa.int16(), whole(16)),
    "int32": (pa.int32(), whole(32)),
    "int64": (pa.int64(), whole(64)),
    "uint8": (pa.uint8(), whole(8, signed=False)),
    "uint16": (pa.uint16(), whole(16, signed=False)),
    "uint32": (pa.uint32(), whole(32, signed=False)),
    "uint64": (pa.uint64(), whole(64, signed=False)),
    "float32": (pa.float32(), small_floats),
    "float64": (pa.float64(), floats),
    "money": (pa.decimal128(15, 2), decimals(15, 2)),
    "below_one": (pa.decimal128(5, 5), decimals(5, 5)),
    "decimal38": (pa.decimal128(38, 10), decimals(38, 10)),
    "deep": (pa.decimal128(38, 38), decimals(38, 38)),
    "text": (pa.string(), texts),
    "bytes": (pa.binary(), st.binary(max_size=8)),
    "uuid": (pa.uuid(), st.binary(min_size=16, max_size=16)),
    "day": (pa.date32(), days),
    "clock": (pa.time64("us"), st.integers(0, DAY_US - 1)),
    "naive": (pa.timestamp("us"), moments),
    "milli": (pa.timestamp("ms"), moments.map(lambda us: us // 1000)),
    "instant": (pa.timestamp("us", "UTC"), moments),
    "seoul": (pa.timestamp("ms", "Asia/Seoul"), moments.map(lambda us: us // 1000)),
    "numbers": (pa.list_(pa.int32()), st.lists(st.none() | whole(32), max_size=3)),
    "texts": (pa.list_(pa.string()), st.lists(st.none() | texts, max_size=3)),
    "reals": (pa.list_(pa.float64()), st.lists(st.none() | floats, max_size=3)),
    "lists": (pa.list_(pa.list_(pa.string())), st.lists(st.none() | st.lists(texts, max_size=2), max_size=2)),
    "pair": (PAIR, pairs),
    "pairs": (pa.list_(PAIR), st.lists(st.none() | pairs, max_size=2)),
    "map": (pa.map_(pa.string(), pa.int64()), st.dictionaries(texts, st.none() | whole(64), max_size=3)),
    "map_of_pairs": (pa.map_(pa.int32(), PAIR), st.dictionaries(whole(32), st.none() | pairs, max_size=2)),
}
Row = dict[str, Any]
rows_of_all_types = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()})


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_map(kind):
        return pa.array([None if each is None else list(each.items()) for each in values], kind)
    return pa.array(values, kind)


def write(rows: Sequence[Row], path: Path, columns: Sequence[str] = tuple(COLUMNS)) -> None:
    arrays = {name: array_of([each[name] for each in rows], COLUMNS[name][0]) for name in columns}
    pq.write_table(pa.table(arrays).replace_schema_metadata(PLACEHOLDER_FOOTER), path)


def published(lake: Lake, rows: Sequence[Row], partition: str = DAY) -> None:
    with lake.draft(ref_of(partition)) as path:
        write(rows, path)
        lake.publish(ref_of(partition), path, provenance_of(ref_of(partition), len(rows)))


def plain(value: Any) -> Any:
    """A value as the law compares it: a zero has no sign, a NaN is a NaN, a map has no order, null is no value."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value or 0.0
    if isinstance(value, dict):
        return frozenset((plain(name), plain(each)) for name, each in value.items())
    return tuple(plain(each) for each in value) if isinstance(value, list) else value


def are_equal(some: Sequence[Row], others: Sequence[Row]) -> bool:
    """Whether both are the same rows, each as often, in whatever order."""
    one, other = (Counter(tuple(plain(row[name]) for name in COLUMNS) for row in rows) for rows in (some, others))
    return one == other


def without_sign(value: Any) -> Any:
    """Zeros and NaN with another bit for the sign, which are the same values."""
    return -value if isinstance(value, float) and (value == 0 or math.isnan(value)) else value


def changed(rows: list[Row], draw: Any) -> list[Row]:
    """Rows that are like these, or not quite."""
    made, chance = [dict(each) for each in rows], random.Random(draw(st.integers(0, 2**32)))
    what = draw(st.sampled_from(["order", "signs", "a value", "a swap", "doubled", "one for another", "one less"]))
    one, other, name = chance.randrange(len(made)), chance.randrange(len(made)), draw(st.sampled_from(list(COLUMNS)))
    match what:
        case "signs":
            made = [{name: without_sign(each) for name, each in row.items()} for row in made]
        case "a value":
            made[one][name] = draw(st.none() | COLUMNS[name][1])
        case "a swap":
            made[one][name], made[other][name] = made[other][name], made[one][name]
        case "doubled":
            made.append(made[one])
        case "one for another":
            made[one] = made[other]
        case "one less":
            del made[one]
    chance.shuffle(made)
    return made


def described(engine: duckdb.DuckDBPyConnection, path: Path) -> list[PortableColumn]:
    rows = engine.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}', hive_partitioning = false)").fetchall()
    return [PortableColumn(name, iceberg_type(duckdb.type(kind), name, "")) for name, kind, *_ in rows]


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(rows=st.lists(rows_of_all_types, min_size=1, max_size=5), data=st.data())
def test_the_digests_are_equal_exactly_when_the_rows_are(
    tmp_path: Path, lake: Lake, warehouse: Warehouse, rows: list[Row], data: Any
) -> None:
    published(lake, rows)
    load(lake, warehouse)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        columns = described(engine, lake.local_copy(ref_of()))
        there = warehouse.query(f"SELECT {trino_digest(columns, 'a')} FROM mart.orders AS a").row(0)
        for _ in range(25):
            others, path = changed(rows, data.draw), tmp_path / f"{uuid.uuid4().hex}.parquet"
            write(others, path)
            here = engine.execute(f"SELECT {duckdb_digest(columns)} FROM '{path}'").fetchall()[0]
            assert (digest_of(*here) == digest_of(*there)) == are_equal(rows, others), (rows, others)


ALL = RowsOf("mart", "orders")
FAR = {
    "day": ("date_add('day', {}, DATE '1970-01-01')", pa.date32(), (-2_500_000, -1, 6_000_000)),
    "naive": (
        "date_add('day', {}, TIMESTAMP '1970-01-01 23:59:59.999999')",
        pa.timestamp("us"),
        tuple(each * DAY_US + DAY_US - 1 for each in (-2_500_000, -1, 6_000_000)),
    ),
    "instant": (
        "date_add('day', {}, TIMESTAMP '1970-01-01 23:59:59.999999 UTC')",
        pa.timestamp("us", "UTC"),
        tuple(each * DAY_US + DAY_US - 1 for each in (-2_500_000, -1, 6_000_000)),
    ),
}


@pytest.mark.slow
def test_years_that_python_does_not_know_are_compared(tmp_path: Path, warehouse: Warehouse, execute: Execute) -> None:
    selects = [
        "SELECT " + ", ".join(f"{made.format(day)} AS {name}" for name, (made, *_) in FAR.items())
        for day in (-2_500_000, -1, 6_000_000)
    ]
    execute("CREATE SCHEMA mart")
    execute(f"CREATE TABLE mart.orders AS {' UNION ALL '.join(selects)}")
    for at, (changes, expected) in enumerate(((0, {ALL}), (1, set()))):
        arrays = {name: pa.array([values[0] + changes, *values[1:]], kind) for name, (_, kind, values) in FAR.items()}
        pq.write_table(pa.table(arrays), tmp_path / f"{at}.parquet")
        assert warehouse.equal_rows({ALL: ObjectRows(tmp_path / f"{at}.parquet")}) == expected


@pytest.mark.slow
def test_an_object_that_the_table_does_not_fit_is_left_to_the_values(
    tmp_path: Path, warehouse: Warehouse, execute: Execute
) -> None:
    execute("CREATE SCHEMA mart")
    execute("CREATE TABLE mart.orders (id integer, name varchar, later bigint)")
    execute("INSERT INTO mart.orders VALUES (1, NULL, NULL), (2, '', NULL)")
    given = pl.DataFrame({"Id": [2, 1], "name": ["", None]}, schema={"Id": pl.Int32, "name": pl.String})

    def compared(frame: pl.DataFrame, positions: list[int] | None = None) -> bool:
        path = tmp_path / f"{uuid.uuid4().hex}.parquet"
        frame.write_parquet(path)
        chosen = None if positions is None else pl.LazyFrame({ROW_NUMBER: pl.Series(positions, dtype=pl.UInt32)})
        return warehouse.equal_rows({ALL: ObjectRows(path, chosen)}) == {ALL}

    assert compared(given)
    assert compared(given.with_columns(pl.col("Id").cast(pl.Int8))), "a load makes the same column of it"
    assert compared(given.with_columns(later=pl.lit(None))), "a column without a type"
    assert not compared(given.with_columns(pl.col("Id").cast(pl.Int64)))
    assert not compared(given.with_columns(pl.col("Id").cast(pl.Float64)))
    assert not compared(given.with_columns(other=pl.lit("x")))
    assert not compared(given.with_columns(later=pl.lit(0, pl.Int64)))
    assert not compared(given.with_columns(pl.lit("").alias("name")))
    assert not compared(given.head(1))
    assert compared(pl.concat([given.head(1), given]), [0, 2])
    assert compared(pl.concat([given.head(1), given]), [1, 2])
    assert not compared(pl.concat([given.head(1), given]), [0, 1])
    execute("UPDATE mart.orders SET later = 0 WHERE id = 1")
    assert not compared(given), "a column that the object does not have is not empty"
    execute("DROP TABLE mart.orders")
    assert not compared(given)


PAIR_OF = {"n": 1, "Text": "x", "at": 0, "on": 3, "x": 0.5}
NESTED: dict[str, tuple[Any, Any]] = {
    "numbers": ([1, None], [1]),
    "texts": ([""], [None]),
    "reals": ([0.5], [1.5]),
    "lists": ([["a"], ["b"]], [["a", "b"]]),
    "pair": (PAIR_OF, {**PAIR_OF, "n": None}),
    "pairs": ([PAIR_OF], []),
    "map": ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    "map_of_pairs": ({1: PAIR_OF}, {2: PAIR_OF}),
}


@pytest.mark.slow
def test_a_nested_value_that_differs_is_named_after_its_rows_were_read(
    tmp_path: Path, lake: Lake, warehouse: Warehouse
) -> None:
    row: Row = {name: NESTED[name][0] if name in NESTED else None for name in COLUMNS}
    published(lake, [row])
    load(lake, warehouse)
    part = RowsOf("mart", "orders", DAY)
    for name, values in NESTED.items():
        for value, expected in zip(values, ([], [f"column `{name}` differs between both"]), strict=True):
            path = tmp_path / f"{uuid.uuid4().hex}.parquet"
            write([{**row, name: value}], path)
            rows = scan_files([(name, path)]).select(name)
            (batch,) = warehouse.rows_of(part, [name])
            in_table = digest(as_published(batch, rows.collect_schema()))
            assert differences(digest(rows), in_table, "both") == expected
            assert (warehouse.equal_rows({part: ObjectRows(path)}) == {part}) == (not expected)
