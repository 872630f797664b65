"""Recognizes what looks like a secret: a key, a variable's name, or a text that contains a secret.

Belongs here: the patterns. Not here: finding them in a tenant's file (`etl.config.secrets`), removing them from texts
(`scrub`).
"""

import re

from etl.secrets.template import literal_of

_KEY = re.compile(
    r"(?:^|[_-])(?:password|passwd|passphrase|pwd|pw|secret|secret_key|token|api[_-]?key|access_key|access_key_id"
    r"|private_key|routing_key|integration_key|service_key|credentials?|authorization|cookie|sslpassword)$",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|GenieKey)?\s*", re.IGNORECASE)
_IN_TEXT = (
    re.compile(r"://[^/?#\s:@]{0,200}:(?!\d{1,5}(?:[/?#]|$))[^\s]{1,200}@"),
    re.compile(
        r"[?&](?:\w*password|passwd|token|access_token|api_?key|secret|sig|signature)=[^&\s]+",
        re.IGNORECASE,
    ),
    re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/\w", re.IGNORECASE),
    re.compile(r"discord(?:app)?\.com/api/webhooks/\d", re.IGNORECASE),
    re.compile(r"webhook\.office\.com/webhook\w*/\w", re.IGNORECASE),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}"),
)


def is_secret_key(key: str | int) -> bool:
    """Whether the value of `key` is never shown and never written in clear."""
    return isinstance(key, str) and bool(_KEY.search(key))


def is_secret(key: str, value: str) -> bool:
    """Whether `value`, written in a configuration or in code under the name `key`, contains a secret."""
    literal = literal_of(value)
    named = is_secret_key(key) and not _SCHEME.fullmatch(literal)
    return named or any(pattern.search(literal) for pattern in _IN_TEXT)
