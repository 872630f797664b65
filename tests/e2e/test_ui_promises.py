"""Promises in Dagster's UI, in a real browser: the sensor and its ticks, a broken promise, the freshness state beside it.

The past is written into the event log, `dagster dev` does the rest: its daemon ticks the sensor and judges freshness.
With ETL_WRITE_IMAGES=1 the pictures go to docs/images.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from etl.settings import Settings
from tests.e2e.servers import Server, dagster_dev, wait_for
from tests.e2e.test_ui import load_script
from tests.installation import REPOSITORY
from tests.running.promised_world import World, publish
from tests.servers import missing
from tests.tiny_project import TinyProject, make_project

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]

IMAGES = REPOSITORY / "docs" / "images"
ASSET = "assets/acme/load/orders"
SENSOR = "acme_sla_sensor"
SLA = {
    "freshness": {"deadline": "0 9 * * *", "max_age_hours": 26},
    "min_row_count": 20,
    "max_execution_time_seconds": 7200,
    "max_consecutive_failures": 3,
}
STAGES = ("extract", "transfer", "load")
LAST_TICK = """query($name: String!) { sensorOrError(sensorSelector: {
    repositoryLocationName: "acme", repositoryName: "__repository__", sensorName: $name
}) { ... on Sensor { sensorState { status ticks(limit: 1) { status skipReason error { message } } } } } }"""
FRESHNESS = """{ assetNodeOrError(assetKey: {path: ["acme", "load", "orders"]}) {
    ... on AssetNode { freshnessStatusInfo { freshnessStatus } } } }"""


@dataclass(frozen=True)
class Seen:
    """The words of each page as the browser had it, and where the pictures are."""

    pictures: Path
    words: dict[str, str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        missing("chromium is not installed")
    folder = tmp_path_factory.mktemp("promises")
    project = make_project(folder)
    project.write_pipeline({"sla": SLA, "partitions": {"end": None}})
    publish_until_three_days_ago(project)
    script = load_script()
    with (
        dagster_dev(["-w", "workspace.yaml"], project.process_environ, project.root, folder / "log") as server,
        script.browser() as chromium,
    ):
        wait_for(lambda: ticked(server), 240, server)
        wait_for(lambda: freshness(server) == "DEGRADED", 240, server)
        page = chromium.new_page(viewport={"width": 1400, "height": 760})
        page.set_default_timeout(120_000)  # a busy machine shows a page late
        found = Seen(IMAGES if os.environ.get("ETL_WRITE_IMAGES") else folder, {})
        for name, open_page in PAGES.items():
            open_page(script, page, server.url)
            if name.startswith("sla-"):
                page.screenshot(path=found.pictures / f"{name}.png")
            found.words[name] = page.inner_text("body")
        yield found


def publish_until_three_days_ago(project: TinyProject) -> None:
    """Each morning the day before, as it was promised; then nothing ran any more."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        world = World(instance, "acme")
        for back in (6, 5, 4, 3):
            end = midnight - timedelta(days=back)  # nine in Seoul
            day = (end - timedelta(days=1)).date().isoformat()
            world.run("orders", end - timedelta(hours=1), end, partition=day, stages=STAGES, rows=20)
            publish(Settings(project_dir=project.root, data_dir=project.data), "acme", "orders", day, "transfer")


def ticked(server: Server) -> bool:
    """Whether a tick of the sensor, which nobody switched on, has ended well."""
    state = server.ask(LAST_TICK, name=SENSOR)["sensorOrError"]["sensorState"]
    assert state["status"] == "RUNNING"
    for tick in state["ticks"]:
        assert tick["status"] != "FAILURE", tick["error"]
    return [tick["status"] for tick in state["ticks"]] == ["SKIPPED"]


def freshness(server: Server) -> str:
    """What Dagster's own daemon says about the asset."""
    found = server.ask(FRESHNESS)["assetNodeOrError"]["freshnessStatusInfo"]
    return str(found and found["freshnessStatus"])


def open_sensors(script: Any, page: Any, url: str) -> None:
    """All sensors and schedules."""
    page.goto(f"{url}/automation")
    script.seen(page, SENSOR)


def open_sensor(script: Any, page: Any, url: str) -> None:
    """The sensor's ticks, and what the last one says."""
    page.goto(f"{url}/locations/__repository__@acme/sensors/{SENSOR}")
    script.seen(page, "View logs")
    page.wait_for_timeout(2000)
    page.get_by_text("0 runs requested").locator("visible=true").first.hover()
    script.seen(page, "promise(s)")


def open_check(script: Any, page: Any, url: str) -> None:
    """The check of the asset."""
    page.goto(f"{url}/{ASSET}?view=checks")
    script.seen(page, "Failed")
    page.get_by_text("sla", exact=True).locator("visible=true").first.click()
    script.seen(page, "deadline:")
    page.wait_for_timeout(3000)


def open_asset(script: Any, page: Any, url: str) -> None:
    """The asset, with its freshness state."""
    page.goto(f"{url}/{ASSET}?view=overview")
    script.seen(page, "Freshness policy")
    page.wait_for_timeout(3000)


PAGES: dict[str, Callable[[Any, Any, str], None]] = {
    "sensors": open_sensors,
    "sla-sensor": open_sensor,
    "sla-check": open_check,
    "sla-freshness": open_asset,
}


def test_the_sensor_is_listed_and_its_tick_says_how_promises_stand(seen: Seen) -> None:
    assert SENSOR in seen.words["sensors"]
    assert "5 promise(s) of 1 pipeline(s): 3 on track, 2 broken" in seen.words["sla-sensor"]


def test_a_broken_promise_is_a_failed_check_that_says_what_was_due(seen: Seen) -> None:
    words = seen.words["sla-check"]
    lines = words.split("\n")
    assert lines[lines.index("sla") :][:3] == ["sla", "sla", "Failed"]
    due = (datetime.now(UTC) - timedelta(days=1)).date()
    assert re.search(rf"deadline: {due} due {due + timedelta(days=1)} 09:00 KST; it is not there", words)
    for name in ("actual", "due", "partition", "promise", "promises", "runs", "since", "state", "threshold"):
        assert name in lines
    assert "broken" in lines


def test_the_freshness_state_of_the_asset_is_seen_beside_it(seen: Seen) -> None:
    words = " ".join(seen.words["sla-freshness"].split())
    assert "Freshness policy Failed" in words
    assert "Deadline: At 09:00 AM GMT+9" in words


@pytest.mark.parametrize("name", ["sla-sensor.png", "sla-check.png", "sla-freshness.png"])
def test_the_pictures_are_pictures_and_those_of_the_documents_are_small(seen: Seen, name: str) -> None:
    for path in (seen.pictures / name, IMAGES / name):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert 20_000 < len(content) < 300_000, path
