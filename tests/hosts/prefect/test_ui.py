"""The failing check as people see it: Prefect's pages in a headless Chromium, compared with `check()`.

    ETL_PICTURES=docs/images python -m pytest --confcutdir=tests/hosts tests/hosts/prefect/test_ui.py

With `ETL_PICTURES` the pictures of docs/prefect.md are taken again.
"""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from etl.quality import check
from tests.hosts.prefect.reading import Api
from tests.hosts.prefect.servers import EXAMPLES

SECONDS = 60
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def failed_run() -> tuple[str, list[tuple[str, ...]]]:
    """A run of the page's first flow, and what `check()` says about its data by itself."""
    spec = importlib.util.spec_from_file_location("first_check", EXAMPLES / "flows" / "first_check.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state = module.first_check(return_state=True)
    result = state.result(raise_on_failure=False).result
    again = check(pl_orders(), [each.rule for each in result.results])
    return str(state.state_details.flow_run_id), [
        (each.check_name, each.status, str(each.failed_count), str(each.total_count)) for each in again.results
    ]


def pl_orders() -> list[dict[str, Any]]:
    return [{"order_id": number, "amount": amount} for number, amount in ((1, 10.0), (2, -3.5), (2, 7.25), (4, -1.0))]


def seen(page: Page, text: str) -> None:
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=SECONDS * 1000)


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("ETL_PICTURES"):
        page.wait_for_timeout(2000)
        page.screenshot(path=Path(folder) / name)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_people_see_the_verdict_of_the_check(api: Api) -> None:
    run, wanted = failed_run()
    address = api.address.removesuffix("/api")
    report = api.artifacts(run)["orders"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(120_000)  # a busy machine shows a page late
        page.goto(f"{address}/runs/flow-run/{run}")
        seen(page, "Failed")
        page.get_by_text("Artifacts", exact=True).locator("visible=true").first.click()
        seen(page, "orders-rules")
        picture(page, "prefect-run.png")
        page.set_viewport_size({"width": 1300, "height": 520})
        page.goto(f"{address}/artifacts/artifact/{report['id']}")
        seen(page, "Quality check of orders: FAILED")
        rows = [row.locator("td").all_inner_texts() for row in page.locator("table tr").all()]
        picture(page, "prefect-artifact.png")
        chromium.close()
    shown = {(cells[0], cells[2], cells[4], cells[5]) for cells in rows if len(cells) == 7}
    assert shown == set(wanted)
