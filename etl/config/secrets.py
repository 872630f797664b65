"""The secrets of a tenant: none may stand in clear in its file, and the scrubber learns the others in time.

Belongs here: walking a tenant's tree and its templates. Not here: what looks like a secret (`etl.secrets.in_clear`),
scrubbing (`etl.secrets.scrub`). A finding never contains the text of the secret. A secret in a store is not fetched
here. A run fetches it when it opens a connection, and the value is then remembered.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from etl.config.connections import WarehouseConfig
from etl.config.findings import ConfigFinding, KeyPath
from etl.config.overrides import DBT_ENV, KEYS_RESOLVED_IN_RUNS
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Node
from etl.errors import ConfigError
from etl.notify.targets import SECRET_FIELDS
from etl.secrets.contract import DEFAULT_KEY
from etl.secrets.in_clear import is_secret, is_secret_key
from etl.secrets.scrub import learn, learn_url
from etl.secrets.template import (
    interpolate,
    malformed,
    missing_variables,
    references_of,
    secrets_of,
    split_secret,
    variables_of,
)


def secrets_in_clear(node: Node, path: KeyPath = ()) -> Iterator[ConfigFinding]:
    """Yield every scalar below `node` that contains a secret."""
    if isinstance(node.value, dict):
        whole_url = path[:1] == ("notifications",) and "type" in node.value and node.value["type"].text == "slack"
        url = node.value.get("url")
        if whole_url and url is not None and url.text and not references_of(url.text):
            yield _in_clear(url, (*path, "url"))
            return
        for key, each in node.value.items():
            yield from secrets_in_clear(each, (*path, key))
    elif isinstance(node.value, list):
        for index, each in enumerate(node.value):
            yield from secrets_in_clear(each, (*path, index))
    elif node.value is not None and not malformed(node.text) and _gives_away(node.text, path):
        yield _in_clear(node, path)


def _in_clear(node: Node, path: KeyPath) -> ConfigFinding:
    allowed = "${NAME} of an environment variable, or ${secret:name#key}, without a default"
    return ConfigFinding(path, "a secret in clear", node.mark.line, node.mark.column, allowed=allowed)


def _gives_away(text: str, path: KeyPath) -> bool:
    in_connection = any(part in KEYS_RESOLVED_IN_RUNS for part in path) or {*DBT_ENV} <= {*path}
    key = next((str(part) for part in path if is_secret_key(part)), "") if in_connection else ""
    return is_secret(key, text)


class NamedSecret(NamedTuple):
    """A key of a secret that a tenant's file names, and the paths in the file where it is named."""

    name: str
    key: str
    paths: tuple[KeyPath, ...]


def named_secrets(config: TenantConfig) -> list[NamedSecret]:
    """Return all secrets that the configuration names, in the order of their first mention."""
    found: dict[tuple[str, str], list[KeyPath]] = {}
    late: dict[str, Any] = {**dict.fromkeys(KEYS_RESOLVED_IN_RUNS, True), "dbt": {"env"}}
    dumped = config.model_dump(mode="json", include=late, exclude_none=True)
    for path, text in _texts(dumped, ()):
        for reference in secrets_of(text):
            name, key = split_secret(reference)
            found.setdefault((name, key or DEFAULT_KEY), []).append(path)
    return [NamedSecret(name, key, tuple(paths)) for (name, key), paths in found.items()]


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))
    elif isinstance(value, str):
        yield path, value


def learn_tenant(config: TenantConfig, environ: Mapping[str, str] | None = None) -> None:
    """Remember the values of one tenant's secret templates, as far as the environment has them."""
    values = config.namespace(environ)
    for template in dict.fromkeys(_templates(config)):
        if secrets_of(template) or not variables_of(template):
            continue
        try:
            if missing_variables(template, values):
                continue
            value = interpolate(template, values)
        except ConfigError:
            continue  # the template names another owner's variable and is never resolved
        if "://" in value:
            learn_url(value)
        learn(value)


def _templates(config: TenantConfig) -> Iterator[str]:
    for connection in (config.source_database, config.warehouse):
        if connection is None:
            continue
        parts = {"url": connection.url, "password": connection.password}
        parts |= {key: value for key, value in connection.options.items() if is_secret_key(key)}
        iceberg = connection.iceberg if isinstance(connection, WarehouseConfig) else {}
        parts |= {key: value for key, value in iceberg.items() if is_secret_key(key) or key == "uri"}
        yield from (each.text for each in parts.values() if each is not None)
    yield from (each.text for each in config.storage.keys or ())
    yield from (each.text for name, each in config.dbt.env.items() if is_secret_key(name))
    for target in config.notifications:
        for name in SECRET_FIELDS[target.type]:
            value = getattr(target, name)
            yield from value.values() if isinstance(value, Mapping) else ([value] if value else [])
