"""An object store on loopback that behaves until the n-th request: a server in front of the real one."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Fault = Literal["refuse", "break", "lose", "hang", "throttle"]
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Proxy:
    """Forwards every request but the n-th, which it refuses (503), breaks off, does without a word (the answer is
    lost), or hangs on. With `throttle` it asks from the n-th one on to slow down.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.requests = 0
        self.nth: int | None = None
        self.fault: Fault = "refuse"
        self.forbidden = ""
        """Requests with this text in their address are answered with 403."""
        self.released = threading.Event()
        self._lock = threading.Lock()
        self.url = ""

    def arm(self, nth: int | None, fault: Fault = "refuse") -> None:
        self.requests, self.nth, self.fault = 0, nth, fault

    def next_fault(self) -> Fault | None:
        with self._lock:
            self.requests += 1
            if self.fault == "throttle" and self.nth:
                return self.fault if self.requests >= self.nth else None
            return self.fault if self.requests == self.nth else None


@contextlib.contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    made = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"".join(self.chunks())
            if made.forbidden and made.forbidden in self.path:
                self.answer(403, {"Content-Length": "0"}, b"")
                return
            fault = made.next_fault()
            if fault == "hang":
                made.released.wait(30)
            if fault in {"hang", "break"}:
                self.close_connection = True
                return
            if fault == "refuse":
                self.answer(503, {"Content-Length": "0"}, b"")
                return
            if fault == "throttle":
                self.answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
                return
            upstream = http.client.HTTPConnection(made.target.hostname or "", made.target.port, timeout=30)
            given = {k: v for k, v in self.headers.items() if k.lower() not in {"transfer-encoding", "expect"}}
            upstream.request(self.command, self.path, body=body, headers={**given, "Content-Length": str(len(body))})
            response = upstream.getresponse()
            content = response.read()
            upstream.close()
            if fault == "lose":
                self.close_connection = True
                return
            keep = {k: v for k, v in response.getheaders() if k.lower() not in {"transfer-encoding", "connection"}}
            self.answer(response.status, keep, content)

        def chunks(self) -> Iterator[bytes]:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if not any(each.lower() == "content-length" for each in headers):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
