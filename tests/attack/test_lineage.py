"""Attacks on column lineage: no column that only chooses or orders rows, no text taken for a column, one node a table.

What is expected follows from `docs/operating.md` and from the databases' own rules, not from the code.
"""

import sqlite3
from contextlib import closing

import pytest

from etl.lineage.query import Known, query_lineage
from etl.pipeline.lineage import SourceTables
from etl.source.reading import default_schema, sql_of

UNKNOWN = "unknown"
Origins = dict[str, list[str] | str]


def found(dialect: str, sql: str, columns: list[str], known: Known | None = None) -> Origins:
    lineage = query_lineage(sql, dialect, columns, known)
    said: Origins = {
        name: [f"{'.'.join(each.table)}.{each.column}" for each in origins] for name, origins in lineage.known.items()
    }
    return said | dict.fromkeys(lineage.unknown, UNKNOWN)


CHOOSING: list[tuple[str, str, list[str] | str]] = [
    ("sqlite", "(SELECT c.name FROM cust c WHERE c.id = orders.cust_id)", ["cust.name"]),
    ("postgres", "(SELECT c.name FROM cust c JOIN x ON x.k = c.k WHERE c.id = orders.a)", ["cust.name"]),
    ("postgres", "(SELECT c.name FROM cust c WHERE c.id = orders.a ORDER BY c.since LIMIT 1)", ["cust.name"]),
    ("postgres", "(SELECT max(c.n) FROM cust c GROUP BY c.g HAVING sum(c.h) > 1)", ["cust.n"]),
    ("postgres", "(SELECT c.a FROM cust c UNION SELECT x.b FROM x WHERE x.c)", ["cust.a", "x.b"]),
    ("postgres", "(SELECT y.m FROM (SELECT c.n AS m FROM cust c WHERE c.id > 1) y)", ["cust.n"]),
    ("postgres", "ARRAY(SELECT c.n FROM cust c ORDER BY c.since)", ["cust.n"]),
    ("postgres", "EXISTS (SELECT * FROM cust c WHERE c.id = orders.a)", []),
    ("postgres", "orders.a IN (SELECT c.k FROM cust c WHERE c.z)", ["cust.k", "orders.a"]),
    ("sqlite", "row_number() OVER (PARTITION BY day ORDER BY id)", []),
    ("postgres", "sum(qty) OVER (PARTITION BY day ORDER BY id ROWS 2 PRECEDING)", ["orders.qty"]),
    ("postgres", "1 + lag(qty, 1, other) OVER (ORDER BY id)", ["orders.other", "orders.qty"]),
    ("postgres", "count(*) FILTER (WHERE paid)", []),
    ("postgres", "sum(qty) FILTER (WHERE paid) OVER (ORDER BY id)", ["orders.qty"]),
    ("postgres", "string_agg(name, ',' ORDER BY id)", ["orders.name"]),
    ("mysql", "group_concat(name ORDER BY id SEPARATOR ',')", ["orders.name"]),
    ("snowflake", "array_agg(name) WITHIN GROUP (ORDER BY id)", ["ORDERS.NAME"]),
    ("postgres", "percentile_cont(0.5) WITHIN GROUP (ORDER BY qty)", ["orders.qty"]),
    ("postgres", "rank(3) WITHIN GROUP (ORDER BY qty)", UNKNOWN),
    ("bigquery", "any_value(name HAVING MAX id)", ["orders.name"]),
    ("duckdb", "arg_max(name, id)", ["orders.name"]),
    ("snowflake", "hash(*)", UNKNOWN),
    # a condition in the value itself makes the value
    ("postgres", "CASE WHEN paid THEN qty END", ["orders.paid", "orders.qty"]),
]


@pytest.mark.parametrize(("dialect", "column", "expected"), CHOOSING, ids=[each for _, each, _ in CHOOSING])
def test_columns_that_only_choose_or_order_rows_are_no_origins(
    dialect: str, column: str, expected: list[str] | str
) -> None:
    name = "G" if dialect == "snowflake" else "g"
    assert found(dialect, f"SELECT {column} AS g FROM orders", [name]) == {name: expected}


