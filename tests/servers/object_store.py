"""An S3-compatible server on loopback for tests, or the one that ETL_TEST_S3_ENDPOINT names."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from etl.settings import S3Settings


@dataclass(frozen=True)
class ObjectStore:
    """Where the server is, and a client of the tests' own."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def settings(self) -> S3Settings:
        return S3Settings(
            endpoint_url=self.endpoint,
            region="us-east-1",
            access_key_id=SecretStr(self.access_key),
            secret_access_key=SecretStr(self.secret_key),
        )

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            "S3_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def keys(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.client().list_objects_v2(Bucket=bucket).get("Contents", [])]

    def pending_uploads(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One server per test process."""
    with serving() as server:
        yield server


@contextlib.contextmanager
def serving() -> Iterator[ObjectStore]:
    """An S3 server while the block runs."""
    endpoint = os.environ.get("ETL_TEST_S3_ENDPOINT")
    if endpoint:
        access = os.environ.get("AWS_ACCESS_KEY_ID", "testing")
        yield ObjectStore(endpoint, access, os.environ.get("AWS_SECRET_ACCESS_KEY", "testing"))
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait(endpoint, process)
        yield ObjectStore(endpoint, "AKIATESTACCESSKEY", "a-very-secret-key-for-tests")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bucket(object_store: ObjectStore) -> Iterator[str]:
    """An empty bucket of the test's own."""
    name = f"etl-test-{uuid.uuid4().hex[:12]}"
    client = object_store.client()
    client.create_bucket(Bucket=name)
    yield name
    try:
        for key in object_store.keys(name):
            client.delete_object(Bucket=name, Key=key)
        client.delete_bucket(Bucket=name)
    except ClientError:
        return


def _wait(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(endpoint, timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the object store ended at once") from None
            time.sleep(0.05)
    raise RuntimeError("the object store did not come up in 30 s")
