"""Values arrive as they are, or the column is refused by name."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from etl.errors import LakeError, WarehouseError
from etl.lake.lake import PLACEHOLDER_FOOTER
from etl.pipeline.digest import as_published, differences, digest
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace
from tests.lake.objects import load, local_lake, provenance_of, ref_of, settings_in

INSTANT = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int8": (pa.int8(), [-128, 127, None]),
    "int64": (pa.int64(), [-(2**63), 2**63 - 1, None]),
    "uint64": (pa.uint64(), [0, 2**64 - 1, None]),
    "float32": (pa.float32(), [0.5, -1.5, None]),
    "float64": (pa.float64(), [float("inf"), 0.1, None]),
    "decimal": (pa.decimal128(15, 2), [Decimal("-1234567890123.45"), Decimal("0.01"), None]),
    "decimal38": (pa.decimal128(38, 10), [Decimal("9999999999999999999999999999.0123456789"), Decimal(0), None]),
    "text": (pa.string(), ["", "a\\b\t\n'\"ü😀\\N", None]),
    "bytes": (pa.binary(), [b"\x00\xff", b"", None]),
    "yes": (pa.bool_(), [True, False, None]),
    "day": (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None]),
    "clock": (pa.time64("us"), [time(0, 0), time(23, 59, 59, 999999), None]),
    "naive": (pa.timestamp("us"), [datetime(1900, 1, 1), datetime(2026, 3, 29, 2, 30), None]),  # noqa: DTZ001
    "instant": (pa.timestamp("us", "UTC"), [INSTANT, datetime(1970, 1, 1, tzinfo=UTC), None]),
    "list": (pa.list_(pa.int32()), [[1, None, 3], [], None]),
    "texts": (pa.list_(pa.string()), [["a,b", "{}"], ['"', "NULL"], None]),
}
DUCKDB_ONLY: dict[str, tuple[pa.DataType, list[Any]]] = {
    "struct": (pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]), [{"a": 1, "b": ["x"]}, None, None]),
    "nanos": (pa.timestamp("ns"), [datetime(2026, 1, 1), None, None]),  # noqa: DTZ001
    "nested": (pa.list_(pa.list_(pa.int64())), [[[1], [2, 3]], [], None]),
}


def publish_table(folder: Path, table: pa.Table) -> Any:
    lake = local_lake(folder)
    with lake.draft(ref_of()) as path:
        pq.write_table(table.replace_schema_metadata(PLACEHOLDER_FOOTER), path)
        lake.publish(ref_of(), path, provenance_of(ref_of(), table.num_rows))
    return lake


def table_of(columns: dict[str, tuple[pa.DataType, list[Any]]]) -> pa.Table:
    arrays = {name: pa.array(values, kind) for name, (kind, values) in columns.items()}
    return pa.table({"id": pa.array(range(3), pa.int32()), **arrays})


def test_every_value_arrives_as_it_is(tmp_path: Path, warehouse: Warehouse, request: pytest.FixtureRequest) -> None:
    duckdb = "duckdb" in request.node.callspec.id
    columns = COLUMNS | DUCKDB_ONLY if duckdb else COLUMNS
    load(publish_table(tmp_path, table_of(columns)), warehouse)
    frame = warehouse.query("SELECT * FROM mart.orders ORDER BY id")
    for name, (_, values) in columns.items():
        found = frame[name].to_list()
        found = [int(each) if name == "uint64" and each is not None else each for each in found]
        assert found == values, name


def test_an_object_and_its_table_are_known_to_hold_the_same_values(
    tmp_path: Path, warehouse: Warehouse, request: pytest.FixtureRequest
) -> None:
    """What `etl verify` compares: no type differs only because a driver shows it in another one."""
    columns = COLUMNS | DUCKDB_ONLY if "duckdb" in request.node.callspec.id else COLUMNS
    lake = publish_table(tmp_path, table_of(columns))
    load(lake, warehouse)
    published = lake.scan([ref_of()])
    names = ", ".join(f'"{name}"' for name in published.collect_schema().names())
    in_table = warehouse.query(f"SELECT {names} FROM mart.orders ORDER BY id DESC")
    schema = published.collect_schema()
    assert differences(digest(published), digest(as_published(in_table, schema)), "both") == []
    for name, (kind, _) in columns.items():
        if not pa.types.is_nested(kind):
            other = in_table.with_columns(pl.col(name).reverse())
            assert differences(digest(published), digest(as_published(other, schema)), "both") == [
                "the same values stand in other rows: both differ"
            ], name


def test_a_uuid_stays_a_uuid(tmp_path: Path, warehouse: Warehouse) -> None:
    value = UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
    load(publish_table(tmp_path, pa.table({"key": pa.array([value.bytes], pa.uuid())})), warehouse)
    assert warehouse.query("SELECT CAST(key AS varchar) AS key FROM mart.orders WHERE key IS NOT NULL").item() == str(
        value
    )


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        (pa.decimal256(60, 2), Decimal("1.00"), "more than 38 digits"),
        (pa.duration("us"), timedelta(seconds=1), "a duration would become a bare number"),
        (pa.timestamp("ns", "UTC"), 1_000_000_000_000_000_001, "its nanoseconds would be cut off"),
        (pa.time64("ns"), 1, "its nanoseconds would be cut off"),
        (pa.list_(pa.time64("ns")), [0], "its nanoseconds would be cut off"),
        (pa.list_(pa.duration("us")), [timedelta(seconds=1)], "a duration would become a bare number"),
    ],
)
def test_a_type_that_would_change_silently_is_refused_by_column(
    tmp_path: Path, warehouse: Warehouse, kind: pa.DataType, value: Any, complaint: str
) -> None:
    lake = publish_table(tmp_path, pa.table({"odd": pa.array([value], kind)}))
    with pytest.raises(WarehouseError, match=f"column `odd` of mart.orders is .*{complaint}"):
        load(lake, warehouse)


@pytest.mark.parametrize("name", sorted(DUCKDB_ONLY.keys() - {"nested"}))
def test_postgresql_refuses_by_column_what_it_has_no_exact_type_for(
    tmp_path: Path, postgres_url: str, name: str
) -> None:
    from etl.warehouse.postgres import PostgresWarehouse

    lake = publish_table(tmp_path, table_of({name: DUCKDB_ONLY[name]}))
    with pytest.raises(WarehouseError, match=f"column `{name}` of mart.orders is .* no exact type"):
        load(lake, PostgresWarehouse(postgres_url, "acme"))


def test_what_polars_writes_for_its_own_types_arrives(tmp_path: Path, warehouse: Warehouse) -> None:
    frame = pl.DataFrame(
        {
            "kind": ["a", "b", "a"],
            "level": ["x", "y", None],
            "moment": [INSTANT] * 3,
            "clock": [time(1, 2, 3, 4), None, None],
        },
        schema={
            "kind": pl.Categorical,
            "level": pl.Enum(["x", "y"]),
            "moment": pl.Datetime("ms", "Asia/Seoul"),
            "clock": pl.Time,
        },
    )
    lake = local_lake(tmp_path)
    with lake.draft(ref_of()) as path:
        frame.write_parquet(path, metadata=PLACEHOLDER_FOOTER)
        lake.publish(ref_of(), path, provenance_of(ref_of(), 3))
    load(lake, warehouse)
    found = warehouse.query("SELECT kind, level, moment, clock FROM mart.orders ORDER BY kind, level")
    assert found["kind"].to_list() == ["a", "a", "b"]
    assert found["moment"].to_list() == [INSTANT.replace(microsecond=123000)] * 3
    assert set(found["clock"].to_list()) == {time(1, 2, 3, 4), None}


def test_an_integer_that_only_polars_can_read_back_is_refused_when_it_is_published(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    with lake.draft(ref_of()) as path:
        pl.DataFrame({"big": [2**100]}, schema={"big": pl.Int128}).write_parquet(path, metadata=PLACEHOLDER_FOOTER)
        with pytest.raises(LakeError, match="cannot read: Integers with more than 64 bits"):
            lake.publish(ref_of(), path, provenance_of(ref_of(), 1))


def test_decimals_of_every_scale_arrive_digit_by_digit(tmp_path: Path, warehouse: Warehouse) -> None:
    """DuckDB's extension sends some of them to PostgreSQL as other numbers, without an error."""
    kinds = [(digits, scale) for digits in (4, 9, 18, 38) for scale in range(digits - 3, digits + 1)]
    kinds += [(17, 17), (37, 37), (19, 19), (28, 28)]
    columns = {}
    for digits, scale in kinds:
        largest = Decimal(10**digits - 1).scaleb(-scale, context=Context(prec=40))
        values = [largest, largest.copy_negate(), Decimal(1).scaleb(-scale)]
        columns[f"d{digits}_{scale}"] = (pa.decimal128(digits, scale), values)
    load(publish_table(tmp_path, table_of(columns)), warehouse)
    frame = warehouse.query(
        f"SELECT {', '.join(f'CAST({name} AS varchar) AS {name}' for name in columns)}, id FROM mart.orders"
    )
    for name, (_, values) in columns.items():
        assert [Decimal(each) for each in frame.sort("id")[name]] == values, name


def test_decimals_and_lists_that_do_not_go_together_are_refused(postgres_url: str, tmp_path: Path) -> None:
    place = WarehousePlace(type="postgres", url=SecretStr(postgres_url))
    columns = {"d": (pa.decimal128(38, 38), [None] * 3), "l": (pa.list_(pa.string()), [["NULL"], [None], []])}
    lake = publish_table(tmp_path, table_of(columns))
    with pytest.raises(WarehouseError, match=r"column `d` of mart.orders has too many decimal places .* texts in `l`"):
        load(lake, open_warehouse(place, settings_in(tmp_path), "acme"))
