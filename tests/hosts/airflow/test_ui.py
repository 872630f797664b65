"""A person sees the verdict of a failed task in the pages of Airflow."""

import os
import re
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.hosts.airflow.servers import Airflow, wait_for

CHROMIUM = "/usr/bin/chromium"
DAG, TASK = "quality_users", "validate_user_data"


def test_the_page_of_a_failed_task_shows_the_verdict(airflow: Airflow, tmp_path: Path) -> None:
    runs = wait_for("the run of the schedule", lambda: airflow.ask(f"/api/v2/dags/{DAG}/dagRuns")["dag_runs"])
    run = runs[0]["dag_run_id"]
    assert airflow.ended(DAG, run) == "failed"
    # ETL_SCREENSHOTS is where `docs/images` gets its picture from.
    picture = Path(os.environ.get("ETL_SCREENSHOTS") or tmp_path) / "airflow-failed-check.png"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.set_default_timeout(120_000)  # a busy machine shows a page late
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/{TASK}/xcom", wait_until="networkidle")
        page.get_by_label(re.compile("expand all", re.IGNORECASE)).first.click()
        page.locator(".view-lines").get_by_text("failed_count").first.wait_for()
        in_xcom = page.inner_text("body").replace("\xa0", " ")
        page.screenshot(path=picture)
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/{TASK}", wait_until="networkidle")
        page.get_by_text("rules passed over").first.wait_for()
        in_log = page.inner_text("body")
        page.screenshot(path=picture.with_name("airflow-failed-log.png"))
        browser.close()
    assert "Failed" in in_xcom
    for words in ('"status": "failed"', '"row_count": 3', '"rule_count": 3', '"failed_count": 3', '"error_count": 0'):
        assert words in in_xcom
    for words in ("not_null__user_id: 1 of 3 rows failed", "unique__user_id: 2 of 2 rows failed"):
        assert words in in_log
