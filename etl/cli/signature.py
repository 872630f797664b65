"""A command's signature without the command's imports, so that `--help` is shown at once.

Belongs here: reading names, options and help of a command from the text of its file. Not here: the commands, and the
list of them (`commands`).

A command's file imports what the command needs: Dagster alone takes a second. For its help only the signatures are
needed: the functions with their annotations and docstrings, and what these use. They are taken from the file's syntax
tree, without the bodies of functions. If that is not possible, the command itself is imported, which is slower.

Options that several commands share stand in a file of their own, which imports only what these options need: names of
other modules are really imported if a signature uses them.
"""

import ast
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_LIGHT = {"collections", "datetime", "enum", "pathlib", "typing", "typer"}
"""Packages of which all names are imported. Names of other modules are imported only if a signature uses them."""
_NOT_CALLED = 'raise typer.BadParameter("--help stands where a value is expected; give it alone")'


def names_of_signature(module: str, command: str) -> dict[str, Any] | None:
    """Return what the module would define, with commands that only have a signature; None if it cannot be read.

    `command` is a function of the module, or the `typer.Typer` at which its commands are registered.
    """
    found = find_spec(module)
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    kept = ast.Module(body=list(_kept(tree, command)), type_ignores=[])
    names: dict[str, Any] = {"__name__": module}
    try:
        exec(compile(kept, found.origin, "exec"), names)  # noqa: S102  our own file, shortened
    except (NameError, AttributeError, ImportError):  # a signature uses something that was left out
        return None
    return names


def _kept(tree: ast.Module, command: str) -> Iterator[ast.stmt]:
    """Yield the statements that signatures need, in their order."""
    functions = {each.name: _signature(each, command) for each in tree.body if isinstance(each, ast.FunctionDef)}
    commands = {name: each for name, each in functions.items() if each is not None}
    assigned = [each for each in tree.body if isinstance(each, ast.Assign | ast.AnnAssign)]
    needed = _names(commands.values()) | {command}
    while more := {name for each in assigned if _targets(each) & needed for name in _names([each])} - needed:
        needed |= more
    for each in tree.body:
        if isinstance(each, ast.Import | ast.ImportFrom):
            module = each.module or "" if isinstance(each, ast.ImportFrom) else each.names[0].name
            is_light = module.partition(".")[0] in _LIGHT
            names = [alias for alias in each.names if is_light or (alias.asname or alias.name) in needed]
            if names and isinstance(each, ast.ImportFrom):
                each.names = names
                yield each
            elif is_light:
                yield each
        elif isinstance(each, ast.Assign | ast.AnnAssign) and _targets(each) & needed:
            yield each
        elif isinstance(each, ast.FunctionDef) and each.name in commands:
            yield commands[each.name]


def _signature(function: ast.FunctionDef, command: str) -> ast.FunctionDef | None:
    """Return a command's function with its docstring in place of its body; None for a function that is no command."""
    registered = [each for each in function.decorator_list if ast.unparse(each).startswith(f"{command}.")]
    if not registered and function.name != command:
        return None
    said = [ast.Expr(ast.Constant(text))] if (text := ast.get_docstring(function, clean=False)) else []
    # A callback runs before its commands.
    is_callback = any(ast.unparse(each).startswith(f"{command}.callback") for each in registered)
    function.body, function.returns = [*said, *ast.parse("pass" if is_callback else _NOT_CALLED).body], None
    ast.fix_missing_locations(function)
    return function


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {each.id for each in targets if isinstance(each, ast.Name)}


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}
