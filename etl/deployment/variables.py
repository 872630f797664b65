"""The names of the variables that a tenant's processes need: its own, the shared ones, and the login of the store.

Belongs here: which names. Not here: any value, and whether a variable is set now (`etl check`).
"""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from etl.config.config_loader import CONFIG_FILE, load_tenant
from etl.config.overrides import KEYS_RESOLVED_IN_RUNS
from etl.config.secrets import named_secrets
from etl.config.tenant_config import TenantConfig
from etl.secrets.environment import variable_of
from etl.secrets.ownership import prefix_of
from etl.secrets.template import variables_of
from etl.settings import Settings

_BAO = {
    "token": (("BAO_TOKEN",), ("BAO_ADDR", "BAO_CACERT", "BAO_NAMESPACE")),
    "approle": (("BAO_ROLE_ID", "BAO_SECRET_ID"), ("BAO_ADDR", "BAO_CACERT", "BAO_NAMESPACE")),
    "kubernetes": ((), ("BAO_ADDR", "BAO_CACERT", "BAO_NAMESPACE")),
}
_LOGINS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "aws": ((), ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    "gcp": ((), ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS")),
    "azure": ((), ("AZURE_KEYVAULT_URL", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET")),
    "sops": (("SOPS_AGE_KEY_FILE",), ()),
}
"""For each store the variables of its login: the tenant's own, with its prefix, and what surrounds them."""


class NeededVariables(NamedTuple):
    """Names of variables: those without which a run fails, and those that have a default."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


def load_with_any_variables(tenant: str, settings: Settings) -> TenantConfig:
    """Load a tenant as if every variable that its file names were set: here they are not, and need not be."""
    text = (settings.tenants_dir / tenant / CONFIG_FILE).read_text(encoding="utf-8", errors="replace")
    return load_tenant(tenant, settings, {**{name: "set" for name, _ in variables_of(text)}, **os.environ})


def needed_variables(config: TenantConfig) -> NeededVariables:
    """Return the variables that the tenant's file names, and those of the platform that its runs take."""
    found: dict[str, bool] = {}
    for name, is_required in (*_named(config), *_store(config), *_shared(config)):
        found[name] = found.get(name, False) or is_required
    required = tuple(sorted(name for name, is_required in found.items() if is_required))
    return NeededVariables(required, tuple(sorted(found.keys() - {*required})))


def _named(config: TenantConfig) -> Iterator[tuple[str, bool]]:
    late: dict[str, Any] = {**dict.fromkeys(KEYS_RESOLVED_IN_RUNS, True), "dbt": {"env"}}
    for text in _texts(config.model_dump(mode="json", include=late, exclude_none=True)):
        for name, default in variables_of(text):
            yield name, default is None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _store(config: TenantConfig) -> Iterator[tuple[str, bool]]:
    """The secrets as variables, or the tenant's own login of the store."""
    secrets, store = named_secrets(config), config.namespace({}).secrets
    if not secrets or store.store == "files":
        return
    if store.store == "env":
        for each in secrets:
            yield variable_of(config.id, each.name, each.key), True
        return
    login, around = _BAO[store.auth] if store.store in ("openbao", "vault") else _LOGINS[store.store]
    for name in login:
        yield f"{prefix_of(config.id)}{name}", True
    said = {"BAO_ADDR": store.address, "AZURE_KEYVAULT_URL": store.address, "GOOGLE_CLOUD_PROJECT": store.project}
    for name in around:
        if name in said:  # the store is not found without it
            yield name, said[name] is None
            continue
        is_key = name.endswith(("KEY", "KEY_ID", "SECRET", "CREDENTIALS", "CLIENT_ID", "TENANT_ID"))
        yield f"{prefix_of(config.id)}{name}" if is_key else name, False


def _shared(config: TenantConfig) -> Iterator[tuple[str, bool]]:
    """The object store and the cluster that the platform gives to all."""
    if config.storage.bucket is not None:
        for name in ("S3_ENDPOINT_URL", "AWS_REGION"):
            yield name, False
        if config.storage.keys is None:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                yield name, False
    if config.warehouse.type == "trino":
        for name in ("TRINO_HOST", "TRINO_PORT", "TRINO_HTTP_SCHEME", "TRINO_USER", "TRINO_CATALOG"):
            yield name, False
