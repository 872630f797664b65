"""Protects the process that executes a run: other tenants' variables are removed, and its texts show no secret.

Belongs here: the protection before the first step. Not here: the owner of a variable (`etl.secrets.ownership`), what a
secret is (`etl.secrets.scrub`), texts that Dagster records (`reports`), the tenants of a run (`run_tenants`), and which
process works for a run (`worker_process`).

Other tenants' variables are removed from the environment. Printed lines and Dagster's events are scrubbed, also those
of the tenant's own assets. No core file is written, because it would contain every secret.
"""

import multiprocessing
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

from dagster import DagsterRun, JobDefinition

from etl.config.config_loader import list_tenants, load_tenant
from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.platform import platform_of
from etl.running.json_log import log_as_json, name_run
from etl.running.reports import scrub_reports
from etl.running.run_tenants import tenants_of
from etl.secrets.ownership import PROCESS_VARIABLES, STORE_PREFIXES, environment_of
from etl.secrets.scrub import learn_environment
from etl.secrets.streams import scrub_streams
from etl.settings import load_settings


def protect_texts(config: TenantConfig) -> None:
    """Scrub the texts of this process, which builds the definitions of a tenant.

    Every process that prints texts of a tenant builds its definitions, also if a hand-written job has another executor.
    """
    learn_environment(os.environ)
    learn_tenant(config)
    scrub_reports()
    if _is_dagsters_own():
        forbid_core_files()
        log_as_json()
        scrub_streams()


def _is_dagsters_own() -> bool:
    """Whether this is a process of a run or a step, or the `dagster` command; no program that imports the product."""
    return multiprocessing.parent_process() is not None or "dagster" in Path(sys.argv[0]).parts[-2:]


def protect(run: DagsterRun, job: JobDefinition) -> None:
    """Prepare this process to work only for the run's tenants."""
    settings = load_settings()
    known = list_tenants(settings)
    tenants = tenants_of(run, known, job.asset_layer.executable_asset_keys)
    learn_environment(os.environ)
    for tenant in tenants:
        _learn(tenant)
    if tenants:
        keep_only(tenants, known)
    forbid_core_files()
    log_as_json(is_own=True)
    name_run(run.run_id, tenants)
    scrub_streams()
    scrub_reports()


def forbid_core_files() -> None:
    """Prevent a crash of this process from writing an image of its memory.

    The limit is one byte, not zero: Linux gives the image to a program such as systemd-coredump at every limit but 1.
    """
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0 if hard == 0 else 1, hard))


def _learn(tenant: str) -> None:
    try:
        learn_tenant(load_tenant(tenant))
    except EtlError:
        return  # a broken tenant has a step that reports it


def keep_only(tenants: Iterable[str], known: tuple[str, ...]) -> None:
    """Remove other tenants' variables from this process's environment; the scrubber still knows their secrets."""
    learn_environment(os.environ)
    platform = platform_of(load_settings().project_dir, os.environ)
    of_store = (f"{each}*" for each in STORE_PREFIXES.get(platform.secrets.store, ()))
    shared = (*PROCESS_VARIABLES, *of_store, *platform.shared_variables, *platform.process_variables)
    kept: dict[str, str] = {}
    for tenant in tenants:
        kept |= environment_of(tenant, os.environ, known, shared)
    for name in set(os.environ) - set(kept):
        del os.environ[name]
