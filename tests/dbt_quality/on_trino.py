"""Cases judged by a real Trino: frames become tables of Iceberg or a query's own values, and verdicts are read in batches.

dbt builds nothing from the models; the statements that it makes of them are sent to the server some rules at a time,
because a view for each case and a query for each rule would cost minutes.
"""

import contextlib
import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import trino
from pyiceberg.catalog import load_catalog

from tests.dbt_quality.judge import SCHEMA, Database, Verdict, run_dbt
from tests.servers.trino import Catalog, TrinoServer

AT_ONCE = 16
"""Rules in one statement: each is a scan of its own, and Trino limits the stages of a query."""
BETWEEN = "\nunion all\n"
"""What the package writes between two rules."""
NOT_BUILT = """
{% materialization only_compiled, adapter='trino' %}
    {% call noop_statement('main', 'compiled') %}{{ sql }}{% endcall %}
    {{ return({'relations': []}) }}
{% endmaterialization %}
"""
_TYPES: dict[Any, str] = {
    pl.Boolean: "boolean", pl.Int8: "tinyint", pl.Int16: "smallint", pl.Int32: "integer", pl.Int64: "bigint",
    pl.UInt64: "decimal(20, 0)", pl.Float32: "real", pl.Float64: "double", pl.String: "varchar", pl.Date: "date",
    pl.Time: "time(6)",
}  # fmt: skip


@dataclass(frozen=True)
class TrinoDatabase(Database):
    """A catalog of a Trino."""

    server: TrinoServer
    catalog: Catalog

    @classmethod
    def of(cls, server: TrinoServer, catalog: Catalog) -> "TrinoDatabase":
        environ = {"TRINO_HOST": "127.0.0.1", "TRINO_PORT": str(server.port), "TRINO_CATALOG": catalog.name}
        return cls("trino", {**environ, "TRINO_USER": "tests"}, server, catalog)

    def start(self) -> None:
        self.server.empty(self.catalog)

    def store(self, frames: Mapping[str, pl.DataFrame]) -> None:
        catalog = load_catalog(self.catalog.name, **self.catalog.properties)
        with contextlib.closing(catalog):
            catalog.create_namespace_if_not_exists(SCHEMA)
            known = {name for _, name in catalog.list_tables(SCHEMA)}
            for name in frames.keys() - known:
                rows = _microseconds(frames[name].to_arrow(compat_level=pl.CompatLevel.oldest()))
                catalog.create_table((SCHEMA, name), schema=rows.schema).append(rows)

    def run(self, folder: Path, now: str, models: Sequence[str]) -> dict[str, list[Verdict] | str]:
        (folder / "macros").mkdir(exist_ok=True)
        (folder / "macros" / "only_compiled.sql").write_text(NOT_BUILT)
        settings = folder / "dbt_project.yml"
        settings.write_text(settings.read_text().replace("materialized: view", "materialized: only_compiled"))
        results = run_dbt(["run", "--vars", json.dumps({"dq_now": now})], folder, self)
        found: dict[str, list[Verdict] | str] = {}
        address: Any = {"host": "127.0.0.1", "port": self.server.port, "user": "tests", "catalog": self.catalog.name}
        with contextlib.closing(trino.dbapi.connect(**address)) as connection:
            for model in models:
                result = results[f"model.cases.{model}"]
                if result["status"] != "success":
                    found[model] = str(result["message"])
                    continue
                compiled = folder / "target" / "compiled" / "cases" / "models" / f"{model}.sql"
                lines = compiled.read_text(encoding="utf-8").strip().split(BETWEEN)
                parts = [lines[at : at + AT_ONCE] for at in range(0, len(lines), AT_ONCE)]
                found[model] = [verdict for part in parts for verdict in _verdicts(connection, part)]
        return found


def _verdicts(connection: Any, lines: Sequence[str]) -> Iterator[Verdict]:
    """The verdict of each line; where one of them refuses to judge, each by itself."""
    columns = "dq_status, dq_failed_count, dq_total_count"
    selected = [f"SELECT {at} AS dq_at, {columns} FROM (\n{line}\n) AS dq_line" for at, line in enumerate(lines)]
    cursor = connection.cursor()
    try:
        cursor.execute(BETWEEN.join(selected) + "\nORDER BY 1")
        rows = cursor.fetchall()
    except trino.exceptions.Error as refused:
        if len(lines) == 1:
            yield Verdict("error", message=str(refused))
            return
        for line in lines:
            yield from _verdicts(connection, [line])
        return
    yield from (Verdict(*row[1:]) for row in rows)


def _microseconds(rows: pa.Table) -> pa.Table:
    """The rows with times of day as Iceberg has them."""
    times = [pa.field(each.name, pa.time64("us")) if pa.types.is_time(each.type) else each for each in rows.schema]
    return rows.cast(pa.schema(times))


def as_query(frame: pl.DataFrame) -> str:
    """The rows of a frame, written out."""
    names = ", ".join(f'"{name}"' for name in frame.columns)
    nothing = ", ".join(_value(None, dtype) for dtype in frame.dtypes)
    rows = ", ".join(f"({', '.join(map(_value, row, frame.dtypes))})" for row in frame.rows())
    where = "" if rows else " where 1 = 0"
    return f"(select * from (values {rows or f'({nothing})'}) as written ({names}){where})"


def _type(dtype: Any) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "timestamp(6) with time zone" if dtype.time_zone else "timestamp(6)"
    if isinstance(dtype, pl.List):
        return f"array({_type(dtype.inner)})"
    return _TYPES[dtype.base_type()]


def _value(value: Any, dtype: Any) -> str:
    kind = _type(dtype)
    match value:
        case None:
            return f"cast(null as {kind})"
        case list():
            return f"cast(array[{', '.join(_value(each, dtype.inner) for each in value)}] as {kind})"
        case float() if math.isnan(value):
            return f"cast(nan() as {kind})"
        case float() if abs(value) == float("inf"):
            return f"cast({'-' if value < 0 else ''}infinity() as {kind})"
        case dt.datetime() if value.tzinfo:
            text = value.astimezone(dt.UTC).isoformat(" ", "microseconds")
        case dt.datetime():
            text = value.isoformat(" ", "microseconds")
        case dt.date() | dt.time():
            text = value.isoformat()
        case bool() | int() | float() | str() | Decimal():
            text = str(value)
        case _:
            raise TypeError(value)
    text = text.replace("'", "''")
    return f"cast('{text}' as {kind})"
