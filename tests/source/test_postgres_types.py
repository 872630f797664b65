"""Every type of PostgreSQL 15, value by value, against expectations written by hand, through every driver."""

# ruff: noqa: DTZ001  times without a zone are what is tested

from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import inf, isnan
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import SourceError
from etl.source import postgres
from etl.source.reading import ExtractRequest, extract_to_parquet
from tests.servers.postgres import PostgresServer

DRIVERS = ("postgres_duckdb_query", "sqlalchemy")
NAN = object()

# type -> (SQL of the value, what has to stand in the file) ...
KEPT: dict[str, list[tuple[str, Any]]] = {
    "boolean": [("true", True), ("false", False)],
    "smallint": [("-32768", -32768), ("32767", 32767)],
    "integer": [("-2147483648", -2147483648), ("2147483647", 2147483647)],
    "bigint": [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)],
    "real": [("0.1", 0.10000000149011612), ("'NaN'", NAN), ("'-Infinity'", -inf), ("3.4028235e38", 3.4028234663852886e38)],
    "double precision": [("0.1", 0.1), ("'NaN'", NAN), ("'Infinity'", inf), ("5e-324", 5e-324), ("-0.0", -0.0)],
    "numeric(15,2)": [("1.25", Decimal("1.25")), ("-9999999999999.99", Decimal("-9999999999999.99")), ("0", Decimal("0.00"))],
    "numeric(38,0)": [("9" * 38, Decimal("9" * 38))],
    "numeric(38,38)": [("-0." + "9" * 38, Decimal("-0." + "9" * 38))],
    "numeric(5,-2)": [("12345", Decimal(12300))],
    "numeric(3,5)": [("0.00123", Decimal("0.00123"))],
    "numeric(45,3)": [("12345678901234567890.125", Decimal("12345678901234567890.125"))],
    "numeric": [("1e-18", Decimal("1E-18")), ("12345678901234567890.5", Decimal("12345678901234567890.5")), ("1.500", Decimal("1.5"))],
    "money": [("'-92233720368547758.08'", Decimal("-92233720368547758.08")), ("12.34", Decimal("12.34"))],
    "text": [("''", ""), ("E'a\\n\\t\\'\"\\\\b'", "a\n\t'\"\\b"), ("'é😀 '", "é😀 ")],
    "varchar(5)": [("'ab  '", "ab  "), ("'日本語'", "日本語")],
    "char(5)": [("'ab'", "ab   "), ("'日本é'", "日本é ")],
    "bpchar": [("'ab  '", "ab  "), ("''", "")],
    '"char"': [("'x'", "x")],
    "name": [("'n'", "n")],
    "bytea": [(r"'\x00ff27'", b"\x00\xff'"), ("''", b"")],
    "uuid": [("'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")],
    "json": [("""'{"a": 1.00000000000000000000000000001,  "a": 2}'""", '{"a": 1.00000000000000000000000000001,  "a": 2}')],
    "jsonb": [("""'{"b":1e400,"a":"é"}'""", '{"a": "é", "b": 1' + "0" * 400 + "}"), ("'null'", "null")],
    "jsonpath": [("'$.a'", '$."a"')],
    "xml": [("'<a>é</a>'", "<a>é</a>")],
    "date": [("'2026-02-28'", date(2026, 2, 28)), ("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))],
    "time": [("'23:59:59.999999'", time(23, 59, 59, 999999)), ("'00:00'", time(0))],
    "timetz": [("'10:00:00.5+05:30'", "10:00:00.5+05:30"), ("'24:00-12'", "24:00:00-12")],
    "timestamp": [("'2026-03-29 02:30:00.123456'", datetime(2026, 3, 29, 2, 30, 0, 123456)), ("'0001-01-01'", datetime(1, 1, 1))],
    "timestamp(0)": [("'2026-03-29 02:30:00.7'", datetime(2026, 3, 29, 2, 30, 1))],
    "timestamptz": [
        ("'2026-03-29 02:30:00.123456+05:30'", datetime(2026, 3, 28, 21, 0, 0, 123456, tzinfo=UTC)),
        ("'9999-12-31 23:59:59.999999+00'", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
    "interval": [("'1 year 2 mons -3 days 04:05:06.789'", "P1Y2M-3DT4H5M6.789S"), ("'-178000000 years'", "P-178000000Y"), ("'0'", "PT0S")],
    "inet": [("'192.168.0.1/24'", "192.168.0.1/24"), ("'::1'", "::1/128")],
    "cidr": [("'10.0.0.0/8'", "10.0.0.0/8")],
    "macaddr": [("'08:00:2b:01:02:03'", "08:00:2b:01:02:03")],
    "macaddr8": [("'08:00:2b:01:02:03:04:05'", "08:00:2b:01:02:03:04:05")],
    "bit(3)": [("B'101'", "101")],
    "varbit": [("B'0'", "0"), ("B''", "")],
    "tsvector": [("'fat:2 cat'", "'cat' 'fat':2")],
    "tsquery": [("'fat & cat'", "'fat' & 'cat'")],
    "point": [("'(0.1,2)'", "(0.1,2)")],
    "line": [("'{1,2,3}'", "{1,2,3}")],
    "lseg": [("'[(1,2),(3,4)]'", "[(1,2),(3,4)]")],
    "box": [("'(1,2),(3,4)'", "(3,4),(1,2)")],
    "path": [("'[(1,2),(3,4)]'", "[(1,2),(3,4)]")],
    "polygon": [("'((1,2),(3,4))'", "((1,2),(3,4))")],
    "circle": [("'<(1,2),3>'", "<(1,2),3>")],
    "oid": [("4294967295", 4294967295)],
    "xid": [("'4294967295'", 4294967295)],
    "cid": [("'7'", 7)],
    "xid8": [("'18446744073709551615'", "18446744073709551615")],
    "tid": [("'(1,2)'", "(1,2)")],
    "pg_lsn": [("'16/B374D848'", "16/B374D848")],
    "pg_snapshot": [("'10:20:10,14'", "10:20:10,14")],
    "txid_snapshot": [("'10:20:10,14'", "10:20:10,14")],
    "int2vector": [("'1 2'", "1 2")],
    "oidvector": [("'1 2'", "1 2")],
    "aclitem": [("'postgres=r/postgres'", "postgres=r/postgres")],
    "refcursor": [("'c'", "c")],
    "regclass": [("'pg_class'", "pg_class")],
    "regtype": [("'integer'", "integer")],
    "regproc": [("'now'", "now")],
    "regprocedure": [("'abs(integer)'", "abs(integer)")],
    "regoper": [("'|/'", "|/")],
    "regoperator": [("'+(integer,integer)'", "+(integer,integer)")],
    "regrole": [("'postgres'", "postgres")],
    "regnamespace": [("'public'", "public")],
    "regcollation": [("'\"C\"'", '"C"')],
    "regconfig": [("'english'", "english")],
    "regdictionary": [("'simple'", "simple")],
    "int4range": [("'[1,5)'", "[1,5)"), ("'empty'", "empty")],
    "int8range": [("'[1,)'", "[1,)")],
    "numrange": [("'[1.50,NaN]'", "[1.50,NaN]")],
    "daterange": [("'[2026-01-01,infinity)'", "[2026-01-01,infinity)")],
    "tsrange": [("'[2026-01-01,2026-01-02)'", '["2026-01-01 00:00:00","2026-01-02 00:00:00")')],
    "tstzrange": [("'[2026-01-01 00:00+09,)'", '["2025-12-31 15:00:00+00",)')],
    "int4multirange": [("'{[1,2),[5,6)}'", "{[1,2),[5,6)}")],
    "int8multirange": [("'{}'", "{}")],
    "nummultirange": [("'{[1,2)}'", "{[1,2)}")],
    "datemultirange": [("'{[2026-01-01,2026-01-02)}'", "{[2026-01-01,2026-01-02)}")],
    "tsmultirange": [("'{}'", "{}")],
    "tstzmultirange": [("'{}'", "{}")],
    "smallint[]": [("'{1,-1}'", [1, -1])],
    "integer[]": [("'{1,NULL,3}'", [1, None, 3]), ("'{}'", [])],
    "bigint[]": [("'{9223372036854775807}'", [2**63 - 1])],
    "real[]": [("'{0.5}'", [0.5])],
    "double precision[]": [("'{0.1,Infinity}'", [0.1, inf])],
    "boolean[]": [("'{t,NULL,f}'", [True, None, False])],
    "text[]": [("""'{"a,b",NULL,"NULL",""}'""", ["a,b", None, "NULL", ""])],
    "varchar[]": [("'{é}'", ["é"])],
    "integer[][]": [("'{{1,2},{3,4}}'", "{{1,2},{3,4}}"), ("'{1}'", "{1}")],
    "numeric[]": [("'{NaN,1.50,NULL}'", "{NaN,1.50,NULL}")],
    "date[]": [("'{infinity,2026-01-01}'", "{infinity,2026-01-01}")],
    "bytea[]": [(r"""'{"\\x00ff"}'""", r'{"\\x00ff"}')],
    "json[]": [("""ARRAY['{"a":1}'::json]""", r'{"{\"a\":1}"}')],
    "uuid[]": [("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}")],
    "mood": [("'sad é'", "sad é"), ("'it''s'", "it's")],
    "pair": [("ROW(1, 'a,b')", '(1,"a,b")')],
    "amount": [("1.25", Decimal("1.25"))],
    "even": [("4", 4)],
}  # fmt: skip

# type, SQL of the value, a part of the message: the file is refused, and the column is named
REFUSED = [
    ("numeric(15,2)", "'NaN'", "DECIMAL(15,2)"),
    ("numeric(38,10)", "'NaN'", "DECIMAL(38,10)"),
    ("numeric", "'NaN'", "DECIMAL"),
    ("numeric", "'Infinity'", "DECIMAL"),
    ("numeric", "'-Infinity'", "DECIMAL"),
    ("numeric", "1e-19", "18 decimal places"),
    ("numeric", "1e20", "DECIMAL(38,18)"),
    ("numeric(45,3)", "1e40", "DECIMAL(38,3)"),
    ("amount", "'NaN'", "DECIMAL(10,2)"),
    ("date", "'infinity'", "infinity"),
    ("date", "'-infinity'", "infinity"),
    ("timestamp", "'infinity'", "infinity"),
    ("timestamp", "'-infinity'", "infinity"),
    ("timestamp", "'294276-12-31 23:59:59'", "holds"),
    ("timestamptz", "'infinity'", "infinity"),
    ("timestamptz", "'-infinity'", "infinity"),
    ("timestamptz", "'294276-12-31 23:59:59+00'", "holds"),
    ("time", "'24:00:00'", "24:00:00"),
    ("integer[]", "'{{1,2},{3,4}}'", "several dimensions"),
    ("integer[]", "'[2:3]={1,2}'", "begin at 1"),
    ("text[]", "'[0:0]={a}'", "begin at 1"),
]

WITHOUT_A_FORM = {  # types that no table's column can be given a value of
    "gtsvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list",
    "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.run(
        "CREATE TYPE mood AS ENUM ('sad é', 'it''s')",
        "CREATE TYPE pair AS (a int, b text)",
        "CREATE DOMAIN amount AS numeric(10,2)",
        "CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0)",
    )
    longest = max(map(len, KEPT.values()))
    columns = [f"c{i} {kind}" for i, kind in enumerate(KEPT)]
    postgres_server.run(f"CREATE TABLE every_type (id int, {', '.join(columns)})")
    for row in range(longest):
        values = [f"({cases[row][0]})::{kind}" if row < len(cases) else "NULL" for kind, cases in KEPT.items()]
        postgres_server.run(f"INSERT INTO every_type VALUES ({row}, {', '.join(values)})")
    return postgres_server


def use(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the packages that the faster drivers come in."""
    if driver == "sqlalchemy":
        monkeypatch.setattr(postgres, "extension_path", lambda _: None)


def same(found: Any, wanted: Any) -> bool:
    if wanted is NAN:
        return isinstance(found, float) and isnan(found)
    return type(found) is type(wanted) and found == wanted


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_type_arrives_value_by_value(
    driver: str, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    path = tmp_path / "x.parquet"
    report = extract_to_parquet(server.url, ExtractRequest(table="every_type", sort_by=("id",)), path, footer={})
    assert report.driver == driver
    frame = pl.read_parquet(path)
    wrong = []
    for index, (kind, cases) in enumerate(KEPT.items()):
        found = frame[f"c{index}"].to_list()
        wanted = [value for _, value in cases] + [None] * (frame.height - len(cases))
        wrong += [(kind, a, b) for a, b in zip(found, wanted, strict=True) if not same(a, b)]
    assert wrong == []


def test_reading_by_pages_gives_the_same_file_as_one_statement(server: PostgresServer, tmp_path: Path) -> None:
    safe = [
        index
        for index, kind in enumerate(KEPT)
        if kind in ("numeric(15,2)", "numeric(38,0)", "numeric(38,38)", "boolean", "smallint", "integer", "bigint", "real",
                    "double precision", "text", "varchar(5)", "bytea", "uuid", "json", "jsonb", "date", "time", "timestamp",
                    "timestamp(0)", "timestamptz", "mood")
    ]  # fmt: skip
    columns = ("id", *(f"c{index}" for index in safe))
    frames = {}
    for mode in ("fast", "exact"):
        path = tmp_path / f"{mode}.parquet"
        request = ExtractRequest(table="every_type", columns=columns, mode=mode)
        report = extract_to_parquet(server.url, request, path, footer={})
        frames[mode] = pl.read_parquet(path).sort("id")
        assert report.driver == ("postgres_duckdb_pages" if mode == "fast" else "postgres_duckdb_query")
    assert frames["fast"].equals(frames["exact"])
    assert frames["fast"].schema == frames["exact"].schema


def test_a_large_table_is_read_by_pages_when_no_mode_is_said_and_its_nan_is_refused(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.run(
        "CREATE TABLE large AS SELECT g AS id, (g % 9)::numeric(15,2) AS n FROM generate_series(1, 500100) g",
        "ANALYZE large",
        "CREATE TABLE small AS SELECT * FROM large WHERE id <= 1000",
        "ANALYZE small",
    )
    path = tmp_path / "x.parquet"
    report = extract_to_parquet(server.url, ExtractRequest(table="large"), path, footer={})
    assert (report.driver, report.rows) == ("postgres_duckdb_pages", 500_100)
    found = pl.read_parquet(path)
    assert found["id"].cast(pl.Int64).sum() == 500_100 * 500_101 // 2
    assert found["n"].sum() == Decimal(sum(g % 9 for g in range(1, 500_101)))
    report = extract_to_parquet(server.url, ExtractRequest(table="small"), path, footer={})
    assert (report.driver, report.rows) == ("postgres_duckdb_query", 1000)
    server.run("UPDATE large SET n = 'NaN' WHERE id = 400000")
    with pytest.raises(SourceError, match="`n` holds NaN"):
        extract_to_parquet(server.url, ExtractRequest(table="large"), tmp_path / "y.parquet", footer={})
    assert not (tmp_path / "y.parquet").exists()


@pytest.mark.parametrize("driver", ["postgres_duckdb_pages", *DRIVERS])
def test_a_value_that_cannot_be_carried_is_refused_by_its_column_and_never_changed(
    driver: str, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    wrong = []
    for number, (kind, value, part) in enumerate(REFUSED):
        table = f"refused_{number}"
        server.run(
            f"CREATE TABLE IF NOT EXISTS {table} (id int, the_column {kind})",
            f"TRUNCATE {table}",
            f"INSERT INTO {table} VALUES (1, NULL), (2, {value}), (3, NULL)",
        )
        path = tmp_path / "x.parquet"
        mode = "fast" if driver == "postgres_duckdb_pages" else "exact"
        try:
            extract_to_parquet(server.url, ExtractRequest(table=table, mode=mode), path, footer={})
        except SourceError as error:
            # a driver may stop in its own client, before our check, but it has to name the column
            if "the_column" not in str(error) or part not in str(error):
                wrong.append((kind, value, str(error)))
        else:
            wrong.append((kind, value, pl.read_parquet(path)["the_column"].to_list()))
        if path.exists():
            wrong.append((kind, value, "left a file behind"))
            path.unlink()
    assert wrong == []


def test_the_list_of_types_leaves_none_of_the_server_out(server: PostgresServer) -> None:
    known = server.rows(
        "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace "
        "AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A'"
    )
    used = {name for (name,) in server.rows(
        "SELECT DISTINCT typname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = 'every_type'::regclass"
    )}  # fmt: skip
    assert {name for (name,) in known} - used - WITHOUT_A_FORM == set()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_type_of_ones_own_that_is_called_like_one_of_the_servers_is_text(
    driver: str, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    server.run(
        "DROP SCHEMA IF EXISTS own CASCADE",
        "CREATE SCHEMA own",
        "CREATE TYPE own.date AS ENUM ('monday')",
        "CREATE TYPE own.int4 AS (a int)",
        "CREATE TABLE own.days (d own.date, n own.int4)",
        "INSERT INTO own.days VALUES ('monday', ROW(7)), (NULL, NULL)",
        "GRANT USAGE ON SCHEMA own TO reader",
        "GRANT SELECT ON own.days TO reader",
    )
    request = ExtractRequest(table="days", schema_name="own")
    extract_to_parquet(server.url, request, tmp_path / "x.parquet", footer={})
    assert pl.read_parquet(tmp_path / "x.parquet").rows() == [("monday", "(7)"), (None, None)]
