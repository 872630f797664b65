"""Gives a tenant another id: its objects, ledger, state and files; what people know by name stays where it is.

Belongs here: the order of a renaming, and which settings must be written out before. Not here: removing what is left
under the old id in Dagster (`erase`).

Tables keep their names and schemas, so that their readers notice nothing. No row of a warehouse is copied. Objects are
copied within the lake, with their versions. Both ids are stopped meanwhile, and the same command goes on after an
interruption. Dagster's history cannot be renamed: it stays under the old id.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant
from etl.config.identifiers import TenantId
from etl.config.life import write_life_file
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_word import yaml_word
from etl.errors import ConfigError, EtlError
from etl.faults import reach
from etl.lake.footer import read_footer
from etl.lake.lake import Lake, open_lake
from etl.lake.objects import SUFFIX, ObjectRef
from etl.lake.republish import adopt
from etl.lake.tenant_folder import TenantFolder
from etl.last_good import kept_place
from etl.lifecycle.dagster_records import DagsterRecords
from etl.lifecycle.going_on import refuse_going_on
from etl.lifecycle.places import is_own_dbt_project, remove_locks
from etl.lifecycle.renamed_files import own_files, refuse_invalid, renamed_text
from etl.onboarding.workspace import with_location, without_location
from etl.pipeline.life import (
    NAME,
    STAGE,
    life_file,
    life_in,
    main_lake,
    now,
    read_note,
    refused,
    write_life,
    write_note,
)
from etl.pipeline.quarantine import history_path
from etl.pipeline.stage import lake_place
from etl.portal.folder import is_ours, remove_page
from etl.promises.state_log import StateLog
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets.ownership import prefix_of
from etl.settings import Settings
from etl.warehouse.contents import movable, rename_owner

NOTE = "rename"
"""The note beside the state of the old id: the new id, from the beginning to the end of a renaming."""
MOVING = "rename_moving"
"""The note that says that the new file is valid, so that objects and the ledger may be under both ids."""


def refuse_rename(config: TenantConfig, settings: Settings, new: str) -> None:
    """Raise an error if the tenant cannot get this id."""
    try:
        TypeAdapter(TenantId).validate_python(new)
    except ValidationError as error:
        raise EtlError(f"`{new}` cannot be a tenant's id: {error.errors()[0]['msg']}", "choose another id") from None
    with main_lake(config, settings) as lake:
        going_on = read_note(lake, config.id, NOTE)
        there = TenantFolder(lake, new).everything()
    if going_on not in (None, new):
        with main_lake(config, settings) as lake:
            refuse_renaming(lake, config.id)
    if going_on is None and (new in list_tenants(settings) or (settings.tenants_dir / new).exists() or there):
        raise EtlError(f"there is a tenant {new} already, or something of one", "choose another id")
    places = config.origin.places
    for name, pipeline in config.pipelines.items():
        path = ("assets", "pipelines", name, "trino_output", "target_schema")
        if pipeline.save_to_trino and path not in places:
            raise EtlError(
                f"{config.place_of('assets', 'pipelines', name)}: the table of the pipeline {name} is in the schema"
                f" `{config.id}`, because none is written",
                f"write `target_schema: {yaml_word(config.id)}` below its `trino_output`: then the table stays",
            )
    if config.dbt.enabled and config.dbt.target_schema is None and config.warehouse.type != "duckdb":
        raise EtlError(
            f"{config.place_of('dbt')}: dbt's schema has the tenant's id in its name, because none is written",
            f"write `schema: dbt_{config.id}` below `dbt`, so that its tables stay where they are",
        )
    if config.dbt.enabled and config.dbt.project is not None and is_own_dbt_project(config, settings):
        raise EtlError(
            f"{config.place_of('dbt', 'project')}: the dbt project has the tenant's id as its name",
            "leave `project` out: the default is the tenant's id",
        )
    movable(warehouse_of_tenant(config).open(config), config.id, "rename")
    if going_on is None:
        _refuse_leftovers(config, settings, new)
        dbt = settings.dbt_dir / (config.id if is_own_dbt_project(config, settings) else "-")
        refuse_invalid(settings, config.id, new, dbt)


def refuse_renaming(lake: Lake, tenant: str) -> None:
    """Raise an error if a renaming of the tenant was begun, because its data are under both ids."""
    new = read_note(lake, tenant, NOTE)
    if new is not None:
        raise EtlError(
            f"tenant {tenant} is being renamed to {new}",
            f"finish it with `etl tenant rename {tenant} {new} --confirm {tenant}`, or give it up with"
            f" `etl tenant rename {tenant} --undo --confirm {tenant}`",
        )


def _refuse_leftovers(config: TenantConfig, settings: Settings, new: str) -> None:
    """Raise an error if a place is taken that the tenant gets under its new id, or cannot be written."""
    places = (
        settings.dbt_dir / new,
        settings.warehouse_dir / f"{new}.duckdb",
        settings.demo_dir / f"{new}.sqlite",
        history_path(settings, new),
    )
    for path in places:
        if path.exists():
            raise EtlError(f"{path} is there already, and the tenant would get it under the id {new}",
                           "take it away, or choose another id; nothing was changed")  # fmt: skip
    if without_location(settings, config.id) is not None:
        with_location(settings, new)


def rename(config: TenantConfig, settings: Settings, records: DagsterRecords, new: str) -> list[str]:
    """Give the tenant another id. Returns what a person has to do afterwards."""
    old = config.id
    refuse_rename(config, settings, new)
    refuse_going_on(records, old, "renamed")
    with main_lake(config, settings) as lake:
        life = life_in(lake, old)
        if read_note(lake, old, NOTE) is None and life is not None and life.state != "active":
            raise refused(old, life)
        write_note(lake, old, NOTE, new)
        write_life(lake, old, now("changing", f"it is being renamed to {new}"))
    reach("lifecycle.fenced")
    refuse_going_on(records, old, "renamed")
    _write_files(config, settings, new)
    renamed = load_tenant(new, settings).as_if_active()
    with main_lake(config, settings) as lake:
        write_note(lake, old, MOVING, new)
    reach("lifecycle.files_renamed")
    for source, target in _lakes(config, renamed, settings):
        with closing(source), closing(target):
            _copy(source, target, old, new)
    reach("lifecycle.objects_renamed")
    _warehouse(config, renamed, settings)
    _state(settings, old, new)
    reach("lifecycle.state_renamed")
    for source, target in _lakes(config, renamed, settings):
        with closing(source), closing(target):
            _delete_objects(source, old)
    reach("lifecycle.objects_removed")
    with main_lake(renamed, settings) as lake:
        earlier = (*(life.formerly if life is not None else ()), old)
        write_life(lake, new, now("active").model_copy(update={"formerly": earlier}))
        write_life_file(life_file(new, settings), None)
        write_life(lake, old, now("erased", f"it was renamed to {new}"))
    _remove_files(settings, old, new)
    with main_lake(config, settings) as lake:
        write_note(lake, old, MOVING, None)
        write_note(lake, old, NOTE, None)
    remove_locks(settings, old)
    return [
        f"variables {prefix_of(old)}... are called {prefix_of(new)}... now: rename them in .env and where they are set",
        f"secrets of {old} in the store of secrets: copy them to the place of {new}",
        f"Dagster's history of runs and checks stays under {old}; an erasure of {new} removes it too",
        f"names of {old} in pyproject.toml and in the platform's files below tenants/: rename them",
    ]


def undo_rename(config: TenantConfig, settings: Settings, records: DagsterRecords) -> str:
    """Give an interrupted renaming up: everything is under the old id again. Returns the id that it would have got."""
    old = config.id
    refuse_going_on(records, old, "changed")
    with main_lake(config, settings) as lake:
        new, is_moving = read_note(lake, old, NOTE), read_note(lake, old, MOVING) is not None
        life = life_in(lake, old)
    if new is None:
        raise EtlError(f"no renaming of tenant {old} was begun", "nothing was changed")
    if life is not None and life.state == "erased":
        raise EtlError(
            f"tenant {old} is called {new} already; only its old files are left", f"`etl tenant rename {old} {new}`"
        )
    if is_moving:
        renamed = load_tenant(new, settings).as_if_active()
        for source, target in _lakes(config, renamed, settings):
            with closing(source), closing(target):
                _copy(target, source, new, old)
        reach("lifecycle.objects_back")
        _warehouse(renamed, config, settings)
        _state(settings, new, old)
        reach("lifecycle.state_back")
        for source, target in _lakes(config, renamed, settings):
            with closing(source), closing(target):
                _delete_objects(target, new)
        with main_lake(renamed, settings) as lake:
            write_note(lake, new, NAME, None)
        with main_lake(config, settings) as lake:
            write_note(lake, old, MOVING, None)
    _remove_files(settings, new, old)
    with main_lake(config, settings) as lake:
        write_life(lake, old, now("active"))
        write_note(lake, old, NOTE, None)
    remove_locks(settings, new)
    return new


def _delete_objects(lake: Lake, tenant: str) -> None:
    stored = TenantFolder(lake, tenant)
    for key, _ in stored.everything():
        if not key.startswith(f"{tenant}/{STAGE}/"):
            stored.delete(key)
    stored.prune()


def _remove_files(settings: Settings, tenant: str, other: str) -> None:
    """Remove the files under one id, whose copies under the other id are whole. The configuration goes last."""
    text = without_location(settings, tenant)
    if text is not None:
        (settings.project_dir / "workspace.yaml").write_text(text, encoding="utf-8")
    if (settings.dbt_dir / tenant).is_dir() and (settings.dbt_dir / other).is_dir():
        shutil.rmtree(settings.dbt_dir / tenant)
    folder = settings.tenants_dir / tenant
    if folder.is_dir():
        gone = settings.tenants_dir / f".{tenant}.erased"  # an erasure sweeps it, if this process is killed here
        folder.replace(gone)
        shutil.rmtree(gone)


def _write_files(config: TenantConfig, settings: Settings, new: str) -> None:
    """Write the tenant's folder under its new id. Its state is written first, so that no run ever sees it.

    A configuration that is there already and valid stays: a person has corrected it after an interruption.
    """
    old = config.id
    source, target = settings.tenants_dir / old, settings.tenants_dir / new
    target.mkdir(exist_ok=True)
    write_life_file(life_file(new, settings), now("importing"))
    for path in own_files(source):
        inner = path.relative_to(source)
        (target / inner).parent.mkdir(parents=True, exist_ok=True)
        text = renamed_text(path, inner.as_posix(), old, new)
        if inner.as_posix() == CONFIG_FILE and _is_valid(new, settings):
            continue
        if text is None:
            shutil.copyfile(path, target / inner)
        else:
            (target / inner).write_text(text, encoding="utf-8")
    if is_own_dbt_project(config, settings):
        shutil.copytree(settings.dbt_dir / old, settings.dbt_dir / new, dirs_exist_ok=True)
        for path in own_files(settings.dbt_dir / new):
            text = renamed_text(path, f"dbt/{path.name}", old, new)
            if text is not None:
                path.write_text(text, encoding="utf-8")
    if without_location(settings, old) is not None:
        (settings.project_dir / "workspace.yaml").write_text(with_location(settings, new), encoding="utf-8")


def _is_valid(new: str, settings: Settings) -> bool:
    if not (settings.tenants_dir / new / CONFIG_FILE).is_file():
        return False
    try:
        load_tenant(new, settings)
    except ConfigError:
        return False
    return True


def _lakes(config: TenantConfig, renamed: TenantConfig, settings: Settings) -> Iterator[tuple[Lake, Lake]]:
    yield open_lake(settings), open_lake(settings)
    if config.storage.bucket is not None:
        yield open_lake(settings, lake_place(config)), open_lake(settings, lake_place(renamed))


def _copy(source: Lake, target: Lake, old: str, new: str) -> None:
    """Publish every object under the new id, with the same rows and version. Rejected rows come first."""
    folder = TenantFolder(source, old)
    keys = [key for key, _ in folder.everything() if key.endswith(SUFFIX) and not key.startswith(f"{old}/{STAGE}/")]
    for key in sorted(keys, key=lambda each: ("_quarantine/" not in each, each)):
        path = folder.local_copy(key)
        said = read_footer(path, key).stamp(key).provenance
        ref = ObjectRef(
            tenant=new,
            stage=said.stage,
            pipeline=said.pipeline,
            partition=said.partition,
            attempt=Path(key).name.removesuffix(SUFFIX),
        )
        adopt(target, ref, path, said.model_copy(update={"tenant": new}))
        reach("lifecycle.object_renamed")


def _warehouse(config: TenantConfig, renamed: TenantConfig, settings: Settings) -> None:
    if config.warehouse.type == "duckdb":
        for end in (".wal", ""):
            before = settings.warehouse_dir / f"{config.id}.duckdb{end}"
            after = settings.warehouse_dir / f"{renamed.id}.duckdb{end}"
            if before.exists():
                before.replace(after)
        if not (settings.warehouse_dir / f"{renamed.id}.duckdb").exists():
            return
    warehouse = movable(warehouse_of_tenant(renamed).open(renamed), renamed.id, "rename")
    rename_owner(warehouse, config.id, renamed.id, f"rename-{renamed.id}")


def _state(settings: Settings, old: str, new: str) -> None:
    shutil.rmtree(kept_place(old, settings), ignore_errors=True)  # it is kept again under the new id
    if settings.portal_dir is not None and is_ours(settings.portal_dir / old):
        remove_page(settings.portal_dir / old)
    before, after = history_path(settings, old), history_path(settings, new)
    if before.exists():
        text = before.read_text(encoding="utf-8").replace(f'"tenant": "{old}"', f'"tenant": "{new}"')
        after.write_text(text, encoding="utf-8")
        before.unlink()
    promises = settings.data_dir / "sla.sqlite"
    if promises.exists():
        StateLog(promises).rename(old, new)
    demo = settings.demo_dir / f"{old}.sqlite"
    if demo.exists():
        demo.replace(settings.demo_dir / f"{new}.sqlite")
