"""Databases with the structure of Northwind, Chinook and Sakila, and rows that are made here: the same ones each time.

The structures are those that everybody knows: foreign keys, keys of two columns, comments, views, money and decimals,
bytes, dates, arrays, enums. The rows are ours.
"""

import contextlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

# ruff: noqa: DTZ001  times without a zone are what some of these tables have
Row = tuple[Any, ...]

FIRST = ("Nancy", "Andrew", "Janet", "Margaret", "Steven", "Michael", "Robert", "Laura", "Anne", "Yuki", "Søren", "Zoë")
LAST = ("Davolio", "Fuller", "Leverling", "Peacock", "Buchanan", "Suyama", "King", "Callahan", "Dodsworth", "Müller")
CITIES = ("Seattle", "Tacoma", "London", "Berlin", "México D.F.", "Luleå", "Strasbourg", "Graz", "Cork", "Lander")
COUNTRIES = ("USA", "UK", "Germany", "Mexico", "Sweden", "France", "Austria", "Ireland")


@dataclass(frozen=True)
class Made:
    """A table: its statement, and its rows."""

    name: str
    columns: str
    """The columns and keys, as in CREATE TABLE."""
    rows: Sequence[Row] = ()
    after: Sequence[str] = field(default=())
    """Statements behind it: indexes, comments."""


def northwind(dialect: str, *, today: date = date(2026, 11, 28)) -> Iterator[Made]:
    """The trader's orders of two years up to today: growing keys, dates in order, a shipping date that comes later."""
    chance = random.Random(13)
    money = "money" if dialect == "postgresql" else "decimal(10,2)"
    picture = {"postgresql": "bytea", "mysql": "blob"}.get(dialect, "blob")
    yield Made("categories", f"category_id smallint NOT NULL PRIMARY KEY, category_name varchar(15) NOT NULL UNIQUE, description text, picture {picture}",
               [(n, name, f"{name} and more", b"\x89PNG" + bytes([n])) for n, name in enumerate(("Beverages", "Condiments", "Confections", "Dairy", "Grains", "Meat", "Produce", "Seafood"), 1)])  # fmt: skip
    yield Made("suppliers", "supplier_id smallint NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, contact_name varchar(30), address varchar(60), city varchar(15), country varchar(15), phone varchar(24), homepage text",
               [(n, f"Supplier {n}", _person(chance), f"{n} Main Street", chance.choice(CITIES), chance.choice(COUNTRIES), f"(206) 555-{n:04d}", None) for n in range(1, 30)])  # fmt: skip
    yield Made("shippers", "shipper_id smallint NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, phone varchar(24)",
               [(n, f"Shipper {n}", f"(503) 555-{n:04d}") for n in range(1, 4)])  # fmt: skip
    yield Made("customers", "customer_id char(5) NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, contact_name varchar(30), contact_title varchar(30), address varchar(60), city varchar(15), postal_code varchar(10), country varchar(15), phone varchar(24), email varchar(80)",
               [(f"C{n:04d}", f"Company {n}", _person(chance), "Owner", f"{n} Side Street", chance.choice(CITIES), f"{10000 + n}", chance.choice(COUNTRIES), f"030-{n:07d}", f"person{n}@example.org") for n in range(1, 92)])  # fmt: skip
    yield Made("employees", "employee_id smallint NOT NULL PRIMARY KEY, last_name varchar(20) NOT NULL, first_name varchar(10) NOT NULL, title varchar(30), birth_date date, hire_date date, home_phone varchar(24), notes text, reports_to smallint REFERENCES employees" + ("(employee_id)" if dialect == "mysql" else ""),
               [(n, LAST[n - 1], FIRST[n - 1], "Sales", date(1960 + n, n, n), date(2010 + n, n, n), f"(206) 555-9{n:03d}", "Likes fish.", None if n == 2 else 2) for n in (2, 1, 3, 4, 5, 6, 7, 8, 9)])  # fmt: skip
    yield Made("products", f"product_id smallint NOT NULL PRIMARY KEY, product_name varchar(40) NOT NULL, supplier_id smallint, category_id smallint, quantity_per_unit varchar(20), unit_price {money}, units_in_stock smallint, discontinued integer NOT NULL, {_refers('supplier_id', 'suppliers')}, {_refers('category_id', 'categories')}",
               [(n, f"Product {n}", 1 + n % 29, 1 + n % 8, f"{n} boxes", Decimal(chance.randrange(250, 26000)) / 100, chance.randrange(0, 125), int(chance.random() < 0.1)) for n in range(1, 78)])  # fmt: skip
    orders, details = [], []
    for n in range(830):
        ordered = today - timedelta(days=730 - int(n * 730 / 830))
        shipped = ordered + timedelta(days=chance.randrange(1, 24))
        orders.append((10248 + n, f"C{chance.randrange(1, 92):04d}", chance.randrange(1, 10), ordered, ordered + timedelta(days=28), shipped if shipped <= today else None, chance.randrange(1, 4), Decimal(chance.randrange(2, 80000)) / 100, "Ship name", "1 Ship Street", chance.choice(CITIES), chance.choice(COUNTRIES)))  # fmt: skip
        details += [(10248 + n, product, Decimal(chance.randrange(250, 26000)) / 100, chance.randrange(1, 130), chance.choice((0.0, 0.05, 0.1, 0.25))) for product in chance.sample(range(1, 78), chance.randrange(1, 5))]  # fmt: skip
    real = "real" if dialect == "postgresql" else "double precision" if dialect == "sqlite" else "double"
    yield Made("orders", f"order_id int NOT NULL PRIMARY KEY, customer_id char(5), employee_id smallint, order_date date NOT NULL, required_date date, shipped_date date, ship_via smallint, freight decimal(10,2), ship_name varchar(40), ship_address varchar(60), ship_city varchar(15), ship_country varchar(15), {_refers('customer_id', 'customers')}, {_refers('employee_id', 'employees')}, {_refers('ship_via', 'shippers', 'shipper_id')}",
               orders, _comment(dialect, "orders", "What customers ordered; 100% of it: all", freight=f"in EUR, {chr(36)}{{not a variable}}"))  # fmt: skip
    yield Made("order_details", f"order_id int NOT NULL, product_id smallint NOT NULL, unit_price decimal(10,2) NOT NULL, quantity smallint NOT NULL, discount {real} NOT NULL, PRIMARY KEY (order_id, product_id), {_refers('order_id', 'orders')}, {_refers('product_id', 'products')}", details)  # fmt: skip
    yield Made(
        "region",
        "region_id smallint NOT NULL PRIMARY KEY, region_description varchar(60) NOT NULL",
        [(1, "Eastern"), (2, "Western")],
    )
    yield Made("territories", f"territory_id varchar(20) NOT NULL PRIMARY KEY, territory_description varchar(60) NOT NULL, region_id smallint NOT NULL, {_refers('region_id', 'region')}",
               [(f"{n:05d}", f"Territory {n}", 1 + n % 2) for n in range(53)])  # fmt: skip
    yield Made("employee_territories", f"employee_id smallint NOT NULL, territory_id varchar(20) NOT NULL, PRIMARY KEY (employee_id, territory_id), {_refers('employee_id', 'employees')}, {_refers('territory_id', 'territories')}",
               [(1 + n % 9, f"{n:05d}") for n in range(49)])  # fmt: skip
    yield Made("customer_demographics", "customer_type_id char(5) NOT NULL PRIMARY KEY, customer_desc text")
    yield Made(
        "",
        "CREATE VIEW order_subtotals AS SELECT order_id, sum(unit_price * quantity) AS subtotal FROM order_details GROUP BY order_id",
    )


