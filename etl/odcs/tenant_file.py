"""Writes imported pipelines as YAML, and puts them into the text of a tenant's file.

Belongs here: the text of a pipeline. Not here: what a pipeline says (`importing`), its place in the file
(`etl.config.changed_file`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from etl.config.changed_file import behind_last_pipeline, check_text
from etl.errors import ConfigError
from etl.odcs.fundamentals import grouped
from etl.odcs.importing import ImportedPipeline
from etl.settings import Settings

_WIDTH = 110
_STEP = 2


def with_imported(before: str, tenant: str, settings: Settings, imported: Sequence[ImportedPipeline], file: str) -> str:
    """Return the tenant's file with the imported pipelines. Raises ConfigError if the tenant would not load."""
    text = behind_last_pipeline(
        before,
        lambda indent: "".join("\n" + pipeline_text(each, indent, file) for each in imported),
        f"tenants/{tenant}/config.yaml",
    )
    try:
        check_text(settings, tenant, text)
    except ConfigError as error:
        raise ConfigError(
            f"with the pipelines of {file}, the tenant {tenant} does not load; nothing was written",
            "change the contract, or write the pipeline by hand",
            problems=error.problems or (error.problem,),
        ) from error
    return text


def pipeline_text(imported: ImportedPipeline, indent: int, contract: str) -> str:
    """Return a pipeline as YAML, with what was not taken over as comments."""
    space, inner = " " * indent, " " * (indent + _STEP)
    lines = [f"{space}{imported.name}:", f"{inner}# Made from the contract {contract}."]
    lines += [f"{inner}# Not taken over: {at}: {reason}" for at, reason in grouped(imported.left)]
    for key, value in imported.keys.items():
        lines += _key_lines(key, value, inner)
        if key == "source_table":
            lines[-1] += "   # a contract does not say where rows come from: check this name"
    return "\n".join(lines) + "\n"


def _key_lines(key: str, value: Any, space: str) -> list[str]:  # noqa: ANN401  any value of YAML
    """Return one key: in one line if it is short, or else as a block whose rules have one line each."""
    short = f"{space}{key}: {_flow(value)}"
    if key not in ("quality", "sla") and len(short) <= _WIDTH:
        return [short]
    if isinstance(value, Mapping):
        return [
            f"{space}{key}:",
            *(line for name, each in value.items() for line in _key_lines(name, each, space + "  ")),
        ]
    if isinstance(value, list | tuple) and key == "rules":
        return [f"{space}{key}:", *(f"{space}  - {_flow(each)}" for each in value)]
    return [short]


def _flow(value: Any) -> str:  # noqa: ANN401  any value of YAML
    text: str = yaml.safe_dump(
        _escaped(value), default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.removesuffix("...\n").rstrip("\n")


def _escaped(value: Any) -> Any:  # noqa: ANN401  any value of YAML
    """Return the value with each dollar that would begin a variable written as two dollars."""
    if isinstance(value, Mapping):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(each) for each in value]
    return value.replace("$$", "$$$$").replace("${", "$${") if isinstance(value, str) else value
