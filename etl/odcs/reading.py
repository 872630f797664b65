"""The columns of a pipeline as it is now, and a fingerprint of what it reads.

Belongs here: what of a published object still holds, although the YAML may have changed since. Not here: the contract
around it (`exporting`).

Columns and types are those of the newest published object. An object is older than the YAML: a column that `columns:`
no longer names is gone, and if the pipeline reads another table or has another query or transform, nobody knows its
columns before it is published again. So a contract says by which fingerprint its rows were read, and whether the object
was made by the YAML as it is.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig, fingerprint
from etl.config.tenant_loader import transform_path
from etl.pipeline.published_schema import newest_schema
from etl.settings import Settings

READS_FROM = "readsFrom"
EARLIER = "by an earlier configuration"
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class KnownColumns:
    """The columns that rows will have, as far as they are known."""

    types: Mapping[str, pl.DataType | None] | None
    """None: nothing is published."""
    by_this_yaml: bool
    """Whether the newest object was made by the YAML as it is."""


def known_columns(config: TenantConfig, settings: Settings, pipeline: PipelineConfig) -> KnownColumns:
    """Return the columns of the newest published object that the YAML still reads, and those that it reads now."""
    found = newest_schema(config, settings, pipeline.name, pipeline.published_stage)
    if found is None:
        return KnownColumns(None, by_this_yaml=False)
    published: dict[str, pl.DataType | None] = dict(found[0])
    if pipeline.columns and not pipeline.has_transfer:
        kept = {name: dtype for name, dtype in published.items() if name in pipeline.columns}
        published = kept | {name: None for name in pipeline.columns if name not in kept}
    return KnownColumns(published, by_this_yaml=found[1].provenance.config_hash == fingerprint(pipeline))


def reads_from(config: TenantConfig, pipeline: PipelineConfig, known: KnownColumns) -> dict[str, Any]:
    """Return a fingerprint of table, query and transform, which shows none of them, and what is published."""
    said: dict[str, Any] = {"fingerprint": _fingerprint(config, pipeline)}
    if known.by_this_yaml:
        return said
    return {**said, "published": NOTHING if known.types is None else EARLIER}


def _fingerprint(config: TenantConfig, pipeline: PipelineConfig) -> str:
    inputs = pipeline.transfer_inputs if pipeline.has_transfer else ()
    sources = [config.assets.pipelines[name] for name in inputs if name in config.assets.pipelines] or [pipeline]
    said: list[Any] = [[each.source_table, each.source_schema, each.query] for each in sources]
    if pipeline.has_transfer:
        said += [sorted(each.columns) for each in sources]
        path = transform_path(config.origin.folder, pipeline.name)
        said.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]
