"""Objects in a bucket of any S3-compatible store.

Belongs here: requests, conditions, and keeping credentials out of every error. Not here: what an object means.

An object is uploaded from its draft by one streamed conditional PUT. So the store shows either the whole new
object or the old object, the condition decides between two runs, and no multipart upload stays unfinished. The PUT is
sent here to an address that the client library signs, because the library would hold the whole object in memory.
"""

import hashlib
import http
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
import obstore.store
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from pydantic import SecretStr

from etl.errors import LakeError
from etl.faults import reach
from etl.lake.footer import TRAILER, Footer, decode, footer_length
from etl.lake.s3_versions import S3Versions
from etl.lake.store import Version, VersionsUnknownError
from etl.secrets.renewal import Renewable
from etl.secrets.scrub import learn, scrub
from etl.settings import S3Settings

_T = TypeVar("_T")
MAX_BYTES = 5 * 1024**3
"""S3's own limit for one PUT."""
_BLOCK = 1 << 20
_TAIL = 1 << 16
_REFUSED = {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}
_LOST = {http.HTTPStatus.PRECONDITION_FAILED, http.HTTPStatus.CONFLICT, http.HTTPStatus.NOT_FOUND}


class S3Store:
    """Publishes by one conditional upload."""

    def __init__(
        self,
        settings: S3Settings,
        bucket: str,
        base_path: str,
        *,
        timeout_seconds: float = 60.0,
        keys: Renewable[Any] | None = None,
    ) -> None:
        """`keys` are the tenant's own keys, instead of the keys in `settings`."""
        self._bucket = bucket
        self._keys = keys
        self._used = keys.now() if keys else None
        settings = _with_keys(settings, self._used) if self._used else settings
        self._settings = settings
        self._prefix = f"{base_path.strip('/')}/" if base_path.strip("/") else ""
        self._timeout = timeout_seconds
        learn(*(each.get_secret_value() for each in (settings.access_key_id, settings.secret_access_key) if each))
        self._store = _connect(settings, bucket, timeout_seconds)

    def _asked(self, work: Callable[[Any], _T]) -> _T:
        """Send requests. If the keys are refused, and their store has others by now, send the requests once more."""
        try:
            return work(self._store)
        except (PermissionDeniedError, UnauthenticatedError):
            if not self._renew():
                raise
        return work(self._store)

    def _renew(self) -> bool:
        """Use the keys that the store of secrets has now. Returns whether they are other keys."""
        keys = self._keys.renewed(self._used) if self._keys else None
        if keys is None:
            return False
        self._used = keys
        self._settings = _with_keys(self._settings, keys)
        self._store = _connect(self._settings, self._bucket, self._timeout)
        return True

    def uri(self, key: str) -> str:
        """The object's address, without credentials."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def etag(self, key: str) -> str | None:
        """Return the store's own tag of the object; `None` if there is no object."""
        with self._errors(key):
            try:
                return str(self._asked(lambda store: obstore.head(store, self._prefix + key))["e_tag"])
            except FileNotFoundError:
                return None

    def footer(self, key: str) -> tuple[Footer, int] | None:
        """Return the object's footer and size, from its last bytes; `None` if there is no object."""
        with self._errors(key):
            try:
                size, tail = self._tail(key, _TAIL)
                length = footer_length(tail, self.uri(key)) + TRAILER
                if length > len(tail):
                    size, tail = self._tail(key, length)
            except FileNotFoundError:
                return None
        return decode(tail, self.uri(key)), size

    def put(self, key: str, draft: Path, expected: str | None) -> bool:
        """Publish the draft file as the object. Return False if the present object is not the expected object."""
        size = draft.stat().st_size
        if size > MAX_BYTES:
            raise LakeError(
                f"{self.uri(key)} would take {size / 1024**3:.1f} GiB, one upload takes {MAX_BYTES // 1024**3} GiB",
                "give the pipeline daily partitions, or fewer columns",
            )
        headers = {"If-Match": expected} if expected else {"If-None-Match": "*"}
        headers |= {"Content-Length": str(size), "Content-Type": "application/vnd.apache.parquet"}
        code, reason = self._upload(key, draft, headers)
        if code in _REFUSED and self._renew():  # nothing was written
            code, reason = self._upload(key, draft, headers)
        if code in _LOST and (expected or code != http.HTTPStatus.NOT_FOUND):
            return False
        if code >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise self._failed(key, f"the store answered {code} {reason}")
        return True

    def _upload(self, key: str, draft: Path, headers: Mapping[str, str]) -> tuple[int, str]:
        """Upload the file in one request, and return the store's answer."""
        with self._errors(key):
            address = obstore.sign(self._store, "PUT", self._prefix + key, timedelta(hours=1))
        request = urllib.request.Request(address, data=_blocks(draft), method="PUT", headers=dict(headers))  # noqa: S310
        reach("lake.upload.begin")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                reach("lake.uploaded")
                return answer.status, answer.reason
        except urllib.error.HTTPError as error:
            with error:
                return error.code, str(error.reason)
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            raise self._failed(key, f"the connection broke ({reason})") from None

    def fetch(self, key: str, into: Path) -> Path:
        """Return the object as it is now as a local file."""
        with self._errors(key):
            answer = self._asked(lambda store: obstore.get(store, self._prefix + key))
            tag = hashlib.sha256(f"{key}\0{answer.meta['e_tag']}".encode()).hexdigest()[:32]
            local = into / f"{tag}.parquet"
            if not local.exists():
                part = local.with_suffix(".part")
                with part.open("wb") as file:
                    for block in answer.stream(min_chunk_size=_BLOCK):
                        reach("lake.download.part")
                        file.write(block)
                if part.stat().st_size != answer.meta["size"]:
                    raise self._failed(key, "the download ended early")
                part.replace(local)
        return local

    def names(self, folder: str) -> tuple[str, ...]:
        """Return all objects below the folder, by their path in the folder."""
        prefix = f"{self._prefix}{folder}/"
        with self._errors(folder):
            keys = self._asked(lambda store: [each["path"] for batch in obstore.list(store, prefix) for each in batch])
        return tuple(key[len(prefix) :] for key in keys if key.endswith(".parquet"))

    def everything(self, folder: str) -> tuple[tuple[str, int], ...]:
        """Return the key and the size of everything below the folder."""
        prefix = f"{self._prefix}{folder}/"
        with self._errors(folder):
            found = self._asked(lambda store: [each for batch in obstore.list(store, prefix) for each in batch])
        return tuple(sorted((each["path"][len(self._prefix) :], int(each["size"])) for each in found))

    def folders(self) -> tuple[str, ...]:
        """Return the folders of the first level, in order."""
        with self._errors("the lake"):
            found = self._asked(lambda store: obstore.list_with_delimiter(store, self._prefix)["common_prefixes"])
        return tuple(sorted(each.rstrip("/").rpartition("/")[2] for each in found))

    def delete(self, key: str) -> None:
        """Remove the object; a missing object is no error."""
        with self._errors(key):
            try:
                self._asked(lambda store: obstore.delete(store, self._prefix + key))
            except FileNotFoundError:
                return

    def prune(self, folder: str) -> None:
        """Do nothing: a bucket has no folders."""

    def versions(self, folder: str) -> tuple[Version, ...]:
        """Return all versions below the folder, also the present ones, and marks of deletions."""
        prefix = f"{self._prefix}{folder}/"
        try:
            found = list(self._versions().list(prefix))
        except VersionsUnknownError:
            if not self._renew():
                raise
            found = list(self._versions().list(prefix))
        return tuple(each._replace(key=each.key[len(self._prefix) :]) for each in found)

    def delete_version(self, version: Version) -> bool:
        """Remove one version. Return False if the store refuses it."""
        return self._versions().delete(version._replace(key=self._prefix + version.key))

    def fetch_version(self, version: Version, into: Path) -> Path:
        """Return one version as a local file."""
        return self._versions().fetch(version._replace(key=self._prefix + version.key), into)

    def _versions(self) -> S3Versions:
        return S3Versions(self._settings, self._bucket, self._timeout)

    def _tail(self, key: str, length: int) -> tuple[int, bytes]:
        options = {"range": {"suffix": length}}
        answer = self._asked(lambda store: obstore.get(store, self._prefix + key, options=options))
        return int(answer.meta["size"]), bytes(answer.bytes())

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turn the client library's errors into the product's errors, without anything about credentials."""
        try:
            yield
        except BaseError as error:
            raise self._failed(key, str(error).splitlines()[0] if str(error) else type(error).__name__) from None

    def _failed(self, key: str, reason: str) -> LakeError:
        return LakeError(
            f"{self.uri(key)}: {scrub(reason.partition('?X-Amz-')[0])}",
            "check S3_ENDPOINT_URL, the bucket and the credentials, then run the partition again: the object is either"
            " unchanged or complete",
        )


def address(settings: S3Settings) -> dict[str, Any]:
    """Return the store's address and credentials, as the client library expects them."""
    options: dict[str, Any] = {"region": settings.region}
    if settings.endpoint_url:
        options |= {"endpoint": settings.endpoint_url, "virtual_hosted_style_request": False}
    if settings.access_key_id and settings.secret_access_key:
        options |= {
            "access_key_id": settings.access_key_id.get_secret_value(),
            "secret_access_key": settings.secret_access_key.get_secret_value(),
        }
    return options


def _with_keys(settings: S3Settings, keys: tuple[str, str]) -> S3Settings:
    access, secret = keys
    return settings.model_copy(update={"access_key_id": SecretStr(access), "secret_access_key": SecretStr(secret)})


def _connect(settings: S3Settings, bucket: str, timeout_seconds: float) -> Any:  # noqa: ANN401  untyped here
    keys = (settings.access_key_id, settings.secret_access_key)
    if not all(keys) and (any(keys) or settings.endpoint_url):
        raise LakeError(
            f"there are no credentials for bucket `{bucket}`", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    seconds = timedelta(seconds=timeout_seconds)
    try:
        return obstore.store.S3Store(
            bucket,
            **address(settings),
            client_options={
                "allow_http": (settings.endpoint_url or "").startswith("http://"),
                "connect_timeout": seconds,
                "timeout": timedelta(hours=1),
                "read_timeout": seconds,
            },
            retry_config={"max_retries": 0, "retry_timeout": seconds},
        )
    except (BaseError, ValueError):
        raise LakeError(f"bucket `{bucket}` cannot be addressed", "check S3_ENDPOINT_URL and AWS_REGION") from None


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            reach("lake.upload.part")
            yield block
