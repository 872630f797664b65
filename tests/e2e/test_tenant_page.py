"""A tenant's page in a real browser: as wide as a phone and a desk, light and dark, without script, and accessible.

With ETL_WRITE_IMAGES=1 the pictures go to docs/images.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from etl.errors import ConfigError
from etl.portal import gather
from etl.portal.build import build_operator, build_pages
from tests.e2e.test_ui import load_script
from tests.installation import REPOSITORY
from tests.portal.world import NOW, make_portal, make_shop
from tests.servers import missing

pytestmark = [pytest.mark.timeout(300)]

IMAGES = REPOSITORY / "docs" / "images"
PAGES = ("alice", "bob", "carol", "shop", "_operator")
WIDTHS = {"phone": 390, "desktop": 1280}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    portal = make_portal(folder)
    make_shop(portal)
    portal.configs["carol"] = ConfigError("it is broken", "mend it", problems=["x" * 400, "unknown key <b>"])
    with pytest.MonkeyPatch.context() as patched:  # no daemon belongs to an instance in memory
        patched.setattr(gather, "sensor_daemon", lambda _instance, _now: (True, ""))
        build_pages(portal.gathering(), folder / "out")
    build_operator(folder / "out", sorted(portal.configs), NOW)
    portal.instance.dispose()
    return folder / "out"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        missing("chromium is not installed")
    with load_script().browser() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tenant", PAGES)
def test_an_accessibility_checker_finds_nothing(out: Path, chromium: Any, tenant: str, scheme: str) -> None:
    # The checker is a script, which the page's policy forbids: it gets a browser that ignores policies.
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 390, "height": 800})
    try:
        page = context.new_page()
        page.goto((out / tenant / "index.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    finally:
        context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("tenant", PAGES)
def test_the_page_fits_and_asks_for_nothing(out: Path, chromium: Any, tmp_path: Path, tenant: str, width: str) -> None:
    context = chromium.new_context(viewport={"width": WIDTHS[width], "height": 900}, java_script_enabled=False)
    asked: list[str] = []
    said: list[str] = []
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        url = (out / tenant / "index.html").as_uri()
        page.goto(url)
        assert [each for each in asked if each != url and not each.startswith("data:")] == []
        assert said == []
        assert page.locator("h2").first.is_visible()
        folder = IMAGES if os.environ.get("ETL_WRITE_IMAGES") else tmp_path
        if tenant == "shop":
            page.screenshot(path=folder / f"tenant-page-{width}.png")
    finally:
        context.close()
    with_script = chromium.new_context(viewport={"width": WIDTHS[width], "height": 900})
    try:
        page = with_script.new_page()
        page.goto((out / tenant / "index.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[width]
        colours = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colours == "rgb(244, 246, 248)"  # the style sheet counts: its hash is the one of the policy
    finally:
        with_script.close()


def test_a_page_that_stays_open_says_that_it_has_grown_old(out: Path, chromium: Any) -> None:
    page = chromium.new_page()
    try:
        page.goto((out / "bob" / "index.html").as_uri())
        note = page.get_by_text("You opened this page more than an hour ago")
        assert not note.is_visible()
        page.evaluate("document.getAnimations().forEach(each => each.currentTime = 3_601_000)")
        assert note.is_visible()
    finally:
        page.close()
