"""What Dagster's definitions need to know of a dbt project, prepared once so that loading them starts nothing.

Belongs here: the index file, making it from the manifest, and whether it is fresh. Does not: building definitions
(`dbt_factory`), running dbt (`dbt_step`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from etl.config.identifiers import Owner
from etl.config.tenant_config import TenantConfig
from etl.errors import DbtError
from etl.pipeline.dbt_ownership import DbtRelation, refuse_known
from etl.pipeline.dbt_project import TenantDbt, fingerprint, parse, work_dir
from etl.settings import Settings

INDEX_FORMAT = 4
INDEX_FILE = "index.json"
_OWNER: TypeAdapter[str] = TypeAdapter(Owner)


class DbtAsset(BaseModel):
    """A model, seed, snapshot or exposure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique_id: str
    resource: str
    key: tuple[str, ...]
    deps: tuple[tuple[str, ...], ...]
    description: str
    tags: dict[str, str]
    owners: tuple[str, ...]
    path: str
    compiled: str
    table: str | None
    columns: tuple[tuple[str, str, str], ...]
    incremental: bool
    day_column: str | None
    event_time: str | None
    """The column by whose days a model by microbatch is built."""
    fqn: str
    code_version: str


class DbtCheck(BaseModel):
    """A dbt test on an asset of the project or on one of its sources, or how old a source may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["test", "freshness"] = "test"
    unique_id: str
    name: str
    asset: tuple[str, ...]
    description: str
    blocking: bool
    fqn: str


class DbtIndex(BaseModel):
    """The project as Dagster sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = INDEX_FORMAT
    fingerprint: str
    assets: tuple[DbtAsset, ...]
    checks: tuple[DbtCheck, ...]
    relations: tuple[DbtRelation, ...]
    """All that a run may make or replace."""
    pipelines: dict[str, tuple[tuple[str, ...], ...]]


def load_index(config: TenantConfig, project: TenantDbt, settings: Settings) -> DbtIndex:
    """The fresh index; in dev it is made when it is missing or stale, elsewhere that is an error."""
    found = fresh_index(config, project)
    if found is not None:
        refuse_known(config, project, found.relations)
        return found
    if settings.environment != "dev":
        state = "has changed since it was prepared" if index_path(project).is_file() else "was never prepared"
        raise DbtError(
            f"tenant {config.id}: the dbt project {project.folder.name} {state}",
            f"run `etl dbt prepare {config.id}` when you build the deployment",
        )
    return prepare(config, project)


def fresh_index(config: TenantConfig, project: TenantDbt) -> DbtIndex | None:
    """The index, if it was made of the project and of the tenant's YAML as they are now."""
    found = _read(index_path(project))
    if found is None or found.format != INDEX_FORMAT or found.fingerprint != _stamp(config, project):
        return None
    return found if project.manifest_path.is_file() else None


def last_assets(config: TenantConfig, settings: Settings) -> tuple[DbtAsset, ...]:
    """The assets as they were prepared last, fresh or not; none without a project, or before it was prepared."""
    found = _read(work_dir(config, settings) / INDEX_FILE) if config.dbt.enabled else None
    return found.assets if found is not None and found.format == INDEX_FORMAT else ()


def prepare(config: TenantConfig, project: TenantDbt) -> DbtIndex:
    """Parse the project and write its index."""
    stamp = _stamp(config, project)
    manifest: Mapping[str, Any] = json.loads(parse(project).read_bytes())
    index = _index(config, project, manifest, stamp)
    refuse_known(config, project, index.relations)
    path = index_path(project)
    partial = path.with_suffix(".tmp")
    partial.write_text(index.model_dump_json(), encoding="utf-8")
    partial.replace(path)
    return index


def index_path(project: TenantDbt) -> Path:
    """Beside dbt's own output."""
    return project.work_dir / INDEX_FILE


def _stamp(config: TenantConfig, project: TenantDbt) -> str:
    """The project, and what the index takes from the tenant's YAML."""
    taken = [list(config.owners), dict(config.tags), _selections(config)]
    return hashlib.sha256(json.dumps([fingerprint(project), taken], sort_keys=True).encode()).hexdigest()


def _selections(config: TenantConfig) -> dict[str, tuple[str, str]]:
    """What each pipeline that has models selects and leaves out."""
    return {
        name: (pipeline.dbt_transform.dbt_select, pipeline.dbt_transform.dbt_exclude)
        for name, pipeline in config.pipelines.items()
        if pipeline.has_dbt_transform and pipeline.dbt_transform is not None
    }


