"""Finding secrets that stand in a configuration in clear.

Belongs here: what looks like a secret. Does not: showing it; no finding contains the text that it is about.
"""

import re
from collections.abc import Iterator

from etl.config.env_template import literal_of, variables_of
from etl.config.findings import Finding, Path
from etl.config.overrides import LATE_KEYS
from etl.config.yaml_source import Node

_KEY = re.compile(
    r"(?:^|[_-])(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access_key|access_key_id|private_key"
    r"|routing_key|integration_key|service_key|credentials?|authorization|cookie)$",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|GenieKey)?\s*", re.IGNORECASE)
_IN_TEXT = (
    re.compile(r"://[^/?#\s:@]{0,200}:(?!\d{1,5}(?:[/?#]|$))[^\s]{1,200}@"),
    re.compile(r"[?&](?:password|passwd|token|access_token|api_?key|secret|sig|signature)=[^&\s]+", re.IGNORECASE),
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
    """Whether `value`, as it stands in somebody's code under the name `key`, gives a secret away."""
    literal = literal_of(value)
    named = is_secret_key(key) and not _SCHEME.fullmatch(literal)
    return named or any(pattern.search(literal) for pattern in _IN_TEXT)


def secrets_in_clear(node: Node, path: Path = ()) -> Iterator[Finding]:
    """Every scalar below `node` that gives a secret away."""
    if isinstance(node.value, dict):
        whole_url = path[:1] == ("notifications",) and "type" in node.value and node.value["type"].text == "slack"
        url = node.value.get("url")
        if whole_url and url is not None and url.text and not variables_of(url.text):
            yield _in_clear(url, (*path, "url"))
            return
        for key, each in node.value.items():
            yield from secrets_in_clear(each, (*path, key))
    elif isinstance(node.value, list):
        for index, each in enumerate(node.value):
            yield from secrets_in_clear(each, (*path, index))
    elif node.value is not None and _gives_away(node.text, path):
        yield _in_clear(node, path)


def _in_clear(node: Node, path: Path) -> Finding:
    allowed = "${NAME} of an environment variable, without a default"
    return Finding(path, "a secret in clear", node.mark.line, node.mark.column, allowed=allowed)


def _gives_away(text: str, path: Path) -> bool:
    in_connection = any(part in LATE_KEYS for part in path)
    key = next((str(part) for part in path if is_secret_key(part)), "") if in_connection else ""
    return is_secret(key, text)
