"""The page of the quality API: complete, up to date, its examples executed, each public name tested."""

import importlib
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from etl.errors import EtlError
from etl.integrations import reference
from etl.integrations.reference import api_page, hosts, marked_names, public_names
from tests.installation import REPOSITORY

PAGE = REPOSITORY / "docs" / "quality-api.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CORE = ("etl.quality", "etl.quality.testing", "etl.integrations.contract", "etl.integrations.rendering")
HOSTS = tuple(f"etl.integrations.{host}" for host in hosts())


def documented(module: str) -> set[str]:
    """The names that a reader finds: a constant without a docstring is a detail of its module."""
    constants = ("etl.integrations.contract", "etl.integrations.rendering")
    return {name for name, each in public_names(module).items() if each.doc or module not in constants}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == api_page(), "etl docs"


@pytest.mark.parametrize("module", CORE)
def test_each_public_name_is_on_the_page_once_with_its_docstring(module: str) -> None:
    marked = [name for name in marked_names()[module] if name in documented(module)]
    assert sorted(marked) == sorted(documented(module))
    page = api_page()
    for name in documented(module):
        assert public_names(module)[name].doc, f"{module}.{name} has no docstring"
        assert page.count(f"#### `{name}`\n") == 1, name


@pytest.mark.parametrize("module", HOSTS)
def test_each_public_name_of_an_orchestrator_is_on_the_page(module: str) -> None:
    page = api_page()
    for name, each in public_names(module).items():
        assert each.doc, f"{module}.{name} has no docstring"
        assert f"| `{name}` | " in page


@pytest.mark.parametrize("module", ["etl.quality", "etl.quality.testing", "etl.integrations.dagster"])
def test_the_source_has_the_names_that_python_imports(module: str) -> None:
    assert {*public_names(module)} == set(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module", CORE)
def test_each_public_name_has_an_example(module: str) -> None:
    examples = "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert [name for name in sorted(documented(module)) if not re.search(rf"\b{name}\b", examples)] == []


@pytest.mark.parametrize("module", [*CORE, *HOSTS])
def test_each_public_name_is_tested(module: str) -> None:
    tests = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((REPOSITORY / "tests").rglob("*.py"))
        if path != Path(__file__).resolve()
    )
    assert [name for name in sorted(documented(module)) if not re.search(rf"\b{name}\b", tests)] == []


def test_the_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging, "lastResort", None)
    namespace: dict[str, Any] = {"__name__": "examples"}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 15
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), namespace)


def test_a_name_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.md").write_text("{{etl.quality: check chekc}}\n", encoding="utf-8")
    monkeypatch.setattr(reference, "TEXT", tmp_path / "text.md")
    with pytest.raises(EtlError, match="has no public name chekc"):
        api_page()
