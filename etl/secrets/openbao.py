"""The store of OpenBao and HashiCorp Vault: the engine KV, in its version 1 or 2.

Belongs here: logging in by a token, an AppRole or Kubernetes, reading, and what the server's refusals mean. Not here:
writing and rotating secrets, which is the server's work.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from etl.errors import SecretError, SecretStoreError
from etl.extras import install
from etl.secrets.contract import TIMEOUT, SecretContent, refused, unanswered, values_of, within
from etl.secrets.scrub import learn

_T = TypeVar("_T")
Method = Literal["token", "approle", "kubernetes"]
_lock = threading.Lock()
_clients: dict["OpenBaoSecrets", Any] = {}
_MOST_CLIENTS = 256
_REMEDIES = {
    "approle": "correct role and secret id (BAO_ROLE_ID, BAO_SECRET_ID), or make a new secret id",
    "kubernetes": "correct `role`, or what the role is bound to: the service account and its namespace",
}


@dataclass(frozen=True)
class BaoLogin:
    """How a process logs in. `repr` has no token."""

    method: Method = "token"
    token: str = field(default="", repr=False)
    role: str = ""
    secret_id: str = field(default="", repr=False)
    jwt_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    mount: str = ""
    """Where the method is enabled; the default is its name."""


@dataclass(frozen=True)
class OpenBaoSecrets:
    """Secrets of KV: `db` of the tenant `acme` is the secret `<mount>/<folder>/acme/db`."""

    address: str
    path: str
    login: BaoLogin
    version: Literal[1, 2] = 2
    namespace: str = ""
    certificate: str = ""
    """The file of the authorities that sign the server's certificate; empty: those of the system."""
    store: str = "openbao"
    is_remote: bool = True

    def place(self, tenant: str, name: str, key: str) -> str:  # noqa: ARG002  the protocol of a store
        """The address of the server, and the path."""
        mount, folder = self._folder(tenant)
        return f"{self.address} {mount}/{folder}/{name}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Read the newest version of the secret."""
        mount, folder = self._folder(tenant)

        def ask(client: Any) -> SecretContent:  # noqa: ANN401  untyped here
            if self.version == 1:
                answer = client.secrets.kv.v1.read_secret(path=f"{folder}/{name}", mount_point=mount)
                return SecretContent(values_of(answer["data"]))
            answer = client.secrets.kv.v2.read_secret_version(
                path=f"{folder}/{name}", mount_point=mount, raise_on_deleted_version=True
            )
            return SecretContent(values_of(answer["data"]["data"]), str(answer["data"]["metadata"]["version"]))

        def failed(error: Exception, client: Any) -> SecretError:  # noqa: ANN401  untyped here
            return self._failed(error, client, tenant, name, key)

        return self._asked(ask, failed)

    def _folder(self, tenant: str) -> tuple[str, str]:
        mount, _, folder = within(self.path, tenant).partition("/")
        return mount, folder

    def _asked(self, ask: Callable[[Any], _T], failed: Callable[[Exception, Any], SecretError]) -> _T:
        """Ask with the client that is logged in already. Where its login has expired, log in anew."""
        try:
            import requests  # noqa: PLC0415  a part of the extra `openbao`
            from hvac import exceptions  # noqa: PLC0415  an extra: `openbao`
        except ImportError:
            raise SecretStoreError("reading secrets from OpenBao needs hvac", install("openbao")) from None
        errors = (exceptions.VaultError, requests.exceptions.RequestException, OSError)
        client: Any = None
        try:
            client, is_new = self._client()
            try:  # etl: allow nested-try (a login that has ended is one of the errors that the outer one tells)
                return ask(client)
            except exceptions.Forbidden:
                if is_new or self.login.method == "token" or not _is_logged_out(client):
                    raise
            self._forget()
            client, _ = self._client()
            return ask(client)
        except errors as error:
            raise failed(error, client) from None

    def _client(self) -> tuple[Any, bool]:
        from hvac import Client  # noqa: PLC0415  an extra: `openbao`

        with _lock:
            client = _clients.get(self)
        if client is not None:
            return client, False
        client = Client(
            url=self.address,
            token=self.login.token,  # never None, for which hvac would look at files and variables of its own
            namespace=self.namespace or None,
            verify=self.certificate or True,
            timeout=TIMEOUT,
        )
        self._log_in(client)
        learn(client.token)
        with _lock:
            if len(_clients) >= _MOST_CLIENTS:
                _clients.clear()
            _clients[self] = client
        return client, True

    def _log_in(self, client: Any) -> None:  # noqa: ANN401  untyped here
        login = self.login
        learn(login.token, login.secret_id)
        mount = {"mount_point": login.mount or login.method}
        if login.method == "approle":
            client.auth.approle.login(role_id=login.role, secret_id=login.secret_id, **mount)
        elif login.method == "kubernetes":
            jwt = Path(login.jwt_file).read_text(encoding="utf-8").strip()
            learn(jwt)
            client.auth.kubernetes.login(role=login.role, jwt=jwt, **mount)

    def _forget(self) -> None:
        with _lock:
            _clients.pop(self, None)

    def _failed(self, error: Exception, client: Any, tenant: str, name: str, key: str) -> SecretError:  # noqa: ANN401
        """Return what a failure means. The server's own text is not quoted."""
        import requests  # noqa: PLC0415  a part of the extra `openbao`
        from hvac import exceptions  # noqa: PLC0415  an extra: `openbao`

        def unknown(why: str, hint: str) -> SecretError:
            return unanswered(self, tenant, name, key, why, hint)

        logging_in = client is None and self.login.method != "token"
        match error:
            case exceptions.InvalidPath() if not logging_in:
                deleted = bool(((error.json or {}).get("data") or {}).get("metadata"))
                why = "its newest version was deleted" if deleted else "there is no such secret"
                hint = "write it again, or undelete the version" if deleted else "write it there, or correct the name"
                return refused(self, tenant, name, key, why, hint)
            case exceptions.Forbidden() if client is not None and not _is_logged_out(client):
                hint = "give the policy of this login the capability `read` on the path"
                return refused(self, tenant, name, key, "the policy of this login does not allow it", hint)
            case exceptions.Forbidden() if not logging_in:
                why = "the token is wrong or has expired" if self.login.token else "there is no token"
                return unknown(why, "set BAO_TOKEN to a token that is valid, or use an AppRole, which logs in anew")
            case exceptions.VaultDown() | exceptions.VaultNotInitialized():
                return unknown("the server is sealed or not initialized", "unseal the server")
            case exceptions.VaultError() if logging_in:
                why = f"the login by {self.login.method} was refused"
                return unknown(why, _REMEDIES[self.login.method])
            case requests.exceptions.SSLError():
                why = "the server's certificate is not trusted"
                return unknown(why, "let `certificate` (BAO_CACERT) name the file of the authority that has signed it")
            case requests.exceptions.RequestException():
                return unknown("the server cannot be reached", "look whether it is up, and at `address` (BAO_ADDR)")
            case OSError():
                why = f"{error.strerror}: {error.filename}" if error.filename else f"no file {self.certificate}"
                return unknown(why, "let the file be mounted, or correct `certificate` and `jwt_file`")
        return unknown(f"the server answered with {type(error).__name__}", "look at the server's log")


def _is_logged_out(client: Any) -> bool:  # noqa: ANN401  an optional library
    """Whether the token of the client is no longer valid. A policy can forbid a path to a valid token."""
    import requests  # noqa: PLC0415  a part of the extra `openbao`
    from hvac import exceptions  # noqa: PLC0415  an extra: `openbao`

    try:
        client.auth.token.lookup_self()
    except exceptions.Forbidden:
        return True
    except (exceptions.VaultError, requests.exceptions.RequestException):
        return False
    return False
