"""Attack on the law "any host": published and rejected rows are of one run, also where two hosts share a bucket.

The lock of a partition was a file of one host: two hosts left the good rows of one run beside the rejected rows of another.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.attack.target import Said, Target
from tests.pipeline.hosts import DAY, Host, make_host, orphans, seen
from tests.servers.object_store import ObjectStore, bucket, object_store

__all__ = ["bucket", "object_store"]


def run(host: Host, fault: str = "") -> Said:
    target = Target(host.project, {**host.more_environ, **({"ETL_FAULT": fault} if fault else {})})
    return target.etl("run", "acme", "--from", DAY, "--to", DAY)


@pytest.mark.slow
def test_two_hosts_run_one_day_at_the_same_time(tmp_path: Path, object_store: ObjectStore, bucket: str) -> None:
    hosts = [make_host(tmp_path / name, object_store, bucket) for name in ("one", "other")]
    results = {15.0: (15, 5), 12.0: (12, 8)}
    for host, limit in zip(hosts, results, strict=True):
        host.judge_by(limit)
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(run, host) for host in hosts]
            while not all(each.done() for each in running):
                seen(object_store, bucket)  # raises where it sees a mixture
            ended = [each.result() for each in running]
        assert 0 in {each.code for each in ended}, ended[0].text
        found = seen(object_store, bucket)
        assert found is not None
        assert found[:2] in results.values()
        assert orphans(object_store, bucket) == 0


@pytest.mark.slow
def test_a_host_dies_between_the_two_objects(tmp_path: Path, object_store: ObjectStore, bucket: str) -> None:
    one, other = (make_host(tmp_path / name, object_store, bucket) for name in ("one", "other"))
    one.judge_by(15.0)
    other.judge_by(12.0)
    assert run(other).code == 0
    before = seen(object_store, bucket)
    assert run(one, "extract.quarantined=kill").code != 0
    assert seen(object_store, bucket) == before
    assert run(other).code == 0
    found = seen(object_store, bucket)
    assert found is not None
    assert found[:2] == (12, 8)
    assert orphans(object_store, bucket) == 0
