"""The pictures of docs/images, taken from Dagster's UI in a headless Chromium, on a copy of the demo's data.

    make demo && .venv/bin/python scripts/screenshots.py

In the copy one rule of one tenant is made impossible, so that the pictures show a failed check beside a warned one.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TENANT = "project_01"
DAY = "2026-01-05"
GOOD_PATTERN, IMPOSSIBLE_PATTERN = "^LOT[0-9]{6}$", "^LOT[0-9]{5}$"
FAILED_CHECK = "regex__lot_id"
LAST_ASSET = "wip_dashboard"
SECONDS = 240


def main() -> None:
    """Copy the project, break a rule, run the day, start the UI, take the pictures."""
    parser = argparse.ArgumentParser(description="Take the pictures of docs/images.")
    parser.add_argument("--data", type=Path, default=PROJECT / ".data", help="data folder of a finished `etl demo`")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "images", help="where the pictures go")
    arguments = parser.parse_args()
    if not (arguments.data / "warehouse" / f"{TENANT}.duckdb").is_file():
        sys.exit(f"{arguments.data} holds no demo: run `make demo` first")
    with tempfile.TemporaryDirectory(prefix="etl_screenshots_") as folder:
        environ = copy_with_a_broken_rule(arguments.data, Path(folder))
        with served(environ) as url, browser() as chromium:
            for path in take(chromium, url, arguments.out, environ):
                print(path)


def copy_with_a_broken_rule(data: Path, folder: Path) -> dict[str, str]:
    """The project with one rule that no row can keep, and the demo's data; the environment to work in it."""
    project = folder / "project"
    for name in ("tenants", "dbt_projects"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copyfile(PROJECT / name, project / name)
    shutil.copytree(data, folder / "data", ignore=shutil.ignore_patterns("locks", "staging"))
    config = project / "tenants" / TENANT / "config.yaml"
    text = config.read_text(encoding="utf-8")
    if GOOD_PATTERN not in text:
        sys.exit(f"the rule to break, {GOOD_PATTERN}, is no longer in {config}")
    config.write_text(text.replace(GOOD_PATTERN, IMPOSSIBLE_PATTERN), encoding="utf-8")
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_ENVIRONMENT": "dev",
        "ETL_PROJECT_DIR": str(project),
        "ETL_DATA_DIR": str(folder / "data"),
        "DAGSTER_HOME": str(folder / "data" / "dagster"),
    }


@contextlib.contextmanager
def served(environ: Mapping[str, str]) -> Iterator[str]:
    """Dagster's web server on a free port of loopback; no daemon is needed to look."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [BIN / "dagster-webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command,
        cwd=environ["ETL_PROJECT_DIR"],
        env=environ,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("Dagster's web server did not start")
            time.sleep(0.5)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5):  # noqa: S310  our own server on loopback
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is not needed."""
    executable = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        try:
            yield chromium
        finally:
            chromium.close()


def take(chromium: Browser, url: str, out: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Each picture, when what it is to show is on the page."""
    out.mkdir(parents=True, exist_ok=True)
    page = chromium.new_page(viewport={"width": 1900, "height": 900})
    page.add_init_script("localStorage.setItem('asset-graph-direction', '\"vertical\"')")
    open_graph(page, url)
    yield _picture(page, out / "asset-graph.png")
    command = [BIN / "etl", "run", TENANT, "--pipeline", "lot_history", "--from", DAY]
    subprocess.run(command, cwd=environ["ETL_PROJECT_DIR"], env=environ, stdout=subprocess.DEVNULL, check=False)
    page.set_viewport_size({"width": 1400, "height": 900})
    open_checks(page, url)
    yield _picture(page, out / "checks.png")


def open_graph(page: Page, url: str) -> None:
    """The tenant's group, from its tables to its marts, with nothing beside it."""
    page.goto(f"{url}/locations/__repository__@{TENANT}/asset-groups/CD/lineage")
    seen(page, LAST_ASSET)
    page.get_by_text("Hide navigation").click()
    page.reload()  # the graph is laid out for the room that it has now
    seen(page, LAST_ASSET)
    page.wait_for_timeout(3000)  # and comes to rest


def open_checks(page: Page, url: str) -> None:
    """The checks of an asset, one row per rule, and what the failed one says."""
    page.goto(f"{url}/assets/{TENANT}/transfer/lot_history?view=checks")
    seen(page, FAILED_CHECK)
    page.get_by_text(FAILED_CHECK).locator("visible=true").first.click()
    seen(page, "failed for")
    page.wait_for_timeout(3000)


def seen(page: Page, text: str) -> None:
    """Wait until the text is on the page."""
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=SECONDS * 1000)


def _picture(page: Page, path: Path) -> Path:
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
