"""Behind each seam stands what is behind it: nobody outside asks which driver or which warehouse it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "etl"
DRIVERS = {
    "inspection", "mysql", "mysql_types", "postgres", "postgres_catalogue", "postgres_duckdb", "postgres_types",
    "sqlalchemy_cursor", "sqlite_duckdb",
}  # fmt: skip


def outside(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(rooms):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_nobody_outside_of_source_names_a_driver() -> None:
    found = [
        f"{name} imports {each}"
        for name, tree in outside("source/")
        for each in imports(tree)
        if each.startswith("etl.source.") and DRIVERS & set(each.split("."))
    ]
    assert found == []


def test_the_dialect_of_a_url_is_asked_for_in_the_registry_only() -> None:
    said = {"source/reading.py", "source/database_url.py", "source/failures.py"}  # the choice, the name, a message
    found = [
        f"{name}:{node.lineno}"
        for name, tree in outside()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "dialect" and name not in said
        if not ast.unparse(node.value).endswith(("connection", "inspector"))  # SQLAlchemy's own, which quotes names
    ]
    assert found == []


WAREHOUSES = {"DuckDBWarehouse", "PostgresWarehouse", "SqlWarehouse", "IcebergWarehouse"}
WAREHOUSE_SQL = re.compile(
    r"information_schema\.|pg_(attribute|class)\b|duckdb_(tables|columns|views)|\betl_(ledger|kept|staging)\."
    r"|^\s*(SELECT|WITH|INSERT INTO|UPDATE|DELETE FROM|DROP TABLE|ALTER|CREATE (TEMP )?(TABLE|VIEW|SCHEMA)|DESCRIBE)\s.*"
    r"(FROM|INTO|TABLE|SET|VIEW)\b"
)
OWN_SQL = {  # not the warehouse's: SQLite stores of the product, an object of the lake, sources, Dagster's database
    "notify/outbox.py", "promises/pipeline_log.py", "promises/last_event.py", "promises/run_rows.py",
    "promises/state_log.py", "lake/readable.py", "config/schema_values.py",
    "running/event_log.py", "telemetry/sent.py", "deployment/postgres.py",
}  # fmt: skip


def test_nobody_outside_of_the_warehouse_writes_its_sql_or_names_one_of_them() -> None:
    found = []
    for name, tree in outside("warehouse/", "source/", "sql.py", "quality/expressions/sql.py"):
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute | ast.alias):
                said = node.id if isinstance(node, ast.Name) else getattr(node, "attr", getattr(node, "name", ""))
                found += [f"{name}:{node.lineno} {said}"] if said in WAREHOUSES else []
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                is_sql = name not in OWN_SQL and WAREHOUSE_SQL.search(node.value)
                found += [f"{name}:{node.lineno} {node.value[:50]}"] if is_sql else []
    assert found == []


def test_a_warehouse_is_chosen_in_one_place() -> None:
    concrete = {"etl.warehouse.duckdb", "etl.warehouse.postgres", "etl.warehouse.sql_warehouse"}
    found = [
        f"{name} imports {each}"
        for name, tree in outside("warehouse/")
        for each in imports(tree)
        if any(each == module or each.startswith(f"{module}.") for module in concrete)
    ]
    assert found == []


def test_an_assets_key_is_taken_apart_in_one_place() -> None:
    found = []
    for name, tree in outside("running/naming.py"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "path":
                of_key = "key" in ast.unparse(node.value.value)
                found += [f"{name}:{node.lineno}"] if of_key and not name.startswith("conventions/") else []
            elif isinstance(node, ast.Call) and ast.unparse(node).endswith(("split('__')", "split('__', 2)")):
                found += [f"{name}:{node.lineno}"] if not name.startswith("pipeline/backfill") else []
    assert found == []  # conventions look at code that is no tenant's; a back-fill takes its own file's name apart
