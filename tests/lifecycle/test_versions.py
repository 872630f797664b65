"""The lake in a bucket that keeps earlier versions: what was erased is in no version, and another tenant's versions stay."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.cli.start import EXIT_FAILED
from tests.cli.conftest import Etl
from tests.faults.proxy import proxy
from tests.lifecycle.conftest import enter
from tests.lifecycle.scan import files_with
from tests.lifecycle.test_export import tables
from tests.lifecycle.test_subject import delete_in_source
from tests.lifecycle.world import PERSON, TENANTS, World, canary, make_world, pipelines
from tests.servers.object_store import ObjectStore
from tests.servers.seaweed import seaweed
from tests.tiny_project import TinyProject

__all__ = ["seaweed"]
KEY = ("--key", f"person={PERSON}")


class Versioned:
    """A bucket with versioning, and everything that it keeps."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.name = f"etl-test-{uuid.uuid4().hex[:12]}"
        self.client = store.client()
        self.client.create_bucket(Bucket=self.name)
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def versions(self) -> list[tuple[str, str]]:
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name)
        return sorted((each["Key"], each["VersionId"]) for page in pages for each in page.get("Versions", ()))

    def marks(self) -> list[str]:
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name)
        return sorted(each["Key"] for page in pages for each in page.get("DeleteMarkers", ()))

    def present(self, tenant: str) -> dict[str, str]:
        """The tenant's objects with their tags, without the state of its life."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"lake/{tenant}/")
        found = {each["Key"]: each["ETag"] for page in pages for each in page.get("Contents", ())}
        return {key: tag for key, tag in found.items() if "/life/" not in key}

    def with_text(self, text: str, folder: Path) -> list[str]:
        """The keys of versions, present or earlier, that hold the text."""
        for number, (key, version) in enumerate(self.versions()):
            path = folder / str(number) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            answer = self.client.get_object(Bucket=self.name, Key=key, VersionId=version)
            path.write_bytes(answer["Body"].read())
        return [each.partition("/")[2] for each in files_with(text, folder)]


@pytest.fixture
def bucket(seaweed: ObjectStore) -> Versioned:
    return Versioned(seaweed)


@pytest.fixture
def world(tmp_path: Path, bucket: Versioned, monkeypatch: pytest.MonkeyPatch) -> World:
    """Both tenants in one bucket; whose objects and tables lie there and in their own files."""
    root = tmp_path / "world"
    for name, value in {**TinyProject(root / "project", root / "data").environ, **bucket.store.environ}.items():
        monkeypatch.setenv(name, value)
    made = make_world(root)
    for tenant in TENANTS:
        monkeypatch.setenv(f"{tenant.upper()}_BUCKET", bucket.name)
        changes = {
            "assets": {"pipelines": pipelines(tenant)},
            "storage": {"bucket": f"${{{tenant.upper()}_BUCKET}}", "base_path": "lake"},
        }
        made.project.write_tenant(changes, tenant=tenant)
    entered = enter(root, monkeypatch)
    for tenant in TENANTS:
        done = entered.run(tenant)
        assert done.success, [each.message for each in done.all_events if each.is_failure]
    return entered


@pytest.mark.slow
def test_the_whole_life_of_a_tenant_in_a_bucket(
    world: World,
    bucket: Versioned,
    etl: Etl,
    tmp_path: Path,
    elsewhere: Callable[[], World],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [each for each in bucket.versions() if each[0].startswith("lake/acme_eu/")]
    assert others
    assert bucket.with_text(PERSON, tmp_path / "1")
    assert etl("tenant", "retire", "acme", "--confirm", "acme").code == 0
    assert etl("tenant", "retire", "acme", "--undo", "--confirm", "acme").code == 0
    assert len(bucket.versions()) > len(bucket.store.keys(bucket.name))  # the bucket does keep them

    delete_in_source(world)
    said = etl("tenant", "erase-subject", "acme", *KEY, "--confirm", "acme")
    assert said.code == 0, said.out + said.err
    assert [each for each in bucket.with_text(PERSON, tmp_path / "2") if "acme_eu" not in each] == []
    assert bucket.with_text(canary("acme"), tmp_path / "2")

    said = etl("tenant", "export", "acme", "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    before, rows = bucket.present("acme"), tables(world)
    monkeypatch.setenv("ZENITH_BUCKET", bucket.name)
    said = etl("tenant", "rename", "acme", "zenith", "--confirm", "acme")
    assert said.code == 0, said.err
    assert "lake/zenith/extract" in str(bucket.with_text(canary("acme"), tmp_path / "3"))
    said = etl("tenant", "erase", "zenith", "--confirm", "zenith")
    assert said.code == 0, said.out + said.err
    assert bucket.with_text(canary("acme"), tmp_path / "4") == []
    assert sorted(key for key, _ in bucket.versions() if "acme_eu" not in key) == [
        "lake/acme/life/state/data.parquet",
        "lake/zenith/life/state/data.parquet",
    ]
    assert bucket.marks() == []
    assert [each for each in bucket.versions() if each[0].startswith("lake/acme_eu/")] == others
    assert files_with(canary("acme"), *world.folders) == []

    other, second = elsewhere(), Versioned(bucket.store)
    monkeypatch.setenv("ACME_BUCKET", second.name)
    said = etl("tenant", "import", str(tmp_path / "out"))
    assert said.code == 0, said.err
    assert second.present("acme") == before
    assert tables(other) == rows


@pytest.mark.slow
def test_where_nobody_may_look_at_versions_the_erasure_says_so_and_is_not_green(
    world: World, bucket: Versioned, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(bucket.store.endpoint) as store:
        monkeypatch.setenv("S3_ENDPOINT_URL", store.url)
        store.forbidden = "versions="
        assert etl("tenant", "erase", "acme").code == 3
        said = etl("tenant", "erase-subject", "acme", *KEY, "--confirm", "acme")
        assert said.code == 3
        assert "s3:ListBucketVersions" in said.out

        store.forbidden = "versionId="  # as of a bucket whose versions are locked
        said = etl("tenant", "erase-subject", "acme", "--key", "person=4711004", "--confirm", "acme")
        assert said.code != 0
        assert "could not be looked at" in said.out + said.err
        store.forbidden = ""
        assert etl("tenant", "erase-subject", "acme", "--key", "person=4711004", "--confirm", "acme").code == 0

        store.forbidden = "versions="
        said = etl("tenant", "erase", "acme", "--confirm", "acme")
        assert said.code == 3
        assert "NOT EXAMINED: earlier versions" in said.out
    (path,) = (world.project.root / "certificates").glob("erased-*.json")
    assert "s3:ListBucketVersions" in json.loads(path.read_text())["not_examined"][0]["do"]
    assert "NOT EXAMINED" in path.with_suffix(".txt").read_text()


@pytest.mark.slow
def test_versions_that_the_store_does_not_give_up_are_left_and_the_erasure_fails(
    world: World, bucket: Versioned, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(bucket.store.endpoint) as store:
        monkeypatch.setenv("S3_ENDPOINT_URL", store.url)
        store.forbidden = "versionId="
        said = etl("tenant", "erase", "acme", "--confirm", "acme")
        assert said.code == EXIT_FAILED
        assert "earlier versions" in said.err
        store.forbidden = ""
        said = etl("tenant", "erase", "acme", "--confirm", "acme")
        assert said.code == 0, said.err
    assert [key for key, _ in bucket.versions() if "acme_eu" not in key] == ["lake/acme/life/state/data.parquet"]
