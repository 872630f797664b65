"""OpenBao on loopback, in memory: a server of secrets with policies, AppRoles and versions."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests

from tests.servers import free_port, once, running
from tests.servers.downloads import bao

ROOT = "root-token-of-the-tests"


@dataclass(frozen=True)
class OpenBao:
    """The server, and a client of the tests' own that may do everything."""

    address: str
    log: Path

    def client(self) -> Any:
        return hvac.Client(url=self.address, token=ROOT)

    def write(self, path: str, **values: str) -> None:
        """Write a new version of a secret below `secret/`."""
        self.client().secrets.kv.v2.create_or_update_secret(path=path, secret=values)

    def role_of(self, tenant: str, *, ttl: str = "1h") -> dict[str, str]:
        """Make an AppRole that may read what is the tenant's own, and return the variables of its login."""
        client = self.client()
        client.sys.create_or_update_policy(
            tenant, f'path "secret/data/tenants/{tenant}/*" {{ capabilities = ["read"] }}'
        )
        client.auth.approle.create_or_update_approle(tenant, token_policies=[tenant], token_ttl=ttl, token_max_ttl=ttl)
        role = client.auth.approle.read_role_id(tenant)["data"]["role_id"]
        secret = client.auth.approle.generate_secret_id(tenant)["data"]["secret_id"]
        prefix = tenant.upper()
        return {f"{prefix}_BAO_ROLE_ID": role, f"{prefix}_BAO_SECRET_ID": secret}

    @contextlib.contextmanager
    def sealed(self) -> Iterator[None]:
        """Seal the server while the block runs."""
        client, key = self.client(), self._unseal_key()
        client.sys.seal()
        try:
            yield
        finally:
            client.sys.submit_unseal_key(key)

    def _unseal_key(self) -> str:
        """The key that the server writes into its log, some time after it has begun to answer."""
        deadline = time.monotonic() + 60
        while not (found := re.findall(r"Unseal Key: (\S+)", self.log.read_text())):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return str(found[0])


@contextlib.contextmanager
def serving() -> Iterator[OpenBao]:
    """The server while the block runs."""
    with tempfile.TemporaryDirectory(prefix="etl-bao-") as folder:
        home, port = Path(folder), free_port()
        address = f"http://127.0.0.1:{port}"
        command = [
            "env", f"HOME={home}", str(bao()), "server", "-dev", "-dev-no-store-token",
            f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}",
        ]  # fmt: skip
        with running(command, home / "log", lambda: _answers(address)):
            server = OpenBao(address, home / "log")
            server.client().sys.enable_auth_method("approle")
            server.client().sys.enable_secrets_engine("kv", path="kv1", options={"version": "1"})
            yield server


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/v1/sys/health", timeout=1).status_code == requests.codes.ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def openbao(pytestconfig: pytest.Config) -> OpenBao:
    """One server per test process."""
    return once(pytestconfig, serving, "openbao")


def platform_environ(server: OpenBao, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a platform whose store is this server."""
    return {"PATH": os.environ["PATH"], "BAO_ADDR": server.address, **(more or {})}
