"""Two at work on one partition: published and rejected rows are always of one run, and no row is lost or doubled."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable

import pytest

from etl.config import load_tenant
from etl.errors import LakeError
from etl.pipeline.quarantine import discard, history, rejected_rows
from etl.settings import load_settings
from tests.pipeline.stages import kept, lake_rows, run_stages
from tests.pipeline.test_quarantine import DAY, judge_by
from tests.tiny_project import TinyProject

LONG_ENOUGH = 3.0
"""Seconds that whoever could go on needs to do so; whoever is made to wait is still there."""


class Other(threading.Thread):
    """Another run of the partition, by other rules."""

    def __init__(self, project: TinyProject, limit: int) -> None:
        super().__init__()
        self._project = project
        self.lost: LakeError | None = None
        judge_by(project, limit)
        self.start()

    def run(self) -> None:
        try:
            run_stages(self._project, ("transfer",), DAY, run_id="other")
        except LakeError as error:
            self.lost = error


def at(monkeypatch: pytest.MonkeyPatch, module: str, point: str, do: Callable[[], object]) -> None:
    """Do something when this thread reaches a point for the first time."""
    waiting = [do]
    mine = threading.current_thread()

    def reach(name: str) -> None:
        if name == point and waiting and threading.current_thread() is mine:
            waiting.pop()()

    monkeypatch.setattr(f"etl.pipeline.{module}.reach", reach)


def rejected_and_good(project: TinyProject) -> tuple[int, int]:
    rows, place = lake_rows(project), f"orders/dt={DAY}/data.parquet"
    return kept(project, day=DAY).height, rows[f"acme/transfer/{place}"].height


@pytest.fixture
def extracted(project: TinyProject) -> TinyProject:
    judge_by(project, 1500)
    run_stages(project, ("extract",), DAY)
    return project


@pytest.mark.parametrize(
    ("limit", "point"),
    [(1500, "staged"), (1500, "audited"), (1500, "split"), (5000, "staged"), (5000, "audited")],  # 5000: whole
)
def test_a_run_that_was_overtaken_publishes_neither_its_good_nor_its_rejected_rows(
    extracted: TinyProject, monkeypatch: pytest.MonkeyPatch, limit: int, point: str
) -> None:
    judge_by(extracted, limit)
    at(monkeypatch, "publish", f"transfer.{point}", lambda: Other(extracted, 1300).join())
    with pytest.raises(LakeError, match="has changed since this run began: run `other` published it"):
        run_stages(extracted, ("transfer",), DAY, run_id="overtaken")
    assert rejected_and_good(extracted) == (7, 13)


def test_a_run_that_finds_its_very_rows_published_meanwhile_is_no_failure(
    extracted: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stages(extracted, ("transfer",), DAY, run_id="before")
    judge_by(extracted, 5000)
    run_stages(extracted, ("transfer",), DAY, run_id="whole")
    judge_by(extracted, 4000)
    at(monkeypatch, "publish", "transfer.audited", lambda: Other(extracted, 4000).join())
    run_stages(extracted, ("transfer",), DAY, run_id="the same")
    assert rejected_and_good(extracted) == (0, 20)


def test_a_run_is_overtaken_from_the_moment_it_reads_its_inputs(
    extracted: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer() -> None:
        with contextlib.closing(sqlite3.connect(extracted.source)) as connection, connection:
            connection.execute("UPDATE orders SET amount = 99 WHERE order_id = 101")
        run_stages(extracted, ("extract", "transfer"), DAY, run_id="other")

    at(monkeypatch, "transfer", "transfer.start", newer)
    with pytest.raises(LakeError, match="run `other` published it"):
        run_stages(extracted, ("transfer",), DAY, run_id="overtaken")
    assert rejected_and_good(extracted) == (6, 14)


def test_rejected_and_good_rows_are_of_one_run(extracted: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other would publish its rejected rows between the two of this run, and then find its good ones overtaken."""
    others: list[Other] = []
    between, done = threading.Event(), threading.Event()

    def reach(name: str) -> None:
        if name != "transfer.quarantined":
            return
        if others:  # the other one, which nobody keeps out
            between.set()
            done.wait(LONG_ENOUGH)
            return
        others.append(Other(extracted, 1300))
        between.wait(LONG_ENOUGH)

    monkeypatch.setattr("etl.pipeline.publish.reach", reach)
    run_stages(extracted, ("transfer",), DAY, run_id="first")
    done.set()
    others[0].join()
    assert rejected_and_good(extracted) == (5, 15)
    assert "run `first` published it" in str(others[0].lost)


def test_a_whole_publish_forgets_no_rows_that_another_run_rejects(
    extracted: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[Other] = []

    def other() -> None:
        others.append(Other(extracted, 1500))
        others[0].join(LONG_ENOUGH)

    run_stages(extracted, ("transfer",), DAY, run_id="before")
    judge_by(extracted, 5000)
    at(monkeypatch, "publish", "transfer.published", other)
    run_stages(extracted, ("transfer",), DAY, run_id="whole")
    others[0].join()
    assert sum(rejected_and_good(extracted)) == 20


def test_a_discard_deletes_no_rows_that_a_run_rejects_meanwhile(
    extracted: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stages(extracted, ("transfer",), DAY, run_id="before")
    settings = load_settings(extracted.environ)
    config = load_tenant("acme", settings)
    (listed,) = rejected_rows(config, settings)
    others: list[Other] = []

    def other() -> None:
        others.append(Other(extracted, 1300))
        others[0].join(LONG_ENOUGH)

    at(monkeypatch, "quarantine", "quarantine.decided", other)
    with pytest.raises(LakeError, match="have changed since they were listed; nothing was discarded"):
        discard(config, settings, listed, "why")
    others[0].join()
    assert rejected_and_good(extracted) == (7, 13)
    assert history(settings, "acme") == ()
    assert others[0].lost is None
