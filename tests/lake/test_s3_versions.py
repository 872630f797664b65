"""Requests for earlier versions are signed as the store's own library signs them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from etl.lake.s3_versions import signature

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "address", "query"),
    [
        ("GET", "http://127.0.0.1:8333/bucket/", "prefix=lake%2Facme%2F&versions="),
        ("DELETE", "https://s3.eu-central-1.amazonaws.com/bucket/a/dt%3D2026-01-01/x.parquet", "versionId=a.b_C"),
        ("GET", "https://store.example/bucket/a%20b/%EC%84%9C%EC%9A%B8.parquet", "versionId=null"),
    ],
)
def test_a_request_has_the_signature_of_the_stores_own_library(
    method: str, address: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.auth

    login = ("AKIAEXAMPLE", "the/secret+key", "eu-central-1")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_a, **_k: NOW.replace(tzinfo=None))
    request = AWSRequest(method=method, url=f"{address}?{query}")
    request.context["signing"] = {"disableDoubleEncoding": True}
    auth: Any = S3SigV4Auth(Credentials(*login[:2]), "s3", login[2])
    auth.add_auth(request)
    ours = signature(method, address, query, login, NOW)
    assert ours["Authorization"] == request.headers["Authorization"]
