"""Reads a contract's file and checks it against the JSON Schema of the standard; writes a contract as YAML.

Belongs here: the file, the places of mistakes. Not here: what a contract says (`importing`, `difference`).

The schema stands beside this module, in `standard/`, as the standard publishes it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError, best_match

from etl.config.findings import ConfigFinding, KeyPath, in_order
from etl.config.yaml_source import Mark, Node, find, parse, to_data
from etl.errors import ConfigError

API_VERSION = "v3.1.0"
_SCHEMA = Path(__file__).parent / "standard" / "odcs-json-schema-v3.1.0.json"
_SHOWN = 20


@dataclass(frozen=True)
class Contract:
    """A contract that keeps the standard."""

    data: Mapping[str, Any]
    name: str
    """Its file, or its pipeline, for people."""
    root: Node | None = field(default=None, repr=False)
    columns_are_sure: bool = True
    """False: made from a pipeline whose newest object was perhaps not made by its YAML and code as they are."""

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of a part of the contract; None if the contract was not read from a file."""
        return find(self.root, path)[1].line if self.root is not None else None


def read_contract(path: Path) -> Contract:
    """Return the contract of a file. Raises one ConfigError that lists all breaches of the standard."""
    try:
        document = parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "name a contract's YAML file") from error
    if document.root is None or document.findings:
        raise _error(path, list(document.findings) or [ConfigFinding((), "the file is empty")])
    data = _plain(to_data(document.root))
    findings = [_finding(each, document.root) for each in _breaches(data)]
    if findings:
        raise _error(path, findings)
    return Contract(data, str(path), document.root)


def checked(data: Mapping[str, Any], name: str) -> Contract:
    """Return a contract that was made here. Raises an error if it does not keep the standard."""
    if breach := best_match(_breaches(data)):
        raise ConfigError(
            f"the contract of {name} would not keep the standard: {breach.message} at {breach.json_path}",
            "report this as a fault of the program",
        )
    return Contract(data, name)


def contract_text(data: Mapping[str, Any]) -> str:
    """Return the contract as YAML."""
    text: str = yaml.dump(
        _plain(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return text


@lru_cache(maxsize=1)
def standard_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of the standard."""
    schema: Mapping[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


def _breaches(data: object) -> Iterator[ValidationError]:
    yield from Draft201909Validator(standard_schema()).iter_errors(data)


def _finding(error: ValidationError, root: Node) -> ConfigFinding:
    inner = best_match(error.context) if error.context else None
    shown = inner or error
    path: KeyPath = tuple(error.absolute_path) + (tuple(shown.relative_path) if inner else ())
    node, mark = find(root, path)
    place: Mark = node.mark if node is not None else mark
    return ConfigFinding(path, shown.message.splitlines()[0][:200], place.line, place.column)


def _error(path: Path, findings: list[ConfigFinding]) -> ConfigError:
    problems = [each.render(str(path)) for each in in_order(findings)]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return ConfigError(
        f"{path} is no contract of the Open Data Contract Standard {API_VERSION}",
        "correct the file; the standard is at bitol.io",
        problems=[*problems[:_SHOWN], *more],
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  any value of YAML
    """Return the value as JSON has it: a date becomes a text, as the standard's schema expects."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, as people do, and never an anchor."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  PyYAML's
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  PyYAML's own signature
        return True
