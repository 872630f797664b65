"""YAML as a person would write it: short lists on one line, texts of several lines as such.

Belongs here: the form. Not here: the content.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from etl.config.yaml_word import is_other_kind

_SHORT = 100


def yaml_text(content: Mapping[str, Any]) -> str:
    """Return the text of a mapping. The same part in two places is written twice, without an anchor."""
    return yaml.dump(dict(content), Dumper=_Readable, sort_keys=False, width=120, allow_unicode=True)


class _Readable(yaml.SafeDumper):
    """Dumps lists of short texts on one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401  whatever is dumped
        """Write a repeated part again."""
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the lists of a mapping."""
        del indentless
        super().increase_indent(flow, indentless=False)


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    on_one_line = all(isinstance(each, str | int | float) for each in data) and len(str(data)) < _SHORT
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=on_one_line)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", data, style="|" if "\n" in data else "'" if is_other_kind(data) else None
    )


_Readable.add_representer(list, _list)
_Readable.add_representer(str, _text)
