"""Column lineage of queries: what the text says, what it does not say, and DuckDB as the judge of both."""

from collections.abc import Mapping, Sequence

import duckdb
import pytest

from etl.lineage.columns import ColumnLineage
from etl.lineage.query import query_lineage, table_words

UNKNOWN = "unknown"


def found(lineage: ColumnLineage) -> dict[str, list[str] | str]:
    """The origins of each column as `table.column`; `unknown` where there is a reason."""
    assert not lineage.known.keys() & lineage.unknown.keys()
    known: dict[str, list[str] | str] = {
        name: [f"{'.'.join(each.table)}.{each.column}" for each in origins] for name, origins in lineage.known.items()
    }
    assert all(lineage.unknown.values()), "each unknown column has a reason"
    return known | dict.fromkeys(lineage.unknown, UNKNOWN)


CASES: list[tuple[str, str, dict[str, list[str] | str]]] = [
    # what a query of one table says without anybody knowing the table's columns
    ("postgres", "SELECT id, qty AS q FROM s.orders", {"id": ["s.orders.id"], "q": ["s.orders.qty"]}),
    ("postgres", "SELECT * FROM orders", {"id": ["orders.id"], "qty": ["orders.qty"]}),
    ("sqlite", "SELECT *, qty * price AS total FROM o", {"qty": ["o.qty"], "total": ["o.price", "o.qty"]}),
    ("mysql", "SELECT count(*) AS n, 1 AS one FROM o", {"n": [], "one": []}),
    ("postgres", "SELECT max(qty) FROM o", {"max": ["o.qty"]}),
    ("postgres", "SELECT id::text FROM o", {"id": ["o.id"]}),
    (
        "postgres",
        "SELECT id FROM o WHERE day >= :window_start AND day < :window_end AND k = ':partition'",
        {"id": ["o.id"]},
    ),
    # several tables
    ("postgres", "SELECT o.id, c.name FROM o JOIN c ON o.c = c.id", {"id": ["o.id"], "name": ["c.name"]}),
    ("postgres", "SELECT id, name FROM o JOIN c ON o.c = c.k", {"id": UNKNOWN, "name": UNKNOWN}),
    ("postgres", "SELECT * FROM o JOIN c ON o.c = c.k", {"id": UNKNOWN}),
    ("postgres", "SELECT o.*, c.name FROM o JOIN c ON o.c = c.k", {"id": ["o.id"], "name": ["c.name"]}),
    ("postgres", "SELECT id FROM o JOIN c USING (id)", {"id": ["c.id", "o.id"]}),
    ("postgres", "SELECT id FROM o NATURAL JOIN c", {"id": UNKNOWN}),
    # subqueries, CTEs, unions
    ("postgres", "WITH x AS (SELECT a + b AS c FROM t) SELECT c AS d FROM x", {"d": ["t.a", "t.b"]}),
    ("postgres", "WITH x (p, q) AS (SELECT a, b FROM t) SELECT q, p FROM x", {"q": ["t.b"], "p": ["t.a"]}),
    ("postgres", "SELECT y.a FROM (SELECT * FROM t) y", {"a": ["t.a"]}),
    ("postgres", "SELECT a FROM t UNION ALL SELECT b FROM u", {"a": ["t.a", "u.b"]}),
    ("postgres", "SELECT a FROM t EXCEPT SELECT b FROM u", {"a": ["t.a"]}),
    ("postgres", "SELECT * FROM t UNION ALL SELECT * FROM u", {"a": UNKNOWN}),
    ("postgres", "WITH RECURSIVE r AS (SELECT a FROM t UNION SELECT a FROM r) SELECT a FROM r", {"a": UNKNOWN}),
    ("postgres", "SELECT (SELECT max(u.z) FROM u WHERE u.i = t.i) AS m FROM t", {"m": ["u.z"]}),
    ("postgres", "SELECT (SELECT max(z) FROM u) AS m FROM t", {"m": UNKNOWN}),
    ("postgres", "SELECT (SELECT x.* FROM u AS x) AS m FROM t", {"m": UNKNOWN}),
    # windows
    ("postgres", "SELECT sum(x) OVER (PARTITION BY k) AS s FROM t", {"s": ["t.x"]}),
    ("postgres", "SELECT sum(x) OVER w AS s FROM t WINDOW w AS (PARTITION BY k)", {"s": ["t.x"]}),
    # a name that means one thing in one database and another in the next
    ("postgres", "SELECT a AS x, x AS y FROM t", {"x": ["t.a"], "y": ["t.x"]}),
    ("duckdb", "SELECT a AS x, x AS y FROM t", {"x": ["t.a"], "y": UNKNOWN}),
    ("postgres", "SELECT user AS u FROM t", {"u": UNKNOWN}),
    ("postgres", 'SELECT "user" AS u FROM t', {"u": ["t.user"]}),
    ("postgres", "SELECT t FROM t", {"t": UNKNOWN}),
    ("postgres", 'SELECT "Qty", qty FROM t', {"Qty": ["t.Qty"], "qty": ["t.qty"]}),
    # rows of no table, columns of no name
    ("postgres", "SELECT n FROM generate_series(1, 3) AS n", {"n": UNKNOWN}),
    ("duckdb", "SELECT a FROM read_parquet('x.parquet')", {"a": UNKNOWN}),
    ("postgres", "SELECT a FROM (VALUES (1)) AS v (a)", {"a": UNKNOWN}),
    ("duckdb", "SELECT * EXCLUDE (k) FROM t", {"a": UNKNOWN}),
    ("duckdb", "SELECT COLUMNS('a.*') FROM t", {"a": UNKNOWN}),
    ("duckdb", "SELECT s.f FROM t", {"f": UNKNOWN}),
    ("duckdb", "PIVOT t ON k USING sum(x)", {"a": UNKNOWN}),
    ("postgres", "SELECT a, b AS a FROM t", {"a": UNKNOWN}),
    # no query at all
    ("postgres", "this is no sql (", {"a": UNKNOWN}),
    ("postgres", "SELECT 1 AS a; SELECT 2 AS a", {"a": UNKNOWN}),
    ("postgres", "DELETE FROM t", {"a": UNKNOWN}),
    ("postgres", "", {"a": UNKNOWN}),
    ("postgres", "SELECT a" + " + a" * 60_000 + " AS a FROM t", {"a": UNKNOWN}),
    ("postgres", "SELECT " + "(" * 3000 + "a" + ")" * 3000 + " AS a FROM t", {"a": UNKNOWN}),
]


