"""Earlier versions of objects in a bucket with versioning: they are listed, read and removed.

Belongs here: the requests for versions, which the client library of `s3_store` does not have, and their signature. Not
here: the present objects (`s3_store`), and what is removed when (`etl.lifecycle`).

In a bucket with versioning, an object that is deleted or replaced stays as an earlier version, with all its rows. A
deletion leaves a mark, whose key is the name of the object. If the store does not list versions, or the keys may not do
it, that is an error: nothing is known about earlier versions then.
"""

import hashlib
import hmac
import http
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

from etl.errors import LakeError
from etl.lake.store import Version, VersionsUnknownError
from etl.secrets.scrub import scrub
from etl.settings import S3Settings

_BLOCK = 1 << 20
_REFUSED = {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}
_NONE = hashlib.sha256(b"").hexdigest()


class S3Versions:
    """The versions of the objects of one bucket."""

    def __init__(self, settings: S3Settings, bucket: str, timeout_seconds: float) -> None:
        self._settings = settings
        self._bucket = bucket
        self._timeout = timeout_seconds
        start = (settings.endpoint_url or f"https://s3.{settings.region}.amazonaws.com").rstrip("/")
        self._address = f"{start}/{quote(bucket)}"

    def list(self, prefix: str) -> Iterator[Version]:
        """Yield every version and mark below a prefix."""
        after: dict[str, str] = {}
        while True:
            with self._answer("GET", "", {"versions": "", "prefix": prefix, **after}) as answer:
                try:
                    page = ET.fromstring(answer.read())  # noqa: S314  an answer of the platform's own store
                except ET.ParseError as error:
                    raise self._unknown(f"the store's answer is no XML: {error}") from None
            if not page.tag.endswith("ListVersionsResult"):
                raise self._unknown("the store does not list versions")
            for each in page:
                name = each.tag.rpartition("}")[2]
                if name in ("Version", "DeleteMarker"):
                    yield Version(
                        key=_text(each, "Key"),
                        id=_text(each, "VersionId") or "null",
                        bytes=int(_text(each, "Size") or 0),
                        is_latest=_text(each, "IsLatest") == "true",
                        is_mark=name == "DeleteMarker",
                    )
            if _text(page, "IsTruncated") != "true":
                return
            after = {"key-marker": _text(page, "NextKeyMarker")}
            if version := _text(page, "NextVersionIdMarker"):
                after["version-id-marker"] = version

    def delete(self, version: Version) -> bool:
        """Remove one version. Return False if the store refuses it, such as a version that is locked."""
        try:
            with self._answer("DELETE", version.key, {"versionId": version.id}):
                return True
        except VersionsUnknownError:
            return False

    def fetch(self, version: Version, into: Path) -> Path:
        """Return one version as a local file."""
        name = hashlib.sha256(f"{version.key}\0{version.id}".encode()).hexdigest()[:32]
        path = into / f"{name}.version"
        with self._answer("GET", version.key, {"versionId": version.id}) as answer, path.open("wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
        return path

    def _answer(self, method: str, key: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401  of urllib
        keys = (self._settings.access_key_id, self._settings.secret_access_key)
        if keys[0] is None or keys[1] is None:
            raise self._unknown("no keys are set, and others are not used for this")
        address = f"{self._address}/{quote(key)}" if key else f"{self._address}/"
        text = urlencode(sorted(query.items()), quote_via=quote)
        login = (keys[0].get_secret_value(), keys[1].get_secret_value(), self._settings.region)
        headers = signature(method, address, text, login, datetime.now(UTC))
        request = urllib.request.Request(f"{address}?{text}", method=method, headers=headers)  # noqa: S310
        try:
            return urllib.request.urlopen(request, timeout=self._timeout)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                refused = error.code in _REFUSED
                hint = "the keys may not do it" if refused else "the store does not do it"
                if refused or error.code in (400, 405, 501):
                    raise self._unknown(f"{hint} ({error.code} {error.reason})") from None
                raise self._failed(f"the store answered {error.code} {error.reason}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise self._failed(f"the connection broke ({getattr(error, 'reason', error)})") from None

    def _unknown(self, reason: str) -> VersionsUnknownError:
        return VersionsUnknownError(
            f"earlier versions of objects in the bucket {self._bucket} could not be looked at: {scrub(reason)}",
            "give the keys s3:ListBucketVersions, s3:GetObjectVersion and s3:DeleteObjectVersion",
        )

    def _failed(self, reason: str) -> LakeError:
        return LakeError(
            f"the versions of objects in the bucket {self._bucket} could not be read: {scrub(reason)}",
            "check S3_ENDPOINT_URL, the bucket and the credentials, then run the same command again",
        )


def signature(method: str, address: str, query: str, login: tuple[str, str, str], now: datetime) -> dict[str, str]:
    """Return the headers that sign a request without a body: AWS signature version 4.

    `login` is the access key, the secret key and the region.
    """
    access, secret, region = login
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    parts = urlsplit(address)
    headers = {"host": parts.netloc, "x-amz-content-sha256": _NONE, "x-amz-date": moment}
    names = ";".join(headers)
    lines = [method, parts.path, query, *(f"{name}:{value}" for name, value in headers.items()), "", names, _NONE]
    scope = f"{day}/{region}/s3/aws4_request"
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for each in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    signed = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}".encode(), "sha256").hex()
    said = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signed}"
    return {**headers, "Authorization": said}


def _text(element: ET.Element, name: str) -> str:
    return next((each.text or "" for each in element if each.tag.rpartition("}")[2] == name), "")
