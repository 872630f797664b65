"""Two hosts that share a bucket and nothing else have one count; also if both ask at the same moment."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl.config import load_tenant
from etl.pipeline.stage import lake_of
from etl.quotas.usage import usage_of
from etl.settings import load_settings
from tests.pipeline.hosts import Host, make_host
from tests.quotas.conftest import write_quotas
from tests.servers.object_store import ObjectStore, bucket, object_store

__all__ = ["bucket", "object_store"]
pytestmark = pytest.mark.slow


@pytest.fixture
def hosts(tmp_path: Path, object_store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Host, Host]:
    one, other = (make_host(tmp_path / name, object_store, bucket) for name in ("one", "other"))
    for name, value in one.more_environ.items():
        monkeypatch.setenv(name, value)
    for each in (one, other):
        each.judge_by(None)
        write_quotas(each.project, "defaults: {rows_per_day: 30}")
    return one, other


def used(host: Host) -> int | None:
    settings = load_settings({**host.project.environ, **host.more_environ})
    with lake_of(load_tenant("acme", settings), settings) as lake:
        return usage_of("acme", settings, lake, datetime.now(UTC))[0].used


def test_what_one_host_used_is_missing_on_the_other(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    assert one.extract("one") == ""
    refused = other.extract("other")
    assert "20 rows more would make 40 rows (133%) of the 30 rows a day" in refused
    assert used(one) == used(other) == 20


def test_two_hosts_that_ask_at_once_do_not_both_publish(hosts: tuple[Host, Host]) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda host=host: found.append(host.extract("at-once"))) for host in hosts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(bool(each) for each in found) == [False, True]
    assert used(hosts[0]) == 20
