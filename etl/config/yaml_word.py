"""Writes a short text, such as a tenant's id, into YAML, so that every reader takes it for a text.

Belongs here: when such a text needs quotes. Not here: reading YAML (`yaml_source`), and writing whole files.

`no` and `y` are booleans for readers of YAML 1.1, such as those of Helm, Dagster and dbt; `null` and `true` are texts
for nobody. A tenant may have each of these ids.
"""

import json
import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_NO_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def is_other_kind(text: str) -> bool:
    """Whether some reader of YAML takes the bare word for a boolean or for nothing."""
    return text.lower() in _NO_TEXT


def yaml_word(text: str) -> str:
    """Return the text as it stands in YAML: bare where every reader takes it for a text, and else in quotes."""
    return text if _PLAIN.fullmatch(text) and not is_other_kind(text) else json.dumps(text, ensure_ascii=False)
