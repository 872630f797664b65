"""Finds secrets that are written in clear in a configuration.

Belongs here: walking a tenant's tree. Not here: what looks like a secret (`etl.secrets.in_clear`). A finding never
contains the text of the secret.
"""

from collections.abc import Iterator

from etl.config.findings import ConfigFinding, KeyPath
from etl.config.overrides import KEYS_RESOLVED_IN_RUNS
from etl.config.yaml_source import Node
from etl.secrets.in_clear import is_secret, is_secret_key
from etl.secrets.template import references_of


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
    elif node.value is not None and _gives_away(node.text, path):
        yield _in_clear(node, path)


def _in_clear(node: Node, path: KeyPath) -> ConfigFinding:
    allowed = "${NAME} of an environment variable, or ${secret:name#key}, without a default"
    return ConfigFinding(path, "a secret in clear", node.mark.line, node.mark.column, allowed=allowed)


def _gives_away(text: str, path: KeyPath) -> bool:
    in_connection = any(part in KEYS_RESOLVED_IN_RUNS for part in path)
    key = next((str(part) for part in path if is_secret_key(part)), "") if in_connection else ""
    return is_secret(key, text)
