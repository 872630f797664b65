"""Finds values in code that belong into the environment: secrets, endpoints, and secrets that are read too early.

Belongs here: `secret-in-source`, `endpoint-in-source`, `secret-at-import`. Not here: what a secret looks like
(`etl.secrets.in_clear`), secrets in built resources (`check`). No finding contains the value.
"""

import ast
import re
from collections.abc import Iterator, Mapping

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import Function, constant_text, dotted_name, last_name, template_text
from etl.secrets.in_clear import is_secret, is_secret_key

_STRONG = re.compile(r"(pass(word|wd|phrase)|pwd|api[_-]?key|access[_-]?key|private_key|secret_key)$", re.IGNORECASE)
"""Names whose value is a secret whatever it looks like. A `token` or a `cookie` may also be a word of a grammar."""
_NO_VALUE = re.compile(r"\$\{?|^<.*>$|^\{.*\}$|^[*xX.]+$|^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^[a-z]+(_[a-z]+)+$|\s")
_FIELD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
"""Perhaps the name of a column, if it is short: `hash_sha256`."""
_LONGEST_FIELD = 20
_SCHEME = re.compile(r"^(?:Bearer|Basic|Token|GenieKey)\s+", re.IGNORECASE)
_LOGIN = re.compile(
    r"(?:^|[\s;])(?:host|hostaddr|server|user|username|uid|user id|dbname|data source|dsn)=", re.IGNORECASE
)
_PASSWORD = re.compile(
    r"(?:^|[\s;])(?:password|passwd|pwd)="
    r"(?!(?:password|passwd|pass|pw|pwd|secret|x+|\*+|\.+)(?:[\s;]|$))(?:'[^'{}$<%]{3,}'|[^\s;'\"{}()$<%*?:]{3,})",
    re.IGNORECASE,
)
"""Settings of a connection as libpq and ODBC write them; `_LOGIN` is what stands beside the password."""
_SETTERS = frozenset({"setdefault", "setattr", "getattr", "get", "pop", "set", "set_option", "setenv", "putenv"})
_ENDPOINT = re.compile(r"(^|_)(host|hostname|url|uri|endpoint|endpoint_url|base_url|server|account)$", re.IGNORECASE)
_LOCAL = re.compile(r"^(localhost|127\.0\.0\.1|::1|0\.0\.0\.0|:memory:)?$|^\w+://(localhost|127\.0\.0\.1)\b")
_PLACEHOLDER = re.compile(
    r":(?:pass(?:word|wd)?|pw|pwd|secret|token|x+|\*+|\.{3}|<[^<>]*>|\{[^{}]*\}|%s|%\(\w+\)s|\$\{?\w+\}?|\[\^.*)(?=@)",
    re.IGNORECASE,
)
_SHORTEST = 4
_PAIR = 2
_ENVIRONMENT = frozenset({"os.getenv", "os.environ.get", "getenv", "environ.get"})
_MAPPINGS = frozenset({"os.environ", "environ"})


def literals(file: SourceFile) -> Iterator[Spot]:
    """Yield secrets and endpoints that are written in the code."""
    yield from _secrets(file)
    yield from _read_at_import(file)
    for call in file.nodes(ast.Call):
        if not last_name(call).endswith(("Resource", "IOManager", "Client")):
            continue
        for each in call.keywords:
            text = constant_text(each.value)
            if each.arg and text is not None and _ENDPOINT.search(each.arg) and not _LOCAL.search(text):
                yield Spot(
                    "endpoint-in-source", each.value, f"`{each.arg}` of `{last_name(call)}` is written in the code"
                )


def _secrets(file: SourceFile) -> Iterator[Spot]:
    told: set[ast.AST] = set()
    pairs = [each for each in _pairs(file) if _looks_drawn(_plain(each[1]) or "")]
    for key, value in [*_named_texts(file), *pairs]:
        text = _plain(value)
        if text is not None and value not in told and _is_written_secret(key, text):
            told.add(value)
            yield Spot("secret-in-source", value, f"`{key}` is a secret in clear")
    for node in file.nodes(ast.Constant, ast.JoinedStr):
        text = _plain(node)
        if text is not None and node not in told and _holds_secret(text) and not _is_no_value(node, file):
            yield Spot("secret-in-source", node, "the text contains a secret")


def _read_at_import(file: SourceFile) -> Iterator[Spot]:
    """Yield secrets that are read from the environment while a module is imported. A script has no importers."""
    if file.is_script:
        return
    imports = [each for node in file.nodes(ast.ImportFrom) if node.module == "os" for each in node.names]
    renamed = {each.asname: each.name for each in imports if each.asname}
    for node in file.nodes(ast.Call, ast.Subscript):
        variable = _variable_read(node, renamed)
        if variable is None or any(isinstance(each, Function | ast.Lambda) for each in file.above(node)):
            continue
        outer = next(file.above(node), None)
        if isinstance(outer, ast.keyword) and outer.arg and is_secret_key(outer.arg):
            yield Spot("secret-at-import", node, f"`{outer.arg}` is read when the definitions are built")
        elif is_secret_key(variable):
            yield Spot("secret-at-import", node, f"`{variable}` is read when the module is imported")