@pytest.mark.parametrize(("dialect", "sql", "expected"), CASES, ids=[sql[:60] for _, sql, _ in CASES])
def test_a_query_says_the_origin_of_a_column_or_it_is_unknown(
    dialect: str, sql: str, expected: dict[str, list[str] | str]
) -> None:
    assert found(query_lineage(sql, dialect, list(expected))) == expected


KNOWN = {("o",): ["id", "c", "qty"], ("c",): ["k", "name"]}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, name FROM o JOIN c ON o.c = c.k", {"id": ["o.id"], "name": ["c.name"]}),
        ("SELECT * FROM o JOIN c ON o.c = c.k", {"qty": ["o.qty"], "name": ["c.name"]}),
        ("SELECT id, other FROM o JOIN z ON o.c = z.k", {"id": ["o.id"], "other": ["z.other"]}),
        ("SELECT * FROM o JOIN z ON o.c = z.k", {"id": UNKNOWN, "other": ["z.other"]}),
        ("SELECT ID, Name FROM O JOIN C ON o.c = c.k", {"ID": ["o.id"], "Name": ["c.name"]}),
        ("SELECT qty AS q, q * 2 AS double FROM o", {"q": ["o.qty"], "double": ["o.qty"]}),
        ("SELECT (SELECT max(name) FROM c) AS m FROM o", {"m": ["c.name"]}),
        ("SELECT (SELECT max(name) FROM c WHERE k = qty) AS m FROM o", {"m": ["c.name"]}),
        ("SELECT nothing FROM o", {"nothing": UNKNOWN}),
        ("SELECT rowid AS r FROM o", {"r": UNKNOWN}),
    ],
)
def test_known_columns_decide_more(sql: str, expected: dict[str, list[str] | str]) -> None:
    assert found(query_lineage(sql, "duckdb", list(expected), KNOWN)) == expected


