"""What only an object store can do wrong: hang, break off, refuse, and give away a secret."""

import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from etl.config import load_tenant
from etl.errors import LakeError
from etl.lake import s3_store
from etl.lake.lake import Lake
from etl.lake.s3_store import S3Store
from etl.pipeline.stage import StageRun
from etl.settings import S3Settings, load_settings
from tests.lake.objects import DAY, provenance_of, publish, ref_of, s3_lake, write
from tests.servers import free_port
from tests.servers.object_store import ObjectStore
from tests.tiny_project import make_project

ROWS = pl.DataFrame({"id": [1, 2, 3]})
SECRET = "a-very-secret-key-for-tests"


def settings_for(endpoint: str) -> S3Settings:
    return S3Settings(endpoint_url=endpoint, access_key_id=SecretStr("AKIATEST"), secret_access_key=SecretStr(SECRET))


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Answers every request with these bytes and closes; `None`: takes the request and says nothing, ever."""
    listening = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_ones.append(connection)
            if answer is not None:
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in open_ones:
            each.close()
        thread.join()


def lake_at(endpoint: str, folder: Path, seconds: float = 0.5) -> Lake:
    store = S3Store(settings_for(endpoint), "bucket", "", timeout_seconds=seconds)
    return Lake(store, folder / "staging", folder / "locks")


def check_no_secret(raised: pytest.ExceptionInfo[LakeError]) -> None:
    text = "".join(traceback.format_exception(raised.value))
    assert SECRET not in text
    assert "X-Amz-Signature" not in text
    assert "AKIATEST" not in text


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n"])
def test_a_store_that_fails_or_hangs_is_an_error_within_its_time_and_names_no_secret(
    tmp_path: Path, answer: bytes | None
) -> None:
    with server(answer) as endpoint:
        lake = lake_at(endpoint, tmp_path)
        with pytest.raises(LakeError, match=r"s3://bucket/acme/extract/orders/dt=2026-01-01/data.parquet") as raised:
            lake.find(ref_of())
        check_no_secret(raised)
        store = S3Store(settings_for(endpoint), "bucket", "", timeout_seconds=0.5)
        staged = tmp_path / "staged.parquet"
        write(ROWS, staged)
        with pytest.raises(LakeError, match=r"s3://bucket/key") as raised:
            store.put("key", staged, None)
        check_no_secret(raised)


def test_a_bucket_that_does_not_exist_is_an_error_not_an_empty_lake(tmp_path: Path, object_store: ObjectStore) -> None:
    lake = s3_lake(tmp_path, object_store.settings, "no-such-bucket")
    with pytest.raises(LakeError, match="s3://no-such-bucket/lake/acme/extract/orders") as raised:
        lake.partitions("acme", "extract", "orders")
    check_no_secret(raised)
    with pytest.raises(LakeError, match="404"):
        publish(lake, ROWS)


def test_an_endpoint_without_credentials_is_named_before_any_request(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no credentials for bucket `bucket`"):
        s3_lake(tmp_path, S3Settings(endpoint_url="http://127.0.0.1:9"), "bucket")


def test_an_object_beyond_one_upload_is_refused_before_it_is_sent(
    tmp_path: Path, object_store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "MAX_BYTES", 100)
    with pytest.raises(LakeError, match="give the pipeline daily partitions"):
        publish(s3_lake(tmp_path, object_store.settings, bucket), ROWS)
    assert object_store.keys(bucket) == []


def test_a_footer_longer_than_the_first_guess_is_read_whole(
    tmp_path: Path, object_store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "_TAIL", 64)
    lake = s3_lake(tmp_path, object_store.settings, bucket)
    assert publish(lake, ROWS) == lake.find(ref_of())


def test_objects_lie_below_the_base_path_and_addresses_hold_no_credentials(
    tmp_path: Path, object_store: ObjectStore, bucket: str
) -> None:
    lake = s3_lake(tmp_path, object_store.settings, bucket)
    with lake.draft(ref_of(None)) as path:
        write(ROWS, path)
        published = lake.publish(ref_of(None), path, provenance_of(ref_of(None), 3))
    assert published.uri == f"s3://{bucket}/lake/acme/extract/orders/data.parquet"
    assert object_store.keys(bucket) == ["lake/acme/extract/orders/data.parquet"]
    assert object_store.secret_key not in lake.scan([ref_of(None)]).explain() + published.model_dump_json()


def test_a_tenants_own_endpoint_and_region_go_before_those_of_the_installation(
    tmp_path: Path, object_store: ObjectStore, bucket: str
) -> None:
    project = make_project(tmp_path)
    own = {"bucket": bucket, "base_path": "own", "endpoint_url": object_store.endpoint, "region": "eu-central-1"}
    project.write_tenant({"storage": own})
    settings = load_settings(
        {**project.environ, **object_store.environ, "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    )
    config = load_tenant("acme", settings)
    run = StageRun(config=config, pipeline=config.pipelines["orders"], partition=DAY, run_id="r", settings=settings)
    assert publish(run.lake, ROWS) == run.lake.find(ref_of())
    assert object_store.keys(bucket) == [f"own/acme/extract/orders/dt={DAY}/data.parquet"]
