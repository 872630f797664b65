"""Finds old ways of writing: types that have a shorter name, imports inside functions, prints, work row by row.

Belongs here: `old-typing`, `import-in-function`, `print-call`, `row-loop`, `select-star`. Not here: errors (`caught`,
`retries`), values in code (`literals`).
"""

import ast
import re
from collections.abc import Iterator

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import caught_types, dotted_name, keyword, last_name, template_text

_BUILT_IN = {
    "Dict": "dict", "List": "list", "Set": "set", "FrozenSet": "frozenset", "Tuple": "tuple", "Type": "type",
    "Optional": "X | None", "Union": "X | Y",
}  # fmt: skip
_OF_DATA = frozenset({"polars", "pandas", "pyarrow", "pyspark"})
_WITH_STEP = 3
_TYPING = ("typing", "typing_extensions")
_MISSING = ("ImportError", "ModuleNotFoundError")
_SELECT_ALL = re.compile(
    r"^\s*select\s+(?:\w+\.)?\*\s+from\s+[\w.\"`\[\]{}]+"
    r"(?:\s+(?:as\s+)?(?!where\b|limit\b|order\b|join\b|sample\b|fetch\b|offset\b)\w+)?"
    r"(?:\s+order\s+by\s+(?:(?!\b(?:limit|fetch|offset)\b)[^;{}])+)?\s*;?\s*$",
    re.IGNORECASE,
)
_ROWS = frozenset({"iterrows", "itertuples", "iter_rows", "to_dicts"})
_FRAME = re.compile(r"(^|_)(df|frame|dataframe)$", re.IGNORECASE)
"""A name of a table. `range(len(...))` over anything else may be a list."""
_STREAMS = frozenset({"sys.stdout.write", "sys.stderr.write", "sys.stdout.writelines", "sys.stderr.writelines"})


