"""The page of what is compatible with what: its ranges are those that are declared, its numbers those of the code."""

import ast
import re
import tomllib
from importlib import import_module

import etl
from tests.installation import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (REPOSITORY / "docs" / "compatibility.md").read_text(encoding="utf-8")
CHANGES = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_ranges_are_those_that_are_declared() -> None:
    declared = {"Python": (PROJECT["requires-python"], "")}
    parts = {"the base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for part, requirements in parts.items():
        for each in requirements:
            name, range_ = re.fullmatch(r"([a-z-]+)(?:\[[a-z]+\])?(.*)", each).groups()  # type: ignore[union-attr]
            declared.setdefault(name, (range_, part))  # the part that it is first declared for
    rows = re.findall(r"^\| ([\w-]+) \| `([^`]+)` \| `?([^|`]*?)`? ?\|$", PAGE, re.MULTILINE)
    assert len(rows) == 16
    assert {name: (range_, part) for name, range_, part in rows} == {name: declared[name] for name, _, _ in rows}


def test_the_formats_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| [^|]+ \| (\d+) \| [^|]+ \| `(etl\.[\w.]+)\.(\w+)` \|$", PAGE, re.MULTILINE)
    for number, module, name in rows:
        assert getattr(import_module(module), name) == int(number), module
    written = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for path in (REPOSITORY / "etl").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, int)
        for target in node.targets
        if isinstance(target, ast.Name) and re.fullmatch(r"(\w+_)?FORMAT", target.id)
    }
    assert {module for _, module, _ in rows} == written


def test_the_version_stands_in_one_place_and_is_in_the_changelog() -> None:
    assert etl.__version__ == PROJECT["version"]  # type: ignore[attr-defined]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", CHANGES, re.MULTILINE)
    assert released[0] == PROJECT["version"]
    assert CHANGES.index("## [Unreleased]") < CHANGES.index(f"## [{released[0]}]")
    version = re.compile(rf"""["']{re.escape(PROJECT["version"])}["']""")
    others = [path for path in (REPOSITORY / "etl").rglob("*.py") if version.search(path.read_text(encoding="utf-8"))]
    assert others == []
