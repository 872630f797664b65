"""Makes the page of the quality API, `docs/quality-api.md`, from the docstrings and the text `quality_api.md`.

Belongs here: finding public names and their docstrings in the source, without importing anything: an orchestrator that
is not installed has its names on the page too. Not here: the words of the page (`quality_api.md`), the rules' page.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etl.errors import EtlError

PACKAGE = Path(__file__).parents[1]
TEXT = Path(__file__).with_name("quality_api.md")
_MARK = re.compile(r"^\{\{(?P<module>[\w.]+)(?:: (?P<names>[\w ]+))?\}\}$", re.MULTILINE)
_HOSTS = "hosts"
_LONGEST_SIGNATURE = 100
_PAGES = {"dagster": "quality-in-dagster.md"}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True, slots=True)
class PublicName:
    """One public name, as its source says it."""

    name: str
    node: Definition
    doc: str
    """Its docstring; empty if it has none."""


def api_page() -> str:
    """Return the whole page, as Markdown."""
    return _MARK.sub(lambda mark: _expanded(mark["module"], mark["names"]), TEXT.read_text(encoding="utf-8"))


def marked_names() -> dict[str, list[str]]:
    """Return the names that the text of the page asks for, per module."""
    found: dict[str, list[str]] = {}
    for mark in _MARK.finditer(TEXT.read_text(encoding="utf-8")):
        if mark["module"] == _HOSTS:
            continue
        names = (mark["names"] or "").split() or [*public_names(mark["module"])]
        found.setdefault(mark["module"], []).extend(names)
    return found


def hosts() -> tuple[str, ...]:
    """Return the orchestrators that have a package here."""
    return tuple(path.parent.name for path in sorted(Path(__file__).parent.glob("*/__init__.py")))


def public_names(module: str) -> dict[str, PublicName]:
    """Return the public names of a module: those that its `__init__` gives out, or those without an underscore."""
    tree = _tree(module)
    homes = _constant(tree, "_HOMES")
    if homes is None:
        listed = _constant(tree, "__all__")
        names = listed if listed is not None else [name for name, _ in _defined(tree) if not name.startswith("_")]
        return {name: _find(module, name) for name in sorted(names)}
    found: dict[str, PublicName] = {}
    for home, names in homes.items():
        place = home if home.startswith("etl.") else f"{module}.{home}"
        found |= {name: _find(place, name) for name in names}
    for alias, own in (_constant(tree, "_ALIASES") or {}).items():
        found[alias] = PublicName(alias, found[own].node, f"Another name of `{own}`.")
    return dict(sorted(found.items()))


def _expanded(module: str, wanted: str | None) -> str:
    if module == _HOSTS:
        return "\n\n".join(filter(None, (_host(name) for name in hosts())))
    known = public_names(module)
    if wanted is None:
        # A constant without a docstring is a detail of its module.
        return "\n\n".join(_section(each) for each in known.values() if each.doc)
    missing = [name for name in wanted.split() if name not in known]
    if missing:
        raise EtlError(f"{module} has no public name {missing[0]}", f"correct {TEXT.name}")
    return "\n\n".join(_section(known[name]) for name in wanted.split())


def _host(name: str) -> str:
    known = public_names(f"etl.integrations.{name}")
    if not known:
        return ""
    page = _PAGES.get(name, f"{name}.md")
    lines = [f"### {name.capitalize()}", "", f"[Page]({page})", "", "| name | |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{each.name}` | {_first(each.doc)} |" for each in known.values())])


def _section(each: PublicName) -> str:
    lines = [f"#### `{each.name}`", ""]
    if isinstance(each.node, ast.FunctionDef | ast.AsyncFunctionDef):
        lines += ["```text", _signature(each.node), "```", ""]
    lines.append(each.doc)
    if isinstance(each.node, ast.ClassDef) and not each.doc.startswith("Another name"):
        members = [*_members(each.node)]
        if members:
            lines += ["", "| | |", "|---|---|", *(f"| `{_cell(name)}` | {_first(doc)} |" for name, doc in members)]
    return "\n".join(lines)


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the public attributes and methods of a class, with what their docstrings say."""
    for place, each in enumerate(node.body):
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            is_property = any(ast.unparse(mark) == "property" for mark in each.decorator_list)
            yield each.name if is_property else _call(each), ast.get_docstring(each) or ""
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id[0] != "_":
            yield f"{each.target.id}: {ast.unparse(each.annotation)}", _text_after(node.body, place)


def _call(node: ast.FunctionDef) -> str:
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return f"{node.name}({', '.join(name for name in names if name not in ('self', 'cls'))})"


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    start = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    end = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    line = f"{start}{node.name}({ast.unparse(node.args)}){end}"
    if len(line) <= _LONGEST_SIGNATURE:
        return line
    return f"{start}{node.name}(\n" + "".join(f"    {each},\n" for each in _arguments(node.args)) + f"){end}"


def _arguments(given: ast.arguments) -> Iterator[str]:
    """Yield each argument as it is written."""
    places = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(places) - len(given.defaults)) + [*given.defaults]
    for arg, default in zip(places, defaults, strict=True):
        yield ast.unparse(arg) + (f" = {ast.unparse(default)}" if default is not None else "")
    if given.vararg is not None:
        yield f"*{ast.unparse(given.vararg)}"
    elif given.kwonlyargs:
        yield "*"
    for arg, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield ast.unparse(arg) + (f" = {ast.unparse(value)}" if value is not None else "")
    if given.kwarg is not None:
        yield f"**{ast.unparse(given.kwarg)}"


def _find(module: str, name: str) -> PublicName:
    """Return a name where it is defined; a module that only hands it on says from where."""
    tree = _tree(module)
    for own, place in reversed([*_defined(tree)]):  # the last definition holds; those before it are overloads
        if own == name:
            node = tree.body[place]
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                return PublicName(name, node, _dedented(ast.get_docstring(node)))
            if isinstance(node, ast.Assign | ast.AnnAssign):
                return PublicName(name, node, _text_after(tree.body, place) or _alias_of(node))
    for each in tree.body:
        if isinstance(each, ast.ImportFrom) and each.module and any(alias.name == name for alias in each.names):
            return _find(each.module, name)
    raise EtlError(f"{module} gives out {name}, and its source does not define it", "correct the module")


def _defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, place
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, place
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, place


def _alias_of(node: ast.Assign | ast.AnnAssign) -> str:
    """Say of which class a name is another name."""
    return f"Another name of `{node.value.id}`." if isinstance(node.value, ast.Name) else ""


def _text_after(body: list[ast.stmt], place: int) -> str:
    """Return the string that stands below an assignment and describes it."""
    after = body[place + 1] if place + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return _dedented(after.value.value)
    return ""


def _dedented(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return "\n".join(line.strip() if not line.startswith(" " * 8) else line[4:] for line in lines)


def _first(text: str) -> str:
    """Return the first paragraph on one line, for a cell of a table."""
    return _cell(" ".join(text.split("\n\n", maxsplit=1)[0].split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _constant(tree: ast.Module, name: str) -> Any:  # noqa: ANN401  what the source says
    node = next((tree.body[place] for own, place in _defined(tree) if own == name), None)
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    try:
        return ast.literal_eval(value) if value is not None else None
    except ValueError:
        return None  # computed when the module is imported


@cache
def _tree(module: str) -> ast.Module:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text(encoding="utf-8"))
