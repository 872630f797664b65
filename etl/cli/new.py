"""`etl new`: makes a working tenant from the template.

Belongs here: copying, renaming, and the entry in workspace.yaml. Not here: the keys of a tenant (`etl.config`).
"""

import json
import re
import shutil
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from etl.config.config_loader import load_tenant
from etl.errors import EtlError
from etl.settings import Settings, load_settings

TEMPLATE = "_template"


def new(
    tenant: Annotated[str, typer.Argument(help="The new tenant's id: lowercase letters, digits, underscore.")],
    group: Annotated[str | None, typer.Option(help="The asset group, for example CD or NPS.")] = None,
    name: Annotated[str | None, typer.Option(help="The tenant's name for people. Default: made from the id.")] = None,
) -> None:
    """Make a tenant from the template. It runs at once on its own demo data; then edit its config.yaml."""
    make_tenant(load_settings(), tenant, group, name)
    console = Console()
    console.print(f"[green]made[/] tenants/{tenant}, and its entry in workspace.yaml")
    console.print(f"next: edit tenants/{tenant}/config.yaml, or see it run: [bold]etl demo --tenant {tenant}[/]")


def make_tenant(
    settings: Settings, tenant: str, group: str | None = None, name: str | None = None, *, in_workspace: bool = True
) -> None:
    """Copy the template under the tenant's id, and add it to workspace.yaml. After an error no files are left."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", tenant):
        raise EtlError(
            f"`{tenant}` cannot be a tenant's id", "lowercase letters, digits and underscores, a letter first"
        )
    target = settings.tenants_dir / tenant
    if target.exists():
        raise EtlError(f"tenants/{tenant} exists already", "choose another id, or edit the existing tenant")
    source = settings.tenants_dir / TEMPLATE
    if not source.is_dir():
        raise EtlError(f"{source} is missing", "run this in the project's folder, the one with tenants/")
    workspace = with_location(settings, tenant) if in_workspace else None
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(target.rglob("*")):
        if path.suffix in {".yaml", ".py", ".md", ".sql"}:
            text = path.read_text(encoding="utf-8")
            text = text.replace(TEMPLATE, tenant).replace("TEMPLATE_", f"{tenant.upper()}_")
            path.write_text(text, encoding="utf-8")
    config_path = target / "config.yaml"
    text = config_path.read_text(encoding="utf-8")
    # JSON is YAML, so it can be used to quote a name with quotes and colons.
    called = tenant.replace("_", " ").strip().title() if name is None else json.dumps(name, ensure_ascii=False)
    text = text.replace("name: Template ", f"name: {called} ", 1)
    if group is not None:
        text = text.replace("group: CD ", f"group: {group} ", 1)
    config_path.write_text(text, encoding="utf-8")
    try:
        # Checked as in dev, because in prod the new tenant's variables are not set yet.
        load_tenant(tenant, settings.model_copy(update={"environment": "dev"}))
    except EtlError:
        shutil.rmtree(target)  # for example, the group is not allowed
        raise
    if workspace is not None:
        (settings.project_dir / "workspace.yaml").write_text(workspace, encoding="utf-8")


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
        f"      location_name: {tenant}\n"
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


def _modules(text: str) -> list[str]:
    """Return the modules that a workspace names; an empty list if it is no YAML."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    entries = content.get("load_from") if isinstance(content, dict) else None
    places = [each.get("python_module") for each in entries or () if isinstance(each, dict)]
    return [str(each.get("module_name")) for each in places if isinstance(each, dict)]
