"""Published and rejected rows are one decision, also where two hosts that share nothing but a bucket take it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.world import finish, start
from tests.pipeline.hosts import Host, extract_in_process, make_host, orphans, seen
from tests.servers.object_store import ObjectStore

POINTS = ("extract.staged", "extract.split", "extract.quarantined", "extract.published")
RESULTS = {12.0: (12, 8), 15.0: (15, 5), None: (20, 0)}


@pytest.fixture
def hosts(tmp_path: Path, object_store: ObjectStore, bucket: str) -> tuple[Host, Host]:
    one, other = (make_host(tmp_path / name, object_store, bucket) for name in ("one", "other"))
    one.judge_by(15.0)
    other.judge_by(12.0)
    return one, other


def when_at(monkeypatch: pytest.MonkeyPatch, point: str, do: Callable[[], object]) -> None:
    """Do something when this thread reaches the point for the first time."""
    waiting, mine = [do], threading.current_thread()

    def reach(name: str) -> None:
        if name == point and waiting and threading.current_thread() is mine:
            waiting.pop()()

    monkeypatch.setattr("etl.pipeline.publish.reach", reach)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("mine", [15.0, None])
@pytest.mark.parametrize("theirs", [12.0, None])
@pytest.mark.parametrize("point", POINTS)
def test_another_host_publishes_in_between(
    hosts: tuple[Host, Host],
    object_store: ObjectStore,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    mine: float | None,
    theirs: float | None,
    point: str,
) -> None:
    one, other = hosts
    if before:
        one.judge_by(19.0)
        assert one.extract("earlier") == ""
    one.judge_by(mine)
    other.judge_by(theirs)
    refused: list[str] = []

    def between() -> None:
        refused.append(other.extract("theirs"))
        if mine is None and theirs is None and point == "extract.published":
            assert seen(object_store, bucket) == (20, 0, "mine")  # the very same rows: left alone
            return
        assert seen(object_store, bucket) == (*RESULTS[theirs], "theirs")

    when_at(monkeypatch, point, between)
    lost = one.extract("mine")
    if not refused:  # nothing is split or rejected where there is no rule
        assert (mine, lost) == (None, "")
        assert seen(object_store, bucket) == (20, 0, "mine")
        return
    assert refused == [""]
    same = mine is None and theirs is None
    if point != "extract.published":
        assert same or "has changed since this run began: run `theirs` published it" in lost
    last = "mine" if same and point == "extract.published" else "theirs"
    assert seen(object_store, bucket) == (*RESULTS[theirs], last)
    assert orphans(object_store, bucket) == 0


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize(
    "point", ["extract.split", "lake.uploaded", "extract.quarantined", "lake.upload.begin@2", "lake.uploaded@2"]
)
def test_a_host_dies_and_another_goes_on(
    hosts: tuple[Host, Host], object_store: ObjectStore, bucket: str, point: str, resumed: bool
) -> None:
    one, other = hosts
    assert other.extract("earlier") == ""
    assert finish(start(extract_in_process, one, "dead", f"{point}=kill")) == -9
    expected = (15, 5, "dead") if point == "lake.uploaded@2" else (12, 8, "earlier")
    assert seen(object_store, bucket) == expected
    assert (one if resumed else other).extract("next") == ""
    assert seen(object_store, bucket) == ((15, 5, "next") if resumed else (12, 8, "next"))
    assert orphans(object_store, bucket) == 0


@pytest.mark.slow
def test_two_processes_at_once_and_a_reader_that_looks_all_the_time(
    hosts: tuple[Host, Host], object_store: ObjectStore, bucket: str
) -> None:
    found = set()
    for at in range(6):
        both = [start(extract_in_process, host, f"{at}-{name}", "") for name, host in zip("ab", hosts, strict=True)]
        while any(each.is_alive() for each in both):
            found.add(seen(object_store, bucket))
        for each in both:
            finish(each)
    last = seen(object_store, bucket)
    assert last in {(15, 5, "5-a"), (12, 8, "5-b")}
    assert len(found) > 1
    assert orphans(object_store, bucket) == 0