def chinook(dialect: str) -> Iterator[Made]:
    """The music shop: names in mixed case, a circle of references among employees, invoices of long ago."""
    chance = random.Random(17)
    q = "`{}`" if dialect == "mysql" else '"{}"'
    when = "datetime" if dialect != "postgresql" else "timestamp"

    def named(columns: str) -> str:
        return " ".join(q.format(word[1:-1]) if word.startswith("[") else word for word in columns.split(" "))

    yield Made(
        "Artist",
        named("[ArtistId] int NOT NULL PRIMARY KEY, [Name] varchar(120)"),
        [(n, f"Artist {n}") for n in range(1, 276)],
    )
    yield Made("Album", named("[AlbumId] int NOT NULL PRIMARY KEY, [Title] varchar(160) NOT NULL, [ArtistId] int NOT NULL, FOREIGN KEY ( [ArtistId] ) REFERENCES [Artist] ( [ArtistId] )"),
               [(n, f"Album {n}", 1 + n % 275) for n in range(1, 348)])  # fmt: skip
    yield Made("Employee", named(f"[EmployeeId] int NOT NULL PRIMARY KEY, [LastName] varchar(20) NOT NULL, [FirstName] varchar(20) NOT NULL, [ReportsTo] int, [BirthDate] {when}, [Email] varchar(60), FOREIGN KEY ( [ReportsTo] ) REFERENCES [Employee] ( [EmployeeId] )"),
               [(n, LAST[n], FIRST[n], None if n == 1 else 1, datetime(1960 + n, 1, 1), f"employee{n}@example.com") for n in range(1, 9)])  # fmt: skip
    yield Made("Customer", named("[CustomerId] int NOT NULL PRIMARY KEY, [FirstName] varchar(40) NOT NULL, [LastName] varchar(20) NOT NULL, [Country] varchar(40), [Phone] varchar(24), [Email] varchar(60) NOT NULL, [SupportRepId] int, FOREIGN KEY ( [SupportRepId] ) REFERENCES [Employee] ( [EmployeeId] )"),
               [(n, chance.choice(FIRST), chance.choice(LAST), chance.choice(COUNTRIES), f"+1 204 {n:07d}", f"customer{n}@example.net", 3 + n % 3) for n in range(1, 60)])  # fmt: skip
    yield Made("Track", named("[TrackId] int NOT NULL PRIMARY KEY, [Name] varchar(200) NOT NULL, [AlbumId] int, [Composer] varchar(220), [Milliseconds] int NOT NULL, [Bytes] int, [UnitPrice] decimal(10,2) NOT NULL, FOREIGN KEY ( [AlbumId] ) REFERENCES [Album] ( [AlbumId] )"),
               [(n, f"Track {n}", 1 + n % 347, None if n % 4 == 0 else "Somebody", chance.randrange(1000, 5_000_000), chance.randrange(38_747, 1_059_546_140), Decimal("0.99") if n % 20 else Decimal("1.99")) for n in range(1, 3504)])  # fmt: skip
    yield Made("Invoice", named(f"[InvoiceId] int NOT NULL PRIMARY KEY, [CustomerId] int NOT NULL, [InvoiceDate] {when} NOT NULL, [BillingAddress] varchar(70), [BillingCountry] varchar(40), [Total] decimal(10,2) NOT NULL, FOREIGN KEY ( [CustomerId] ) REFERENCES [Customer] ( [CustomerId] )"),
               [(n, 1 + n % 59, datetime(2009, 1, 1) + timedelta(days=int(n * 4.4)), f"{n} Street", chance.choice(COUNTRIES), Decimal(chance.randrange(99, 2600)) / 100) for n in range(1, 413)])  # fmt: skip
    yield Made("InvoiceLine", named("[InvoiceLineId] int NOT NULL PRIMARY KEY, [InvoiceId] int NOT NULL, [TrackId] int NOT NULL, [UnitPrice] decimal(10,2) NOT NULL, [Quantity] int NOT NULL, FOREIGN KEY ( [InvoiceId] ) REFERENCES [Invoice] ( [InvoiceId] ), FOREIGN KEY ( [TrackId] ) REFERENCES [Track] ( [TrackId] )"),
               [(n, 1 + n % 412, 1 + n % 3503, Decimal("0.99"), 1) for n in range(1, 2241)])  # fmt: skip


