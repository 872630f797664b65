"""The documentation's site: built without a warning, whole, searched in a real browser, and without any foreign host."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.test_ui import load_script
from tests.installation import REPOSITORY
from tests.servers import missing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]*\ssrc=\"(https?:)?//|<link[^>]*rel=\"(?:stylesheet|preconnect|icon)\"[^>]*href=\"https?://"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).parent / "mkdocs"), "build", "--quiet", "--site-dir", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_every_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {each.relative_to(REPOSITORY / "docs").with_suffix(".html") for each in (REPOSITORY / "docs").rglob("*.md")}
    assert [each for each in sorted(pages) if not (site / each).is_file()] == []
    assert [str(each) for each in site.rglob("*.html") if LOADED.search(each.read_text(encoding="utf-8"))] == []


def test_every_page_is_in_the_navigation(site: Path) -> None:
    links = set(re.findall(r'<a href="([^"#]+\.html)" class="md-nav__link', (site / "index.html").read_text()))
    pages = {each.relative_to(REPOSITORY / "docs").with_suffix(".html") for each in (REPOSITORY / "docs").rglob("*.md")}
    assert sorted(map(str, pages)) == sorted(each for each in links if not each.startswith("repository/") or each == "")


def test_a_link_to_a_file_of_the_repository_is_a_page_with_its_text(site: Path) -> None:
    page = (site / "walkthrough.html").read_text(encoding="utf-8")
    assert 'href="repository/etl/definitions/one_tenant.py.html"' in page
    assert "build_tenant_definitions" in (site / "repository" / "etl" / "definitions" / "one_tenant.py.html").read_text(
        encoding="utf-8"
    )


def test_the_search_knows_the_reference(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {each["location"].partition("#")[0] for each in index["docs"] if "lookback_days" in each["text"]}
    assert "yaml-reference.html" in found


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_reader_searches_in_a_browser_without_any_request_to_another_host(address: str) -> None:
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        missing("chromium is not installed")
    with load_script().browser() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(120_000)  # a busy machine shows a page late
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/index.html")
        page.locator("input.md-search__input").click()
        page.keyboard.type("quarantine")
        result = page.locator("a.md-search-result__link").first
        result.wait_for(timeout=30_000)
        result.click()
        page.wait_for_load_state()
        assert "quarantine" in page.content().lower()
        assert [each for each in asked if not each.startswith((address, "data:", "blob:"))] == []
