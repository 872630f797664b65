"""Writes a tenant's folder in one step, and a tenant's changed file in one step.

Belongs here: checking what is about to be written, and writing it whole or not at all. Not here: the text
(`tenant_text`), the entry in workspace.yaml of a tenant that is made from the template (`etl.cli.new`).
"""

import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import SIZE_LIMIT
from etl.errors import ConfigError, EtlError
from etl.faults import reach
from etl.onboarding.workspace import with_location
from etl.quality.whole_file import write_whole
from etl.settings import Settings

_OLD_SECONDS = 3600
_DEFINITIONS = '''"""The code location of tenant {tenant}; its assets are made from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("{tenant}")
'''


def refuse_existing(settings: Settings, tenant: str) -> None:
    """Raise an error if the tenant has a folder already."""
    if (settings.tenants_dir / tenant).exists():
        raise EtlError(
            f"tenants/{tenant} exists already",
            f"`etl new {tenant} --add` adds tables to it; or choose another id",
        )


def check_text(settings: Settings, tenant: str, text: str) -> TenantConfig:
    """Load the text as the tenant's file, in a project that is otherwise this one. Raises one error with all mistakes.

    It is checked as in dev, because in prod the new tenant's variables need not be set yet.
    """
    if (size := len(text.encode())) > SIZE_LIMIT:
        raise EtlError(
            f"the file of tenant {tenant} would have {size:,} bytes; allowed: {SIZE_LIMIT:,}",
            "choose fewer tables with `--tables`; several tenants can read one database",
        )
    with TemporaryDirectory(prefix="etl-new-") as folder:
        project = Path(folder)
        if (settings.project_dir / "pyproject.toml").is_file():
            shutil.copyfile(settings.project_dir / "pyproject.toml", project / "pyproject.toml")
        for each in {*list_tenants(settings), tenant}:
            (project / "tenants" / each).mkdir(parents=True)
            (project / "tenants" / each / CONFIG_FILE).touch()
        own = project / "tenants" / tenant
        for part in (settings.tenants_dir / tenant).iterdir() if (settings.tenants_dir / tenant).is_dir() else ():
            if part.name != CONFIG_FILE:
                (own / part.name).symlink_to(part)
        (own / CONFIG_FILE).write_text(text, encoding="utf-8", newline="")
        elsewhere = settings.model_copy(update={"project_dir": project, "environment": "dev"})
        return load_tenant(tenant, elsewhere)


def write_tenant(settings: Settings, tenant: str, text: str) -> None:
    """Write the folder of a new tenant under another name, rename it, and add the tenant to workspace.yaml."""
    workspace = with_location(settings, tenant)
    target = settings.tenants_dir / tenant
    _remove_old_drafts(settings, tenant)
    draft = settings.tenants_dir / f".{tenant}.{uuid4().hex}"
    try:
        draft.mkdir()
        (draft / CONFIG_FILE).write_text(text, encoding="utf-8")
        (draft / "definitions.py").write_text(_DEFINITIONS.format(tenant=tenant), encoding="utf-8")
        reach("new.drafted")
        refuse_existing(settings, tenant)  # another command may have made it while the database was read
        draft.rename(target)
    except OSError as error:
        raise EtlError(
            f"tenants/{tenant} cannot be written: {error.strerror}", "free the disk, or grant rights"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    reach("new.made")
    _replace(settings.project_dir / "workspace.yaml", workspace)


def _remove_old_drafts(settings: Settings, tenant: str) -> None:
    """Remove what a command has left that was killed while it wrote. Another command may be writing at this moment."""
    for left in settings.tenants_dir.glob(f".{tenant}.*"):
        if time.time() - left.stat().st_mtime > _OLD_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def write_config(settings: Settings, tenant: str, before: str, text: str) -> None:
    """Replace a tenant's file in one step, if it still is what was read."""
    path = settings.tenants_dir / tenant / CONFIG_FILE
    if read_config(settings, tenant) != before:
        raise ConfigError(f"tenants/{tenant}/{CONFIG_FILE} was changed meanwhile", "run the command again")
    _replace(path, text)


def read_config(settings: Settings, tenant: str) -> str:
    """Return the text of a tenant's file with its line ends as they are."""
    path = settings.tenants_dir / tenant / CONFIG_FILE
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"tenants/{tenant}/{CONFIG_FILE} cannot be read: {error}", "correct the file") from error


def _replace(path: Path, text: str) -> None:
    try:
        write_whole(path.resolve(), text)
    except OSError as error:
        raise EtlError(f"{path.name} cannot be written: {error.strerror}", "free the disk, or grant rights") from error
