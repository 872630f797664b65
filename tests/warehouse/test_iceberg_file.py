"""What a file of an Iceberg table says about itself: a reader skips a file whose bounds exclude the rows it looks for."""

import datetime as dt
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.conversions import from_bytes
from pyiceberg.io import load_file_io
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import NestedField

from etl.errors import WarehouseError
from etl.warehouse.iceberg_file import RowsFile
from etl.warehouse.iceberg_object import map_names
from etl.warehouse.iceberg_types import iceberg_type

texts = st.text(st.sampled_from(["a", "z", "é", "\U0010ffff", "\U0001f600", "￿", "\x7f"]), max_size=20)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.Int16: st.integers(-(2**15), 2**15 - 1),
    pl.Float64: st.floats(),
    pl.Float32: st.floats(width=32),
    pl.String: texts,
    pl.Binary: st.binary(max_size=20),
    pl.Boolean: st.booleans(),
    pl.Date: st.dates(),
    pl.Datetime("us"): st.datetimes(),
    pl.Decimal(20, 3): st.decimals(min_value=-(10**16), max_value=10**16, places=3),
    pl.Decimal(38, 0): st.integers(-(10**37), 10**37).map(str),
}


def put(frame: pl.DataFrame, expected: int | None = None, writer: str = "") -> tuple[Schema, DataFile | None]:
    """The file of these rows, in a table with their columns; with a `writer`, its file as it is."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as engine:
        engine.register("rows", frame.to_arrow())
        shown = engine.sql("SELECT * FROM rows")
        fields = [
            NestedField(at, name, iceberg_type(kind, name, ""), required=False)
            for at, (name, kind) in enumerate(zip(shown.columns, shown.types, strict=True), 1)
        ]
        schema = Schema(*fields)
        metadata = new_table_metadata(
            schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, f"file://{folder}/table", {}
        )
        file = RowsFile(engine, "rows", Path(folder) / "rows.parquet")
        io = load_file_io({}, f"file://{folder}")
        published = _published(frame, Path(folder) / "object.parquet", writer, engine) if writer else None
        if published:
            table = Table(("mart", "orders"), metadata, "", io, NoopCatalog("none"))
            assert map_names(table.transaction(), published, {}), pq.read_schema(published)
        uri = f"file://{folder}/1.parquet"
        made = file.put(io, metadata, {}, uri, expected or frame.height, as_it_is=published)
        found = made[0] if made else None
        if published and found:
            assert (Path(folder) / "1.parquet").read_bytes() == published.read_bytes()
        return schema, found


def _published(frame: pl.DataFrame, path: Path, writer: str, engine: duckdb.DuckDBPyConnection) -> Path:
    if writer == "polars":
        frame.lazy().sink_parquet(path, compression="zstd", engine="streaming")
    elif writer == "pyarrow":
        pq.write_table(frame.to_arrow(), path)
    else:
        engine.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
    return path


def bounds(schema: Schema, file: DataFile, name: str) -> tuple[Any, Any]:
    field = schema.find_field(name)
    found = [each.get(field.field_id) for each in (file.lower_bounds, file.upper_bounds)]
    low, high = (from_bytes(field.field_type, each) if each is not None else None for each in found)  # type: ignore[arg-type]
    return low, high


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("writer", ["", "polars", "pyarrow", "duckdb"])
@pytest.mark.parametrize("kind", VALUES)
def test_no_value_is_outside_of_its_file_s_bounds(kind: Any, writer: str, data: Any) -> None:
    if writer and kind == pl.Int16:
        pytest.skip("a column of 16 bits is never a file as it is")
    values: Sequence[Any] = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=4))
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String if kind == pl.Decimal(38, 0) else kind)})
    frame = frame.with_columns(pl.col("x").cast(kind))
    schema, file = put(frame, writer=writer)
    assert file is not None
    assert file.record_count == frame.height
    low, high = bounds(schema, file, "x")
    known = [each for each in frame["x"].to_list() if each is not None]
    assert file.null_value_counts[1] == frame.height - len(known)
    if not known:
        assert (low, high) == (None, None)
        return
    if isinstance(known[0], float):
        assert not any(math.isnan(each) for each in (low, high) if each is not None)
        if any(map(math.isnan, known)):
            assert high is None or all(each <= high for each in known if not math.isnan(each))
        known = [each for each in known if not math.isnan(each)]
    as_bytes = isinstance(known[0], str) if known else False
    for each in known:
        value, least, most = (x.encode() if as_bytes and x is not None else x for x in (each, low, high))
        least, most = (_comparable(x, value) for x in (least, most))
        assert least is None or least <= value, (low, each)
        assert most is None or value <= most, (each, high)


def _comparable(bound: Any, value: Any) -> Any:
    """PyIceberg gives days and microseconds since 1970 for dates and times."""
    if isinstance(value, dt.datetime) and isinstance(bound, int):
        return dt.datetime.fromtimestamp(0, dt.UTC).replace(tzinfo=None) + dt.timedelta(microseconds=bound)
    if isinstance(value, dt.date) and isinstance(bound, int):
        return dt.date(1970, 1, 1) + dt.timedelta(days=bound)
    return bound


def test_rows_that_are_not_as_many_as_expected_are_refused() -> None:
    with pytest.raises(WarehouseError, match="3 rows arrived, but the object holds 4"):
        put(pl.DataFrame({"x": [1, 2, 3]}), expected=4)


def test_a_year_that_no_reader_knows_is_refused() -> None:
    far = duckdb.sql("SELECT TIMESTAMP '12000-01-01 00:00:00' AS x").to_arrow_table()
    frame = pl.from_arrow(far)
    assert isinstance(frame, pl.DataFrame)
    with pytest.raises(WarehouseError, match="outside of the years 1 to 9999"):
        put(frame)
