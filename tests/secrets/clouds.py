"""Small servers that answer as the documented APIs of Google's and Azure's stores of secrets do.

They are made from the documentation: paths, answers and errors of reading the newest version of a secret. They check
that a request is signed in, and nothing of what a cloud does beside that.
"""

import base64
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, str], dict[str, Any]]
Versions = dict[str, list[str | None]]
"""The versions of each secret by its name, oldest first; None is a version that is disabled."""


@contextlib.contextmanager
def answering(answer: Callable[[str, dict[str, str]], Answer], certificate: Path | None = None) -> Iterator[str]:
    """A server whose answers `answer` gives from a path and headers; the address, of https with a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = answer(self.path, dict(self.headers))
            content = json.dumps(body).encode()
            self.send_response(code)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  the name that the library looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def google(secrets: Versions, forbidden: str = "") -> Callable[[str, dict[str, str]], Answer]:
    """`GET /v1/projects/P/secrets/ID/versions/latest:access` of Secret Manager."""

    def answer(path: str, _: dict[str, str]) -> Answer:
        name = path.partition("?")[0].removeprefix("/v1/").removesuffix("/versions/latest:access")
        versions = secrets.get(name.rpartition("/")[2], [])
        if name.rpartition("/")[2] == forbidden:
            return 403, {}, {"error": {"code": 403, "message": "denied", "status": "PERMISSION_DENIED"}}
        if not versions:
            return 404, {}, {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}
        if versions[-1] is None:
            return 400, {}, {"error": {"code": 400, "message": "is in DISABLED state", "status": "FAILED_PRECONDITION"}}
        data = base64.b64encode(versions[-1].encode()).decode()
        return 200, {}, {"name": f"{name}/versions/{len(versions)}", "payload": {"data": data}}

    return answer


def azure(secrets: Versions) -> Callable[[str, dict[str, str]], Answer]:
    """`GET /secrets/NAME/` of Key Vault, whose first answer is a challenge to log in."""

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if headers.get("Authorization") != "Bearer a-token":
            where = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
            return 401, {"WWW-Authenticate": where}, {"error": {"code": "Unauthorized", "message": "log in"}}
        name = path.partition("?")[0].split("/")[2]
        versions = secrets.get(name.lower(), [])
        if not versions:
            return 404, {}, {"error": {"code": "SecretNotFound", "message": "not found"}}
        if versions[-1] is None:
            return (
                403,
                {},
                {"error": {"code": "Forbidden", "message": "disabled", "innererror": {"code": "SecretDisabled"}}},
            )
        address = f"https://{headers['Host']}/secrets/{name}/{len(versions):032x}"
        return 200, {}, {"value": versions[-1], "id": address, "attributes": {"enabled": True}}

    return answer


def kubernetes(account: str) -> Callable[[str, dict[str, str]], Answer]:
    """`POST /apis/authentication.k8s.io/v1/tokenreviews`: every token is that of one service account."""

    def answer(path: str, _: dict[str, str]) -> Answer:
        user = {"username": f"system:serviceaccount:etl:{account}", "uid": "u-1", "groups": []}
        return (
            201,
            {},
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "status": {"authenticated": path.endswith("/tokenreviews"), "user": user},
            },
        )

    return answer


def own_certificate(folder: Path) -> Path:
    """A file with a key, and a certificate for 127.0.0.1 that nobody has signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "own.pem"
    path.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()) + made.public_bytes(pem))
    return path