def _read(path: Path) -> DbtIndex | None:
    if not path.is_file():
        return None
    try:
        return DbtIndex.model_validate_json(path.read_bytes())
    except ValidationError:  # written by another version of this product
        return None


def _index(config: TenantConfig, project: TenantDbt, manifest: Mapping[str, Any], stamp: str) -> DbtIndex:
    from dagster_dbt.asset_utils import build_dbt_specs  # noqa: PLC0415  takes seconds, and only preparing needs it
    from dagster_dbt.utils import select_unique_ids  # noqa: PLC0415

    from etl.factories.dbt_translator import TenantDbtTranslator, get_node  # noqa: PLC0415

    translator = TenantDbtTranslator(config)
    specs, _ = build_dbt_specs(
        translator=translator,
        manifest=manifest,
        select="fqn:*",
        exclude="",
        selector="",
        io_manager_key=None,
        project=None,
    )
    by_key = {
        translator.get_asset_spec(manifest, unique_id, None).key: unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "seed", "snapshot"}
    }
    assets = [
        _asset(spec, get_node(manifest, by_key[spec.key]), manifest, project) for spec in specs if spec.key in by_key
    ]
    assets += [_exposure(config, node, manifest, translator, project) for node in manifest["exposures"].values()]
    pipelines = {}
    for name, (select, exclude) in _selections(config).items():
        chosen = select_unique_ids(select=select, exclude=exclude, selector="", project=None, manifest_json=manifest)
        pipelines[name] = tuple(tuple(key.path) for key, unique_id in by_key.items() if unique_id in chosen)
        if not pipelines[name]:
            place = f"{config.origin.path}:{config.line_of('assets', 'pipelines', name, 'dbt_transform')}"
            without = f" without `{exclude}`" if exclude else ""
            raise DbtError(
                f"tenant {config.id}: pipeline {name}: `dbt_select: {select}`{without} selects no model ({place})",
                f"models of {project.folder.name}: {', '.join(sorted(key.path[-1] for key in by_key)) or 'none'}",
            )
    checks = (*_checks(manifest, translator), *_freshness_checks(manifest, translator))
    relations = tuple(_relations(manifest))
    return DbtIndex(fingerprint=stamp, assets=tuple(assets), checks=checks, relations=relations, pipelines=pipelines)


def _relations(manifest: Mapping[str, Any]) -> Iterator[DbtRelation]:
    """Models, seeds and snapshots, and tests that keep the rows that fail; ephemeral models are no relation."""
    for unique_id, node in manifest["nodes"].items():
        settings = node["config"]
        makes = node["resource_type"] in {"model", "seed", "snapshot"} and settings["materialized"] != "ephemeral"
        keeps = node["resource_type"] == "test" and (settings["store_failures"] or settings["store_failures_as"])
        if makes or keeps:
            yield DbtRelation(
                unique_id=unique_id, database=node["database"], schema_name=node["schema"], name=node["alias"]
            )


def _checks(manifest: Mapping[str, Any], translator: Any) -> Iterator[DbtCheck]:  # noqa: ANN401
    """Every test of the project that is switched on, also one of several models that names none of them as its own."""
    from dagster_dbt.asset_utils import get_asset_check_key_for_test  # noqa: PLC0415

    names: Counter[tuple[str, ...]] = Counter()
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] != "test":
            continue
        attached = node.get("attached_node")
        if attached is not None and attached not in manifest["nodes"] and attached not in manifest["sources"]:
            continue  # of a model that this tenant has switched off; dbt leaves it out too
        found = get_asset_check_key_for_test(manifest, translator, unique_id, project=None)
        above = [
            each for each in node["depends_on"]["nodes"] if each in manifest["nodes"] or each in manifest["sources"]
        ]
        if found is None and not above:
            continue  # a test of nothing: `select 1 where false` alone
        asset = found.asset_key if found else translator.get_asset_spec(manifest, above[-1], None).key
        label = (*asset.path, node["name"])
        names[label] += 1
        yield DbtCheck(
            unique_id=unique_id,
            name=node["name"] if names[label] == 1 else f"{node['name']}_{names[label]}",
            asset=tuple(asset.path),
            description=node.get("description") or (node.get("meta") or {}).get("description") or "",
            blocking=(node["config"].get("severity") or "error").lower() == "error",
            fqn=".".join(node["fqn"]),
        )


