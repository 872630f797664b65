"""The platform's choice of a store for `${secret:name#key}`.

Belongs here: which store the configuration names, with the settings of the environment. Not here: the stores (one
module each), their protocol (`contract`), the syntax of a reference (`template`).

A tenant names a secret, never a store or a path. Every store separates the tenants' secrets by the tenant's id. A store
is made without a connection; the library that it needs is imported when it reads.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from etl.errors import ConfigError
from etl.platform import SecretsConfig, StoreName
from etl.secrets.aws import AwsSecrets
from etl.secrets.azure import AzureLogin, AzureSecrets
from etl.secrets.contract import SecretResolver, login, setting
from etl.secrets.environment import EnvSecrets
from etl.secrets.files import FileSecrets
from etl.secrets.gcp import GcpSecrets
from etl.secrets.openbao import BaoLogin, OpenBaoSecrets
from etl.secrets.ownership import STORE_PREFIXES, prefix_of
from etl.secrets.sops import SopsSecrets


class StoreRequest(NamedTuple):
    """For whom a store is made: the platform's configuration, the environment, the tenant and all tenants."""

    config: SecretsConfig
    environ: Mapping[str, str]
    tenant: str
    tenants: Collection[str]

    def setting(self, *names: str) -> str:
        """Return the first of these variables that is set; the tenant's own before the platform's."""
        return setting(self.environ, self.tenant, *names)

    def login(self, *names: str) -> tuple[str, ...]:
        """Return the variables of one login: all of the tenant's own, or all of the platform's."""
        return login(self.environ, self.tenant, *names)


def open_store(
    config: SecretsConfig, environ: Mapping[str, str], tenant: str, tenants: Collection[str]
) -> SecretResolver:
    """Return the store that the platform's configuration names, for one tenant."""
    return _STORES[config.store](StoreRequest(config, environ, tenant, tenants))


def _env(asked: StoreRequest) -> SecretResolver:
    return EnvSecrets(asked.environ, tuple(asked.tenants))


def _files(asked: StoreRequest) -> SecretResolver:
    return FileSecrets(
        str(Path(_needed(asked, asked.config.path, "path", "ETL_SECRETS_PATH", "/run/secrets")).expanduser())
    )


def _openbao(asked: StoreRequest) -> SecretResolver:
    config = asked.config
    example = "https://vault.example.com:8200"
    address = config.address or asked.setting("BAO_ADDR", "VAULT_ADDR")
    return OpenBaoSecrets(
        address=_needed(asked, address, "address", "BAO_ADDR", example).rstrip("/"),
        path=config.path or "secret/tenants/{tenant}",
        login=_bao_login(asked),
        version=config.kv,
        namespace=config.namespace or asked.setting("BAO_NAMESPACE", "VAULT_NAMESPACE"),
        certificate=config.certificate or asked.setting("BAO_CACERT", "VAULT_CACERT"),
    )


def _bao_login(asked: StoreRequest) -> BaoLogin:
    """Return the login by the configured method: of BAO_ variables, or else of VAULT_ variables."""
    config, mount = asked.config, asked.config.auth_mount or ""
    if config.auth == "kubernetes":
        role = (config.role or "etl-{tenant}").replace("{tenant}", asked.tenant)
        return BaoLogin("kubernetes", role=role, jwt_file=config.jwt_file, mount=mount)
    if config.auth == "approle":
        bao = asked.login("BAO_ROLE_ID", "BAO_SECRET_ID", "VAULT_ROLE_ID", "VAULT_SECRET_ID")
        role, secret_id = bao[:2] if any(bao[:2]) else bao[2:]
        return BaoLogin("approle", role=role, secret_id=secret_id, mount=mount)
    return BaoLogin(token=next(filter(None, asked.login("BAO_TOKEN", "VAULT_TOKEN")), ""))


def _aws(asked: StoreRequest) -> SecretResolver:
    key_id, secret_key, session_token = asked.login("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return AwsSecrets(
        path=asked.config.path or "tenants/{tenant}",
        region=asked.config.region or asked.setting("AWS_REGION", "AWS_DEFAULT_REGION"),
        address=asked.config.address or "",
        certificate=asked.config.certificate or "",
        key_id=key_id,
        secret_key=secret_key,
        session_token=session_token,
    )


def _gcp(asked: StoreRequest) -> SecretResolver:
    project = asked.config.project or asked.setting("GOOGLE_CLOUD_PROJECT")
    return GcpSecrets(
        path=asked.config.path or "tenants/{tenant}",
        project=_needed(asked, project, "project", "GOOGLE_CLOUD_PROJECT", "my-project"),
        address=asked.config.address or "",
        credentials=asked.setting("GOOGLE_APPLICATION_CREDENTIALS"),
    )


def _azure(asked: StoreRequest) -> SecretResolver:
    address = asked.config.address or asked.setting("AZURE_KEYVAULT_URL")
    return AzureSecrets(
        address=_needed(asked, address, "address", "AZURE_KEYVAULT_URL", "https://my-vault.vault.azure.net"),
        path=asked.config.path or "tenants/{tenant}",
        login=AzureLogin(*asked.login("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")),
        certificate=asked.config.certificate or "",
    )


def _sops(asked: StoreRequest) -> SecretResolver:
    path = _needed(asked, asked.config.path, "path", "ETL_SECRETS_PATH", "secrets/{tenant}.sops.yaml")
    names = ("PATH", "HOME", "TMPDIR", *(each for each in asked.environ if each.startswith(STORE_PREFIXES["sops"])))
    given = {name: asked.environ[name] for name in names if name in asked.environ}
    if own := asked.environ.get(f"{prefix_of(asked.tenant)}SOPS_AGE_KEY_FILE"):
        given = {name: value for name, value in given.items() if not name.startswith("SOPS_AGE_")}
        given["SOPS_AGE_KEY_FILE"] = own  # the tenant's own key, and no other
    return SopsSecrets(str(Path(path).expanduser()), tuple(sorted(given.items())))


_STORES: dict[StoreName, Callable[[StoreRequest], SecretResolver]] = {
    "env": _env,
    "files": _files,
    "openbao": _openbao,
    "vault": _openbao,
    "aws": _aws,
    "gcp": _gcp,
    "azure": _azure,
    "sops": _sops,
}


def _needed(asked: StoreRequest, value: str | None, key: str, variable: str, example: str) -> str:
    if not value:
        what = "folder" if asked.config.store == "files" else key
        raise ConfigError(
            f"the secret store `{asked.config.store}` has no {what}",
            f"set {variable}, or `{key}` in [tool.etl.secrets] of pyproject.toml, such as {example}",
        )
    return value
