"""Imports an exported tenant: the same objects, tables and ledger, so that a run afterwards changes nothing.

Belongs here: the order of an import, and going on after an interruption. Not here: checking the export (`manifest`),
making the tables (`etl.warehouse.contents`), renaming (`rename`).

While an import is going on, the tenant's state is `importing`, so that no run works on a half of it. Everything that is
there already must be exactly what the export holds; an import that was interrupted goes on where it ended.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant
from etl.config.life import TenantLife, read_life_file, write_life_file
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.faults import reach
from etl.lake.footer import read_footer
from etl.lake.lake import Lake, open_lake
from etl.lake.republish import adopt
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.import_checks import LEDGER, checked_config, object_ref, read_ledger
from etl.lifecycle.manifest import ExportedFile, Manifest
from etl.lifecycle.tables import dbt_tables
from etl.onboarding.workspace import with_location, without_location
from etl.pipeline.life import NAME, STAGE, life_file, life_in, main_lake, now, write_life, write_note
from etl.pipeline.quarantine import history_path
from etl.pipeline.stage import lake_place
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import Settings
from etl.warehouse.contents import Movable, OwnTable, bring_in, contents, movable
from etl.warehouse.contract import LedgerEntry

Rename = Callable[[str], str]


def import_tenant(folder: Path, manifest: Manifest, settings: Settings, *, over_erased: bool = False) -> list[str]:
    """Import the tenant of a checked export. Returns what a person has to do afterwards.

    Everything that can be known is checked before the first write. The tables come first, in one transaction that
    compares their rows with the ledger: if it refuses them, nothing else has been written, and the files go again.
    """
    tenant = manifest.tenant
    config = checked_config(folder, manifest, settings)
    with main_lake(config, settings) as lake:
        before = life_in(lake, tenant)
        said = [each for each in (before, read_life_file(life_file(tenant, settings))) if each is not None]
        is_going_on = any(each.state == "importing" for each in said)
        _refuse_living(lake, tenant, before, over_erased=over_erased)
    copies = list(_copies(folder, manifest, settings))
    if not is_going_on:
        _refuse_different(copies)
    if manifest.has_warehouse:
        _missing_tables(folder, manifest, config, settings)
    new = [place for _, place in copies if not place.exists()]
    was_here = tenant in list_tenants(settings)
    _write_files(copies, tenant, settings)
    with main_lake(config, settings) as lake:
        write_life(lake, tenant, now("importing"))
    reach("lifecycle.fenced")
    config = load_tenant(tenant, settings).as_if_active()
    try:
        if manifest.has_warehouse:
            _tables(folder, manifest, config, settings)
    except EtlError:
        if not is_going_on:
            _take_back(config, settings, new, before, was_here=was_here)
        raise
    reach("lifecycle.tables_imported")
    _objects(folder, manifest, config, settings, is_going_on=is_going_on)
    reach("lifecycle.objects_imported")
    with main_lake(config, settings) as lake:
        write_life(lake, tenant, now("active"))
    write_life_file(life_file(tenant, settings), None)
    return [f"not exported: {each}" for each in manifest.not_exported]


def _refuse_living(lake: Lake, tenant: str, life: TenantLife | None, *, over_erased: bool) -> None:
    """Refuse a tenant that is here and has data, or was erased, unless an import of it was interrupted."""
    if life is not None and life.state == "erased" and not over_erased:
        raise EtlError(
            f"tenant {tenant} was erased here on {life.since:%Y-%m-%d}",
            f"if it is to come back, give `--over-erased {tenant}`",
        )
    if life is not None and life.state not in ("importing", "erased", "active"):
        raise EtlError(
            f"tenant {tenant} is here already, and is {life.state}",
            "erase it here first, or give it another id where it was exported: `etl tenant rename`",
        )
    has_data = any(not key.startswith(f"{tenant}/{STAGE}/") for key, _ in TenantFolder(lake, tenant).everything())
    if (has_data or (life is not None and life.state == "active")) and (life is None or life.state != "importing"):
        raise EtlError(f"tenant {tenant} is here already and has data", "erase it here first, if that is what you want")


def _refuse_different(copies: Sequence[tuple[Path, Path]]) -> None:
    different = [place for source, place in copies if place.exists() and place.read_bytes() != source.read_bytes()]
    if different:
        raise EtlError(
            f"{different[0]} is here already and is another file than the exported one",
            "make both the same, or take the file away; then import again",
        )


def _take_back(
    config: TenantConfig, settings: Settings, new: Sequence[Path], before: TenantLife | None, *, was_here: bool
) -> None:
    """Remove what this import has written: files and the state. No object has been written yet."""
    tenant = config.id
    with main_lake(config, settings) as lake:
        if before is None:
            write_note(lake, tenant, NAME, None)
        else:
            write_life(lake, tenant, before)
    write_life_file(life_file(tenant, settings), None)
    for path in new:
        path.unlink(missing_ok=True)
    for folder in (settings.tenants_dir / tenant, settings.dbt_dir / tenant):
        for path in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
            remove_if_empty(path)
        remove_if_empty(folder)
    text = None if was_here else without_location(settings, tenant)
    if text is not None:
        (settings.project_dir / "workspace.yaml").write_text(text, encoding="utf-8")


def remove_if_empty(folder: Path) -> None:
    """Remove a folder without files."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _write_files(copies: Sequence[tuple[Path, Path]], tenant: str, settings: Settings) -> None:
    """Write the tenant's own files."""
    target = settings.tenants_dir / tenant
    is_new = tenant not in list_tenants(settings)
    target.mkdir(parents=True, exist_ok=True)
    write_life_file(life_file(tenant, settings), now("importing"))  # before config.yaml, so that no run ever sees it
    for source, place in copies:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    has_python = (target / "definitions.py").is_file()
    if is_new and has_python and (settings.project_dir / "workspace.yaml").is_file():
        text = with_location(settings, tenant)
        (settings.project_dir / "workspace.yaml").write_text(text, encoding="utf-8")


