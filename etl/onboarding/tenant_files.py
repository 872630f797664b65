"""Writes a new tenant's folder in one step.

Belongs here: writing the folder whole or not at all. Not here: the text (`tenant_text`), changing the file of a tenant
that exists (`etl.config.changed_file`), the entry in workspace.yaml of a tenant that is made from the template
(`etl.cli.new`).
"""

import shutil
import time
from pathlib import Path
from uuid import uuid4

from etl.config.changed_file import replace_file
from etl.config.config_loader import CONFIG_FILE
from etl.errors import EtlError
from etl.faults import reach
from etl.onboarding.example_variables import add_to_example
from etl.onboarding.workspace import with_location
from etl.settings import Settings

_OLD_SECONDS = 3600
_MODULE = "definitions.py"
_DEFINITIONS = '''"""The code location of tenant {tenant}; its assets are made from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("{tenant}")
'''


def refuse_existing(settings: Settings, tenant: str) -> None:
    """Raise an error if the tenant exists already. A folder without its configuration may hold its database."""
    folder = settings.tenants_dir / tenant
    if folder.exists() and not folder.is_dir():
        raise EtlError(f"tenants/{tenant} is no folder", "move it away, or choose another id")
    if (folder / CONFIG_FILE).exists():
        raise EtlError(
            f"tenants/{tenant} exists already",
            f"`etl new {tenant} --add` adds tables to it; or choose another id",
        )


def write_tenant(settings: Settings, tenant: str, text: str) -> None:
    """Write the folder of a new tenant under another name, rename it, and add the tenant to workspace.yaml.

    A folder that has no configuration yet keeps its files.
    """
    workspace = with_location(settings, tenant)
    target = settings.tenants_dir / tenant
    _remove_old_drafts(settings, tenant)
    draft = settings.tenants_dir / f".{tenant}.{uuid4().hex}"
    try:
        draft.mkdir()
        (draft / CONFIG_FILE).write_text(text, encoding="utf-8")
        (draft / _MODULE).write_text(_DEFINITIONS.format(tenant=tenant), encoding="utf-8")
        reach("new.drafted")
        refuse_existing(settings, tenant)  # another command may have made it while the database was read
        if target.exists():
            _move_into(draft, target)
        else:
            draft.rename(target)
    except OSError as error:
        raise EtlError(
            f"tenants/{tenant} cannot be written: {error.strerror}", "free the disk, or grant rights"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    replace_file(settings.project_dir / "workspace.yaml", workspace)
    add_to_example(settings, tenant, text)


def _move_into(draft: Path, target: Path) -> None:
    """Move the new files into a folder that exists. It becomes a tenant with the last one, and keeps all its files."""
    is_new = not (target / _MODULE).exists()
    if is_new:
        (draft / _MODULE).rename(target / _MODULE)
    try:
        (draft / CONFIG_FILE).rename(target / CONFIG_FILE)
    except OSError:
        if is_new:
            (target / _MODULE).unlink()
        raise


def _remove_old_drafts(settings: Settings, tenant: str) -> None:
    """Remove what a command has left that was killed while it wrote. Another command may be writing at this moment."""
    for left in settings.tenants_dir.glob(f".{tenant}.*"):
        if time.time() - left.stat().st_mtime > _OLD_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
