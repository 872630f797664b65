"""SeaweedFS on loopback: an object store that refuses what a real one refuses, such as a wrong secret."""

import contextlib
import json
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.servers import free_port, once, running
from tests.servers.downloads import weed
from tests.servers.object_store import ObjectStore

ACCESS, SECRET = "AKIATESTACCESSKEY", "a-very-secret-key-for-tests"
READER, READER_SECRET = "AKIATESTREADERKEY", "the-secret-key-of-who-may-only-read"


@contextlib.contextmanager
def serving(rest_port: int = 0) -> Iterator[ObjectStore]:
    """The store while the block runs; with a port, also its REST catalog of Iceberg tables."""
    with rotating(rest_port) as store:
        yield store


@dataclass(frozen=True)
class RotatingStore(ObjectStore):
    """A store whose keys can be changed while it runs."""

    process: subprocess.Popen[bytes] | None = None
    config: Path = Path()

    def rotate(self, secret: str) -> ObjectStore:
        """Give the login another secret. The old secret is refused when this returns."""
        assert self.process is not None
        self.config.write_text(self.config.read_text().replace(self.secret_key, secret))
        self.process.send_signal(signal.SIGHUP)
        new = ObjectStore(self.endpoint, self.access_key, secret)
        for _ in range(200):
            with contextlib.suppress(ClientError):
                new.client().list_buckets()
                return new
            time.sleep(0.05)
        raise TimeoutError("the store did not take the new secret")


@contextlib.contextmanager
def rotating(rest_port: int = 0) -> Iterator[RotatingStore]:
    """The same, with keys that can be changed."""
    with tempfile.TemporaryDirectory(prefix="etl-weed-") as folder:
        home = Path(folder)
        rights = ["Admin", "Read", "List", "Tagging", "Write"]
        logins = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
            for name, key, secret, actions in (
                ("tests", ACCESS, SECRET, rights),
                ("reader", READER, READER_SECRET, ["Read", "List"]),
            )
        ]
        (home / "s3.json").write_text(json.dumps({"identities": logins}))
        ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        command = [
            str(weed()), "server", f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", "-volume.max=2000", "-master.volumeSizeLimitMB=256",  # seven for a bucket
            "-s3", f"-s3.config={home / 's3.json'}", f"-s3.port.iceberg={rest_port}", "-s3.port.lance=0",
            *(f"-{name}.port={port}" for name, port in ports.items()),
            *(f"-{name}.port.grpc={free_port()}" for name in ports),
        ]  # fmt: skip
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        with running(command, home / "log", lambda: _answers(endpoint)) as process:
            yield RotatingStore(endpoint, ACCESS, SECRET, process, home / "s3.json")
            process.kill()  # nobody needs its files, and it takes 20 seconds to end by itself


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/status", timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def seaweed(pytestconfig: pytest.Config) -> ObjectStore:
    """One store per test process."""
    return once(pytestconfig, serving, "seaweed")
