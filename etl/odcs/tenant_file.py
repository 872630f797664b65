"""Puts imported pipelines into a tenant's file, behind its last pipeline. All lines that are there stay as they are.

Belongs here: the text of a pipeline, its place, the proof that the tenant still loads. Not here: what a pipeline says
(`importing`).
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from etl.config.config_loader import CONFIG_FILE, load_tenant
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Node, parse
from etl.errors import ConfigError
from etl.odcs.fundamentals import grouped
from etl.odcs.importing import ImportedPipeline
from etl.settings import Settings

_WIDTH = 110
_STEP = 2


def with_imported(config: TenantConfig, settings: Settings, imported: Sequence[ImportedPipeline], contract: str) -> str:
    """Return the tenant's file with the imported pipelines. Raises ConfigError if it would not load."""
    path = settings.tenants_dir / config.id / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    pipelines = _pipelines(text, path)
    marks = [pipelines.keys[key] for key in pipelines.value] if isinstance(pipelines.value, dict) else []
    indent = marks[0].column - 1
    lines = text.splitlines(keepends=True)
    at = _line_behind(lines, max(each.line for each in marks) - 1, indent)
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    added = "".join("\n" + pipeline_text(each, indent, contract) for each in imported)
    new = "".join([*lines[:at], added, *lines[at:]])
    _require_loadable(config, settings, new, contract)
    return new


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


def _pipelines(text: str, path: Path) -> Node:
    """Return the mapping of the pipelines, which has to be a block with one pipeline at least."""
    root = parse(text.encode()).root
    tenant = _child(root, "tenant") or root
    pipelines = _child(_child(tenant, "assets"), "pipelines")
    keys = [each.column for each in pipelines.keys.values()] if pipelines is not None else []
    if (
        pipelines is None
        or not keys
        or len({*keys}) > 1
        or len({each.line for each in pipelines.keys.values()}) < len(keys)
    ):
        raise ConfigError(
            f"{path} has no `assets: pipelines:` as a block with one pipeline at least",
            "write the pipelines as a block, one key a line",
        )
    return pipelines


def _child(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _line_behind(lines: Sequence[str], start: int, indent: int) -> int:
    """Return the number of the first line behind the block that begins at `start`."""
    end = start + 1
    for number in range(start + 1, len(lines)):
        stripped = lines[number].lstrip()
        if stripped.strip() and len(lines[number]) - len(stripped) <= indent:
            break
        end = number + 1 if stripped.strip() else end
    return end


def _require_loadable(config: TenantConfig, settings: Settings, text: str, contract: str) -> None:
    """Load the tenant with the new text in a temporary project whose other files are those of this one."""
    with TemporaryDirectory(prefix="etl-contract-") as folder:
        project = Path(folder)
        for each in settings.project_dir.glob("*.toml"):
            (project / each.name).symlink_to(each)
        if settings.dbt_dir.is_dir():
            (project / settings.dbt_dir.name).symlink_to(settings.dbt_dir)
        tenants = project / settings.tenants_dir.name
        tenants.mkdir()
        for each in settings.tenants_dir.iterdir():
            if each.name != config.id:
                (tenants / each.name).symlink_to(each)
        own = tenants / config.id
        shutil.copytree(settings.tenants_dir / config.id, own, ignore=shutil.ignore_patterns("__pycache__"))
        (own / CONFIG_FILE).write_text(text, encoding="utf-8")
        try:
            load_tenant(config.id, settings.model_copy(update={"project_dir": project}))
        except ConfigError as error:
            raise ConfigError(
                f"with the pipelines of {contract}, the tenant {config.id} does not load; nothing was written",
                "change the contract, or write the pipeline by hand",
                problems=error.problems or (error.problem,),
            ) from error