def _copies(folder: Path, manifest: Manifest, settings: Settings) -> Iterator[tuple[Path, Path]]:
    places = {
        "tenant": settings.tenants_dir / manifest.tenant,
        "dbt": settings.dbt_dir / manifest.tenant,
    }
    for each in sorted(manifest.files, key=lambda each: Path(each.path).name == CONFIG_FILE):
        if each.kind == "decisions":
            yield folder / each.path, history_path(settings, manifest.tenant)
        elif each.kind in places:
            yield folder / each.path, places[each.kind] / Path(each.path).relative_to(each.kind)


def _objects(folder: Path, manifest: Manifest, config: TenantConfig, settings: Settings, *, is_going_on: bool) -> None:
    """Publish the objects. Rejected rows come first, so that no published object names rows that are not there."""
    with ExitStack() as stack:
        local = stack.enter_context(closing(open_lake(settings)))
        bucket = local
        if config.storage.bucket is not None:
            bucket = stack.enter_context(closing(open_lake(settings, lake_place(config))))
        objects = [each for each in manifest.files if each.kind == "object"]
        if is_going_on:
            names = {f"{manifest.tenant}/{each.path.partition('/')[2]}" for each in objects}
            for lake in {local, bucket}:
                _delete_others(lake, manifest.tenant, names)
        for each in sorted(objects, key=lambda each: (not _is_rejected(each), each.path)):
            path = folder / each.path
            said = read_footer(path, each.path).stamp(each.path).provenance
            lake = bucket if each.in_bucket else local
            ref = object_ref(said, path, manifest.tenant)
            if is_going_on and (there := lake.find(ref)) is not None and there.provenance != said:
                lake.delete(ref)  # of another export, whose import was interrupted
            adopt(lake, ref, path, said)
            reach("lifecycle.object_imported")


def _delete_others(lake: Lake, tenant: str, names: Collection[str]) -> None:
    """Delete objects of another export, whose import was interrupted. The tenant had none before that import."""
    stored = TenantFolder(lake, tenant)
    for key, _ in stored.everything():
        if key not in names and not key.startswith(f"{tenant}/{STAGE}/"):
            stored.delete(key)


def _is_rejected(file: ExportedFile) -> bool:
    return "_quarantine/" in file.path


def _missing_tables(
    folder: Path, manifest: Manifest, config: TenantConfig, settings: Settings
) -> tuple[Movable, list[tuple[OwnTable, Path]], list[LedgerEntry]] | None:
    """Return what is to be made in the warehouse; None if it is there already, or if there is nothing."""
    entries = read_ledger(folder / LEDGER)
    tables = [(each.table, folder / each.path) for each in manifest.tables if each.table.kind == "table"]
    if not tables and not entries:
        return None
    warehouse = movable(warehouse_of_tenant(config).open(config), config.id, "import")
    if config.warehouse.type != "duckdb" or warehouse.files():
        there = contents(warehouse, config.id, dbt_tables(config, settings))
        if _same(there.entries, entries) and _names(each for each, _ in tables) <= _names(there.tables):
            return None  # an interrupted import had committed them
        if there.entries:
            raise EtlError(
                f"the ledger has loads of tenant {config.id} already, and they are not the exported ones",
                "erase the tenant here first",
            )
    return warehouse, tables, entries


def _tables(folder: Path, manifest: Manifest, config: TenantConfig, settings: Settings) -> None:
    missing = _missing_tables(folder, manifest, config, settings)
    if missing is not None:
        warehouse, tables, entries = missing
        had_file = bool(warehouse.files())
        try:
            bring_in(warehouse, tables, entries, f"import-{config.id}")
        except EtlError:
            for path in () if had_file else warehouse.files():
                path.unlink(missing_ok=True)
            raise


def _same(one: Sequence[LedgerEntry], other: Sequence[LedgerEntry]) -> bool:
    def said(entries: Sequence[LedgerEntry]) -> list[dict[str, object]]:
        return [each.model_dump(exclude={"digest", "tenant", "loaded_at"}) for each in entries]

    return said(one) == said(other)


def _names(tables: Iterator[OwnTable] | Sequence[OwnTable]) -> set[str]:
    return {each.target for each in tables}
