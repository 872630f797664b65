"""Looks at assets as they are written: whether they tell what they made, and which names a file gives to Dagster.

Belongs here: `metadata-missing`, `row-count-missing`, and the names of assets, jobs, schedules and sensors in a file.
Not here: built definitions (`check`).
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import Function, constant_text, decorators, keyword, last_name, runs_here

_ASSETS = frozenset({"asset", "multi_asset"})
_FUNCTIONS = {
    "asset": "asset", "graph_asset": "asset", "asset_check": "check", "job": "job", "schedule": "schedule",
    "sensor": "sensor",
}  # fmt: skip
_CALLS = {"define_asset_job": "job", "ScheduleDefinition": "schedule", "SensorDefinition": "sensor"}
_ROW_COUNTS = ("dagster/row_count", "dagster/partition_row_count")


class WrittenName(NamedTuple):
    """A definition at the top of a file, by the name that it will have in Dagster."""

    kind: str
    name: str
    node: ast.AST


def written_assets(file: SourceFile) -> Iterator[Spot]:
    """Yield assets that say nothing about what they made."""
    for function in file.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        if decorators(function) & _ASSETS:
            yield from _of_asset(function)


def written_names(file: SourceFile) -> Iterator[WrittenName]:
    """Yield what stands at the top of the file for Dagster and has a name that the text shows."""
    for statement in file.tree.body:
        if isinstance(statement, Function):
            for each in statement.decorator_list:
                kind = _FUNCTIONS.get(last_name(each))
                written = keyword(each, "name") if isinstance(each, ast.Call) else None
                name = statement.name if written is None else constant_text(written)
                if kind and name and not (isinstance(each, ast.Call) and keyword(each, "key") is not None):
                    yield WrittenName(kind, name, statement)
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            kind = _CALLS.get(last_name(statement.value))
            name = constant_text(keyword(statement.value, "name"))
            if name is None and kind == "job" and statement.value.args:
                name = constant_text(statement.value.args[0])
            if kind and name:
                yield WrittenName(kind, name, statement)


def _of_asset(function: Function) -> Iterator[Spot]:
    nodes = list(runs_here(function.body))
    calls = [each for each in nodes if isinstance(each, ast.Call)]
    told = [found for each in calls if (found := _metadata_of(each)) is not None]
    if not told:
        if not _may_tell_elsewhere(function, nodes):
            yield Spot("metadata-missing", function, f"the asset `{function.name}` says nothing about what it made")
        return
    known = [each for each in told if isinstance(each, ast.Dict) and all(each.keys)]
    if len(known) < len(told):
        return  # what a variable or another function gives is not known
    keys = {text for each in known for key in each.keys if (text := constant_text(key) or "")}
    if not any(each in _ROW_COUNTS or each.endswith(("row_count", "rows")) for each in keys):
        yield Spot("row-count-missing", told[0], f"the metadata of `{function.name}` have no number of rows")


def _metadata_of(call: ast.Call) -> ast.expr | None:
    """Return the metadata that a call attaches to what is made."""
    name = last_name(call)
    if name in ("MaterializeResult", "Output", "DataVersion"):
        return keyword(call, "metadata")
    if name in ("add_output_metadata", "add_asset_metadata"):
        return keyword(call, "metadata") or next(iter(call.args), ast.Dict([None], []))
    return None


def _may_tell_elsewhere(function: Function, nodes: list[ast.AST]) -> bool:
    """Whether something else may attach metadata: an IO manager that gets a value, a function that gets the context."""
    if all(_is_empty(each) for each in function.body) or isinstance(function.body[-1], ast.Raise):
        return True  # a declaration without code, or an asset that is never made
    names = {each.arg for each in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]}
    context = "context" if "context" in names else None
    for node in nodes:
        if isinstance(node, ast.YieldFrom):
            return True
        if isinstance(node, ast.Return) and not _is_nothing(node.value):
            return True
        if isinstance(node, ast.Call) and context and not _is_log(node):
            arguments = [*node.args, *(each.value for each in node.keywords)]
            if any(isinstance(each, ast.Name) and each.id == context for each in arguments):
                return True
    return False


def _is_nothing(value: ast.expr | None) -> bool:
    """Whether a returned value is None, or a result of Dagster, which has its metadata with it."""
    if isinstance(value, ast.Call):
        return last_name(value) in ("MaterializeResult", "Output")
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _is_log(call: ast.Call) -> bool:
    return last_name(call) in ("info", "warning", "debug", "error")


def _is_empty(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )
