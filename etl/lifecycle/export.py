"""Exports a tenant into a folder: its objects, tables, ledger, contracts and files, with a manifest.

Belongs here: what an export holds, and the order in which it is written. Not here: the manifest (`manifest`), importing
(`importing`).

The objects are copied as they are, so that their footers and versions stay. Everything is Parquet, YAML, JSON or the
tenant's own files, so that the export is of use without this product.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, NothingExamined
from etl.faults import reach
from etl.lake.lake import Lake, open_lake
from etl.lake.objects import SUFFIX
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.certificate import product
from etl.lifecycle.erasable import Subject
from etl.lifecycle.export_gaps import LACKS, damage_of, missing_of
from etl.lifecycle.going_on import refuse_going_on
from etl.lifecycle.import_checks import LEDGER
from etl.lifecycle.manifest import ExportedFile, ExportedTable, Manifest, listed, write_manifest
from etl.lifecycle.places import is_own_dbt_project
from etl.odcs.document import contract_text
from etl.odcs.exporting import export_contract
from etl.pipeline.life import STAGE, life_of, refused
from etl.pipeline.quarantine import history_path
from etl.pipeline.rejected_gaps import rejected_gaps
from etl.pipeline.stage import lake_place
from etl.resources.warehouse import warehouse_of_tenant
from etl.warehouse.contents import Contents, contents, movable

_UNFINISHED = {"changing", "erasing", "importing"}
_MADE_BY_TOOLS = {"target", "logs", "dbt_packages", "__pycache__", "life.json"}
_TEXT = """This folder is an export of the tenant `{tenant}`.

lake/       the published objects, one Parquet file for each partition, as they were; rejected rows in *_quarantine/
tables/     the tables and views of the warehouse as Parquet files; manifest.json has their columns and types
{ledger}    the ledger: which object was loaded into which table and when, one JSON object a line
contracts/  the data contract of each pipeline (Open Data Contract Standard)
tenant/     the tenant's own files: config.yaml, transforms
dbt/        the tenant's dbt project, if it has one
manifest.json  every file with its size and its SHA-256

`etl tenant import FOLDER` makes the same tenant in another installation. Any reader of Parquet can read the rest.
"""


def export(subject: Subject, out: Path) -> tuple[Manifest, str]:
    """Write the export. Returns its manifest and the manifest's SHA-256. The folder must not exist, or be empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EtlError(f"{out} is not an empty folder", "name a new folder")
    _refuse_unfinished(subject)
    unfinished = out.with_name(f".{out.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    lacks = [*rejected_gaps(subject.config, subject.settings, with_unreadable=False)]
    files = [*_objects(subject, unfinished, lacks), *_own_files(subject, unfinished), *_contracts(subject, unfinished)]
    found, tables = _tables(subject, unfinished)
    files += [listed(unfinished, unfinished / each.path, "table") for each in tables]
    (unfinished / LEDGER).write_text("".join(f"{each.model_dump_json()}\n" for each in found.entries), encoding="utf-8")
    files.append(listed(unfinished, unfinished / LEDGER, "ledger"))
    (unfinished / "README.txt").write_text(_TEXT.format(tenant=subject.id, ledger=LEDGER), encoding="utf-8")
    files.append(listed(unfinished, unfinished / "README.txt", "text"))
    if not any(each.kind in ("object", "table") for each in files):
        raise NothingExamined(f"tenant {subject.id} has no object and no table", "nothing was exported")
    _refuse_unfinished(subject)  # what began meanwhile may have changed objects
    lacks += missing_of(subject.config, found, {each.path.partition("/")[2] for each in files if each.kind == "object"})
    manifest = Manifest(
        tenant=subject.id,
        made=datetime.now(UTC),
        product=product(),
        warehouse=subject.config.warehouse.type,
        has_warehouse=subject.with_warehouse,
        entries=len(found.entries),
        files=tuple(files),
        tables=tuple(tables),
        not_exported=(*_not_exported(subject, found), *(f"{LACKS}{each}" for each in lacks)),
    )
    digest = write_manifest(unfinished, manifest)
    reach("lifecycle.exported")
    if out.exists():
        out.rmdir()
    unfinished.replace(out)
    return manifest, digest


def _refuse_unfinished(subject: Subject) -> None:
    """Raise an error while a run or another command changes the tenant: the export would hold a part of it."""
    refuse_going_on(subject.records, subject.id, "exported")
    life = life_of(subject.config, subject.settings)
    if life is not None and life.state in _UNFINISHED:
        raise refused(subject.id, life)


def _objects(subject: Subject, folder: Path, lacks: list[str]) -> Iterator[ExportedFile]:
    """Copy the objects of the local lake, and those of the bucket. What is damaged is added to `lacks`."""
    with closing(open_lake(subject.settings)) as lake:
        yield from _copied(subject, lake, folder, lacks, in_bucket=False)
    if subject.config.storage.bucket is not None:
        with closing(open_lake(subject.settings, lake_place(subject.config))) as lake:
            yield from _copied(subject, lake, folder, lacks, in_bucket=True)


def _copied(subject: Subject, lake: Lake, folder: Path, lacks: list[str], *, in_bucket: bool) -> Iterator[ExportedFile]:
    for key, _ in TenantFolder(lake, subject.id).everything():
        inner = key.removeprefix(f"{subject.id}/")
        if inner.startswith(f"{STAGE}/") or not key.endswith(SUFFIX):
            continue
        target = folder / ("bucket" if in_bucket else "lake") / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TenantFolder(lake, subject.id).local_copy(key), target)
        if damage := damage_of(target, key):  # an import refuses it
            lacks.append(damage)
            target.unlink()
            continue
        yield listed(folder, target, "object", in_bucket=in_bucket)
        reach("lifecycle.object_exported")


