"""Finds code that tries again after a failure: loops, functions that call themselves, libraries and options.

Belongs here: `retry-loop`, `retry-library`, `retry-option`. Not here: retry policies of built definitions (`check`),
errors that are caught and forgotten (`caught`).

A loop is told only if it repeats the same attempt: an attempt that succeeds ends the loop, and one that fails does not.
A loop over items of which some fail, a loop that waits until something is there, and one that tries several readings
(`for encoding in (...)`) repeat nothing.
"""

import ast
import re
from collections.abc import Iterator

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import (
    Function,
    Loop,
    always_leaves,
    caught_types,
    dotted_name,
    last_name,
    names_in,
    runs_here,
)

_ATTEMPT = re.compile(r"(^|_)(attempts?|retr(y|ies|ying)|tries|backoff)($|_)", re.IGNORECASE)
_LIBRARIES = frozenset({"tenacity", "backoff", "retrying", "retry", "retry2", "stamina", "opnieuw", "aiohttp_retry"})
_POLICIES = frozenset({"Retry", "RetryPolicy", "AsyncRetrying", "Retrying", "ExponentialBackoff"})
_OPTIONS = re.compile(
    r"^(max_)?(num_)?(retry|retries|retry_(attempts|count|total|policy)|max_attempts|op_retry_policy)$"
)
_NO_FAILURE = frozenset({
    "Empty", "Full", "QueueEmpty", "QueueFull", "StopIteration", "StopAsyncIteration", "KeyError", "IndexError",
    "LookupError", "ValueError", "TypeError", "AttributeError", "ImportError", "ModuleNotFoundError", "FileExistsError",
    "FileNotFoundError", "BlockingIOError", "InterruptedError", "UnicodeDecodeError", "UnicodeError", "JSONDecodeError",
    "TimeoutError", "ValidationError", "KeyboardInterrupt", "EOFError", "ProcessLookupError", "NameError",
    "ZeroDivisionError",
})  # fmt: skip
"""Exceptions that tell of a state or a value: a queue is still empty, a lock is taken, a text has another encoding."""


def retries(file: SourceFile) -> Iterator[Spot]:
    """Yield everything in the file that tries again."""
    yield from _loops(file)
    yield from _self_calls(file)
    yield from _libraries(file)
    for call in file.nodes(ast.Call):
        yield from _options(call)
    for raised in file.nodes(ast.Raise):
        if raised.exc is not None and last_name(raised.exc) == "RetryRequested":
            yield Spot("retry-option", raised, "`RetryRequested` makes Dagster run the step again")


def _loops(file: SourceFile) -> Iterator[Spot]:
    for loop in file.nodes(ast.For, ast.AsyncFor, ast.While):
        attempt = _repeated_attempt(loop)
        if attempt is not None:
            yield Spot("retry-loop", attempt, "the loop makes the same attempt again after an error")
    for counted in file.nodes(ast.For, ast.AsyncFor):
        asked = _asked_again(counted)
        if asked is not None:
            yield Spot("retry-loop", asked, "the loop asks the same again until it succeeds")


def _self_calls(file: SourceFile) -> Iterator[Spot]:
    for each in file.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        called = _called_after_failure(each)
        if called is not None:
            yield Spot("retry-loop", called, f"`{each.name}` calls itself again after an error")
    for handler in file.nodes(ast.ExceptHandler):
        function = file.function_of(handler)
        again = _own_call(handler, function.name) if function is not None else None
        if again is not None and function is not None:
            yield Spot("retry-loop", again, f"`{function.name}` calls itself again after an error")


def _repeated_attempt(loop: Loop) -> ast.Try | ast.With | None:
    """Return the `try` or `with suppress(...)` that the loop repeats until it succeeds, or None."""
    for node in runs_here(loop.body, into_loops=False):
        if isinstance(node, ast.Try) and _goes_on_after_failure(node, loop) and _is_same_attempt(node, loop):
            return node
        if isinstance(node, ast.With) and _is_suppressed_attempt(node, loop):
            return node
    return None


def _is_suppressed_attempt(block: ast.With, loop: Loop) -> bool:
    """Whether a block suppresses a failure, does the same in each turn, and ends the loop when it succeeds."""
    calls = [each.context_expr for each in block.items if isinstance(each.context_expr, ast.Call)]
    types = [kind for call in calls if last_name(call) == "suppress" for kind in call.args]
    if not any(last_name(each) not in _NO_FAILURE for each in types):
        return False
    if isinstance(loop, ast.For | ast.AsyncFor) and names_in([loop.target]) & names_in(block.body):
        return False
    return any(isinstance(each, ast.Return | ast.Break) for each in runs_here(block.body, into_loops=False))


