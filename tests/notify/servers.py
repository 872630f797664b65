"""Real servers on the loopback interface that write down what they get."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


@dataclass
class Web:
    """Requests that arrived; `answers` are the status codes to come, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    delay: float = 0.0


@contextmanager
def web_server() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            web.requests.append((self.path, dict(self.headers), body))
            time.sleep(web.delay)
            code = web.answers.pop(0) if web.answers else 200
            self.send_response(code)
            if code in (301, 302, 307, 308):
                self.send_header("Location", f"{web.url}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            with suppress(BrokenPipeError):  # who did not wait is gone
                self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    refuse: bool = False

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802  its name there
        if self.refuse:
            return "554 no"
        self.envelopes.append(envelope)
        return "250 OK"


class AnyPort(Controller):
    """Listens on a free port, and finds itself there."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, password: str | None = None) -> Iterator[Mailbox]:
    box = Mailbox()

    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        box.logins.append((data.login, data.password))
        right = password is not None and data.password == password.encode()
        return AuthResult(success=right, handled=right)

    controller = AnyPort(
        box,
        hostname="127.0.0.1",
        port=0,
        tls_context=tls,
        authenticator=login if password else None,
        auth_require_tls=tls is not None,
        auth_required=password is not None,
    )
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
