"""What `describe` says of a schema like Northwind's, on the real servers, and that a connection can only read."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import SourceError
from etl.source import reading, sqlalchemy_cursor
from etl.source.contract import CatalogueForeignKey, CatalogueTable, ExtractRequest
from etl.source.database_url import parse
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

ODD = 'odd.na"me %s :x ü'
TABLES = {"categories", "employees", "order_details", "orders", "products", ODD}


def by_name(tables: tuple[CatalogueTable, ...], schema: str | None) -> dict[str, CatalogueTable]:
    return {each.name: each for each in tables if each.schema_name == schema}


def check_northwind(tables: dict[str, CatalogueTable], schema: str | None) -> None:
    """What all engines say alike."""
    assert set(tables) == {*TABLES, "recent_orders"}
    assert [name for name, each in tables.items() if each.is_view] == ["recent_orders"]
    orders, details = tables["orders"], tables["order_details"]
    assert [(each.name, each.nullable) for each in orders.columns] == [
        ("order_id", False), ("employee_id", True), ("ordered_at", False), ("freight", True),
    ]  # fmt: skip
    assert orders.primary_key == ("order_id",)
    assert orders.foreign_keys == (
        CatalogueForeignKey(
            columns=("employee_id",), schema_name=schema, table="employees", referred_columns=("employee_id",)
        ),
    )
    assert details.primary_key == ("order_id", "product_id")
    assert {(each.columns, each.table) for each in details.foreign_keys} == {
        (("order_id",), "orders"),
        (("product_id",), "products"),
    }
    assert tables["employees"].foreign_keys[0].table == "employees"  # reports_to: a table may refer to itself
    assert tables["categories"].unique_keys == (("name",),)
    assert (("ordered_at",), False) in [(each.columns, each.unique) for each in orders.indexes]
    assert tables[ODD].primary_key == (ODD,)
    assert [each.name for each in tables[ODD].columns] == [ODD]
    assert tables["recent_orders"].primary_key == ()


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    odd = '"' + ODD.replace('"', '""') + '"'
    postgres_server.run(
        "CREATE SCHEMA northwind", "CREATE SCHEMA hr",
        "CREATE TABLE hr.badges (badge int PRIMARY KEY, holder text)",
        "CREATE TABLE northwind.employees (employee_id int PRIMARY KEY, reports_to int REFERENCES northwind.employees)",
    )  # fmt: skip
    postgres_server.run(
        "CREATE TABLE northwind.categories (category_id smallint PRIMARY KEY, name varchar(15) NOT NULL UNIQUE)",
        """CREATE TABLE northwind.products (product_id int PRIMARY KEY, category_id smallint NOT NULL
           REFERENCES northwind.categories, tags text[], unit_price numeric(10,2))""",
        """CREATE TABLE northwind.orders (order_id int PRIMARY KEY, employee_id int REFERENCES northwind.employees,
           ordered_at timestamptz NOT NULL, freight numeric(10,2))""",
        "CREATE INDEX orders_ordered_at ON northwind.orders (ordered_at)",
        "CREATE UNIQUE INDEX one_free ON northwind.orders (employee_id) WHERE freight = 0",
        """CREATE TABLE northwind.order_details (order_id int REFERENCES northwind.orders,
           product_id int REFERENCES northwind.products, PRIMARY KEY (order_id, product_id))""",
        f"CREATE TABLE northwind.{odd} ({odd} int PRIMARY KEY)",
        "CREATE VIEW northwind.recent_orders AS SELECT * FROM northwind.orders WHERE ordered_at > '2026-01-01'",
        "COMMENT ON TABLE northwind.orders IS 'What customers ordered; 100% of it: all'",
        "COMMENT ON COLUMN northwind.orders.freight IS 'in EUR'",
        "INSERT INTO northwind.orders SELECT i, NULL, now(), 1 FROM generate_series(1, 1000) i",
        "ANALYZE northwind.orders",
        "GRANT USAGE ON SCHEMA northwind, hr TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA northwind, hr TO reader",
    )
    yield postgres_server.url
    postgres_server.run("DROP SCHEMA northwind CASCADE", "DROP SCHEMA hr CASCADE")


def test_postgres(postgres: str) -> None:
    tables = reading.describe(postgres)
    northwind = by_name(tables, "northwind")
    check_northwind(northwind, "northwind")
    orders = northwind["orders"]
    assert orders.comment == "What customers ordered; 100% of it: all"
    assert {each.name: (each.type, each.comment) for each in orders.columns}["freight"] == ("numeric(10,2)", "in EUR")
    assert [each.type for each in northwind["products"].columns] == ["integer", "smallint", "text[]", "numeric(10,2)"]
    assert orders.unique_keys == ()  # the unique index holds for some rows only
    assert ("one_free", True) in [(each.name, each.unique) for each in orders.indexes]
    assert orders.rows == 1000
    assert northwind["employees"].rows is None  # never analyzed, so nothing is known
    assert [each.name for each in by_name(tables, "hr").values()] == ["badges"]
    assert not {each.schema_name for each in tables} & {"pg_catalog", "information_schema"}


def check_sample(url: str, schema: str | None, folder: Path, rows: int, freight: str) -> None:
    """A limited extract has so many rows, and the report has the comments of the columns that it reads."""
    request = ExtractRequest(table="orders", schema_name=schema, columns=("order_id", "freight"), limit=rows)
    report = reading.extract_to_parquet(url, request, folder / "sample.parquet", footer={})
    assert report.rows == rows
    assert {name: text for name, text in report.comments.items() if text} == ({"freight": freight} if freight else {})
    whole = request.model_copy(update={"limit": None})
    assert reading.extract_to_parquet(url, whole, folder / "whole.parquet", footer={}).rows > rows


def test_postgres_tells_comments_and_keeps_a_limit(postgres: str, tmp_path: Path) -> None:
    check_sample(postgres, "northwind", tmp_path, 7, "in EUR")


def test_mariadb_tells_comments_and_keeps_a_limit(mariadb: str, tmp_path: Path) -> None:
    check_sample(mariadb, "northwind", tmp_path, 1, "in EUR")


def test_any_other_dialect_tells_comments_and_keeps_a_limit(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BY_DIALECT", {})
    url = postgres.replace("postgresql:", "postgresql+psycopg:")
    check_sample(url, "northwind", tmp_path, 300, "in EUR")  # more than the cursor's first batch


def test_a_view_whose_table_is_gone_hides_no_other(sqlite: str, mariadb: str, mariadb_server: MariadbServer) -> None:
    with sqlite3.connect(parse(sqlite).database) as connection:
        connection.execute("CREATE VIEW lost AS SELECT * FROM gone")
    connection.close()
    mariadb_server.run(
        "CREATE TABLE northwind.gone (a int)", "CREATE VIEW northwind.lost AS SELECT * FROM northwind.gone",
        "DROP TABLE northwind.gone",
    )  # fmt: skip
    told = {url: reading.describe(url) for url in (sqlite, mariadb)}
    mariadb_server.run("DROP VIEW northwind.lost")
    for url, schema in ((sqlite, None), (mariadb, "northwind")):
        found = by_name(told[url], schema)
        lost = found.pop("lost")
        assert (lost.columns, lost.is_view) == ((), True)
        assert "gone" in lost.broken or "northwind.lost" in lost.broken
        check_northwind(found, schema)


def test_the_partitions_of_a_table_are_told_from_tables(postgres: str, postgres_server: PostgresServer) -> None:
    postgres_server.run(
        "CREATE TABLE northwind.payment (paid date) PARTITION BY RANGE (paid)",
        "CREATE TABLE northwind.payment_1 PARTITION OF northwind.payment FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    )
    found = by_name(reading.describe(postgres), "northwind")
    postgres_server.run("DROP TABLE northwind.payment")
    assert (found["payment"].partition_of, found["payment_1"].partition_of) == ("", "payment")


@pytest.mark.parametrize(("setting", "zone"), [("Asia/Seoul", "Asia/Seoul"), ("UTC", "UTC")])
def test_the_zone_of_a_postgres_is_its_own(
    postgres: str, postgres_server: PostgresServer, setting: str, zone: str
) -> None:
    postgres_server.run(f"ALTER DATABASE src SET TimeZone TO '{setting}'")
    found = reading.server_timezone(postgres)
    postgres_server.run("ALTER DATABASE src RESET TimeZone")
    assert found == zone


def test_a_schema_that_the_login_may_not_use_is_left_out(postgres: str, postgres_server: PostgresServer) -> None:
    postgres_server.run("CREATE ROLE clerk LOGIN PASSWORD 'clerk'", "GRANT USAGE ON SCHEMA hr TO clerk")
    found = reading.describe(f"postgresql://clerk:clerk@127.0.0.1:{postgres_server.port}/src")
    postgres_server.run("DROP OWNED BY clerk", "DROP ROLE clerk")
    assert {each.schema_name for each in found} <= {"hr", "public"}


@pytest.fixture(scope="module")
def mariadb(mariadb_server: MariadbServer) -> Iterator[str]:
    odd = "`" + ODD.replace("`", "``") + "`"
    mariadb_server.run(
        "CREATE DATABASE northwind", "CREATE DATABASE hr",
        "CREATE TABLE hr.badges (badge int PRIMARY KEY, holder text)",
        """CREATE TABLE northwind.employees (employee_id int PRIMARY KEY, reports_to int,
           FOREIGN KEY (reports_to) REFERENCES northwind.employees (employee_id))""",
        "CREATE TABLE northwind.categories (category_id smallint PRIMARY KEY, name varchar(15) NOT NULL UNIQUE)",
        """CREATE TABLE northwind.products (product_id int PRIMARY KEY, category_id smallint NOT NULL,
           stock int unsigned, FOREIGN KEY (category_id) REFERENCES northwind.categories (category_id))""",
        """CREATE TABLE northwind.orders (order_id int PRIMARY KEY, employee_id int, ordered_at datetime(6) NOT NULL,
           freight decimal(10,2) COMMENT 'in EUR', KEY orders_ordered_at (ordered_at),
           FOREIGN KEY (employee_id) REFERENCES northwind.employees (employee_id))
           COMMENT 'What customers ordered; 100% of it: all'""",
        """CREATE TABLE northwind.order_details (order_id int, product_id int, PRIMARY KEY (order_id, product_id),
           FOREIGN KEY (order_id) REFERENCES northwind.orders (order_id),
           FOREIGN KEY (product_id) REFERENCES northwind.products (product_id))""",
        f"CREATE TABLE northwind.{odd} ({odd} int PRIMARY KEY)",
        "CREATE VIEW northwind.recent_orders AS SELECT * FROM northwind.orders WHERE ordered_at > '2026-01-01'",
        "INSERT INTO northwind.orders VALUES (1, NULL, now(), 1), (2, NULL, now(), 1)",
        "ANALYZE TABLE northwind.orders",
        "GRANT SELECT, SHOW VIEW ON northwind.* TO reader@'%'", "GRANT SELECT ON hr.* TO reader@'%'",
    )  # fmt: skip
    yield mariadb_server.url
    mariadb_server.run("DROP DATABASE northwind", "DROP DATABASE hr")


def test_mariadb(mariadb: str) -> None:
    tables = reading.describe(mariadb)
    northwind = by_name(tables, "northwind")
    check_northwind(northwind, "northwind")
    orders = northwind["orders"]
    assert orders.comment == "What customers ordered; 100% of it: all"
    assert {each.name: (each.type, each.comment) for each in orders.columns}["freight"] == ("decimal(10,2)", "in EUR")
    assert {each.name: each.type for each in northwind["products"].columns}["stock"] == "int(10) unsigned"
    assert orders.rows == 2
    assert [each.name for each in by_name(tables, "hr").values()] == ["badges"]
    assert not {each.schema_name for each in tables} & {"information_schema", "mysql", "performance_schema", "sys"}


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    odd = '"' + ODD.replace('"', '""') + '"'
    path = tmp_path / "north wind %20.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"""
            CREATE TABLE employees (employee_id INTEGER NOT NULL PRIMARY KEY, reports_to INTEGER REFERENCES employees);
            CREATE TABLE categories (category_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
            CREATE TABLE products (product_id INTEGER PRIMARY KEY, category_id INTEGER REFERENCES categories, price MONEY);
            CREATE TABLE orders (order_id INTEGER NOT NULL PRIMARY KEY,
                employee_id INTEGER REFERENCES employees (employee_id), ordered_at DATETIME NOT NULL, freight);
            CREATE INDEX orders_ordered_at ON orders (ordered_at);
            CREATE TABLE order_details (order_id INTEGER REFERENCES orders, product_id INTEGER REFERENCES products,
                PRIMARY KEY (order_id, product_id));
            CREATE TABLE {odd} ({odd} INTEGER PRIMARY KEY);
            CREATE VIEW recent_orders AS SELECT * FROM orders WHERE ordered_at > '2026-01-01';
            INSERT INTO orders VALUES (1, NULL, '2026-01-02', 3), (2, NULL, '2026-01-03', 4);
        """)
    connection.close()
    return f"sqlite:///{path.with_name('north wind %2520.db')}"


def test_sqlite(sqlite: str) -> None:
    tables = by_name(reading.describe(sqlite), None)
    check_northwind(tables, None)
    assert (tables["orders"].rows, tables["employees"].rows, tables["recent_orders"].rows) == (2, 0, None)
    assert {each.name: each.type for each in tables["products"].columns}["price"] == "MONEY"  # as it is declared
    assert {each.name: each.type for each in tables["orders"].columns}["freight"] == ""


def test_any_other_dialect_is_described_by_sqlalchemys_inspector(sqlite: str) -> None:
    tables = by_name(sqlalchemy_cursor.describe(parse(sqlite)), None)
    check_northwind(tables, None)
    assert {each.rows for each in tables.values()} == {None}


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="could not be read") as caught:
        reading.describe("postgresql://reader:hunter22@127.0.0.1:1/src")
    assert "hunter22" not in str(caught.value)
    with pytest.raises(SourceError, match="does not exist"):
        reading.describe(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_connection_can_only_read(sqlite: str, postgres: str, mariadb: str) -> None:
    for url, table in ((sqlite, "orders"), (postgres, "northwind.orders"), (mariadb, "northwind.orders")):
        with reading.connection(url) as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() >= 2
        with pytest.raises(SourceError, match=r"(?i)read.?only"), reading.connection(url) as connection:
            connection.exec_driver_sql("CREATE TABLE written (id int)")


@pytest.mark.parametrize(
    ("url", "loaded", "absent"),
    [
        ("", set(), {"sqlalchemy", "pyarrow", "polars", "numpy", "psycopg", "pymysql", "etl.source.postgres"}),
        ("sqlite:///x", {"etl.source.sqlite_duckdb"}, {"sqlalchemy", "pyarrow", "etl.source.postgres", "psycopg"}),
        ("postgresql://h/d", {"etl.source.postgres"}, {"sqlalchemy", "pyarrow", "pymysql", "etl.source.mysql"}),
        ("mariadb://h/d", {"etl.source.mysql"}, {"etl.source.postgres", "psycopg", "etl.source.sqlite_duckdb"}),
        ("oracle://h/d", {"etl.source.sqlalchemy_cursor"}, {"etl.source.postgres", "etl.source.mysql"}),
    ],
)
def test_a_driver_is_loaded_when_its_dialect_is_read_and_no_other(url: str, loaded: set[str], absent: set[str]) -> None:
    code = f"""
import sys
from etl.source import reading
from etl.source.database_url import parse
if {url!r}: reading.driver_of(parse({url!r}))
print(*({loaded!r} - {{*sys.modules}}), *({absent!r} & {{*sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
