"""Taking a tenant's secrets out of a text that somebody else wrote, such as the error of a library.

Belongs here: `Scrub`. Does not: errors of our own, which never hold one.
"""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

from etl.config.tenant_config import TenantConfig
from etl.notify.targets import SECRET_FIELDS
from etl.secrets.in_clear import is_secret_key
from etl.secrets.template import interpolate, missing_variables

SHORTEST = 4  # a shorter value stands in ordinary text too
_IN_URL = re.compile(r"(\w://[^\s:/@]*):[^\s@]*@")
_ASSIGNED = re.compile(r"(?i)\b(password|passwd|pwd|token|api_?key|secret)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s;,&]+)")


class Scrub:
    """The text without the values behind the secret templates of one tenant."""

    def __init__(self, config: TenantConfig, environ: Mapping[str, str] | None = None) -> None:
        self._templates = tuple(dict.fromkeys(_templates(config)))
        self._environ = environ

    def __call__(self, text: str) -> str:
        """What is secret becomes `***`."""
        for value in sorted(self._values(), key=len, reverse=True):
            text = text.replace(value, "***")
        return _ASSIGNED.sub(r"\1\2***", _IN_URL.sub(r"\1:***@", text))

    def _values(self) -> set[str]:
        environ = os.environ if self._environ is None else self._environ
        values: set[str] = set()
        for template in self._templates:
            if missing_variables(template, environ):
                continue
            value = interpolate(template, environ)
            values |= {value, quote(value, safe=""), quote_plus(value)}
            if "://" in value:
                password = _password(value)
                values |= {password, unquote(password)}
        return {each for each in values if len(each) >= SHORTEST}


def _templates(config: TenantConfig) -> Iterator[str]:
    for connection in (config.source_database, config.warehouse, config.storage):
        if connection is None:
            continue
        for name in type(connection).model_fields:
            template = getattr(getattr(connection, name), "text", None)
            if template is not None and (name == "url" or is_secret_key(name)):
                yield template
    for target in config.notifications:
        for name in SECRET_FIELDS[target.type]:
            value = getattr(target, name)
            yield from value.values() if isinstance(value, Mapping) else ([value] if value else [])


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