def _pairs(file: SourceFile) -> Iterator[tuple[str, ast.expr]]:
    """Yield values that stand behind a name without belonging to it: `("password", ...)`, `d.setdefault(...)`."""
    for node in file.nodes(ast.Tuple, ast.Call):
        if isinstance(node, ast.Tuple):
            found = node.elts if len(node.elts) == _PAIR else []
        else:
            found = node.args[-_PAIR:] if last_name(node) in _SETTERS and dotted_name(node) not in _ENVIRONMENT else []
        if len(found) == _PAIR and (name := constant_text(found[0])):
            yield name, found[1]


def _plain(node: ast.AST) -> str | None:
    """Return a literal text; bytes as a text too, and `{}` for what an f-string fills in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        return node.value.decode("latin-1")
    return template_text(node)


def _looks_drawn(text: str) -> bool:
    """Whether a text has letters and digits, is not short, and is not written like the name of a column."""
    if len(text) < _LONGEST_FIELD and _FIELD.fullmatch(text):
        return False
    return bool(re.search(r"\d", text)) and bool(re.search(r"[A-Za-z]", text)) and len(text) >= 2 * _SHORTEST


def _named_texts(file: SourceFile) -> Iterator[tuple[str, ast.expr]]:
    """Yield every value that has a name: an assignment, an argument, a default, a key of a mapping."""
    for assigned in file.nodes(ast.Assign):
        targets, given = assigned.targets, assigned.value
        yield from ((last_name(each), given) for each in targets if isinstance(each, ast.Name | ast.Attribute))
        slices = (constant_text(each.slice) for each in targets if isinstance(each, ast.Subscript))
        yield from ((name, given) for name in slices if name)
    for node in file.nodes(ast.AnnAssign, ast.NamedExpr, ast.Call, ast.Dict, ast.FunctionDef, ast.AsyncFunctionDef):
        match node:
            case ast.NamedExpr(target=target, value=value):
                yield target.id, value
            case ast.AnnAssign(target=ast.Name() | ast.Attribute() as target, value=ast.expr() as value):
                yield last_name(target), value
            case ast.Call():
                yield from ((each.arg, each.value) for each in node.keywords if each.arg)
                if dotted_name(node) in _ENVIRONMENT and len(node.args) > 1 and (name := constant_text(node.args[0])):
                    yield name, node.args[1]
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                yield from ((name, value) for key, value in pairs if (name := constant_text(key)))
            case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments):
                placed = [*arguments.posonlyargs, *arguments.args][-len(arguments.defaults) or len(arguments.args) :]
                yield from ((each.arg, value) for each, value in zip(placed, arguments.defaults, strict=False))
                named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                yield from ((each.arg, value) for each, value in named if value is not None)


def _is_written_secret(key: str, text: str) -> bool:
    """Whether a text under this name is a secret and not the name of one, a template or a placeholder."""
    text = _SCHEME.sub("", text)
    if not is_secret_key(key) or len(text) < _SHORTEST or _NO_VALUE.search(text) or is_secret("", text):
        return False  # the last: told as a text that contains a secret
    plain = text.lower().replace("-", "_")
    if is_secret_key(plain) and plain.isidentifier() and not plain.isdigit() and "_" in plain:
        return False  # the name of a field, such as "access_token"
    if _STRONG.search(key):
        return plain != key.lower() or plain in ("password", "secret")
    return _looks_drawn(text)


def _holds_secret(text: str) -> bool:
    """Whether a text contains a secret. An address whose password is a placeholder contains none."""
    return is_secret("", _PLACEHOLDER.sub("", text)) or bool(_LOGIN.search(text) and _PASSWORD.search(text))


def _variable_read(node: ast.Call | ast.Subscript, renamed: Mapping[str, str]) -> str | None:
    """Return the variable that the node reads from the environment; an empty text if its name is not written here."""
    first, dot, rest = dotted_name(node if isinstance(node, ast.Call) else node.value).partition(".")
    name = f"{renamed.get(first, first)}{dot}{rest}"
    if isinstance(node, ast.Call):
        if name not in _ENVIRONMENT:
            return None
        return (constant_text(node.args[0]) if node.args else None) or ""
    if name not in _MAPPINGS or not isinstance(node.ctx, ast.Load):
        return None
    return constant_text(node.slice) or ""


def _is_no_value(node: ast.AST, file: SourceFile) -> bool:
    """Whether a text is a docstring, a pattern, or a part of an f-string, which is judged as a whole."""
    outer = next(file.above(node), None)
    return isinstance(outer, ast.Expr | ast.JoinedStr) or (
        isinstance(outer, ast.Call) and dotted_name(outer).startswith("re.")
    )