def _freshness_checks(manifest: Mapping[str, Any], translator: Any) -> Iterator[DbtCheck]:  # noqa: ANN401
    """One for each source that says in dbt how old its newest row may be. It stops nothing, as in dbt."""
    for unique_id, source in manifest["sources"].items():
        promise = source.get("freshness") or {}
        limits = {
            word: f"{promise[key]['count']} {promise[key]['period']}s"
            for word, key in (("warns", "warn_after"), ("fails", "error_after"))
            if (promise.get(key) or {}).get("count") is not None
        }
        if limits and (source.get("loaded_at_field") or source.get("loaded_at_query")):
            yield DbtCheck(
                kind="freshness",
                unique_id=unique_id,
                name=f"source_freshness_{source['source_name']}_{source['name']}",
                asset=tuple(translator.get_asset_spec(manifest, unique_id, None).key.path),
                description=f"Newest row: {', '.join(f'{word} after {limit}' for word, limit in limits.items())}.",
                blocking=False,
                fqn=f"{source['source_name']}.{source['name']}",
            )


def _asset(
    spec: Any,  # noqa: ANN401  AssetSpec of dagster
    node: Mapping[str, Any],
    manifest: Mapping[str, Any],
    project: TenantDbt,
) -> DbtAsset:
    relation = node.get("relation_name")
    incremental = node.get("config", {}).get("materialized") == "incremental"
    unique_key = node.get("config", {}).get("unique_key")
    return DbtAsset(
        unique_id=node["unique_id"],
        resource=node["resource_type"],
        key=tuple(spec.key.path),
        deps=tuple(tuple(dep.asset_key.path) for dep in spec.deps),
        description=node.get("description") or f"dbt {node['resource_type']} {node['name']}",
        tags=dict(spec.tags),
        owners=tuple(spec.owners),
        path=_path(node, manifest, project),
        compiled=str(Path("compiled") / node["package_name"] / node["original_file_path"]),
        table=relation.replace('"', "").replace("`", "") if relation else None,
        columns=tuple(
            (column["name"], column.get("data_type") or "?", column.get("description") or "")
            for column in node.get("columns", {}).values()
        ),
        incremental=incremental,
        day_column=unique_key if incremental and isinstance(unique_key, str) else None,
        event_time=_event_time(node) if incremental else None,
        fqn=".".join(node["fqn"]),
        code_version=str((node.get("checksum") or {}).get("checksum", ""))[:16],
    )


def _event_time(node: Mapping[str, Any]) -> str | None:
    settings = node["config"]
    return settings.get("event_time") if settings.get("incremental_strategy") == "microbatch" else None


def _exposure(
    config: TenantConfig,
    node: Mapping[str, Any],
    manifest: Mapping[str, Any],
    translator: Any,  # noqa: ANN401
    project: TenantDbt,
) -> DbtAsset:
    deps = [each for each in node["depends_on"]["nodes"] if each in manifest["nodes"] or each in manifest["sources"]]
    return DbtAsset(
        unique_id=node["unique_id"],
        resource="exposure",
        key=(config.id, "exposure", node["name"]),
        deps=tuple(tuple(translator.get_asset_spec(manifest, each, None).key.path) for each in deps),
        description=node.get("description") or node.get("label") or node["name"],
        tags={**config.tags, "tenant": config.id, "data_tier": "gold"},
        owners=_exposure_owners(node) or config.owners,
        path=_path(node, manifest, project),
        compiled="",
        table=None,
        columns=(),
        incremental=False,
        day_column=None,
        event_time=None,
        fqn="",
        code_version="",
    )


def _exposure_owners(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The owner's address, or several; dbt takes any text there and Dagster only an address."""
    given = (node.get("owner") or {}).get("email") or ()
    found = []
    for each in [given] if isinstance(given, str) else given:
        try:
            found.append(_OWNER.validate_python(each))
        except ValidationError:
            continue
    return tuple(found)


def _path(node: Mapping[str, Any], manifest: Mapping[str, Any], project: TenantDbt) -> str:
    """The node's file, seen from the folder of all; a package's lies where `dbt deps` puts it."""
    folder = Path("dbt_projects") / project.folder.name
    if node["package_name"] != manifest["metadata"]["project_name"]:
        folder = folder / "dbt_packages" / node["package_name"]
    return str(folder / node["original_file_path"])