def test_the_tables_are_told_also_where_no_column_is_known() -> None:
    lineage = query_lineage("WITH x AS (SELECT * FROM a.b) SELECT i FROM x JOIN c ON true", "postgres", ["i"])
    assert (found(lineage), set(lineage.tables)) == ({"i": UNKNOWN}, {("a", "b"), ("c",)})


def test_a_tables_name_has_the_words_that_a_query_has() -> None:
    assert table_words('"Data"."dbt"."By_Day"', "duckdb") == ("data", "dbt", "by_day")
    assert table_words('"Data"."By_Day"', "postgres") == ("Data", "By_Day")


TABLES: Mapping[str, Sequence[str]] = {"t": ("a", "b", "k"), "u": ("k", "x", "y")}
JUDGED = [
    "SELECT a, b, a + b AS c, 7 AS seven FROM t",
    "SELECT t.a * u.x AS p, u.y, t.k FROM t JOIN u ON t.k = u.k",
    "SELECT a, x FROM t JOIN u USING (k)",
    "WITH s AS (SELECT k, sum(x) AS total FROM u GROUP BY k) SELECT t.a, s.total + t.b AS r FROM t JOIN s USING (k)",
    "SELECT b AS a, a AS b FROM t",
    "SELECT a AS v FROM t UNION ALL SELECT y FROM u",
    "SELECT *, (SELECT max(x) FROM u) AS m FROM t",
    "SELECT q.c AS d, q.b FROM (SELECT a - b AS c, * FROM t) q",
    "SELECT sum(b) OVER (ORDER BY k) AS n, sum(b) OVER (PARTITION BY k) AS s FROM t",
    "SELECT CASE WHEN a > 1 THEN b ELSE k END AS c, count(*) OVER () AS n FROM t",
    "SELECT u.* FROM t JOIN u ON t.k = u.k",
    "SELECT max(a) AS a, min(b) AS b FROM t",
    "SELECT a AS z, z + 1 AS y FROM t",
]


@pytest.mark.parametrize("sql", JUDGED)
def test_a_column_that_changes_with_another_comes_from_it(sql: str) -> None:
    """DuckDB is the judge: other values in one column of a table change the columns of the result that come from it."""
    lineage = query_lineage(sql, "duckdb", names(sql), {(table,): [*columns] for table, columns in TABLES.items()})
    assert not lineage.unknown
    before = result(sql)
    for table, columns in TABLES.items():
        for changed in columns:
            if changed == "k":
                continue  # rows are joined by it: other values are other rows
            after = result(sql, f"{table}.{changed}")
            moved = {name for name in before if before[name] != after[name]}
            said = {
                name
                for name, origins in lineage.known.items()
                if any((each.table, each.column) == ((table,), changed) for each in origins)
            }
            assert moved == said, f"{table}.{changed}"


def result(sql: str, changed: str = "") -> dict[str, list[object]]:
    with duckdb.connect() as db:
        for table, columns in TABLES.items():
            rows = [[n * (7 + place) + place for place in range(len(columns) - 1)] for n in range(1, 6)]
            values = []
            for n, row in enumerate(rows, start=1):
                cells = iter(row)
                values.append(
                    "("
                    + ", ".join(
                        str(n)
                        if name == "k"
                        else str((-1000 * next(cells) - 17 * n) if changed == f"{table}.{name}" else next(cells))
                        for name in columns
                    )
                    + ")"
                )
            db.execute(f"CREATE TABLE {table} AS SELECT * FROM (VALUES {', '.join(values)}) v({', '.join(columns)})")
        cursor = db.execute(f"SELECT * FROM ({sql}) ORDER BY ALL" if "UNION" in sql else sql)
        found_rows = cursor.fetchall()
        titles = [each[0] for each in cursor.description]
        return {title: sorted(map(repr, column)) for title, column in zip(titles, zip(*found_rows, strict=True), strict=True)}  # fmt: skip


def names(sql: str) -> list[str]:
    return list(result(sql))
