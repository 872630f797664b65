"""Adds a tenant's code location to workspace.yaml, and takes it out.

Belongs here: the text of workspace.yaml with one entry more or less. Not here: which tenants the locations serve
(`etl.cli.locations`).
"""

from pathlib import Path

import yaml

from etl.config.yaml_word import yaml_word
from etl.errors import EtlError
from etl.settings import Settings


def with_location(settings: Settings, tenant: str) -> str:
    """Return the text of workspace.yaml with one more code location at its end. The rest is not changed."""
    path: Path = settings.project_dir / "workspace.yaml"
    module = f"tenants.{tenant}.definitions"
    text = path.read_text(encoding="utf-8") if path.is_file() else "load_from:\n"
    if f"module_name: {module}\n" in text:
        return text
    entry = (
        "  - python_module:\n"
        f"      module_name: {module}\n"
        "      attribute: defs\n"
        f"      location_name: {yaml_word(tenant)}\n"
        "      working_directory: .\n"
    )
    before = text.replace("load_from: []", "load_from:").rstrip("\n")
    longer = f"{before}\n{entry}"
    if module not in _modules(longer):
        raise EtlError(
            "no entry can be added to workspace.yaml: `load_from:` must be its last key, with one entry per line",
            f"add this entry yourself, then run the command again:\n{entry}",
        )
    return longer


def without_location(settings: Settings, tenant: str) -> str | None:
    """Return the text of workspace.yaml without the tenant's entry; None if it has no such entry."""
    path: Path = settings.project_dir / "workspace.yaml"
    module = f"tenants.{tenant}.definitions"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if module not in _modules(text):
        return None
    lines = text.splitlines(keepends=True)
    starts = [at for at, line in enumerate(lines) if line.lstrip().startswith("- ")]
    for at, start in enumerate(starts):
        end = starts[at + 1] if at + 1 < len(starts) else len(lines)
        end = next((n for n in range(start + 1, end) if lines[n][:1] not in (" ", "-", "#", "\n")), end)
        if any(line.split("#")[0].strip() == f"module_name: {module}" for line in lines[start:end]):
            shorter = "".join([*lines[:start], *lines[end:]])
            return shorter if len(starts) > 1 else shorter.replace("load_from:", "load_from: []")
    return None


def _modules(text: str) -> list[str]:
    """Return the modules that a workspace names; an empty list if it is no YAML."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    entries = content.get("load_from") if isinstance(content, dict) else None
    places = [each.get("python_module") for each in entries or () if isinstance(each, dict)]
    return [str(each.get("module_name")) for each in places if isinstance(each, dict)]
