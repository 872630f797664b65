"""The process that executes a run: it keeps only what belongs to the run's tenants, and no secret leaves it as text.

Belongs here: what happens once, before the first step. Not here: the law of names (`etl.secrets.ownership`), what a
secret is (`etl.secrets.scrub`), and which process works for a run (`worker_process`).

Other tenants' variables are taken out of the environment. Printed lines and Dagster's events are scrubbed on their way
out, whoever made them, the tenant's own assets included. No core file is written, because it would hold every secret.
"""

import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun, EventLogEntry, JobDefinition
from dagster._serdes import deserialize_value, serialize_value

from etl.config.config_loader import list_tenants, load_tenant
from etl.config.known_secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.platform import platform_of
from etl.secrets.ownership import PROCESS_VARIABLES, environment_of
from etl.secrets.scrub import known_only, learn_environment, scrub
from etl.secrets.streams import scrub_streams
from etl.settings import load_settings

_NAMES = frozenset({
    "__class__", "asset_key", "asset_check_key", "check_name", "event_type_value", "job_name", "level", "logging_tags",
    "mapping_key", "name", "output_name", "partition", "pipeline_name", "run_id", "step_handle", "step_key", "tags",
})  # fmt: skip
"""Parts of an event that are names: a secret that is spelled like a pipeline does not rename the pipeline."""
_marked = "etl_scrubs_events"


def protect_texts(config: TenantConfig) -> None:
    """Scrub what this process, which builds the definitions of a tenant, reports about it.

    Every process that prints about a tenant builds its definitions, whatever executor a job written by hand has.
    """
    learn_environment(os.environ)
    learn_tenant(config)
    scrub_events()
    if _is_dagsters_own():
        forbid_core_files()
        scrub_streams()


def _is_dagsters_own() -> bool:
    """Whether this is a process of a run or a step, or the `dagster` command; no program that imports the product."""
    return multiprocessing.parent_process() is not None or "dagster" in Path(sys.argv[0]).parts[-2:]


def protect(run: DagsterRun, job: JobDefinition) -> None:
    """Make this process one that works for the run's tenants and for nobody else."""
    settings = load_settings()
    known = list_tenants(settings)
    keys = run.asset_selection or job.asset_layer.executable_asset_keys
    tenants = sorted({key.path[0] for key in keys} & set(known)) or sorted({run.tags.get("tenant", "")} & set(known))
    learn_environment(os.environ)
    for tenant in tenants:
        _learn(tenant)
    if tenants:
        _keep_only(tenants, known)
    forbid_core_files()
    scrub_streams()
    scrub_events()


def forbid_core_files() -> None:
    """Let a crash of this process leave no image of its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _learn(tenant: str) -> None:
    try:
        learn_tenant(load_tenant(tenant))
    except EtlError:
        return  # a broken tenant has a step that says so


def _keep_only(tenants: Iterable[str], known: tuple[str, ...]) -> None:
    platform = platform_of(load_settings().project_dir, os.environ)
    shared = (*PROCESS_VARIABLES, *platform.shared_variables, *platform.process_variables)
    kept: dict[str, str] = {}
    for tenant in tenants:
        kept |= environment_of(tenant, os.environ, known, shared)
    for name in set(os.environ) - set(kept):
        del os.environ[name]


def scrub_events() -> None:
    """Let every event that this process reports pass the scrubber, once, whichever instance it is reported to."""
    report = DagsterInstance.handle_new_event
    if getattr(report, _marked, False):
        return

    @wraps(report)
    def scrubbed(self: DagsterInstance, event: EventLogEntry, **more: Any) -> None:  # noqa: ANN401  Dagster's own
        report(self, scrubbed_event(event), **more)

    setattr(scrubbed, _marked, True)
    DagsterInstance.handle_new_event = scrubbed  # type: ignore[method-assign,assignment]  # all events pass it


def scrubbed_event(event: EventLogEntry) -> EventLogEntry:
    """The event without secrets; the very same one if it holds none."""
    said = json.loads(serialize_value(event))
    clean = _clean(said, guess=False)
    return event if clean == said else deserialize_value(json.dumps(clean), EventLogEntry)


def _clean(value: Any, *, guess: bool) -> Any:  # noqa: ANN401  any JSON
    """Texts without known secrets; in errors and log messages also without what stands beside `password=`."""
    if isinstance(value, str):
        return scrub(value) if guess else known_only(value)
    if isinstance(value, list):
        return [_clean(each, guess=guess) for each in value]
    if isinstance(value, dict):
        kind = value.get("__class__")
        if kind in ("AssetKey", "AssetCheckKey", "StepHandle"):
            return value
        guess = guess or kind == "SerializableErrorInfo"
        return {
            key: each if key in _NAMES else _clean(each, guess=guess or key == "user_message")
            for key, each in value.items()
        }
    return value
