"""A Docker engine and a cluster that only write down what they are told to start. Neither runs on a test machine."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Engine:
    """What was asked for, and what the engine answers about it."""

    address: str = ""
    created: list[dict[str, Any]] = field(default_factory=list)
    state: str = "running"
    """`running`, `exited`, `gone`, or `silent`: no answer."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError


class DockerEngine(Engine):
    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.endswith("/version"):
            return 200, {"ApiVersion": "1.47", "MinAPIVersion": "1.24"}
        if self.state == "silent":
            return 500, {"message": "the engine has a problem"}
        if method == "POST" and path.endswith("/containers/create"):
            self.created.append(body)
            return 201, {"Id": f"c{len(self.created)}", "Warnings": []}
        if path.endswith("/start"):
            return 204, None
        found = re.search(r"/containers/(\w+)/json", path)
        if found and self.state != "gone":
            return 200, {"Id": found[1], "State": {"Status": self.state, "ExitCode": 137}, "Config": {"Image": "x"}}
        return 404, {"message": "No such container"}


class Cluster(Engine):
    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.state == "silent":
            return 500, {"message": "the cluster has a problem"}
        if method == "POST" and path.endswith("/jobs"):
            self.created.append(body)
            return 201, body
        if method == "GET" and path.endswith("/status") and self.state != "gone":
            status = {"active": 1} if self.state == "running" else {"failed": 1}
            return 200, {**self.created[-1], "status": status}
        return 404, {"message": "not found", "code": 404}


@contextlib.contextmanager
def serving(engine: Engine) -> Iterator[Engine]:
    """The engine on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = engine.answer(self.command, self.path.partition("?")[0], body)
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    engine.address = f"127.0.0.1:{server.server_port}"
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
