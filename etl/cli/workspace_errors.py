"""The error for a workspace.yaml that Dagster refuses, with the line of the mistake.

Belongs here: from Dagster's path of a mistake to its line, and the remedy. Not here: which tenants the locations serve
(`locations`), a location that cannot be loaded (`location_errors`).
"""

import json
import re
from pathlib import Path

import yaml

from etl.errors import EtlError
from etl.suggest import nearest

_PATH = re.compile(r"at path root:([^\s.]+)")
_STEP = re.compile(r"\w+")
_ENTRIES = {
    "python_module": "module_name: tenants.NAME.definitions, location_name: NAME",
    "python_file": "relative_path: FILE.py, location_name: NAME",
    "python_package": "package_name: PACKAGE, location_name: NAME",
    "grpc_server": "host: HOST, port: 4000, location_name: NAME",
    "autoload_defs_module": "module_name: MODULE, location_name: NAME",
}
"""The kinds of entries, and keys that make each of them complete."""
_OTHERWISE = "write `load_from:` with one entry for each location, each with a name"


def wrong_workspace(path: Path, error: Exception) -> EtlError:
    """Return the error. Dagster reads the file as YAML 1.1, in which a bare `no` is a boolean."""
    if (wrong := _wrong_entry(path)) is not None:
        return wrong
    problem, remedy = f"{path} cannot be read: {error}", _OTHERWISE
    if (at := _PATH.search(str(error))) is None:
        return EtlError(problem, remedy)
    node = _node(path, _STEP.findall(at[1]))
    if node is None:
        return EtlError(problem, remedy)
    place = f"{path}:{node.start_mark.line + 1}"
    name = _STEP.findall(at[1])[-1]
    if isinstance(node, yaml.ScalarNode) and _is_empty(node):
        return EtlError(f"{place}: `{name}` has no value", f"write the value behind `{name}:`, or remove the line")
    if isinstance(node, yaml.ScalarNode):
        read = node.tag.rpartition(":")[2]
        return EtlError(
            f"{place}: Dagster takes `{name}: {node.value}` for a value of the type {read}, and needs a text",
            f"write `{name}: {json.dumps(node.value, ensure_ascii=False)}`",
        )
    return EtlError(f"{place}: {str(error).splitlines()[-1].strip()}", remedy)


def _wrong_entry(path: Path) -> EtlError | None:
    """Return the error for an entry that is empty or of no kind that there is; None if each entry names something."""
    entries = _node(path, ["load_from"])
    if entries is not None and _is_empty(entries) and not isinstance(entries, yaml.SequenceNode):
        return EtlError(f"{path}:{entries.start_mark.line + 1}: `load_from` has no entries", _OTHERWISE)
    for entry in entries.value if isinstance(entries, yaml.SequenceNode) else ():
        place = f"{path}:{entry.start_mark.line + 1}"
        pair = entry.value[0] if isinstance(entry, yaml.MappingNode) and entry.value else None
        kind = str(pair[0].value) if pair else ""
        known = kind if kind in _ENTRIES else nearest(kind, _ENTRIES) or "python_module"
        remedy = f"write `- {known}: {{{_ENTRIES[known]}}}`, or remove the entry"
        if pair is None:
            return EtlError(f"{place}: an entry of `load_from` names no code location", remedy)
        if kind not in _ENTRIES:
            return EtlError(f"{place}: `{kind}` is no kind of entry; there are {', '.join(_ENTRIES)}", remedy)
        if _is_empty(pair[1]):
            return EtlError(f"{place}: the entry `{kind}` has no value, so it names no code location", remedy)
    return None


def _is_empty(node: yaml.Node) -> bool:
    return not node.value or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"))


def _node(path: Path, steps: list[str]) -> yaml.Node | None:
    """Return the part of the file at Dagster's path; None if the file has no such part, or is no YAML."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):  # Dagster's error says so
        return None
    for step in steps:
        if isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == step), None)
        else:
            return None
    return node
