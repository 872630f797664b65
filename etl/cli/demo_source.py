"""Makes the demo database of a tenant, for the commands that run a tenant.

Belongs here: calling the tenant's own `demo/generate.py`. Not here: what a command does with the tenant.
"""

import importlib.util
import time
from pathlib import Path
from types import ModuleType

from rich.console import Console

from etl.config.config_loader import load_tenant
from etl.errors import EtlError
from etl.resources.rdb import demo_script, refuse_without_source
from etl.settings import Settings


def make_source(tenant: str, settings: Settings, console: Console) -> None:
    """Make the tenant's demo database if it does not exist and the tenant needs it.

    A tenant with its own database needs none, nor does one with dbt alone.
    """
    config = load_tenant(tenant, settings)
    path = settings.demo_dir / f"{tenant}.sqlite"
    if not config.pipelines or not config.uses_demo_source():
        return
    if config.source_database is not None:
        unset = config.source_database.missing(config.namespace())
        verb = "is" if len(unset) == 1 else "are"
        told = f"{tenant} reads its demo source and not its database: {', '.join(unset)} {verb} not set"
        console.print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if path.is_file():
        return
    refuse_without_source(config, path)
    settings.demo_dir.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _load(demo_script(config), f"demo_{tenant}").make_demo(path)
    console.print(f"made the demo source of {tenant} in {time.monotonic() - began:.1f} s")


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EtlError(f"{path} cannot be imported", "is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
