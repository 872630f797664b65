"""Imports an exported tenant: the same objects, tables and ledger, so that a run afterwards changes nothing.

Belongs here: the order of an import, and going on after an interruption. Not here: checking the export (`manifest`),
making the tables (`etl.warehouse.contents`), renaming (`rename`).

While an import is going on, the tenant's state is `importing`, so that no run works on a half of it. Everything that is
there already must be exactly what the export holds; an import that was interrupted goes on where it ended.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant
from etl.config.life import TenantLife, write_life_file
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.faults import reach
from etl.lake.footer import read_footer
from etl.lake.lake import Lake, open_lake
from etl.lake.objects import ObjectRef, Provenance
from etl.lake.republish import adopt
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.export import LEDGER
from etl.lifecycle.manifest import ExportedFile, Manifest
from etl.lifecycle.tables import dbt_tables
from etl.onboarding.workspace import with_location
from etl.pipeline.life import STAGE, life_file, life_in, main_lake, now, write_life
from etl.pipeline.quarantine import history_path
from etl.pipeline.stage import lake_place
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import Settings
from etl.warehouse.contents import OwnTable, bring_in, contents, movable
from etl.warehouse.contract import LedgerEntry

Rename = Callable[[str], str]


def import_tenant(folder: Path, manifest: Manifest, settings: Settings, *, over_erased: bool = False) -> list[str]:
    """Import the tenant of a checked export. Returns what a person has to do afterwards."""
    tenant = manifest.tenant
    _refuse_living(tenant, settings)
    _write_files(folder, manifest, settings)
    config = load_tenant(tenant, settings).as_if_active()
    if manifest.warehouse != config.warehouse.type and manifest.has_warehouse and manifest.tables:
        raise EtlError(
            f"the tables were exported from a warehouse of type {manifest.warehouse}, and tenant {tenant} has one of"
            f" type {config.warehouse.type}",
            "import into the same type; or export with --without-warehouse, import, then `etl run --stage load`",
        )
    with main_lake(config, settings) as lake:
        _fence(lake, tenant, over_erased=over_erased)
    reach("lifecycle.fenced")
    _objects(folder, manifest, config, settings)
    reach("lifecycle.objects_imported")
    if manifest.has_warehouse:
        _tables(folder, manifest, config, settings)
    reach("lifecycle.tables_imported")
    with main_lake(config, settings) as lake:
        write_life(lake, tenant, now("active"))
    write_life_file(life_file(tenant, settings), None)
    return [f"not exported: {each}" for each in manifest.not_exported]


def _refuse_living(tenant: str, settings: Settings) -> None:
    """Refuse a tenant that is here and has data, unless an import of it was interrupted."""
    if tenant not in list_tenants(settings):
        return
    config = load_tenant(tenant, settings).as_if_active()
    with main_lake(config, settings) as lake:
        life = life_in(lake, tenant)
        has_data = any(not key.startswith(f"{tenant}/{STAGE}/") for key, _ in TenantFolder(lake, tenant).everything())
    if has_data and (life is None or life.state != "importing"):
        raise EtlError(f"tenant {tenant} is here already and has data", "erase it here first, if that is what you want")


def _fence(lake: Lake, tenant: str, *, over_erased: bool) -> None:
    life: TenantLife | None = life_in(lake, tenant)
    if life is not None and life.state == "erased" and not over_erased:
        raise EtlError(
            f"tenant {tenant} was erased here on {life.since:%Y-%m-%d}",
            f"if it is to come back, give `--over-erased {tenant}`",
        )
    if life is not None and life.state not in ("importing", "erased"):
        raise EtlError(
            f"tenant {tenant} is here already, and is {life.state}",
            "erase it here first, or give it another id where it was exported: `etl tenant rename`",
        )
    write_life(lake, tenant, now("importing"))


def _write_files(folder: Path, manifest: Manifest, settings: Settings) -> None:
    """Write the tenant's own files. Files that are there already must be the same."""
    tenant = manifest.tenant
    target = settings.tenants_dir / tenant
    copies = list(_copies(folder, manifest, settings))
    different = [place for source, place in copies if place.exists() and place.read_bytes() != source.read_bytes()]
    if different:
        raise EtlError(
            f"{different[0]} is here already and is another file than the exported one",
            "make both the same, or take the file away; then import again",
        )
    is_new = tenant not in list_tenants(settings)
    target.mkdir(parents=True, exist_ok=True)
    write_life_file(life_file(tenant, settings), now("importing"))  # before config.yaml, so that no run ever sees it
    for source, place in copies:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    if is_new and (settings.project_dir / "workspace.yaml").is_file() and (target / "definitions.py").is_file():
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


def _objects(folder: Path, manifest: Manifest, config: TenantConfig, settings: Settings) -> None:
    """Publish the objects. Rejected rows come first, so that no published object names rows that are not there."""
    with ExitStack() as stack:
        local = stack.enter_context(closing(open_lake(settings)))
        bucket = local
        if any(each.in_bucket for each in manifest.files):
            if config.storage.bucket is None:
                raise EtlError(
                    f"tenant {config.id}: objects were exported from a bucket, and its file names none", "name a bucket"
                )
            bucket = stack.enter_context(closing(open_lake(settings, lake_place(config))))
        objects = [each for each in manifest.files if each.kind == "object"]
        for each in sorted(objects, key=lambda each: (not _is_rejected(each), each.path)):
            path = folder / each.path
            said = read_footer(path, each.path).stamp(each.path).provenance
            lake = bucket if each.in_bucket else local
            adopt(lake, _ref(said, path, manifest.tenant), path, said.model_copy(update={"tenant": manifest.tenant}))
            reach("lifecycle.object_imported")


def _is_rejected(file: ExportedFile) -> bool:
    return "_quarantine/" in file.path


def _ref(said: Provenance, path: Path, tenant: str) -> ObjectRef:
    return ObjectRef(
        tenant=tenant, stage=said.stage, pipeline=said.pipeline, partition=said.partition, attempt=path.stem
    )


def _tables(folder: Path, manifest: Manifest, config: TenantConfig, settings: Settings) -> None:
    entries = read_ledger(folder / LEDGER)
    if len(entries) != manifest.entries:
        raise EtlError(
            f"{LEDGER} has {len(entries)} entries, not {manifest.entries}", "get the export again, unchanged"
        )
    tables = [(each.table, folder / each.path) for each in manifest.tables if each.table.kind == "table"]
    if not tables and not entries:
        return
    warehouse = movable(warehouse_of_tenant(config).open(config), config.id, "import")
    if config.warehouse.type != "duckdb" or warehouse.files():
        there = contents(warehouse, config.id, dbt_tables(config, settings))
        if _same(there.entries, entries) and _names(each for each, _ in tables) <= _names(there.tables):
            return  # an interrupted import had committed them
        if there.entries:
            raise EtlError(
                f"the ledger has loads of tenant {config.id} already, and they are not the exported ones",
                "erase the tenant here first",
            )
    bring_in(warehouse, tables, entries, f"import-{config.id}")


def _same(one: Sequence[LedgerEntry], other: Sequence[LedgerEntry]) -> bool:
    def said(entries: Sequence[LedgerEntry]) -> list[dict[str, object]]:
        return [each.model_dump(exclude={"digest", "tenant", "loaded_at"}) for each in entries]

    return said(one) == said(other)


def _names(tables: Iterator[OwnTable] | Sequence[OwnTable]) -> set[str]:
    return {each.target for each in tables}


def read_ledger(path: Path) -> list[LedgerEntry]:
    """Return the entries of an exported ledger."""
    return [LedgerEntry.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