def sakila(dialect: str, *, rentals: int = 16_044) -> Iterator[Made]:
    """The film rental, which ended long ago: rentals every day, `last_update` of one moment, returns that come later."""
    chance = random.Random(19)
    postgres = dialect == "postgresql"
    stamp = "timestamptz" if postgres else "timestamp" if dialect == "mysql" else "datetime"
    wall = "timestamp" if postgres else "datetime"
    bulk = datetime(2006, 2, 15, 4, 34, 33, tzinfo=UTC) if postgres else datetime(2006, 2, 15, 4, 34, 33)
    if postgres:
        yield Made("", "CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17')")
        yield Made("", "CREATE DOMAIN release_year AS integer CHECK (VALUE BETWEEN 1901 AND 2155)")
    yield Made("country", f"country_id int NOT NULL PRIMARY KEY, country varchar(50) NOT NULL, last_update {stamp} NOT NULL",
               [(n, f"Country {n}", bulk) for n in range(1, 110)])  # fmt: skip
    yield Made("city", f"city_id int NOT NULL PRIMARY KEY, city varchar(50) NOT NULL, country_id int NOT NULL, last_update {stamp} NOT NULL, {_refers('country_id', 'country')}",
               [(n, f"City {n}", 1 + n % 109, bulk) for n in range(1, 601)])  # fmt: skip
    yield Made("address", f"address_id int NOT NULL PRIMARY KEY, address varchar(50) NOT NULL, address2 varchar(50), district varchar(20) NOT NULL, city_id int NOT NULL, postal_code varchar(10), phone varchar(20) NOT NULL, last_update {stamp} NOT NULL, {_refers('city_id', 'city')}",
               [(n, f"{n} Road", None, "Alberta", 1 + n % 600, f"{n:05d}", f"{n:012d}", bulk) for n in range(1, 604)])  # fmt: skip
    film = "film_id int NOT NULL PRIMARY KEY, title varchar(255) NOT NULL, description text, rental_duration smallint NOT NULL, rental_rate decimal(4,2) NOT NULL, length smallint, replacement_cost decimal(5,2) NOT NULL"
    films: list[Row] = [(n, f"FILM {n}", "A Saga of a Dog", chance.randrange(3, 8), chance.choice((Decimal("0.99"), Decimal("2.99"), Decimal("4.99"))), chance.randrange(46, 186), Decimal(chance.randrange(9, 29)) + Decimal("0.99")) for n in range(1, 1001)]  # fmt: skip
    if postgres:
        film += ", release_year release_year, rating mpaa_rating, special_features text[], fulltext tsvector NOT NULL"
        films = [(*row, 2006, chance.choice(("G", "PG", "PG-13", "R", "NC-17")), ["Trailers", "Deleted Scenes"][: 1 + row[0] % 2], f"'saga':{row[0] % 9 + 1}") for row in films]  # fmt: skip
    yield Made("film", f"{film}, last_update {stamp} NOT NULL", [(*row, bulk) for row in films])
    yield Made("actor", f"actor_id int NOT NULL PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, last_update {stamp} NOT NULL",
               [(n, chance.choice(FIRST), chance.choice(LAST), bulk) for n in range(1, 201)])  # fmt: skip
    yield Made("film_actor", f"actor_id int NOT NULL, film_id int NOT NULL, last_update {stamp} NOT NULL, PRIMARY KEY (actor_id, film_id), {_refers('actor_id', 'actor')}, {_refers('film_id', 'film')}",
               [(1 + n % 200, 1 + n % 1000, bulk) for n in range(1000)])  # fmt: skip
    flag = "boolean" if dialect != "mysql" else "tinyint(1)"
    yield Made("store", f"store_id int NOT NULL PRIMARY KEY, manager_staff_id int NOT NULL, address_id int NOT NULL, last_update {stamp} NOT NULL, {_refers('address_id', 'address')}",
               [(1, 1, 1, bulk), (2, 2, 2, bulk)])  # fmt: skip
    yield Made("staff", f"staff_id int NOT NULL PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, address_id int NOT NULL, email varchar(50), store_id int NOT NULL, active {flag} NOT NULL, username varchar(16) NOT NULL, password varchar(40), picture {'bytea' if postgres else 'blob'}, last_update {stamp} NOT NULL, {_refers('address_id', 'address')}, {_refers('store_id', 'store')}",
               [(n, FIRST[n], LAST[n], n, f"staff{n}@example.com", n, True, f"user{n}", "8cb2237d0679ca88db6464eac60da96345513964", b"\x89PNG", bulk) for n in (1, 2)],
               () if dialect == "sqlite" else ("ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff (staff_id)",))  # fmt: skip
    yield Made("customer", f"customer_id int NOT NULL PRIMARY KEY, store_id int NOT NULL, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL, email varchar(50), address_id int NOT NULL, create_date date NOT NULL, last_update {stamp}, {_refers('store_id', 'store')}, {_refers('address_id', 'address')}",
               [(n, 1 + n % 2, chance.choice(FIRST), chance.choice(LAST), f"customer{n}@example.org", 5 + n % 590, date(2006, 2, 14), bulk) for n in range(1, 600)])  # fmt: skip
    yield Made("inventory", f"inventory_id int NOT NULL PRIMARY KEY, film_id int NOT NULL, store_id int NOT NULL, last_update {stamp} NOT NULL, {_refers('film_id', 'film')}, {_refers('store_id', 'store')}",
               [(n, 1 + n % 1000, 1 + n % 2, bulk) for n in range(1, 4582)])  # fmt: skip
    rented: list[Row] = []
    for n in range(1, rentals + 1):
        begun = datetime(2005, 5, 24, 22, 53) + timedelta(minutes=int(n * 250 * 1440 / rentals), seconds=n % 60)
        back = begun + timedelta(days=chance.randrange(1, 10), hours=chance.randrange(24))
        rented.append((n, begun, 1 + n % 4581, 1 + n % 599, back if n < rentals - 180 else None, 1 + n % 2, bulk))
    yield Made("rental", f"rental_id int NOT NULL PRIMARY KEY, rental_date {wall} NOT NULL, inventory_id int NOT NULL, customer_id int NOT NULL, return_date {wall}, staff_id int NOT NULL, last_update {stamp} NOT NULL, {_refers('inventory_id', 'inventory')}, {_refers('customer_id', 'customer')}, {_refers('staff_id', 'staff')}", rented)  # fmt: skip
    cut = " PARTITION BY RANGE (payment_date)" if postgres else ""
    key = "" if postgres else "PRIMARY KEY (payment_id), "
    paid = [(row[0], row[3], row[5], row[0], Decimal(chance.randrange(0, 1199)) / 100, row[1]) for row in rented]
    parts = [f"CREATE TABLE payment_p{number} PARTITION OF payment FOR VALUES FROM ('{low}') TO ('{high}')" for number, low, high in ((1, "2005-01-01", "2005-09-01"), (2, "2005-09-01", "2007-01-01"))]  # fmt: skip
    yield Made("payment", f"payment_id int NOT NULL, customer_id int NOT NULL, staff_id int NOT NULL, rental_id int NOT NULL, amount decimal(5,2) NOT NULL, payment_date {wall} NOT NULL, {key}{_refers('customer_id', 'customer')}, {_refers('rental_id', 'rental')})" + cut + ("" if cut else " --"), paid, parts if cut else ())  # fmt: skip
    yield Made(
        "",
        "CREATE VIEW customer_list AS SELECT c.customer_id AS id, c.first_name AS name, a.phone, a.address FROM customer c JOIN address a ON c.address_id = a.address_id",
    )


