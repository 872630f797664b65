"""The error for a workspace.yaml that Dagster refuses, with the line of the mistake.

Belongs here: from Dagster's path of a mistake to its line, and the remedy. Not here: which tenants the locations serve
(`locations`), a location that cannot be loaded (`location_errors`).
"""

import json
import re
from pathlib import Path

import yaml

from etl.errors import EtlError

_PATH = re.compile(r"at path root:([^\s.]+)")
_STEP = re.compile(r"\w+")
_OTHERWISE = "write `load_from:` with one entry for each location, each with a name"


def wrong_workspace(path: Path, error: Exception) -> EtlError:
    """Return the error. Dagster reads the file as YAML 1.1, in which a bare `no` is a boolean."""
    problem, remedy = f"{path} cannot be read: {error}", _OTHERWISE
    if (at := _PATH.search(str(error))) is None:
        return EtlError(problem, remedy)
    node = _node(path, _STEP.findall(at[1]))
    if node is None:
        return EtlError(problem, remedy)
    place = f"{path}:{node.start_mark.line + 1}"
    name = _STEP.findall(at[1])[-1]
    if isinstance(node, yaml.ScalarNode):
        read = node.tag.rpartition(":")[2]
        return EtlError(
            f"{place}: Dagster takes `{name}: {node.value}` for a value of the type {read}, and needs a text",
            f"write `{name}: {json.dumps(node.value, ensure_ascii=False)}`",
        )
    return EtlError(f"{place}: {str(error).splitlines()[-1].strip()}", remedy)


def _node(path: Path, steps: list[str]) -> yaml.Node | None:
    """Return the part of the file at Dagster's path; None if the file has no such part."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for step in steps:
        if isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == step), None)
        else:
            return None
    return node
