"""Every fault point of the code, found in the code, and where each of them is tried."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
STAGED = ("extract", "transfer")

# The points outside extract, transfer and load: which test stops a process there.
ELSEWHERE = {
    "new.drafted": "tests/cli/test_first_runs.py",
    "notify.sent": "tests/notify/test_outbox.py",
    "quarantine.decided": "tests/pipeline/test_quarantine.py",
    "telemetry.accepted": "tests/telemetry/test_sending.py",
}
# What dbt does with the warehouse is no step of moving rows: it builds its tables anew from what was loaded.
OF_DBT = {"dbt.start", "dbt.started", "dbt.done"}
# A load into a table of Iceberg is tried with a cluster beside it, in the mode that gets to the point.
ON_TRINO = {
    "warehouse/iceberg_commit", "warehouse/iceberg_file", "warehouse/iceberg_load", "warehouse/trino",
    "warehouse/trino_upsert",
}  # fmt: skip
ON_TRINO_IN = "tests/warehouse/test_faults.py"


def points_in_code(root: Path = REPOSITORY / "etl") -> set[tuple[str, str]]:
    """Each call of `reach` as (module, name of the point)."""
    found = set()
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root).with_suffix("").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach":
                found |= {(module, name) for name in _names(node.args[0])}
    return found


def _names(argument: ast.expr) -> Iterator[str]:
    """The name as written; the one that begins with the stage stands for one of each stage that publishes."""
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.JoinedStr) and isinstance(begin := argument.values[0], ast.Constant):
        yield str(begin.value).rstrip(".")  # `lifecycle.removed.` and the name of a place
    elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.FormattedValue):
        (rest,) = argument.values[1:]
        if isinstance(rest, ast.Constant) and ast.unparse(argument.values[0].value) == "stage":
            yield from (f"{stage}{rest.value}" for stage in STAGED)
    else:
        raise TypeError(f"reach({ast.unparse(argument)}): write the point's name, or f'{{stage}}.name'")
