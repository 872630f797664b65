"""Finds values in code that belong into the environment: secrets, endpoints, and secrets that are read too early.

Belongs here: `secret-in-source`, `endpoint-in-source`, `secret-at-import`. Not here: what a secret looks like
(`etl.secrets.in_clear`), secrets in built resources (`check`). No finding contains the value.
"""

import ast
import re
from collections.abc import Iterator

from etl.conventions.source_file import SourceFile, Spot
from etl.conventions.syntax import constant_text, dotted_name, last_name
from etl.secrets.in_clear import is_secret, is_secret_key

_STRONG = re.compile(r"(pass(word|wd|phrase)|pwd|api[_-]?key|access[_-]?key|private_key|secret_key)$", re.IGNORECASE)
"""Names whose value is a secret whatever it looks like. A `token` or a `cookie` may also be a word of a grammar."""
_NO_VALUE = re.compile(r"\$\{?|^<.*>$|^\{.*\}$|^[*x.]+$|^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|\s", re.IGNORECASE)
_ENDPOINT = re.compile(r"(^|_)(host|hostname|url|uri|endpoint|endpoint_url|base_url|server|account)$", re.IGNORECASE)
_LOCAL = re.compile(r"^(localhost|127\.0\.0\.1|::1|0\.0\.0\.0|:memory:)?$|^\w+://(localhost|127\.0\.0\.1)\b")
_PLACEHOLDER = re.compile(
    r":(?:pass(?:word|wd)?|pw|pwd|secret|token|x+|\*+|\.{3}|<[^<>]*>|\{[^{}]*\}|%s|%\(\w+\)s|\$\{?\w+\}?|\[\^.*)(?=@)",
    re.IGNORECASE,
)
_SHORTEST = 4
_ENVIRONMENT = frozenset({"os.getenv", "os.environ.get", "getenv", "environ.get"})


def literals(file: SourceFile) -> Iterator[Spot]:
    """Yield secrets and endpoints that are written in the code."""
    for key, value in _named_texts(file):
        text = constant_text(value)
        if text is not None and _is_written_secret(key, text):
            yield Spot("secret-in-source", value, f"`{key}` is a secret in clear")
    for node in file.nodes(ast.Constant):
        if isinstance(node.value, str) and _holds_secret(node.value) and not _is_no_value(node, file):
            yield Spot("secret-in-source", node, "the text contains a secret")
    for call in file.nodes(ast.Call):
        if not last_name(call).endswith(("Resource", "IOManager", "Client")):
            continue
        at_import = file.function_of(call) is None
        for each in call.keywords:
            text = constant_text(each.value)
            if each.arg and at_import and is_secret_key(each.arg) and _reads_environment(each.value):
                yield Spot("secret-at-import", each.value, f"`{each.arg}` is read when the definitions are built")
            elif each.arg and text is not None and _ENDPOINT.search(each.arg) and not _LOCAL.search(text):
                yield Spot(
                    "endpoint-in-source", each.value, f"`{each.arg}` of `{last_name(call)}` is written in the code"
                )


def _named_texts(file: SourceFile) -> Iterator[tuple[str, ast.expr]]:
    """Yield every value that has a name: an assignment, an argument, a default, a key of a mapping."""
    for node in file.nodes(ast.Assign, ast.AnnAssign, ast.Call, ast.Dict, ast.FunctionDef, ast.AsyncFunctionDef):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((last_name(each), value) for each in targets if isinstance(each, ast.Name | ast.Attribute))
                for each in targets:
                    if isinstance(each, ast.Subscript) and (name := constant_text(each.slice)):
                        yield name, value
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
    if not is_secret_key(key) or len(text) < _SHORTEST or _NO_VALUE.search(text) or is_secret("", text):
        return False  # the last: told as a text that contains a secret
    plain = text.lower().replace("-", "_")
    if is_secret_key(plain) and plain.isidentifier() and not plain.isdigit() and "_" in plain:
        return False  # the name of a field, such as "access_token"
    if _STRONG.search(key):
        return plain != key.lower() or plain in ("password", "secret")
    return bool(re.search(r"\d", text)) and bool(re.search(r"[A-Za-z]", text)) and len(text) >= 2 * _SHORTEST


def _holds_secret(text: str) -> bool:
    """Whether a text contains a secret. An address whose password is a placeholder contains none."""
    return is_secret("", _PLACEHOLDER.sub("", text))


def _reads_environment(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return dotted_name(value) in _ENVIRONMENT
    return isinstance(value, ast.Subscript) and dotted_name(value.value) in ("os.environ", "environ")


def _is_no_value(node: ast.Constant, file: SourceFile) -> bool:
    """Whether a text is a docstring or a pattern."""
    outer = next(file.above(node), None)
    return isinstance(outer, ast.Expr) or (isinstance(outer, ast.Call) and dotted_name(outer).startswith("re."))
