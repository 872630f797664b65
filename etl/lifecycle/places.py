"""Every place that holds something of a tenant: what is there, how it is removed, and what cannot be removed from here.

Belongs here: the list of places, in the order in which they are removed. Not here: the order of an erasure and its
certificate (`erase`), Dagster's storage (`dagster_records`), the lake and its bucket (`lake_places`), the tables of a
warehouse (`etl.warehouse.contents`).

Each place lists exactly the tenant's own part. Folders and files are named by the whole id. So of two tenants whose ids
begin alike, `a` and `a_b`, each keeps its own.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values, unset_key

from etl.config.config_loader import CONFIG_FILE, list_tenants, written_tenant
from etl.config.tenant_config import TenantConfig
from etl.config.tenant_loader import TRANSFORMS
from etl.dbt.project import work_dir
from etl.errors import EtlError
from etl.last_good import kept_place
from etl.lifecycle.erasable import ErasablePlace, Subject
from etl.lifecycle.item import Item
from etl.lifecycle.lake_places import lakes_of
from etl.lifecycle.tables import own_schemas
from etl.notify.outbox import Outbox
from etl.onboarding.workspace import without_location
from etl.pipeline.quarantine import history_path
from etl.portal.folder import HTML, JSON, is_ours, remove_page
from etl.promises.state_log import StateLog
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets.ownership import owner_of
from etl.settings import Settings
from etl.warehouse.contents import contents, movable, remove

_LAST = (CONFIG_FILE, TRANSFORMS)
"""The tenant's file says where the other places are, and is valid only with its transforms: both go last."""


def places_of(subject: Subject) -> Iterator[ErasablePlace]:
    """Yield the places in the order of removal: what makes new things first, the project's files last.

    The tables go before the files of dbt, which tell in which schemas it has built.
    """
    yield _runs(subject)
    yield _records(subject)
    if subject.with_warehouse:
        yield _tables(subject)
        yield _warehouse_files(subject)
    yield _state(subject)
    yield _promises(subject)
    yield _messages(subject)
    if subject.settings.portal_dir is not None:
        yield _pages(subject.settings.portal_dir, subject.id)
    yield from lakes_of(subject)
    yield _variables(subject)
    yield _project_files(subject)


def _runs(subject: Subject) -> ErasablePlace:
    return ErasablePlace("runs", "runs of Dagster, with their events and logs", subject.records.run_items, lambda: None)


def _records(subject: Subject) -> ErasablePlace:
    def remove_records() -> None:
        subject.records.remove()
        if (problem := subject.records.compact()) and subject.records.runs().own:
            raise EtlError(
                f"Dagster's storage could not be written again: {problem}", "stop the web server and the daemon"
            )

    return ErasablePlace(
        "records",
        "rows of Dagster about assets, checks, schedules, sensors and back-fills",
        subject.records.row_items,
        remove_records,
    )


def _state(subject: Subject) -> ErasablePlace:
    """Files of the data folder that belong to this tenant alone, also under the ids that it had before."""
    data = subject.settings.data_dir
    names = [path for each in (subject.id, *subject.formerly) for path in _state_of(each, subject.settings)]

    def remove_files() -> None:
        for path in names:
            _remove(path)

    title = "files of the data folder: drafts, journals, decisions, dbt's work, kept configurations, the demo source"
    return ErasablePlace("state", title,
                 lambda: [item for path in names for item in _files(path, data)], remove_files)  # fmt: skip


def _state_of(tenant: str, settings: Settings) -> list[Path]:
    data = settings.data_dir
    names = [
        data / "sla" / f"{tenant}.sqlite",
        data / "backfills" / tenant,
        history_path(settings, tenant),
        work_dir(tenant, settings),
        settings.staging_dir / tenant,
        settings.demo_dir / f"{tenant}.sqlite",
        kept_place(tenant, settings),
    ]
    return [*names, *(path.with_name(path.name + end) for path in names for end in ("-wal", "-shm", "-journal"))]


def _promises(subject: Subject) -> ErasablePlace:
    path = subject.settings.data_dir / "sla.sqlite"

    def items() -> list[Item]:
        found = StateLog(path).count(subject.id) if path.exists() else 0
        return [Item(name="states", rows=found)] if found else []

    return ErasablePlace("promises", "states of promises over time", items,
                 lambda: StateLog(path).forget(subject.id) if path.exists() else None)  # fmt: skip


def _messages(subject: Subject) -> ErasablePlace:
    path = subject.settings.data_dir / "notify.sqlite"

    ids = (subject.id, *subject.formerly)  # messages keep the id under which they were sent

    def items() -> list[Item]:
        counts = [Outbox(path).count(each) for each in ids] if path.exists() else []
        found = [
            Item(name="incidents", rows=sum(each for each, _ in counts)),
            Item(name="messages", rows=sum(each for _, each in counts)),
        ]
        return [each for each in found if each.rows]

    def remove_messages() -> None:
        if path.exists():
            for each in ids:
                Outbox(path).forget(each)

    return ErasablePlace("messages", "incidents and messages", items, remove_messages)


def _pages(portal: Path, tenant: str) -> ErasablePlace:
    """The page that a sensor keeps fresh. Other files in its folder belong to a person."""
    own = portal / tenant

    def items() -> list[Item]:
        return [item for name in (HTML, JSON) for item in _files(own / name, portal)] if is_ours(own) else []

    def remove_it() -> None:
        if is_ours(own):
            remove_page(own)

    return ErasablePlace("pages", "files of the tenant's page", items, remove_it)