def test_a_named_window_only_orders_rows() -> None:
    sql = "SELECT sum(x) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY o)"
    assert found("postgres", sql, ["s"]) == {"s": ["t.x"]}


KNOWN: Known = {("orders",): ["id", "Name"]}


@pytest.mark.parametrize(
    ("column", "unseen", "seen"),
    [
        ('"hello"', UNKNOWN, []),
        ("upper(\"hello\") || 'x'", UNKNOWN, []),
        ('(SELECT "hello" FROM (SELECT 1 AS one) x)', UNKNOWN, []),
        ('(SELECT "name" FROM (SELECT 1 AS one) x)', UNKNOWN, ["orders.Name"]),
        ('"name"', UNKNOWN, ["orders.Name"]),
        ('"rowid"', UNKNOWN, UNKNOWN),
        # none of these is ever a text
        ('orders."name"', ["orders.name"], ["orders.Name"]),
        ("[name]", ["orders.name"], ["orders.Name"]),
        ("`name`", ["orders.name"], ["orders.Name"]),
        ("name", ["orders.name"], ["orders.Name"]),
        ("hello", ["orders.hello"], UNKNOWN),
    ],
)
def test_a_word_in_double_quotes_may_be_a_text_on_sqlite(
    column: str, unseen: list[str] | str, seen: list[str] | str
) -> None:
    sql = f"SELECT id,\n {column} AS g FROM orders"
    assert found("sqlite", sql, ["id", "g"]) == {"id": ["orders.id"], "g": unseen}
    assert found("sqlite", sql, ["id", "g"], KNOWN) == {"id": ["orders.id"], "g": seen}


def test_sqlite_itself_takes_a_word_that_is_no_column_for_a_text() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE orders (id, Name)")
        db.execute("INSERT INTO orders VALUES (1, 'Ann')")
        assert db.execute('SELECT "hello", "name", [name] FROM orders').fetchall() == [("hello", "Ann", "Ann")]


@pytest.mark.parametrize("dialect", ["postgres", "duckdb", "trino"])
def test_a_word_in_double_quotes_is_a_column_elsewhere(dialect: str) -> None:
    assert found(dialect, 'SELECT "hello" AS g FROM orders', ["g"]) == {"g": ["orders.hello"]}


@pytest.mark.parametrize("query", ['SELECT "hello" AS g FROM a JOIN b ON a.k = b.k', 'SELECT "hello" AS g FROM z, a'])
def test_a_text_beside_several_tables_is_unknown_while_one_of_them_is(query: str) -> None:
    known: Known = {("a",): ["k"], ("b",): ["k"]}
    assert found("sqlite", query, ["g"], known) == {"g": UNKNOWN if "z" in query else []}


@pytest.mark.parametrize(
    ("url", "one", "other", "same"),
    [
        ("sqlite:///x.db", ("main", "orders"), ("orders",), True),
        ("sqlite:///x.db", ("Main", "Orders"), ("orders",), True),
        ("sqlite:///x.db", ("temp", "orders"), ("orders",), False),
        ("sqlite:///x.db", ("main.orders",), ("orders",), False),
        ("mysql://u:p@h/shop", ("shop", "orders"), ("orders",), True),
        ("mariadb://u:p@h/shop", ("shop", "orders"), ("orders",), True),
        ("mysql://u:p@h/shop", ("main", "orders"), ("orders",), False),
        ("mysql://u:p@h/shop", ("Shop", "orders"), ("orders",), False),
        ("mysql://u:p@h", ("shop", "orders"), ("orders",), False),
        # the search path of the user decides, and it is not known here
        ("postgresql://u:p@h/shop", ("public", "orders"), ("orders",), False),
        ("postgresql://u:p@h/main", ("main", "orders"), ("orders",), False),
    ],
)
def test_a_table_with_and_without_the_default_schema_is_one_table(
    url: str, one: tuple[str, ...], other: tuple[str, ...], same: bool
) -> None:
    source = SourceTables(sql_of(url), default_schema(url))
    keys = {source.key("acme", words) for words in (one, other)}
    assert (len(keys) == 1) is same
    assert not same or keys == {("acme", "source", "orders")}