def statements(tables: Iterator[Made], dialect: str) -> Iterator[tuple[str, Sequence[Row]]]:
    """Yield the SQL of each table with the rows for it, and the SQL behind it."""
    quote = "`{}`" if dialect == "mysql" else '"{}"'
    mark = "?" if dialect == "sqlite" else "%s"
    for each in tables:
        if not each.name:
            yield each.columns, ()
            continue
        open_end = each.columns.endswith(" --") or " PARTITION BY " in each.columns
        body = each.columns.removesuffix(" --") if open_end else f"{each.columns})"
        yield f"CREATE TABLE {quote.format(each.name)} ({body}", ()
        for after in each.after if " PARTITION BY " in each.columns else ():
            yield after, ()
        if each.rows:
            marks = ", ".join([mark] * len(each.rows[0]))
            yield f"INSERT INTO {quote.format(each.name)} VALUES ({marks})", each.rows
        for after in () if " PARTITION BY " in each.columns else each.after:
            yield after, ()


def _refers(column: str, table: str, other: str = "") -> str:
    return f"FOREIGN KEY ({column}) REFERENCES {table} ({other or column})"


def _comment(dialect: str, table: str, text: str, **columns: str) -> list[str]:
    if dialect == "postgresql":
        said = [f"COMMENT ON TABLE {table} IS '{text}'"]
        return said + [f"COMMENT ON COLUMN {table}.{name} IS '{what}'" for name, what in columns.items()]
    if dialect == "mysql":
        said = [f"ALTER TABLE {table} COMMENT '{text}'"]
        return said + [
            f"ALTER TABLE {table} MODIFY {name} decimal(10,2) COMMENT '{what}'" for name, what in columns.items()
        ]
    return []