def _tables(subject: Subject) -> ErasablePlace:
    config = subject.config
    warehouse = movable(warehouse_of_tenant(config).open(config), subject.id, "remove")

    def items() -> list[Item]:
        if config.warehouse.type == "duckdb" and not warehouse.files():
            return []
        found = contents(warehouse, subject.id, subject.dbt)
        tables = [Item(name=each.target, rows=each.rows) for each in found.tables]
        ledger = [Item(name="ledger", rows=len(found.entries))] if found.entries else []
        return [*tables, *ledger]

    def remove_tables() -> None:
        if items():
            remove(warehouse, subject.id, subject.dbt, subject.run_id, own_schemas(subject.id, subject.dbt))

    return ErasablePlace("tables", "tables and views of the warehouse, and entries of its ledger", items, remove_tables)


def _warehouse_files(subject: Subject) -> ErasablePlace:
    config = subject.config
    warehouse = movable(warehouse_of_tenant(config).open(config), subject.id, "remove")

    def remove_files() -> None:
        for path in warehouse.files():
            path.unlink(missing_ok=True)

    return ErasablePlace("warehouse_files", "the warehouse's own file",
                 lambda: [Item(name=each.name, bytes=each.stat().st_size) for each in warehouse.files()],
                 remove_files)  # fmt: skip


def _variables(subject: Subject) -> ErasablePlace:
    """The tenant's variables in the project's `.env`, which often are passwords."""
    path = subject.settings.project_dir / ".env"
    tenants = {*list_tenants(subject.settings), subject.id, *subject.formerly}

    def names() -> list[str]:
        said = dotenv_values(path) if path.is_file() else {}
        return [name for name in said if owner_of(name, tenants) in {subject.id, *subject.formerly}]

    def remove_variables() -> None:
        for name in names():
            unset_key(path, name)

    return ErasablePlace(
        "variables", "variables in .env", lambda: [Item(name=each) for each in names()], remove_variables
    )


def _project_files(subject: Subject) -> ErasablePlace:
    """The tenant's folder, its own dbt project, its entry in workspace.yaml. The folder is moved away first."""
    settings = subject.settings
    folders = [folder_being_erased(settings, subject.id), settings.tenants_dir / subject.id]
    if is_own_dbt_project(subject.config, settings):
        folders.append(settings.dbt_dir / subject.id)

    def items() -> list[Item]:
        found = [item for path in folders for item in _files(path, settings.project_dir)]
        left = tuple(f"tenants/{folders[0].name}/{name}" for name in _LAST)
        listed = [each for each in found if not each.name.startswith(left)]
        return [*listed, Item(name="workspace.yaml")] if without_location(settings, subject.id) is not None else listed

    def remove_files() -> None:
        being_erased, folder, *others = folders
        if folder.exists() and not being_erased.exists():
            folder.rename(being_erased)
        _remove(folder)
        for path in others:
            _remove(path)
        text = without_location(settings, subject.id)
        if text is not None:
            (settings.project_dir / "workspace.yaml").write_text(text, encoding="utf-8")
        for path in being_erased.iterdir() if being_erased.exists() else ():
            if path.name not in _LAST:
                _remove(path)

    return ErasablePlace(
        "files", "the tenant's folder, its dbt project, its entry in workspace.yaml", items, remove_files
    )


def remove_locks(settings: Settings, tenant: str) -> None:
    """Remove the tenant's lock files, which hold the number of a process. Nobody may use them any more."""
    names = [f"{tenant}{end}" for end in (".publish", ".staging", ".warehouse", ".dbt")]
    for name in (*names, f"quarantine_{tenant}.lock", f"dbt_{tenant}.lock"):
        (settings.data_dir / "locks" / name).unlink(missing_ok=True)


def folder_being_erased(settings: Settings, tenant: str) -> Path:
    """Return the folder that the tenant's folder is renamed to. Its name makes it no tenant."""
    return settings.tenants_dir / f".{tenant}.being_erased"


def is_own_dbt_project(config: TenantConfig, settings: Settings) -> bool:
    """Whether the dbt project with the tenant's name is its own: no other tenant's file names it, nor the platform.

    A file that is no YAML may name it, if the name stands in it.
    """
    if config.dbt.project not in (None, config.id) or config.id in config.origin.platform.shared_dbt_projects:
        return False
    for other in list_tenants(settings):
        raw = (settings.tenants_dir / other / CONFIG_FILE).read_bytes()
        if other != config.id and _may_use_project(written_tenant(raw, other), raw, config.id):
            return False
    return (settings.dbt_dir / config.id).is_dir()


def _may_use_project(written: Mapping[str, object] | None, raw: bytes, project: str) -> bool:
    if written is None:
        return re.search(rb"\b%s\b" % project.encode(), raw) is not None
    environments = written.get("environments")
    said = [written, *(environments.values() if isinstance(environments, Mapping) else ())]
    dbt = [each.get("dbt") for each in said if isinstance(each, Mapping)]
    return any(isinstance(each, Mapping) and each.get("project") == project for each in dbt)


def _files(path: Path, below: Path) -> Iterator[Item]:
    files = [path] if path.is_file() or path.is_symlink() else sorted(path.rglob("*")) if path.is_dir() else []
    for each in files:
        if each.is_symlink() or not each.is_dir():
            yield Item(name=each.relative_to(below).as_posix(), bytes=each.lstat().st_size)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