def _own_files(subject: Subject, folder: Path) -> Iterator[ExportedFile]:
    settings = subject.settings
    yield from _tree(settings.tenants_dir / subject.id, folder / "tenant", folder, "tenant")
    if is_own_dbt_project(subject.config, settings):
        yield from _tree(settings.dbt_dir / subject.id, folder / "dbt", folder, "dbt")
    decisions = history_path(settings, subject.id)
    if decisions.is_file():
        target = folder / "decisions.jsonl"
        shutil.copyfile(decisions, target)
        yield listed(folder, target, "decisions")


def _tree(source: Path, target: Path, folder: Path, kind: str) -> Iterator[ExportedFile]:
    for each in sorted(source.rglob("*")):
        inner = each.relative_to(source)
        if each.is_file() and not _MADE_BY_TOOLS & set(inner.parts):
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(each, target / inner)
            yield listed(folder, target / inner, "dbt" if kind == "dbt" else "tenant")


def _contracts(subject: Subject, folder: Path) -> Iterator[ExportedFile]:
    for name in _pipelines(subject.config):
        target = folder / "contracts" / f"{name}.odcs.yaml"
        target.parent.mkdir(exist_ok=True)
        contract = export_contract(subject.config, subject.settings, name)
        target.write_text(contract_text(contract.data), encoding="utf-8")
        yield listed(folder, target, "contract")


def _pipelines(config: TenantConfig) -> list[str]:
    return list(config.pipelines)


def _tables(subject: Subject, folder: Path) -> tuple[Contents, list[ExportedTable]]:
    config = subject.config
    if not subject.with_warehouse:
        return Contents((), (), ()), []
    warehouse = movable(warehouse_of_tenant(config).open(config), subject.id, "export")
    if config.warehouse.type == "duckdb" and not warehouse.files():
        return Contents((), (), ()), []
    found = contents(warehouse, subject.id, subject.dbt)
    (folder / "tables").mkdir()
    tables = []
    for number, each in enumerate(found.tables):
        path = folder / "tables" / f"{number:03d}.parquet"
        with warehouse.errors(f"{each.target} could not be exported"):
            warehouse.copy_out(each.schema_name, each.name, path)
        tables.append(ExportedTable(table=each, path=path.relative_to(folder).as_posix()))
        reach("lifecycle.table_exported")
    return found, tables


def _not_exported(subject: Subject, found: Contents) -> tuple[str, ...]:
    said = [
        "passwords, keys and other variables: set them where the tenant is imported",
        "Dagster's history of runs and checks, messages and the history of promises",
        "the definitions of views: their rows are exported; dbt makes its views again",
    ]
    if found.strangers:
        said.append(f"tables that no load of the tenant has made: {', '.join(found.strangers)}")
    if not subject.with_warehouse:
        said.append("the tables of the warehouse and their ledger (--without-warehouse)")
    return tuple(said)
