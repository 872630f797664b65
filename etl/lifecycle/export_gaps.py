"""Finds what an export cannot hold although the tenant had it: damaged objects, and what is missing.

Belongs here: comparing objects, ledger and tables with each other. Not here: whether rows are those of the source
(`etl.pipeline.verify`), writing the export (`export`).

An export is what remains of a tenant. What it lacks is named in the manifest, and the command does not end with 0.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from etl.config.tenant_config import TenantConfig
from etl.errors import LakeError
from etl.lake.footer import data_version, read_footer
from etl.lake.objects import ObjectRef
from etl.warehouse.contents import Contents
from etl.warehouse.contract import LedgerEntry
from etl.warehouse.ledger import live

LACKS = "damaged or missing: "
"""How a line of the manifest begins that names what the export lacks."""


def damage_of(file: Path, key: str) -> str:
    """Return what is wrong with an object, of which every byte is read; empty if it is whole."""
    try:
        footer = read_footer(file, key)
        stamp = footer.stamp(key)
    except LakeError as error:
        return error.problem
    if data_version(file, footer) != stamp.version or footer.rows != stamp.provenance.rows:
        return f"{key} does not hold the rows that were published"
    return ""


def missing_of(config: TenantConfig, found: Contents, objects: Collection[str]) -> Iterator[str]:
    """Yield what the ledger names and is not there, and tables whose loads the ledger does not know.

    `objects` are the keys of the objects in the export, without the tenant.
    """
    tables = {each.target.casefold(): each.rows for each in found.tables}
    tables |= dict.fromkeys((each.casefold() for each in found.strangers), 1)
    loaded = _by_table(found.entries)
    for table, entries in loaded.items():
        if table not in tables:
            yield f"the ledger has loads into {table}, and there is no such table"
        for each in live(entries):
            if not any(key in objects for key in _keys(config, each)):
                named = f" {each.partition}" if each.partition else ""
                yield f"the ledger has a load of {each.pipeline}{named} into {table}, and no object of it is there"
    for name, pipeline in config.as_if_active().pipelines.items():
        output = pipeline.trino_output if pipeline.save_to_trino else None
        table = f"{output.target_schema}.{output.target_table}".casefold() if output else ""
        if tables.get(table) and table not in loaded:
            yield f"{table} of {name} has rows, and the ledger has no load into it"


def _by_table(entries: Iterable[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    found: dict[str, list[LedgerEntry]] = {}
    for each in entries:
        found.setdefault(f"{each.schema_name}.{each.table_name}".casefold(), []).append(each)
    return found


def _keys(config: TenantConfig, entry: LedgerEntry) -> list[str]:
    """Return where the object of a load may be: in the stage that publishes, or in any if it is not known which."""
    pipeline = config.assets.pipelines.get(entry.pipeline)
    stages = [pipeline.published_stage] if pipeline else ["extract", "transfer"]
    refs = [
        ObjectRef(tenant=config.id, stage=stage, pipeline=entry.pipeline, partition=entry.partition) for stage in stages
    ]
    return [each.key.removeprefix(f"{config.id}/") for each in refs]
