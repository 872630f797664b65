"""Where `${secret:name#key}` is looked up: the protocol of a store, and the stores that need no server.

Belongs here: `SecretResolver`, the store of environment variables, the store of files, and the platform's choice of a
store. Not here: the syntax of a reference (`template`), and remembering values for scrubbing (`namespace`).

A tenant names a secret, never a store or a path. Every store separates the tenants' secrets by the tenant's id.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etl.errors import ConfigError
from etl.platform import SecretsConfig
from etl.secrets.ownership import owner_of, prefix_of

DEFAULT_KEY = "value"
_WORDS = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_LARGEST = 1_000_000  # bytes of a secret's file


class SecretResolver(Protocol):
    """A store of secrets, which separates the secrets of each tenant."""

    def fetch(self, tenant: str, name: str, key: str) -> str:
        """Return the value. Raises ConfigError, which says where the store looked and never shows a value."""
        ...


@dataclass(frozen=True)
class EnvSecrets:
    """Environment variables: `db#password` of the tenant `acme` is ACME_SECRET_DB__PASSWORD."""

    environ: Mapping[str, str]
    tenants: Collection[str] = ()

    def fetch(self, tenant: str, name: str, key: str) -> str:
        """The variable's value."""
        variable = variable_of(tenant, name, key)
        owner = owner_of(variable, {*self.tenants, tenant})
        if owner != tenant:
            raise ConfigError(
                f"the secret `{name}` of tenant {tenant} would be {variable}, which belongs to {_whose(owner)}",
                "give the secret another name, or let the platform keep secrets in files: ETL_SECRETS=files",
            )
        value = self.environ.get(variable)
        if not value:
            raise _missing(tenant, name, key, f"the environment variable {variable} is not set", f"set {variable}")
        return value


@dataclass(frozen=True)
class FileSecrets:
    """Files, as Docker and Kubernetes mount them: `<folder>/<tenant>/<name>/<key>`.

    A folder whose path contains `{tenant}` belongs to one tenant. A secret with one value may be the file `<name>`.
    """

    folder: str

    def fetch(self, tenant: str, name: str, key: str) -> str:
        """Return the file's text, without the line break that editors add at the end."""
        root = Path(self.folder.replace("{tenant}", tenant))
        root = root if "{tenant}" in self.folder else root / tenant
        path = root / name / key
        if key == DEFAULT_KEY and (root / name).is_file():
            path = root / name
        inside = path.resolve()
        if not inside.is_relative_to(root.resolve()):
            raise _missing(tenant, name, key, f"{path} leads out of the tenant's folder", "put the file itself there")
        try:
            with inside.open("rb") as file:
                text = file.read(_LARGEST).decode()
        except OSError as error:
            raise _missing(tenant, name, key, f"{path}: {error.strerror}", f"write the value to {path}") from None
        except UnicodeDecodeError:
            raise _missing(tenant, name, key, f"{path} is not UTF-8 text", "write the value as text") from None
        value = text.removesuffix("\n").removesuffix("\r")
        if not value:
            raise _missing(tenant, name, key, f"{path} is empty", f"write the value to {path}")
        return value


def variable_of(tenant: str, name: str, key: str) -> str:
    """Return the environment variable of a secret. Two secrets never have the same variable.

    Words are written in capitals; `/` becomes `__S__`, `-` becomes `__D__`, and the key follows after `__`.
    """
    parts = re.split(r"([/-])", name)
    if not all(_WORDS.fullmatch(each) for each in (*parts[::2], key)):
        raise ConfigError(
            f"the secret `{name}#{key}` cannot be an environment variable",
            "use lower-case words with single `_` between them, or let the platform keep secrets in files",
        )
    marks = {"/": "__S__", "-": "__D__"}
    text = "".join(marks.get(each, each.upper()) for each in parts)
    return f"{prefix_of(tenant)}SECRET_{text}" + (f"__{key.upper()}" if key != DEFAULT_KEY else "")


def open_store(config: SecretsConfig, environ: Mapping[str, str], tenants: Collection[str]) -> SecretResolver:
    """Open the store that the platform's configuration names."""
    if config.store == "env":
        return EnvSecrets(environ, tuple(tenants))
    if not config.path:
        raise ConfigError(
            "the secret store `files` has no folder",
            "set ETL_SECRETS_PATH, or `path` in [tool.etl.secrets] of pyproject.toml, such as /run/secrets",
        )
    return FileSecrets(str(Path(config.path).expanduser()))


def _whose(owner: str | None) -> str:
    return f"tenant {owner}" if owner else "the platform"


def _missing(tenant: str, name: str, key: str, why: str, hint: str) -> ConfigError:
    shown = name if key == DEFAULT_KEY else f"{name}#{key}"
    return ConfigError(f"tenant {tenant} has no secret `{shown}`: {why}", hint)
