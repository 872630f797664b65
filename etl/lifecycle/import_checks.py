"""Checks an export as a whole before an import writes anything.

Belongs here: everything that can be known of the files, objects, tables and the ledger of an export. Not here:
whether the files are those of the manifest (`manifest`), what is here already and writing (`importing`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from etl.config.config_loader import CONFIG_FILE
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError
from etl.lake.footer import data_version, read_footer
from etl.lake.objects import ObjectRef, Provenance
from etl.lifecycle.manifest import ExportedFile, Manifest
from etl.lifecycle.scratch import load_in_scratch
from etl.settings import Settings
from etl.warehouse.contract import LedgerEntry

LEDGER = "ledger.jsonl"
_AGAIN = "nothing was imported; get the export again, unchanged"


def checked_config(folder: Path, manifest: Manifest, settings: Settings) -> TenantConfig:
    """Return the configuration that the tenant will have here. Raises an error if the export cannot be imported."""
    tenant = manifest.tenant
    own = {Path(each.path).relative_to("tenant").as_posix(): folder / each.path for each in _of(manifest, "tenant")}
    if CONFIG_FILE not in own:
        raise EtlError(f"{folder} has no tenant/{CONFIG_FILE}", _AGAIN)
    try:
        config = load_in_scratch(settings, tenant, list(own.items()), folder / "dbt").as_if_active()
    except ConfigError as error:
        raise EtlError(
            f"the tenant's file in the export is not valid here:\n{error.problem}",
            f"{error.hint}; nothing was imported",
        ) from None
    has_tables = manifest.has_warehouse and (manifest.tables or manifest.entries)
    if has_tables and manifest.warehouse != config.warehouse.type:
        raise EtlError(
            f"the tables were exported from a warehouse of type {manifest.warehouse}, and tenant {tenant} has one of"
            f" type {config.warehouse.type}",
            "import into the same type; or export with --without-warehouse, import, then `etl run --stage load`",
        )
    if config.storage.bucket is None and any(each.in_bucket for each in manifest.files):
        raise EtlError(
            f"tenant {tenant}: objects were exported from a bucket, and its file names none", "name a bucket"
        )
    problems = [*_ledger(folder, manifest), *_tables(folder, manifest), *_objects(folder, manifest)]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""  # noqa: PLR2004  enough to see the kind
        raise EtlError(f"{folder} contradicts itself: {'; '.join(problems[:5])}{more}", _AGAIN)
    return config


def read_ledger(path: Path) -> list[LedgerEntry]:
    """Return the entries of an exported ledger."""
    return [LedgerEntry.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def object_ref(said: Provenance, path: Path, tenant: str) -> ObjectRef:
    """Return the place of an exported object here."""
    return ObjectRef(
        tenant=tenant, stage=said.stage, pipeline=said.pipeline, partition=said.partition, attempt=path.stem
    )


def _of(manifest: Manifest, kind: str) -> Sequence[ExportedFile]:
    return [each for each in manifest.files if each.kind == kind]


def _ledger(folder: Path, manifest: Manifest) -> Iterator[str]:
    if not (folder / LEDGER).is_file():
        yield f"{LEDGER} is missing"
        return
    try:
        entries = read_ledger(folder / LEDGER)
    except ValidationError:
        yield f"{LEDGER} has a line that is no entry of a ledger"
        return
    if len(entries) != manifest.entries:
        yield f"{LEDGER} has {len(entries)} entries, {manifest.entries} were exported"
    others = sorted({each.tenant for each in entries} - {manifest.tenant})
    if others:
        yield f"{LEDGER} speaks of the tenant {', '.join(others)}, the manifest of {manifest.tenant}"


def _tables(folder: Path, manifest: Manifest) -> Iterator[str]:
    for each in manifest.tables:
        try:
            file = pq.ParquetFile(folder / each.path)
        except pa.ArrowInvalid:
            yield f"{each.path} is no Parquet file"
            continue
        if file.metadata.num_rows != each.table.rows:
            yield f"{each.path} has {file.metadata.num_rows} rows, {each.table.target} had {each.table.rows}"
        if [*file.schema_arrow.names] != [column.name for column in each.table.columns]:
            yield f"{each.path} has other columns than {each.table.target}"


def _objects(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Read every object: its rows must be those of which its footer speaks, and its place the one of its footer."""
    for each in _of(manifest, "object"):
        path = folder / each.path
        try:
            footer = read_footer(path, each.path)
            stamp = footer.stamp(each.path)
            version = data_version(path, footer)
        except EtlError as error:
            yield error.problem
            continue
        said = stamp.provenance
        if version != stamp.version or footer.rows != said.rows:
            yield f"{each.path}: its rows are not those of which its footer speaks"
        if said.tenant != manifest.tenant:
            yield f"{each.path} is of the tenant {said.tenant}, the manifest of {manifest.tenant}"
            continue
        inner = object_ref(said, path, said.tenant).key.removeprefix(f"{said.tenant}/")
        if each.path.partition("/")[2] != inner:
            yield f"{each.path} is not the place of which its footer speaks"
