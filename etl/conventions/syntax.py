"""Looks at Python's syntax trees: names of calls, what runs in a function itself, where a node stands.

Belongs here: questions about a tree that several rules ask. Not here: the rules (`source_rules`), reading a file
(`source_file`).
"""

import ast
from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.AsyncFor | ast.While
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def dotted_name(node: ast.AST) -> str:
    """Return `a.b.c` of a name, an attribute or a call of one; an empty text of anything else."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return ".".join([node.id, *reversed(parts)])
        else:
            return "." + ".".join(reversed(parts)) if parts else ""


def last_name(node: ast.AST) -> str:
    """Return `c` of `a.b.c`."""
    return dotted_name(node).rpartition(".")[2]


def runs_here(nodes: Iterable[ast.AST], *, into_loops: bool = True) -> Iterator[ast.AST]:
    """Yield what runs when the nodes run: not the bodies of functions and classes that are only defined there.

    Without `into_loops`, the bodies of inner loops are left out: a `break` there ends only the inner loop.
    """
    for node in nodes:
        if isinstance(node, _OWN_SCOPE):
            continue
        yield node
        if isinstance(node, Loop) and not into_loops:
            yield from runs_here(node.orelse, into_loops=False)
        else:
            yield from runs_here(ast.iter_child_nodes(node), into_loops=into_loops)


def always_leaves(body: Iterable[ast.stmt]) -> bool:
    """Whether a block never reaches its end: each way through it raises, returns, breaks or ends the process."""
    for statement in body:
        if isinstance(statement, ast.Raise | ast.Return | ast.Break):
            return True
        if isinstance(statement, ast.Expr) and dotted_name(statement.value) in ("sys.exit", "os._exit", "exit"):
            return True
        if isinstance(statement, ast.If) and always_leaves(statement.body) and always_leaves(statement.orelse):
            return True
        if isinstance(statement, ast.With | ast.AsyncWith) and always_leaves(statement.body):
            return True
    return False


def caught_types(handler: ast.ExceptHandler) -> list[ast.expr]:
    """Return the types that a handler names; none if it catches everything."""
    if isinstance(handler.type, ast.Tuple):
        return handler.type.elts
    return [] if handler.type is None else [handler.type]


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the plain names that are read or written anywhere in the nodes."""
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def constant_text(node: ast.AST | None) -> str | None:
    """Return the text of a literal; None of anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def template_text(node: ast.AST | None) -> str | None:
    """Return the text of a literal or of an f-string, with `{}` for each value that is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(constant_text(each) or "{}" for each in node.values)
    return constant_text(node)


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword argument, or None."""
    return next((each.value for each in call.keywords if each.arg == name), None)


def decorators(function: Function) -> set[str]:
    """Return the last names of a function's decorators: `asset` of `@dg.asset(...)`."""
    return {last_name(each) for each in function.decorator_list}
