"""One POST to a receiver of telemetry, and what its answer means.

Belongs here: the request, and the difference between a receiver that is away and one that refuses. Not here: the body.

No error contains the address's login or a header, because both may hold keys.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from etl.errors import EtlError
from etl.notify.send import cause_of, opener

TIMEOUT = 10.0
"""Seconds for each step of talking to a receiver."""
_LATER = frozenset({408, 425, 429})
_CLIENT_ERRORS = range(400, 500)


class ReceiverAwayError(EtlError):
    """The receiver cannot be reached, or asks to come again: the run has to be sent later."""


class RefusedError(EtlError):
    """The receiver refuses what was sent: sending it again would change nothing."""


def post(url: str, body: bytes, content_type: str, headers: Mapping[str, str], *, timeout: float = TIMEOUT) -> None:
    """Send one body. Raises `ReceiverAwayError` or `RefusedError`."""
    every = {"Content-Type": content_type, "User-Agent": "tenant-etl", **headers}
    request = urllib.request.Request(url, body, every, method="POST")  # noqa: S310  `checked` looks at the scheme
    where = place(url)
    try:
        with opener.open(request, timeout=timeout) as answer:
            answer.read()
            return
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        if code in _CLIENT_ERRORS and code not in _LATER and code not in (401, 403, 404):
            problem: EtlError = RefusedError(f"{where} answers {code}", "see the receiver's log")
        else:
            hint = "check the address and the key" if code in (401, 403, 404) else "what was not sent is sent next time"
            problem = ReceiverAwayError(f"{where} answers {code}", hint)
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = ReceiverAwayError(
            f"{where} cannot be reached: {cause_of(error, timeout)}", "what was not sent is sent next time"
        )
    raise problem  # outside the handler: the caught error may quote the address


def checked(url: str, variable: str) -> str:
    """Return the address, or refuse it: only http and https are known here."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise EtlError(f"{variable} is `{place(url)}`", "write an address that begins with http:// or https://")
    return url


def place(url: str) -> str:
    """Return the address without login and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def headers_of(text: str) -> dict[str, str]:
    """Return the headers of `a=1,b=2`, as OpenTelemetry writes them in OTEL_EXPORTER_OTLP_HEADERS."""
    pairs = (each.partition("=") for each in text.split(",") if each.strip())
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
