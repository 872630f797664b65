"""Every type of MariaDB 10.11, value by value, against expectations written by hand, through both drivers."""

# ruff: noqa: DTZ001  times without a zone are what is tested

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import SourceError
from etl.source import mysql
from etl.source.reading import ExtractRequest, extract_to_parquet
from tests.servers.mariadb import MariadbServer

DRIVERS = ("mysql_connectorx", "mysql_pymysql")

KEPT: dict[str, list[tuple[str, Any]]] = {
    "tinyint": [("-128", -128)],
    "tinyint unsigned": [("255", 255)],
    "tinyint(1)": [("2", 2), ("-1", -1), ("1", 1)],
    "boolean": [("true", 1), ("false", 0)],
    "smallint": [("-32768", -32768)],
    "smallint unsigned": [("65535", 65535)],
    "mediumint": [("-8388608", -8388608)],
    "mediumint unsigned": [("16777215", 16777215)],
    "int": [("-2147483648", -(2**31))],
    "int unsigned": [("4294967295", 2**32 - 1)],
    "int(5) zerofill": [("42", 42)],
    "bigint": [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)],
    "bigint unsigned": [("18446744073709551615", 2**64 - 1), ("0", 0)],
    "bit(1)": [("b'1'", 1)],
    "bit(8)": [("b'101'", 5)],
    "bit(64)": [("18446744073709551615", 2**64 - 1)],
    "decimal(10,2)": [("-12345678.90", Decimal("-12345678.90"))],
    "decimal(10,2) unsigned": [("12345678.91", Decimal("12345678.91"))],
    "decimal(38,0)": [("9" * 38, Decimal("9" * 38))],
    "decimal(38,38)": [("0." + "9" * 38, Decimal("0." + "9" * 38))],
    "decimal(65,30)": [("12345678901234567890.125", Decimal("12345678901234567890.125"))],
    "float": [("0.1", 0.10000000149011612), ("16777217", 16777216.0), ("1.17549e-38", 1.1754900067970481e-38)],
    "double": [("0.1", 0.1), ("-1.7976931348623157e308", -1.7976931348623157e308)],
    "date": [("'2026-02-28'", date(2026, 2, 28)), ("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))],
    "datetime": [("'2026-03-29 02:30:00'", datetime(2026, 3, 29, 2, 30))],
    "datetime(6)": [("'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999))],
    "timestamp null": [("'2026-03-29 02:30:00'", datetime(2026, 3, 29, 2, 30, tzinfo=UTC))],
    "timestamp(6) null": [("'2026-03-29 02:30:00.000001'", datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=UTC))],
    "time": [("'23:59:59'", time(23, 59, 59)), ("'00:00:00'", time(0))],
    "time(6)": [("'00:00:00.000001'", time(0, 0, 0, 1))],
    "year": [("2155", 2155), ("1901", 1901), ("0", 0)],
    "char(5)": [("'ab  '", "ab"), ("'日本語'", "日本語")],  # MariaDB itself gives a CHAR back without its blanks
    "varchar(20)": [("'ab  '", "ab  "), ("'é😀'", "é😀"), ("''", "")],
    "varchar(20) charset latin1": [("'é'", "é")],
    "tinytext": [("'a'", "a")],
    "text": [("'a\\'b\\\\c\\n\"'", "a'b\\c\n\"")],
    "mediumtext": [("'m'", "m")],
    "longtext": [("'l'", "l")],
    "binary(3)": [("x'00ff'", b"\x00\xff\x00")],
    "varbinary(9)": [("x'00ff27'", b"\x00\xff'"), ("''", b"")],
    "tinyblob": [("x'00'", b"\x00")],
    "blob": [("x'c3'", b"\xc3")],
    "mediumblob": [("x'01'", b"\x01")],
    "longblob": [("x'02'", b"\x02")],
    "enum('a b','it''s','é')": [("'it''s'", "it's"), ("'é'", "é")],
    "set('x','y')": [("'x,y'", "x,y"), ("''", "")],
    "json": [("""'{"a": 1.00000000000000000000001}'""", '{"a": 1.00000000000000000000001}')],
    "uuid": [("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")],
    "inet4": [("'10.0.0.1'", "10.0.0.1")],
    "inet6": [("'::1'", "::1")],
}  # fmt: skip

REFUSED = [
    ("date", "'0000-00-00'", "zero date"),
    ("date", "'2026-00-01'", "zero date"),
    ("datetime", "'0000-00-00 00:00:00'", "zero date"),
    ("datetime(6)", "'2026-01-00 00:00:00'", "zero date"),
    ("timestamp null", "'0000-00-00 00:00:00'", "zero timestamp"),
    ("time", "'24:00:00'", "24 hours"),
    ("time", "'-00:00:01'", "below zero"),
    ("time(6)", "'838:59:59.999999'", "24 hours"),
    ("decimal(65,0)", "9" * 65, "DECIMAL(38,0)"),
    ("decimal(65,30)", "1e-19", "18 decimal places"),
    ("geometry", "point(1,2)", "geometry"),
    ("point", "point(1,2)", "geometry"),
    ("linestring", "linestring(point(1,2),point(3,4))", "geometry"),
    ("polygon", "polygon(linestring(point(0,0),point(0,1),point(1,1),point(0,0)))", "geometry"),
    ("multipoint", "multipoint(point(1,2))", "geometry"),
    ("geometrycollection", "geometrycollection(point(1,2))", "geometry"),
]


@pytest.fixture(scope="module")
def server(mariadb_server: MariadbServer) -> MariadbServer:
    columns = [f"c{i} {kind}" for i, kind in enumerate(KEPT)]
    zone, mode = "SET time_zone = '+00:00'", "SET sql_mode = 'STRICT_TRANS_TABLES'"
    statements = [f"CREATE TABLE every_type (id int, {', '.join(columns)})"]
    for row in range(max(map(len, KEPT.values()))):
        values = [cases[row][0] if row < len(cases) else "NULL" for cases in KEPT.values()]
        statements.append(f"INSERT INTO every_type VALUES ({row}, {', '.join(values)})")
    mariadb_server.run(zone, mode, *statements)
    return mariadb_server


def use(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if driver == "mysql_pymysql":
        monkeypatch.setattr(mysql, "find_spec", lambda _: None)


@pytest.mark.parametrize("zone", ["+00:00", "-07:30"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_type_arrives_value_by_value(
    driver: str, zone: str, server: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    server.run(f"SET GLOBAL time_zone = '{zone}'")  # what the server thinks must not matter
    path = tmp_path / "x.parquet"
    try:
        report = extract_to_parquet(server.url, ExtractRequest(table="every_type", sort_by=("id",)), path, footer={})
    finally:
        server.run("SET GLOBAL time_zone = SYSTEM")
    assert report.driver == driver
    frame = pl.read_parquet(path)
    wrong = []
    for index, (kind, cases) in enumerate(KEPT.items()):
        found = frame[f"c{index}"].to_list()
        wanted = [value for _, value in cases] + [None] * (frame.height - len(cases))
        wrong += [(kind, a, b) for a, b in zip(found, wanted, strict=True) if type(a) is not type(b) or a != b]
    assert wrong == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_value_that_cannot_be_carried_is_refused_by_its_column_and_never_changed(
    driver: str, server: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    wrong = []
    for number, (kind, value, part) in enumerate(REFUSED):
        table = f"refused_{number}"
        server.run(
            "SET sql_mode = ''",
            f"CREATE TABLE IF NOT EXISTS {table} (id int, the_column {kind})",
            f"TRUNCATE {table}",
            f"INSERT INTO {table} VALUES (1, NULL), (2, {value})",
        )
        path = tmp_path / "x.parquet"
        try:
            extract_to_parquet(server.url, ExtractRequest(table=table), path, footer={})
        except SourceError as error:
            if "the_column" not in str(error) or part not in str(error):
                wrong.append((kind, value, str(error)))
        else:
            wrong.append((kind, value, pl.read_parquet(path)["the_column"].to_list()))
        if path.exists():
            wrong.append((kind, value, "left a file behind"))
            path.unlink()
    assert wrong == []


def test_a_refused_column_can_be_left_out_or_read_by_a_query(server: MariadbServer, tmp_path: Path) -> None:
    server.run("CREATE TABLE places (id int, g point)", "INSERT INTO places VALUES (1, point(1,2))")
    extract_to_parquet(server.url, ExtractRequest(table="places", columns=("id",)), tmp_path / "x.parquet", footer={})
    assert pl.read_parquet(tmp_path / "x.parquet").columns == ["id"]
    query = "SELECT id, ST_AsText(g) AS g FROM places"
    extract_to_parquet(server.url, ExtractRequest(query=query), tmp_path / "x.parquet", footer={})
    assert pl.read_parquet(tmp_path / "x.parquet").rows() == [(1, "POINT(1 2)")]


def test_the_connection_is_checked_for_the_whole_range_of_text(server: MariadbServer, tmp_path: Path) -> None:
    server.run(
        "CREATE TABLE words (id int, w varchar(10) charset utf8mb3)", "INSERT INTO words VALUES (1, 'ü'), (2, NULL)"
    )
    extract_to_parquet(server.url, ExtractRequest(table="words", sort_by=("id",)), tmp_path / "x.parquet", footer={})
    assert pl.read_parquet(tmp_path / "x.parquet")["w"].to_list() == ["ü", None]
