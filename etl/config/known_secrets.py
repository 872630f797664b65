"""Teaches the scrubber a tenant's secrets before any code of the tenant runs.

Belongs here: which of a tenant's templates are secrets. Not here: scrubbing (`etl.secrets.scrub`). A secret in a store
is not fetched here. A run fetches it when it opens a connection, and the value is then remembered.
"""

from collections.abc import Iterator, Mapping

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.notify.targets import SECRET_FIELDS
from etl.secrets.in_clear import is_secret_key
from etl.secrets.scrub import learn, learn_url
from etl.secrets.template import interpolate, missing_variables, secrets_of, variables_of


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
        yield from (each.text for each in parts.values() if each is not None)
    for target in config.notifications:
        for name in SECRET_FIELDS[target.type]:
            value = getattr(target, name)
            yield from value.values() if isinstance(value, Mapping) else ([value] if value else [])