def _asked_again(loop: ast.For | ast.AsyncFor) -> ast.If | None:
    """Return the question of `for attempt in range(3): if client.try_once(): return`, or None."""
    counted = isinstance(loop.iter, ast.Tuple | ast.List) or last_name(loop.iter) == "range"
    if not counted or not _is_named_attempt(loop):
        return None
    questions = [each for each in loop.body if not isinstance(each, ast.Expr)]
    for each in questions if len(questions) == 1 else ():  # more may prepare the next attempt, which is another one
        asks = each.test if isinstance(each, ast.If) else None
        asks = asks.value if isinstance(asks, ast.NamedExpr) else asks
        asks = asks.value if isinstance(asks, ast.Await) else asks
        if isinstance(each, ast.If) and isinstance(asks, ast.Call) and always_leaves(each.body):
            return each
    return None


def _called_after_failure(function: Function) -> ast.Call | None:
    """Return the call of the function by itself that follows a `try` which a failure leaves without a result."""
    for attempt, after in zip(function.body, function.body[1:], strict=False):
        if not isinstance(attempt, ast.Try) or not always_leaves([*attempt.body, *attempt.orelse]):
            continue
        if any(_catches_failure(each) and not always_leaves(each.body) for each in attempt.handlers):
            names = (function.name, f"self.{function.name}", f"cls.{function.name}")
            called = after.value if isinstance(after, ast.Return | ast.Expr) else None
            called = called.value if isinstance(called, ast.Await) else called
            return called if isinstance(called, ast.Call) and dotted_name(called) in names else None
    return None


def _goes_on_after_failure(attempt: ast.Try, loop: Loop) -> bool:
    named = _is_named_attempt(loop)
    failures = [each for each in attempt.handlers if named or _catches_failure(each)]
    return any(not always_leaves(each.body) for each in failures)


def _is_same_attempt(attempt: ast.Try, loop: Loop) -> bool:
    """Whether a success ends the loop, or the loop counts attempts or waits between them."""
    if _is_named_attempt(loop):
        return True
    if isinstance(loop, ast.For | ast.AsyncFor):
        if names_in([loop.target]) & names_in(attempt.body):
            return False  # each turn attempts something else
        waits = any(last_name(node) == "sleep" for each in attempt.handlers for node in _calls(each.body))
        return _ends(attempt, loop) or waits
    return _ends(attempt, loop)


def _is_named_attempt(loop: Loop) -> bool:
    """Whether the loop's own names say that it counts attempts: `for attempt in range(3)`."""
    return any(_ATTEMPT.search(name) for name in names_in([_head(loop)]))


def _head(loop: Loop) -> ast.expr:
    return loop.test if isinstance(loop, ast.While) else loop.target


def _ends(attempt: ast.Try, loop: Loop) -> bool:
    """Whether the loop ends when the attempt succeeds."""
    after = _statements_after(attempt, loop.body)
    for node in runs_here([*attempt.body, *attempt.orelse, *after], into_loops=False):
        if isinstance(node, ast.Return | ast.Break):
            return True
    if isinstance(loop, ast.While):
        written = {
            node.id
            for node in runs_here([*attempt.body, *attempt.orelse])
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return bool(written & names_in([loop.test]))
    return False


def _statements_after(attempt: ast.Try, body: list[ast.stmt]) -> list[ast.stmt]:
    """Return what follows the attempt in the same block, if no handler skips it."""
    if attempt not in body or not all(always_leaves(each.body) or _continues(each.body) for each in attempt.handlers):
        return []
    return body[body.index(attempt) + 1 :]


def _continues(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Continue) for node in runs_here(body, into_loops=False))


def _catches_failure(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(last_name(each) not in _NO_FAILURE for each in caught_types(handler))


def _calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    return (node for node in runs_here(body) if isinstance(node, ast.Call))


def _own_call(handler: ast.ExceptHandler, function: str) -> ast.Call | None:
    if not _catches_failure(handler):
        return None
    names = (function, f"self.{function}", f"cls.{function}")
    return next((each for each in _calls(handler.body) if dotted_name(each) in names), None)


def _libraries(file: SourceFile) -> Iterator[Spot]:
    for node in file.nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            module = node.module or ""
            names = [module] if not node.level else []
            if module.endswith("urllib3.util.retry") or module in ("urllib3", "urllib3.util"):
                names = ["urllib3.Retry"] if any(each.name == "Retry" for each in node.names) else []
        for name in names:
            top = name.partition(".")[0]
            if top in _LIBRARIES or name == "urllib3.Retry":
                yield Spot("retry-library", node, f"`{name}` makes attempts again after an error")


def _options(call: ast.Call) -> Iterator[Spot]:
    name = dotted_name(call) or "the call"
    if last_name(call) in _POLICIES and not any(_is_zero(each.value) for each in call.keywords):
        yield Spot("retry-option", call, f"`{name}` makes something try again")
        return
    for each in call.keywords:
        if each.arg is not None and _OPTIONS.match(each.arg) and _asks_for_more(each.value):
            yield Spot("retry-option", each.value, f"`{name}` gets `{each.arg}`: it tries again")


def _is_zero(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value == 0


def _asks_for_more(value: ast.expr) -> bool:
    """Whether an option is a literal that asks for retries. What a variable holds is not known, and not told."""
    if not isinstance(value, ast.Constant):
        return False
    return value.value is True or (isinstance(value.value, int | float) and value.value > 0)
