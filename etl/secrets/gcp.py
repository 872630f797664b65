"""The store Google Cloud Secret Manager: `db` of the tenant `acme` is a secret of one project.

Belongs here: reading with Google's client, the names of secrets, and what its errors mean.

A secret is a text. Where the text is a JSON object, its members are the secret's keys. The names of Google have no `/`:
`etl/acme/db-main` is written `etl-sacme-sdb-dmain`, so that two secrets never have the same name.
"""

from dataclasses import dataclass
from typing import Any

from etl.errors import SecretError, SecretStoreError
from etl.extras import install
from etl.secrets.contract import TIMEOUT, SecretContent, escaped, refused, unanswered, values_of_text, within

_LONGEST = 255


@dataclass(frozen=True)
class GcpSecrets:
    """Secrets of one project. The version is Google's number of the newest version."""

    path: str
    project: str
    address: str = ""
    """Another endpoint, such as a region's; one that begins with http:// is an emulator without a login."""
    credentials: str = ""
    """The file of a login; empty: the login that Google's client finds by itself."""
    store: str = "gcp"
    is_remote: bool = True

    def place(self, tenant: str, name: str, key: str) -> str:  # noqa: ARG002  the protocol of a store
        """The full name of the secret."""
        return f"projects/{self.project}/secrets/{self._id(tenant, name)}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Read the newest version."""
        try:
            from google.api_core import exceptions  # noqa: PLC0415  an extra: `gcp`
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  the same
        except ImportError:
            words = "reading secrets from Google Cloud needs google-cloud-secret-manager"
            raise SecretStoreError(words, install("gcp")) from None
        place = self.place(tenant, name, key)
        if len(self._id(tenant, name)) > _LONGEST:
            why = f"the name has more than {_LONGEST} characters"
            raise refused(self, tenant, name, key, why, "choose a shorter name or a shorter path")
        try:
            with self._client() as client:
                answer = client.access_secret_version(name=f"{place}/versions/latest", retry=None, timeout=TIMEOUT)
            text = answer.payload.data.decode()
        except (exceptions.GoogleAPIError, GoogleAuthError, OSError) as error:
            raise self._failed(error, tenant, name, key) from None
        except UnicodeDecodeError:
            raise refused(self, tenant, name, key, "the secret is binary", "store it as text, such as base64") from None
        return SecretContent(values_of_text(text), answer.name.rpartition("/")[2])

    def _id(self, tenant: str, name: str) -> str:
        return escaped(f"{within(self.path, tenant)}/{name}", lambda each: each.isalnum() or each == "_")

    def _client(self) -> Any:  # noqa: ANN401  untyped here
        from google.api_core.client_options import ClientOptions  # noqa: PLC0415  an extra: `gcp`
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415  the same
        from google.cloud.secretmanager import SecretManagerServiceClient  # noqa: PLC0415  the same

        options = ClientOptions(api_endpoint=self.address or None, credentials_file=self.credentials or None)
        if self.address.startswith("http://"):
            return SecretManagerServiceClient(
                transport="rest", credentials=AnonymousCredentials(), client_options=options
            )
        return SecretManagerServiceClient(client_options=options, transport="rest")

    def _failed(self, error: Exception, tenant: str, name: str, key: str) -> SecretError:
        """Return what a failure means. Google's text is not quoted."""
        from google.api_core import exceptions  # noqa: PLC0415  an extra: `gcp`
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  the same

        def unknown(why: str, hint: str) -> SecretError:
            return unanswered(self, tenant, name, key, why, hint)

        def bad(why: str, hint: str) -> SecretError:
            return refused(self, tenant, name, key, why, hint)

        match error:
            case exceptions.NotFound():
                return bad("there is no such secret, or it has no version", "write it there, or correct the name")
            case exceptions.FailedPrecondition() | exceptions.BadRequest():
                return bad("its newest version is disabled or destroyed", "enable the version, or add a new version")
            case exceptions.Forbidden():
                return bad("this login may not read it", "grant roles/secretmanager.secretAccessor on the secret")
            case exceptions.Unauthorized() | GoogleAuthError():
                return unknown("there is no valid login", "set GOOGLE_APPLICATION_CREDENTIALS, or attach an identity")
            case OSError() if "certificate" in str(error).lower():
                return unknown("the server's certificate is not trusted", "look at the authorities of this system")
        return unknown(f"Google Cloud does not answer ({type(error).__name__})", "look at the network and the endpoint")
