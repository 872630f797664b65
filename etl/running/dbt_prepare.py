"""Prepares a dbt project: parses its manifest and writes the facts that Dagster's definitions need to the index.

Belongs here: making the index from the manifest, with the names of dagster-dbt. Not here: the index itself
(`etl.dbt.index`), building definitions (`etl.factories.dbt_factory`), running dbt (`dbt_step`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import Owner
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset, DbtCheck, DbtIndex, fresh_index, index_path, index_selections, index_stamp
from etl.dbt.ownership import DbtRelation, refuse_known
from etl.dbt.project import TenantDbt, parse
from etl.errors import DbtError
from etl.running.dbt_keys import get_node
from etl.running.naming import AssetAddress
from etl.settings import Settings

Key = tuple[str, ...]
_OWNER: TypeAdapter[str] = TypeAdapter(Owner)


def load_index(config: TenantConfig, project: TenantDbt, settings: Settings) -> DbtIndex:
    """Return the fresh index. In dev, a missing or old index is made; in other environments it is an error."""
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


def prepare(config: TenantConfig, project: TenantDbt) -> DbtIndex:
    """Parse the project and write its index."""
    stamp = index_stamp(config, project)
    manifest: Mapping[str, Any] = json.loads(parse(project).read_bytes())
    index = _index(config, project, manifest, stamp)
    refuse_known(config, project, index.relations)
    path = index_path(project)
    partial = path.with_suffix(".tmp")
    partial.write_text(index.model_dump_json(), encoding="utf-8")
    partial.replace(path)
    return index


def _index(config: TenantConfig, project: TenantDbt, manifest: Mapping[str, Any], stamp: str) -> DbtIndex:
    from etl.running.compat import build_dbt_specs, select_unique_ids  # noqa: PLC0415  seconds: only preparing needs it
    from etl.running.dbt_translator import TenantDbtTranslator  # noqa: PLC0415

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
    for name, (select, exclude) in index_selections(config).items():
        chosen = select_unique_ids(select=select, exclude=exclude, selector="", project=None, manifest_json=manifest)
        pipelines[name] = tuple(tuple(key.path) for key, unique_id in by_key.items() if unique_id in chosen)
        if not pipelines[name]:
            place = f"{config.origin.path}:{config.line_of('assets', 'pipelines', name, 'dbt_transform')}"
            without = f" without `{exclude}`" if exclude else ""
            models = sorted(AssetAddress.of(key).name for key in by_key)
            raise DbtError(
                f"tenant {config.id}: pipeline {name}: `dbt_select: {select}`{without} selects no model ({place})",
                f"models of {project.folder.name}: {', '.join(models) or 'none'}",
            )
    shown = _Shown.of(config, manifest, translator)
    checks = (*_checks(manifest, translator, shown), *_freshness_checks(manifest, shown))
    relations = tuple(_relations(manifest))
    return DbtIndex(fingerprint=stamp, assets=tuple(assets), checks=checks, relations=relations, pipelines=pipelines)


def _relations(manifest: Mapping[str, Any]) -> Iterator[DbtRelation]:
    """Yield the relations of models, seeds, snapshots and tests that store failing rows; ephemeral models have none."""
    for unique_id, node in manifest["nodes"].items():
        settings = node["config"]
        makes = node["resource_type"] in {"model", "seed", "snapshot"} and settings["materialized"] != "ephemeral"
        keeps = node["resource_type"] == "test" and (settings["store_failures"] or settings["store_failures_as"])
        if makes or keeps:
            yield DbtRelation(
                unique_id=unique_id, database=node["database"], schema_name=node["schema"], name=node["alias"]
            )


@dataclass(frozen=True)
class _Shown:
    """At which asset a check of a model or of a source is shown.

    Dagster runs no check of an asset that is not there, such as a source that no pipeline makes.
    """

    keys: Mapping[str, Key]
    """The key of each model and source."""
    there: frozenset[Key]
    """The assets of the tenant."""
    readers: Mapping[str, str]
    """The first model, by its name, that reads a source."""
    first: str | None
    """The first model of the project."""

    @classmethod
    def of(cls, config: TenantConfig, manifest: Mapping[str, Any], translator: Any) -> "_Shown":  # noqa: ANN401
        built = sorted(each for each, node in manifest["nodes"].items() if _is_built(node))
        every = (*built, *manifest["sources"])
        keys = {each: tuple(translator.get_asset_spec(manifest, each, None).key.path) for each in every}
        stages = {(config.id, stage, name) for name, each in config.pipelines.items() for stage in each.stages}
        readers = {each: reader for reader in reversed(built) for each in _read_by(manifest["nodes"][reader], manifest)}
        return cls(keys, frozenset({*stages, *(keys[each] for each in built)}), readers, next(iter(built), None))

    def at(self, unique_id: str | None) -> Key | None:
        """Return the asset: the model or the pipeline's stage, or else a model that reads the source."""
        if unique_id is not None and self.keys[unique_id] in self.there:
            return self.keys[unique_id]
        reader = self.readers.get(unique_id, self.first) if unique_id else self.first
        return self.keys[reader] if reader else None


