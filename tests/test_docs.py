"""The documents: every command, link and piece of YAML in them is one that exists and works."""

import ast
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml

from etl.config import load_tenant
from etl.settings import load_settings
from tests.commands import loaded_commands
from tests.installation import REPOSITORY
from tests.test_layers import LAYERS
from tests.tiny_project import make_project

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?:<!-- (?P<order>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

EXECUTED_BY_HOSTS = {"prefect.md": "tests/hosts/prefect/test_page.py"}


@dataclass(frozen=True)
class Block:
    language: str
    order: str
    text: str


def blocks(path: Path) -> Iterator[Block]:
    for match in BLOCK.finditer(path.read_text(encoding="utf-8")):
        yield Block(match["language"], match["order"] or "", match["text"])


def lines(path: Path) -> list[str]:
    """The commands of a document, without their comments."""
    shell = [block.text for block in blocks(path) if block.language == "sh"]
    return [
        line
        for text in shell
        for line in (shlex.join(shlex.split(raw, comments=True)) for raw in text.splitlines())
        if line
    ]


def test_the_readmes_pipeline_is_one_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [each for each in blocks(REPOSITORY / "README.md") if each.language == "yaml"]
    project = make_project(tmp_path)
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    project.write_tenant({"assets": {"pipelines": {"orders": None, **yaml.safe_load(block.text)}}})
    transform = REPOSITORY / "tenants" / "project_01" / "transforms" / "lot_history.py"
    shutil.copyfile(transform, project.root / "tenants" / "acme" / "transforms" / "lot_history.py")
    (project.root / "tenants" / "acme" / "transforms" / "orders.py").unlink()
    config = load_tenant("acme", load_settings())
    assert [rule.check_name for rule in config.pipelines["lot_history"].rules_for("transfer")] == [
        "not_null__lot_id",
        "unique__lot_id_process_step",
        "non_negative__qty",
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_command_exists(path: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    root = loaded_commands()
    text = path.read_text(encoding="utf-8")
    commands = [*lines(path), *re.findall(r"`((?:etl|make) [^`<>.]+)`", text)]
    for command_line in commands:
        words = shlex.split(re.sub(r"^([A-Z_]+=\S* )+", "", command_line))
        if words[0] == "make":
            assert set(words[1:]) <= targets | {"demo"}, words
        elif words[0] == "etl":
            command, rest = root, words[1:]
            while isinstance(command, typer.core.TyperGroup) and rest:
                assert rest[0] in command.commands, words
                command, rest = command.commands[rest[0]], rest[1:]
            if rest:
                command.make_context("etl", rest)
        elif words[0].startswith(".venv/bin/"):
            assert (Path(sys.executable).parent / words[0].removeprefix(".venv/bin/")).exists(), words
            for word in words[1:]:
                assert "/" not in word or (REPOSITORY / word).exists(), words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_the_index_names_every_page() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")} - {"index.md"}
    assert [name for name in sorted(pages) if f"({name})" not in index] == []


def test_the_readme_is_one_screen() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 70


@pytest.mark.parametrize(("page", "test"), EXECUTED_BY_HOSTS.items())
def test_the_page_of_an_orchestrator_is_executed_in_its_own_environment(page: str, test: str) -> None:
    """This environment has neither Airflow nor Prefect: `make test-airflow` and `make test-prefect` run their pages."""
    assert f'"{page}"' in (REPOSITORY / test).read_text(encoding="utf-8")


def rooms() -> dict[str, str]:
    """Each folder and module of the package, with the sentence that says what belongs there."""
    found = {}
    for path in (REPOSITORY / "etl").iterdir():
        module = path / "__init__.py" if path.is_dir() else path
        if module.suffix == ".py" and module.is_file() and path.name != "__init__.py":
            said = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
            found[path.stem] = said.split("\n\n")[0].replace("\n", " ")
    return found


def test_the_map_of_the_rooms_is_that_of_the_package() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Rooms")[1]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, flags=re.MULTILINE)) == rooms()
    drawn = text.split("```")[1]
    assert [set(row.split()) for row in drawn.strip().splitlines()] == LAYERS[::-1]


def test_every_question_is_answered_by_a_file_that_has_the_word() -> None:
    text = (REPOSITORY / "docs" / "where-to-look.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\| .+\? \| `(.+)` \((.+)\) \|$", text, flags=re.MULTILINE)
    assert len(answers) == 13
    assert [path for path, word in answers if word not in (REPOSITORY / path).read_text(encoding="utf-8")] == []


def test_the_walk_names_functions_that_are_where_it_says() -> None:
    text = " ".join((REPOSITORY / "docs" / "walkthrough.md").read_text(encoding="utf-8").split())
    steps = re.findall(r"`(\w+)` in \[`(etl/[\w/]+\.py)`\]", text)
    assert len(steps) > 20
    assert [(name, path) for name, path in steps if f"def {name}(" not in (REPOSITORY / path).read_text()] == []
