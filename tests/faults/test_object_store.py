"""The object store fails, loses its answer or hangs on the n-th request of a run, spread over all of them."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.errors import EtlError
from etl.lake.s3_store import S3Store
from tests.faults.conftest import Worlds
from tests.faults.proxy import Proxy, proxy
from tests.faults.world import STAGES, Seen, World, same
from tests.servers.object_store import ObjectStore

Servers = Callable[[str], Mapping[str, Any]]
FAULTS = ("refuse", "break", "lose")
# By default a sixth of the requests for each fault, each time other ones.
EVERY = bool(os.environ.get("ETL_TEST_EVERY_REQUEST"))
SECRET = "a-very-secret-key"


@pytest.fixture
def between(object_store: ObjectStore) -> Iterator[Proxy]:
    with proxy(object_store.endpoint) as made:
        yield made


def behind(world: World, between: Proxy) -> World:
    return replace(world, more_environ={**(world.more_environ or {}), "S3_ENDPOINT_URL": between.url})


def run_until_an_error(world: World) -> str | None:
    """The stage that failed, if one did."""
    for stage in STAGES:
        try:
            world.run((stage,), world.day, "stopped")
        except EtlError as error:
            check_message(error)
            return stage
    return None


def check_message(error: EtlError) -> None:
    assert "s3://" in error.problem
    assert error.hint
    assert SECRET not in str(error)
    assert "X-Amz-Signature" not in str(error)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_fails_on_the_nth_request_shows_old_or_new_and_is_repeated(
    worlds: Worlds, servers: Servers, tmp_path: Path, between: Proxy, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    given = servers("s3")
    end = worlds.undisturbed("s3", given)
    world = worlds.prepared("s3", tmp_path / "0", given)
    between.arm(None)
    assert run_until_an_error(behind(world, between)) is None
    requests = between.requests
    assert requests >= 8
    same(Seen.of(world), end)
    failed = 0
    chosen = range(1, requests + 1)[0 if EVERY else FAULTS.index(fault) * 2 :: 1 if EVERY else 6]
    for nth in chosen:
        world = worlds.prepared("s3", tmp_path / str(nth), given)
        before = Seen.of(world)
        between.arm(nth, fault)
        failed += run_until_an_error(behind(world, between)) is not None
        between.arm(None)
        assert given["s3"].pending_uploads(given["bucket"]) == []
        seen = Seen.of(world)
        for name, rows in seen.objects.items():
            assert rows.equals(before.objects[name]) or rows.equals(end.objects[name]), (nth, name)
        assert seen.rows.equals(before.rows) or seen.rows.equals(end.rows)
        assert world.leftovers() == []
        world.run(STAGES, world.day, "again")
        same(Seen.of(world), end)
        world.check_agreement()
    # What a run can do without (other days' numbers of rows, removing what nobody names) is told and does not stop it.
    told = sum("s3://" in each.getMessage() for each in caplog.records)
    assert failed + told >= len(chosen) - 1  # a connection that is given up anyhow may break unnoticed


def test_a_store_that_hangs_is_an_error_within_its_time(
    worlds: Worlds, servers: Servers, tmp_path: Path, between: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = servers("s3")
    end = worlds.undisturbed("s3", given)
    for nth in (1, 5):
        world = worlds.prepared("s3", tmp_path / str(nth), given)
        between.arm(nth, "hang")
        monkeypatch.setattr(S3Store.__init__, "__kwdefaults__", {"timeout_seconds": 2.0})
        assert run_until_an_error(behind(world, between)) is not None
        monkeypatch.undo()
        between.arm(None)
        assert world.leftovers() == []
        world.run(STAGES, world.day, "again")
        same(Seen.of(world), end)
