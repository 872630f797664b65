"""Reads Python files as text and as a syntax tree. No code is run or imported.

Belongs here: reading one file, which files of a folder are looked at, and what makes a file a script. Not here: rules.

A notebook (`.ipynb`) is not read. A file that a tool wrote is read like any other: it runs like any other. A link to a
file is read under the link's own name; a link to a folder is not followed, so that no folder is read twice or for ever.
"""

import ast
import os
import re
import sys
import tokenize
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar, overload

from etl.conventions.syntax import Function, decorators

LARGEST = 2_000_000  # bytes; a longer file is named and not parsed, which would take seconds and much memory
_SKIPPED = frozenset({
    "__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist", "target", "dbt_packages",
})  # fmt: skip
_SCRIPT_FOLDERS = frozenset({"scripts", "script", "bin", "tools", "benchmarks", "examples", "tests", "test"})
_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_TEST_FILE = re.compile(r"^(test_.*|.*_test|conftest)\.py$")
_DAGSTER = frozenset({"asset", "multi_asset", "graph_asset", "asset_check", "multi_asset_check", "op", "job", "sensor",
                      "schedule", "asset_sensor"})  # fmt: skip
Node = TypeVar("Node", bound=ast.AST)
Other = TypeVar("Other", bound=ast.AST)
Third = TypeVar("Third", bound=ast.AST)


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be judged."""

    path: Path
    rule: str
    problem: str
    line: int = 1
    column: int | None = None


@dataclass(frozen=True)
class Spot:
    """A node of a file's tree at which a rule is broken."""

    rule: str
    node: ast.AST
    problem: str
    fix: str = ""
    """Empty: the rule's own."""


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One Python file. `folder` is the folder that was searched; what stands above it says nothing about the file."""

    path: Path
    folder: Path
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, as Python counts them."""
        found = _LINE_BREAK.split(self.text)
        return found if found[-1] else found[:-1]

    @cached_property
    def _index(self) -> tuple[dict[type[ast.AST], list[ast.AST]], dict[ast.AST, ast.AST]]:
        by_type: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        parents: dict[ast.AST, ast.AST] = {}
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            by_type[type(node)].append(node)
            for child in ast.iter_child_nodes(node):
                parents[child] = node
                waiting.append(child)
        return by_type, parents

    @overload
    def nodes(self, first: type[Node], /) -> Sequence[Node]: ...

    @overload
    def nodes(self, first: type[Node], second: type[Other], /) -> Sequence[Node | Other]: ...

    @overload
    def nodes(
        self, first: type[Node], second: type[Other], third: type[Third], /
    ) -> Sequence[Node | Other | Third]: ...

    @overload
    def nodes(self, *types: type[ast.AST]) -> Sequence[ast.AST]: ...

    def nodes(self, *types: type[ast.AST]) -> Sequence[ast.AST]:
        """Return all nodes of the types, in the order of the file."""
        found = [node for each in types for node in self._index[0].get(each, ())]
        return sorted(found, key=_position)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, from the inside out."""
        parents = self._index[1]
        while (found := parents.get(node)) is not None:
            yield found
            node = found

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the function in which a node stands, or None at the top of the file."""
        return next((each for each in self.above(node) if isinstance(each, Function)), None)

    @cached_property
    def is_script(self) -> bool:
        """Whether the file is started by a person: it stands in a folder of scripts, or begins when it is started.

        A file that defines assets is never a script.
        """
        if set(self.path.relative_to(self.folder).parts[:-1]) & _SCRIPT_FOLDERS:
            return True
        if not any(_is_main(each) for each in self.tree.body):
            return False
        return not self.has_assets

    @cached_property
    def has_assets(self) -> bool:
        """Whether a function of the file is made an asset, a job or the like."""
        return any(decorators(each) & _DAGSTER for each in self.nodes(ast.FunctionDef, ast.AsyncFunctionDef))


def read_source(path: Path, folder: Path) -> SourceFile | Unreadable:
    """Read one file."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            problem = f"has {size:,} bytes, more than the {LARGEST:,} that are read"
            return Unreadable(path, "file-not-read", problem)
        raw = path.read_bytes()
    except OSError as error:
        return Unreadable(path, "file-not-read", f"cannot be read: {error.strerror}")
    try:
        encoding, _ = tokenize.detect_encoding(iter([*raw.splitlines(keepends=True)[:2], b""]).__next__)
        text = raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        line = raw[: error.start].count(b"\n") + 1 if isinstance(error, UnicodeDecodeError) else 1
        return Unreadable(path, "file-encoding", "is not UTF-8 text, and names no other encoding", line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as an invalid escape: Python itself tells it when the file is run
            tree = ast.parse(raw, str(path))
    except SyntaxError as error:
        return Unreadable(path, "syntax-error", f"is not valid {_PYTHON}: {error.msg}", error.lineno or 1, error.offset)
    except (ValueError, RecursionError, MemoryError) as error:
        return Unreadable(path, "syntax-error", f"is not valid {_PYTHON}: {error}")
    return SourceFile(path, folder, text, tree)


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder; hidden folders, environments and built files are left out."""
    for name, folders, files in os.walk(folder):
        here = Path(name)
        folders[:] = sorted(each for each in folders if not _is_skipped(here / each))
        yield from (here / each for each in sorted(files) if each.endswith(".py"))


def without_tests(files: Iterable[Path], folder: Path) -> Iterator[Path]:
    """Leave out tests, which may use literals, prints and caught errors as they like."""
    for path in files:
        parts = path.relative_to(folder).parts
        if not _TEST_FILE.match(path.name) and not {"tests", "test"} & set(parts[:-1]):
            yield path


def _is_skipped(folder: Path) -> bool:
    return folder.name in _SKIPPED or folder.name.startswith(".") or (folder / "pyvenv.cfg").is_file()


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _is_main(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )
