"""A person sees the verdict of a failed task in the pages of Airflow."""

import os
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
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/{TASK}/xcom", wait_until="networkidle")
        page.get_by_text("quality", exact=True).first.wait_for(timeout=60_000)
        page.get_by_text("failed_count").first.wait_for()
        shown = page.inner_text("body")
        page.screenshot(path=picture)
        browser.close()
    assert "Failed" in shown
    for words in ("not_null__user_id", "1 of 3 rows failed", "unique__user_id", "2 of 2 rows failed"):
        assert words in shown
