"""Dagster's UI in a real browser: what a person sees of a tenant's graph and its checks, in pictures and in the page."""

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.conftest import Demo
from tests.installation import REPOSITORY
from tests.servers import missing

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]

# The rules of project_01's lot_history as they stand after one of them was made impossible: name, shown as, colour.
RULES = {
    "not_null__lot_id": ("Succeeded", "green"),
    "unique__lot_id_process_step": ("Succeeded", "green"),
    "regex__lot_id": ("Failed", "red"),
    "in_set__process_step": ("Succeeded", "green"),
    "in_set__status": ("Succeeded", "green"),
    "not_null__qty": ("Succeeded", "green"),
    "non_negative__qty": ("Failed", "yellow"),
}

# The icon beside a check's name, and the words below it.
ROWS = """() => [...document.querySelectorAll('[role=img]')]
  .map(icon => ({icon: getComputedStyle(icon).backgroundColor, text: icon.parentElement.parentElement.innerText}))
  .filter(row => /Succeeded|Failed/.test(row.text) && row.text.includes('__'))"""


@dataclass(frozen=True)
class Seen:
    """The pages as the browser had them, and the pictures of them."""

    pictures: Path
    graph: str
    rows: list[dict[str, str]]
    failed: str


@pytest.fixture(scope="module")
def seen(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        missing("chromium is not installed")
    script = load_script()
    folder = tmp_path_factory.mktemp("screenshots")
    environ = script.copy_with_a_broken_rule(demo.data, folder)
    with script.served(environ) as url, script.browser() as chromium:
        taking = script.take(chromium, url, folder / "images", environ)
        next(taking)
        (page,) = chromium.contexts[0].pages
        graph = page.inner_text("body")
        next(taking)
        yield Seen(folder / "images", graph, page.evaluate(ROWS), page.inner_text("body"))
        assert next(taking, None) is None


def load_script() -> Any:
    path = REPOSITORY / "scripts" / "screenshots.py"
    spec = importlib.util.spec_from_file_location("screenshots", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def colour(css: str) -> str:
    red, green, blue = (int(each) for each in css.removeprefix("rgb(").removesuffix(")").split(","))
    assert blue < 150
    return "green" if green > red else "yellow" if green > red / 2 else "red"


def test_the_checks_tab_shows_one_row_per_rule_in_its_colour(seen: Seen) -> None:
    found = {}
    for row in seen.rows:
        lines = row["text"].split("\n")
        found[lines[0]] = (lines[-1], colour(row["icon"]))
    assert {name: found.get(name) for name in RULES} == RULES
    assert [name for name in found if name not in RULES and found[name][1] == "red"] == []


def test_the_failed_check_shows_its_counts_and_the_line_in_the_yaml(seen: Seen) -> None:
    words = seen.failed.split()
    for word in ("failed", "total", "failure_rate", "partition", "engine", "yaml", "2026-01-05", "truthound"):
        assert word in words
    assert "regex__lot_id failed for" in seen.failed
    assert "project_01/config.yaml:" in seen.failed


def test_the_graph_shows_every_asset_of_the_tenant(seen: Seen) -> None:
    for name in (
        "lot_history",
        "equipment_event",
        "process_result",
        "cfg_item_master",
        "fct_lot_step",
        "wip_dashboard",
    ):
        assert name in seen.graph
    assert seen.graph.count("lot_history") >= 3  # extract, transfer and load


@pytest.mark.parametrize("name", ["asset-graph.png", "checks.png"])
def test_the_pictures_are_pictures_and_those_of_the_documents_are_small(seen: Seen, name: str) -> None:
    for path in (seen.pictures / name, REPOSITORY / "docs" / "images" / name):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert 20_000 < len(content) < 300_000, path