def modern(file: SourceFile) -> Iterator[Spot]:
    """Yield what is written in an old or slow way."""
    yield from _old_types(file)
    yield from _late_imports(file)
    if not file.is_script and not _renames_print(file):
        for call in file.nodes(ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id == "print":
                yield Spot("print-call", call, "`print` writes where nobody looks for it")
            elif dotted_name(call) in _STREAMS and _works_on_data(file):
                yield Spot("print-call", call, f"`{dotted_name(call)}` writes where nobody looks for it")
    yield from _row_by_row(file)
    for node in file.nodes(ast.Constant, ast.JoinedStr):
        text = template_text(node)
        if text and _SELECT_ALL.match(text) and not isinstance(next(file.above(node), None), ast.JoinedStr):
            yield Spot("select-star", node, "the query reads every column of every row")


def _old_types(file: SourceFile) -> Iterator[Spot]:
    told: set[str] = set()
    for node in file.nodes(ast.ImportFrom):
        old = [each.name for each in node.names if each.name in _BUILT_IN] if node.module in _TYPING else []
        old = [each for each in old if each != "Union" or _is_filled_in(each, file)]
        if old:
            yield Spot("old-typing", node, f"`{', '.join(old)}` of typing", _instead(old))
    for attribute in file.nodes(ast.Attribute):
        module, _, name = dotted_name(attribute).rpartition(".")
        if name in _BUILT_IN and module in ("typing", "t", "tp") and name not in told and _imports_typing(file, module):
            told.add(name)
            yield Spot("old-typing", attribute, f"`{module}.{name}`", _instead([name]))


def _is_filled_in(name: str, file: SourceFile) -> bool:
    """Whether the type stands with types in brackets. Code that looks at types at run time needs `Union` itself."""
    return any(isinstance(each.value, ast.Name) and each.value.id == name for each in file.nodes(ast.Subscript))


def _instead(old: list[str]) -> str:
    return "write " + ", ".join(f"`{_BUILT_IN[each]}` for `{each}`" for each in old)


def _imports_typing(file: SourceFile, name: str) -> bool:
    imports = [each for node in file.nodes(ast.Import) for each in node.names]
    return any(each.name in _TYPING and (each.asname or each.name) == name for each in imports)


def _late_imports(file: SourceFile) -> Iterator[Spot]:
    for node in file.nodes(ast.Import, ast.ImportFrom):
        if file.function_of(node) is None or _is_optional(node, file):
            continue
        name = node.names[0].name if isinstance(node, ast.Import) else "." * node.level + (node.module or "")
        yield Spot("import-in-function", node, f"`{name}` is imported inside a function")


def _is_optional(node: ast.AST, file: SourceFile) -> bool:
    """Whether the import may fail, because what it imports need not be installed, or is only for type checkers."""
    for outer in file.above(node):
        if isinstance(outer, ast.Try) and any(
            last_name(each) in _MISSING for handler in outer.handlers for each in caught_types(handler)
        ):
            return True
        if isinstance(outer, ast.If) and last_name(outer.test) == "TYPE_CHECKING":
            return True
    return False


def _renames_print(file: SourceFile) -> bool:
    """Whether the file has a function of its own of that name."""
    return any(each.name == "print" for each in file.nodes(ast.FunctionDef)) or any(
        (each.asname or each.name) == "print" for node in file.nodes(ast.ImportFrom) for each in node.names
    )


def _works_on_data(file: SourceFile) -> bool:
    """Whether the file is no command: what a command writes to its own output is what it is for."""
    modules = [each.name for node in file.nodes(ast.Import) for each in node.names]
    modules += [node.module or "" for node in file.nodes(ast.ImportFrom) if not node.level]
    return file.has_assets or bool({each.partition(".")[0] for each in modules} & _OF_DATA)


def _row_by_row(file: SourceFile) -> Iterator[Spot]:
    for loop in file.nodes(ast.For, ast.comprehension):
        if isinstance(loop.iter, ast.Call) and last_name(loop.iter) in _ROWS and not _is_of_few(loop.iter):
            yield Spot("row-loop", loop.iter, f"`{last_name(loop.iter)}` visits the rows one by one")
        elif _counts_rows(loop.iter):
            yield Spot("row-loop", loop.iter, "the loop visits the rows one by one, by their numbers")
    for call in file.nodes(ast.Call):
        if not isinstance(call.func, ast.Attribute) or _is_of_few(call):
            continue
        axis = keyword(call, "axis")
        by_row = isinstance(axis, ast.Constant) and axis.value in (1, "columns")
        if call.func.attr == "map_elements" or (call.func.attr == "apply" and by_row):
            yield Spot("row-loop", call, f"`{call.func.attr}` calls Python for each row")


def _counts_rows(node: ast.expr) -> bool:
    """Whether a loop runs over the numbers of a frame's rows: `range(len(frame))`, `range(df.height)`."""
    if not isinstance(node, ast.Call) or dotted_name(node) != "range" or not node.args:
        return False
    count = node.args[-1] if len(node.args) < _WITH_STEP else node.args[1]
    rows: ast.expr | None = None
    match count:
        case ast.Call(func=ast.Name(id="len"), args=[frame]):
            rows = frame
        case ast.Attribute(attr="height", value=frame):
            rows = frame
        case ast.Subscript(value=ast.Attribute(attr="shape", value=frame), slice=ast.Constant(value=0)):
            rows = frame
    return isinstance(rows, ast.Name | ast.Attribute) and bool(_FRAME.search(last_name(rows)))


def _is_of_few(call: ast.Call) -> bool:
    """Whether the rows are only the first ones: `frame.head(10).iter_rows()`."""
    inner = call.func.value if isinstance(call.func, ast.Attribute) else None
    while isinstance(inner, ast.Call):
        if last_name(inner) in ("head", "limit", "tail"):
            return True
        inner = inner.func.value if isinstance(inner.func, ast.Attribute) else None
    return False
