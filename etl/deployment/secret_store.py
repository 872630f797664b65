"""The platform's store of secrets in an installation: its settings, and the files of secrets of each tenant.

Belongs here: what the processes are told about the store, and which folder has the secrets of a tenant. Not here:
reading a secret (`etl.secrets`), the login of a store (`variables`), how a target mounts a folder (`compose_places`,
`helm`, `systemd`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict

from etl.config.secrets import named_secrets
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError
from etl.platform import SecretsConfig

_VARIABLES = ("ETL_SECRETS", "ETL_SECRETS_PATH")
_IN_FOLDERS = ("files", "sops")


class SecretFolder(BaseModel):
    """The folder with the secrets of one tenant, if secrets are files.

    Attributes:
        tenant: The tenant.
        source: The folder where the files are kept: below the project, or a whole path.
        place: The folder in the installation, where the tenant's processes look.
        names: The files that the tenant's file names, such as `db/password`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    source: PurePosixPath
    place: PurePosixPath
    names: tuple[str, ...]


def store_settings(
    secrets: SecretsConfig, environ: Mapping[str, str], project_dir: Path, project: PurePosixPath
) -> dict[str, str]:
    """Return the variables that name the store in the installation, where pyproject.toml does not suffice.

    It does not if variables have chosen the store, or if the store is a folder: the project is elsewhere there.
    """
    is_folder = secrets.store in _IN_FOLDERS and secrets.path is not None
    if not is_folder and not any(environ.get(each) for each in _VARIABLES):
        return {}
    path = str(_installed(secrets.path, project_dir, project)) if is_folder and secrets.path else secrets.path
    return {"ETL_SECRETS": secrets.store, **({"ETL_SECRETS_PATH": path} if path else {})}


def secret_folder(
    config: TenantConfig, secrets: SecretsConfig, project_dir: Path, project: PurePosixPath
) -> SecretFolder | None:
    """Return the folder with the tenant's secrets; None if it names none, or if they are no files."""
    names = named_secrets(config)
    if secrets.store != "files" or not names:
        return None
    if secrets.path is None:
        raise ConfigError(
            "the store `files` has no folder", 'write `path = "secrets/{tenant}"` into [tool.etl.secrets]'
        )
    path = secrets.path if "{tenant}" in secrets.path else f"{secrets.path.rstrip('/')}/{{tenant}}"
    own = path.replace("{tenant}", config.id)
    inside = Path(own).is_relative_to(project_dir)
    return SecretFolder(
        tenant=config.id,
        source=PurePosixPath(Path(own).relative_to(project_dir) if inside else own),
        place=_installed(own, project_dir, project),
        names=tuple(sorted(f"{each.name}/{each.key}" for each in names)),
    )


def refuse_sops(secrets: SecretsConfig, variables: Iterable[str]) -> None:
    """Raise an error if secrets are encrypted files and the services are containers: the files would not be there.

    `variables` are those that the code servers need.
    """
    if secrets.store == "sops" and any(each.endswith("SOPS_AGE_KEY_FILE") for each in variables):
        raise EtlError(
            "tenants name secrets, and the store is `sops`: its encrypted files and its keys are not in the containers",
            "use a server as the store, or `files` (docs/secrets.md), or `etl deploy systemd`",
        )


def _installed(path: str, project_dir: Path, project: PurePosixPath) -> PurePosixPath:
    """Return where a path is in the installation: below its project, or the same whole path."""
    if Path(path).is_relative_to(project_dir):
        return project / Path(path).relative_to(project_dir)
    return PurePosixPath(path)
