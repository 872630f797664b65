"""Imports point down, and nothing below `etl.running` knows an orchestrator. Checked here without the linter."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

PACKAGE = Path(__file__).parents[1] / "etl"

# From the bottom up; a row may import the rows below it, and its own packages, but not its neighbours in the row.
LAYERS = [
    {"errors", "plural", "suggest"},
    {"project", "extras"},
    {"settings", "platform", "faults", "formats", "query_text", "locks", "sql", "parquet"},
    {"state_store"},
    {"secrets"},
    {"partitions", "trial"},
    {"quality", "sla"},
    {"promises", "notify"},
    {"config"},
    {"source", "lake", "lineage", "last_good"},
    {"warehouse"},
    {"quotas"},
    {"pipeline"},
    {"dbt", "onboarding", "unit_tests", "odcs", "deployment"},
    {"running"},
    {"resources", "integrations", "conventions", "telemetry"},
    {"health"},
    {"portal"},
    {"lifecycle"},
    {"factories"},
    {"definitions"},
    {"planning"},
    {"cli", "all"},
    {"component"},
]
CORE = sorted(name for row in LAYERS[: LAYERS.index({"running"})] for name in row)
ORCHESTRATORS = {"dagster", "dagster_dbt", "dagster_duckdb", "prefect", "airflow", "mage_ai", "kestra"}
SHORTEST_HELPER = 450  # of its syntax tree as text: about three lines
ENGINES = {"truthound", "great_expectations", "pandera"}

# Imports every module of the package but the engines, which are loaded by name when a rule asks for one.
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module("etl.{name}")
for each in pkgutil.walk_packages(getattr(package, "__path__", ()), "etl.{name}."):
    if not each.name.startswith("etl.quality.engines."):
        importlib.import_module(each.name)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def level(name: str) -> int:
    return next(height for height, row in enumerate(LAYERS) if name in row)


def owner(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The top modules of `etl` that a file imports, in functions and for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("etl.")}
    return found


@pytest.mark.parametrize("name", CORE)
def test_a_core_package_imported_alone_brings_no_orchestrator(name: str) -> None:
    code = IMPORT_ALL.format(name=name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & ORCHESTRATORS


@pytest.mark.parametrize("statement", ["import etl.quality", "from etl.quality.rules import parse_rules", "import etl"])
def test_the_quality_core_brings_no_engine_and_no_orchestrator(statement: str) -> None:
    code = f"{statement}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & (ENGINES | ORCHESTRATORS)


def test_every_import_points_down() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE.parent)} imports etl.{name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "__init__.py"  # hands on two names of `definitions`, when they are asked for
        for name in sorted(imported(path))
        if name != owner(path) and level(name) >= level(owner(path))
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("etl", cache_dir=None)
    left = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while ends := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in ends:
            del left[module]
    assert sorted(left) == [], "these need each other"


def test_no_integration_imports_another() -> None:
    """One orchestrator's names never need another orchestrator."""
    for path in sorted((PACKAGE / "integrations").rglob("*.py")):
        own = path.relative_to(PACKAGE / "integrations").parts[0]
        others = set(re.findall(r"etl\.integrations\.(\w+)", path.read_text(encoding="utf-8"))) - {own}
        assert not others & {each.name for each in (PACKAGE / "integrations").iterdir() if each.is_dir()}, path


def test_every_module_has_its_place_in_the_layers() -> None:
    places = {owner(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert places == set().union(*LAYERS)


def test_private_names_of_dagster_stand_in_one_file() -> None:
    private = re.compile(r"^\s*(from|import) dagster(\._|_dbt\.(asset_utils|utils|_))", re.MULTILINE)
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if private.search(path.read_text())}
    assert found == {"running/compat.py"}


def test_nothing_is_called_utils() -> None:
    names = {path.stem for path in PACKAGE.rglob("*")}
    assert not names & {"utils", "util", "helpers", "common", "base", "misc"}


def test_no_two_classes_share_a_name() -> None:
    """Only what does the same in two orchestrators may have one name: whoever uses one of them does not see the other."""
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1 and not _one_a_host(found)} == {}


def _one_a_host(places: list[str]) -> bool:
    hosts = [each.split("/")[1] for each in places if re.fullmatch(r"integrations/\w+/.+", each)]
    return len(hosts) == len(places) == len(set(hosts))


def test_no_helper_stands_twice() -> None:
    """No two functions have the same arguments and the same body, unless it is so short that a name for it says less."""
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            text = ast.dump(ast.Module(body, []))
            if len(text) > SHORTEST_HELPER:
                places.setdefault(ast.dump(node.args) + text, []).append(f"{path.relative_to(PACKAGE)}:{node.name}")
    assert [found for found in places.values() if len(found) > 1] == []
