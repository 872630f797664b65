"""Recognizes what looks like a secret: a key, a variable's name, or a text that contains a secret.

Belongs here: the patterns. Not here: finding them in a tenant's file (`etl.config.secrets`), removing them from texts
(`scrub`).
"""

import re

from etl.secrets.template import literal_of

_KEY = re.compile(
    r"(?:^|[._-])(?:password|passwd|passphrase|pwd|pw|secret|secret_key|secret_id|token|api[_-]?key|access[_-]key"
    r"|access[_-]key[_-]id|account[_-]key|connection[_-]string|private_key|routing_key|integration_key|service_key"
    r"|credentials?|authorization|cookie|sslpassword)$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secrets?|token|credentials?|api_?key|private_key|access_key)(?:_|$)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"_(?:url|uri|file|path|dir|name|id|host|port|user|username|database|schema|region|endpoint|store|provider|backend"
    r"|type|algorithm|length|ttl|seconds|minutes|hours|days|lifetime|expiry|enabled)$",
    re.IGNORECASE,
)
"""Ends of names of variables that tell something about a secret and do not contain it."""
_SHORTEST = 6
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
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,})"),
    re.compile(r"\b(?:[rs]k_live_[A-Za-z0-9]{16,}|sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}|hvs\.[A-Za-z0-9_-]{24,})"),
    re.compile(r"\b(?:AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|dop_v1_[0-9a-f]{64}|pypi-[A-Za-z0-9_-]{50,})"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n)*[A-Za-z0-9+/]{16,}"),
    re.compile(r"\b(?:Bearer|Basic)\s+(?=[A-Za-z._~+/=-]*\d)[A-Za-z0-9._~+/=-]{16,}"),
)


def is_secret_key(key: str | int) -> bool:
    """Whether the value of `key` is never shown and never written in clear."""
    return isinstance(key, str) and bool(_KEY.search(key))


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of the environment contains a secret: `ACME_SECRET_X` and `ACME_TOKEN_2` do, too.

    Where the name does not end like the name of a secret, a short value or a number is none.
    """
    if is_secret_key(name):
        return True
    is_named = bool(_VARIABLE.search(name)) and not _ABOUT.search(name)
    return is_named and len(value) >= _SHORTEST and not value.isdecimal()


def is_secret(key: str, value: str) -> bool:
    """Whether `value`, written in a configuration or in code under the name `key`, contains a secret."""
    literal = literal_of(value)
    named = is_secret_key(key) and not _SCHEME.fullmatch(literal)
    return named or any(pattern.search(literal) for pattern in _IN_TEXT)