def _person(chance: random.Random) -> str:
    return f"{chance.choice(FIRST)} {chance.choice(LAST)}"


def fill_postgres(server: Any, name: str, tables: Iterator[Made]) -> str:
    """Make a database with the tables on a PostgreSQL; returns the URL of a user who may read it."""
    server.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    with server.connect(name) as connection, connection.cursor() as cursor:
        for sql, rows in statements(tables, "postgresql"):
            cursor.executemany(sql, rows) if rows else cursor.execute(sql)
    return f"{server.url.rsplit('/', 1)[0]}/{name}"


def fill_mariadb(server: Any, name: str, tables: Iterator[Made]) -> str:
    """The same on a MariaDB."""
    server.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}",
               f"GRANT SELECT, SHOW VIEW ON {name}.* TO reader@'%'")  # fmt: skip
    with server.connect(name) as connection, connection.cursor() as cursor:
        for sql, rows in statements(tables, "mysql"):
            cursor.executemany(sql, rows) if rows else cursor.execute(sql)
    return f"{server.url.rsplit('/', 1)[0]}/{name}"


def fill_sqlite(path: Path, tables: Iterator[Made]) -> str:
    """The same in a file of SQLite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for sql, rows in statements(tables, "sqlite"):
            plain = [tuple(_of_sqlite(each) for each in row) for row in rows]
            connection.executemany(sql, plain) if rows else connection.execute(sql)
        connection.commit()
    return f"sqlite:///{path}"


def _of_sqlite(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value
