"""Reads the configuration of a tenant in a scratch copy of the project, before the project itself is changed.

Belongs here: the scratch copy. Not here: which texts a tenant's files get (`renamed_files`, `import_checks`).
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.settings import Settings

_READ = {".py", ".sql", ".yaml", ".yml", ".md", ".toml", ".csv", ".json"}
"""Files whose content a configuration can depend on. Of others only the name counts: they may be large databases."""


def load_in_scratch(
    settings: Settings, tenant: str, files: Iterable[tuple[str, str | Path]], dbt: Path, without: str = ""
) -> TenantConfig:
    """Return the configuration that these files would give. Raises ConfigError as the real one would.

    `files` are the files of the tenant's folder, each with its text or with the file that it is copied from. `dbt` is
    the folder that would be its dbt project, if it is there. `without` is a tenant that would be gone.
    """
    with tempfile.TemporaryDirectory(prefix="etl-scratch-") as scratch:
        root = Path(scratch)
        scratched = settings.model_copy(update={"project_dir": root})
        own = {settings.tenants_dir.name, settings.dbt_dir.name}
        _link(settings.project_dir, root, own)
        for folder, target in (
            (settings.tenants_dir, scratched.tenants_dir),
            (settings.dbt_dir, scratched.dbt_dir),
        ):
            target.mkdir()
            _link(folder, target, {tenant, without})
        if dbt.is_dir():
            (scratched.dbt_dir / tenant).symlink_to(dbt.resolve())
        for inner, said in files:
            path = scratched.tenants_dir / tenant / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(said, str):
                path.write_text(said, encoding="utf-8")
            else:
                path.write_bytes(said.read_bytes() if said.suffix in _READ else b"")
        return load_tenant(tenant, scratched)


def _link(folder: Path, scratch: Path, but: set[str]) -> None:
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name not in but:
            (scratch / each.name).symlink_to(each.resolve())
