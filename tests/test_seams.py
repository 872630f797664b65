"""Behind each seam stands what is behind it: nobody outside asks which driver or which warehouse it is."""

import ast
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