def _is_built(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] in {"model", "seed", "snapshot"} and node["config"]["materialized"] != "ephemeral"


def _checks(manifest: Mapping[str, Any], translator: Any, shown: _Shown) -> Iterator[DbtCheck]:  # noqa: ANN401
    """Yield every enabled test of the project: of a model, of several models, and the unit tests of models."""
    from etl.running.compat import get_asset_check_key_for_test  # noqa: PLC0415

    for unique_id, node in (*manifest["nodes"].items(), *manifest["unit_tests"].items()):
        if node["resource_type"] not in {"test", "unit_test"}:
            continue
        attached = node.get("attached_node") or node.get("tested_node_unique_id")
        if attached is not None and attached not in manifest["nodes"] and attached not in manifest["sources"]:
            continue  # the test of a model that this tenant has switched off; dbt leaves it out too
        read = list(dict.fromkeys(_read_by(node, manifest)))
        is_unit = node["resource_type"] == "unit_test"
        found = None if is_unit else get_asset_check_key_for_test(manifest, translator, unique_id, project=None)
        of = next((each for each in read if found and shown.keys[each] == tuple(found.asset_key.path)), None)
        asset = shown.at(of or (read[-1] if read else None))
        if asset is None:
            continue  # a project without models
        yield DbtCheck(
            unique_id=unique_id,
            name=node["name"],
            asset=asset,
            reads=tuple(sorted({shown.keys[each] for each in read})),
            description=node.get("description") or (node.get("meta") or {}).get("description") or "",
            blocking=(node["config"].get("severity") or "error").lower() == "error",
            fqn=".".join(node["fqn"]),
        )


def _read_by(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a test reads. An ephemeral model is no relation: the test reads what that model reads."""
    for unique_id in node["depends_on"].get("nodes", []):  # a seed has none
        above = manifest["nodes"].get(unique_id)
        if above is not None and above["config"]["materialized"] == "ephemeral":
            yield from _read_by(above, manifest)
        elif above is not None or unique_id in manifest["sources"]:
            yield unique_id


def _freshness_checks(manifest: Mapping[str, Any], shown: _Shown) -> Iterator[DbtCheck]:
    """Yield one check for each source with a limit for the age of its newest row. It blocks nothing, as in dbt."""
    for unique_id, source in manifest["sources"].items():
        promise = source.get("freshness") or {}
        limits = {
            word: f"{promise[key]['count']} {promise[key]['period']}s"
            for word, key in (("warns", "warn_after"), ("fails", "error_after"))
            if (promise.get(key) or {}).get("count") is not None
        }
        asset = shown.at(unique_id)
        if asset and limits and (source.get("loaded_at_field") or source.get("loaded_at_query")):
            yield DbtCheck(
                kind="freshness",
                unique_id=unique_id,
                name=f"source_freshness_{source['source_name']}_{source['name']}",
                asset=asset,
                reads=(shown.keys[unique_id],),
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
    if not re.fullmatch(r"\w+", spec.key.to_python_identifier(), re.ASCII):
        raise DbtError(
            f"tenant {project.tenant}: {_path(node, manifest, project)}: Dagster does not take the name"
            f" `{node['name']}`: its names have ASCII letters, digits and _",
            f"give the {node['resource_type']} such a name, and the relation its own by `alias: {node['name']}`",
        )
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
    """Return the owner's addresses. dbt takes any text as an address, but Dagster takes only valid addresses."""
    given = (node.get("owner") or {}).get("email") or ()
    found = []
    for each in [given] if isinstance(given, str) else given:
        try:
            found.append(_OWNER.validate_python(each))
        except ValidationError:
            continue
    return tuple(found)


def _path(node: Mapping[str, Any], manifest: Mapping[str, Any], project: TenantDbt) -> str:
    """Return the node's file relative to the project's root; a package's file is where `dbt deps` puts it."""
    folder = Path("dbt_projects") / project.folder.name
    if node["package_name"] != manifest["metadata"]["project_name"]:
        folder = folder / "dbt_packages" / node["package_name"]
    return str(folder / node["original_file_path"])
