"""What the documents tell a stranger to type is typed here, in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pytest
import typer
import yaml

from etl.cli import app
from etl.config import load_tenant
from etl.settings import load_settings
from tests.installation import REPOSITORY
from tests.tiny_project import make_project

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?:<!-- (?P<order>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


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


@pytest.mark.timeout(900)
def test_adding_a_tenant_works_as_it_is_written(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("tenants/_template", "tenants/__init__.py", "workspace.yaml", "dagster.yaml", "pyproject.toml"):
        source = REPOSITORY / name
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, project / name)
    (project / "workspace.yaml").write_text(
        "load_from:\n"
    )  # the other tenants need dbt, which is another test's subject
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"ETL_PROJECT_DIR", "ETL_DATA_DIR", "DAGSTER_HOME"}
    }
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "200",
    }
    said: list[str] = []
    for block in blocks(REPOSITORY / "docs" / "adding-a-tenant.md"):
        place = re.fullmatch(r'insert into (?P<path>\S+) after "(?P<line>[^"]+)"', block.order)
        file = re.fullmatch(r"write (?P<path>\S+)", block.order)
        if place:
            path = project / place["path"]
            text = path.read_text(encoding="utf-8")
            assert text.count(f"{place['line']}\n") == 1
            path.write_text(text.replace(f"{place['line']}\n", f"{place['line']}\n{block.text}"), encoding="utf-8")
        elif file:
            (project / file["path"]).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                done = subprocess.run(
                    shlex.split(line),
                    cwd=project,
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
                said.append(done.stdout)
        else:
            assert block.language == "", f"nobody checks this block: {block.text}"
    everything = "\n".join(said)
    assert "umbrella" not in everything
    assert "large_order" in everything
    with duckdb.connect(str(project / ".data" / "warehouse" / "acme.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute("FROM shop.large_order").pl()
        (refused,) = warehouse.execute("SELECT count(*) FROM shop.large_order WHERE order_id IS NULL").fetchone() or (
            None,
        )
    assert rows["etl_partition"].n_unique() == 10
    assert refused == 0
    newest = rows.filter(pl.col("etl_partition").cast(str) == "2026-01-10")
    assert newest["vat"].null_count() == 0
    assert rows["vat"].null_count() == rows.height - newest.height
    assert rows["amount"].min() > 4000  # type: ignore[operator]


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
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    root = typer.main.get_command(app)
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


def test_the_readme_is_one_screen() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_the_layers_of_the_documents_are_those_of_the_package() -> None:
    packages = {path.stem for path in (REPOSITORY / "etl").iterdir() if not path.stem.startswith(("_", "py", "."))}
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = text.split("## Layers")[1].split("```")[1]
    assert packages <= set(re.findall(r"\w+", layers))
