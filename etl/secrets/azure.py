"""The store Azure Key Vault: `db` of the tenant `acme` is a secret of one vault.

Belongs here: reading with Azure's client, the names of secrets, and what its errors mean.

A secret is a text. Where the text is a JSON object, its members are the secret's keys. The names of Azure have letters,
digits and `-`: `project_01/db-main` is written `project-u01-sdb-dmain`, so that two secrets never have the same name.
Azure does not tell capitals from small letters; ids and names have small letters only.
"""

import string
from dataclasses import dataclass, field
from typing import Any

from etl.errors import SecretError, SecretStoreError
from etl.extras import install
from etl.secrets.contract import TIMEOUT, SecretContent, escaped, refused, unanswered, values_of_text, within
from etl.secrets.scrub import learn

_LETTERS = frozenset(string.ascii_letters + string.digits)
_LONGEST = 127


@dataclass(frozen=True)
class AzureLogin:
    """A service principal. Without one, Azure's client finds the identity by itself."""

    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class AzureSecrets:
    """Secrets of one vault. The version is Azure's id of the version."""

    address: str
    path: str
    login: AzureLogin = AzureLogin()
    certificate: str = ""
    store: str = "azure"
    is_remote: bool = True

    def place(self, tenant: str, name: str, key: str) -> str:  # noqa: ARG002  the protocol of a store
        """The address of the secret."""
        return f"{self.address.rstrip('/')}/secrets/{self._id(tenant, name)}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Read the newest version."""
        try:
            from azure.core.exceptions import AzureError  # noqa: PLC0415  an extra: `azure`
        except ImportError:
            words = "reading secrets from Azure needs azure-keyvault-secrets and azure-identity"
            raise SecretStoreError(words, install("azure")) from None
        if len(self._id(tenant, name)) > _LONGEST:
            why = f"the name has more than {_LONGEST} characters"
            raise refused(self, tenant, name, key, why, "choose a shorter name or a shorter path")
        try:
            with self._client() as client:
                answer = client.get_secret(self._id(tenant, name))
        except AzureError as error:
            raise self._failed(error, tenant, name, key) from None
        return SecretContent(values_of_text(answer.value or ""), answer.properties.version or "")

    def _id(self, tenant: str, name: str) -> str:
        return escaped(f"{within(self.path, tenant)}/{name}", _LETTERS.__contains__)

    def _client(self) -> Any:  # noqa: ANN401  untyped here
        from azure.identity import ClientSecretCredential, DefaultAzureCredential  # noqa: PLC0415  an extra: `azure`
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415  the same

        login = self.login
        learn(login.client_secret)
        credential: Any = (
            ClientSecretCredential(login.tenant_id, login.client_id, login.client_secret)
            if login.client_secret
            else DefaultAzureCredential()
        )
        waits = {"retry_total": 0, "connection_timeout": TIMEOUT, "read_timeout": TIMEOUT}
        return SecretClient(self.address, credential, connection_verify=self.certificate or True, **waits)

    def _failed(self, error: Exception, tenant: str, name: str, key: str) -> SecretError:
        """Return what a failure means. Azure's text is not quoted."""
        from azure.core import exceptions  # noqa: PLC0415  an extra: `azure`

        def unknown(why: str, hint: str) -> SecretError:
            return unanswered(self, tenant, name, key, why, hint)

        def bad(why: str, hint: str) -> SecretError:
            return refused(self, tenant, name, key, why, hint)

        match error:
            case exceptions.ResourceNotFoundError():
                return bad(
                    "there is no such secret, or it was deleted", "write it there, recover it, or correct the name"
                )
            case exceptions.ClientAuthenticationError():
                return unknown("there is no valid login", "set AZURE_CLIENT_ID and its secret, or attach an identity")
            case exceptions.HttpResponseError(status_code=403):
                hint = "grant the role Key Vault Secrets User on the secret; enable a secret that is disabled"
                return bad("this login may not read it, or it is disabled", hint)
            case exceptions.HttpResponseError():
                return unknown(f"Azure answered {error.status_code}", "look at the service's health and its quota")
            case exceptions.ServiceRequestError() if "certificate" in str(error).lower():
                return unknown("the server's certificate is not trusted", "let `certificate` name the authority's file")
        return unknown("the vault cannot be reached", "look at the network, and at `address` in [tool.etl.secrets]")
