"""Finds errors that are caught and forgotten, and attempts inside attempts.

Belongs here: `swallowed-exception`, `nested-try`. Not here: loops that try again (`retries`).

A handler forgets an error if it catches any exception, raises nothing, and tells nobody but a log or the metadata of an
asset that then counts as made. A handler that keeps the exception or hands it to its caller forgets nothing.

One expected error of a value may have a default (`except ValueError: return None`), also in a loop. A loop that drops
its item after any of several errors is told only if one of them is a whole family, such as OSError: then a source that
is away looks like items that are not there.
"""

import ast
from collections.abc import Iterator

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import always_leaves, caught_types, dotted_name, last_name, names_in, runs_here

_ANY = frozenset({"Exception", "BaseException"})
_OF_A_DATABASE = frozenset({
    "OperationalError", "DatabaseError", "InterfaceError", "ProgrammingError", "IntegrityError", "DataError",
    "SQLAlchemyError", "DBAPIError", "RequestException", "HTTPError", "URLError", "ClientError", "ConnectTimeout",
    "ReadTimeout", "HTTPStatusError", "EndpointConnectionError", "BotoCoreError",
})  # fmt: skip
"""Errors of databases and services: if only `pass` or a log follows one, data is missing and nobody knows."""
_FAMILIES = frozenset({"OSError", "IOError", "EnvironmentError", "RuntimeError", "ConnectionError", "ArithmeticError"})
"""Errors of which many others are kinds."""
_LOGS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print", "print_exc"})
_METADATA = frozenset({"MaterializeResult", "Output", "add_output_metadata", "text", "md"})
_LEAVES = frozenset({"sys.exit", "os._exit", "exit", "pytest.fail", "pytest.skip"})


def caught(file: SourceFile) -> Iterator[Spot]:
    """Yield handlers that forget errors, calls of `suppress(Exception)`, and `try` inside `try`."""
    for attempt in file.nodes(ast.Try, ast.TryStar):
        for handler in attempt.handlers:
            name = _forgotten(handler)
            if name:
                yield Spot(
                    "swallowed-exception", handler, f"{name} is caught, and the code goes on as if nothing had failed"
                )
        yield from (
            Spot("swallowed-exception", each, f"{what} in `finally` drops every error of the block")
            for each, what in _left_in_finally(attempt)
        )
        if names := _dropped_items(attempt, file):
            yield Spot("swallowed-exception", attempt, f"`{names}` are caught, and the loop drops the item")
        inner = _inner_attempt(attempt)
        if inner is not None:
            yield Spot("nested-try", inner, "a `try` with handlers stands inside another")
    for call in file.nodes(ast.Call):
        if last_name(call) == "suppress" and any(last_name(each) in _ANY for each in call.args):
            yield Spot("swallowed-exception", call, "every exception is suppressed")


def _forgotten(handler: ast.ExceptHandler) -> str:
    """Return what the handler catches and forgets; an empty text if it forgets nothing."""
    names = [last_name(each) for each in caught_types(handler)]
    if handler.type is None or any(each in _ANY for each in names):
        return "" if _tells(handler) else "any exception"
    if all(each in _OF_A_DATABASE for each in names) and all(_is_idle(each) for each in handler.body):
        return f"`{', '.join(names)}`"
    return ""


def _left_in_finally(attempt: ast.Try | ast.TryStar) -> Iterator[tuple[ast.stmt, str]]:
    """Yield what leaves a block `finally` before its end, so that the error that is on its way is gone."""
    for node in runs_here(attempt.finalbody):
        if isinstance(node, ast.Return):
            yield node, "`return`"
    for node in runs_here(attempt.finalbody, into_loops=False):
        if isinstance(node, ast.Break | ast.Continue):
            yield node, "`break`" if isinstance(node, ast.Break) else "`continue`"


def _dropped_items(attempt: ast.Try | ast.TryStar, file: SourceFile) -> str:
    """Return the errors after which a loop silently goes on with its next item; empty if there are none."""
    loop = next(file.above(attempt), None)
    if not isinstance(loop, ast.For | ast.AsyncFor) or not names_in([loop.target]) & names_in(attempt.body):
        return ""
    if any(isinstance(each, ast.Return | ast.Break) for each in runs_here(attempt.body, into_loops=False)):
        return ""  # it tries several readings, and takes the first that succeeds
    for handler in attempt.handlers:
        names = [last_name(each) for each in caught_types(handler)]
        if len(names) > 1 and _FAMILIES & {*names} and not _ANY & {*names} and all(map(_is_idle, handler.body)):
            return ", ".join(names)
    return ""


def _tells(handler: ast.ExceptHandler) -> bool:
    """Whether the error is raised, kept, handed on, or becomes a failed result."""
    for node in runs_here(handler.body):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and dotted_name(node) in _LEAVES:
            return True
        if isinstance(node, ast.keyword) and node.arg in ("passed", "success") and _is_false(node.value):
            return True
    return handler.name is not None and _is_used(handler.body, handler.name, leaves=always_leaves(handler.body))


def _is_used(body: list[ast.stmt], name: str, *, leaves: bool) -> bool:
    """Whether the exception goes anywhere but into a log or metadata. `leaves`: the handler never reaches its end.

    A variable of such a handler that is made from the exception is looked for in the same way.
    """
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and last_name(node) in _LOGS | _METADATA:
            continue
        if leaves and isinstance(node, ast.Assign) and all(isinstance(each, ast.Name) for each in node.targets):
            made = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if name in made or name not in names_in([node.value]):
                continue
            others = [each for each in body if each is not node]
            if any(_is_used(others, each, leaves=leaves) for each in made):
                return True
            continue
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return True
        waiting.extend(ast.iter_child_nodes(node))
    return False


def _is_idle(statement: ast.stmt) -> bool:
    """Whether a statement does nothing about an error: `pass`, `continue`, `...`, a log."""
    if isinstance(statement, ast.Pass | ast.Continue):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Call) and last_name(value) in _LOGS)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _inner_attempt(attempt: ast.Try | ast.TryStar) -> ast.AST | None:
    if not attempt.handlers:
        return None
    for node in runs_here(attempt.body):
        if isinstance(node, ast.Try | ast.TryStar) and not all(_only_cleans_up(each) for each in node.handlers):
            return node
    return None


def _only_cleans_up(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises the same error again at its end, as one that rolls back or closes something does."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None
