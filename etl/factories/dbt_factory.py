"""Makes assets and checks from a tenant's dbt project, read from the prepared index: no dbt process, no dbt import.

Belongs here: specs, partitions and checks of dbt assets. Not here: running dbt (`etl.running.dbt_step`), names of nodes
(`etl.running.dbt_translator`), whether the index is fresh (`etl.dbt.index`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from dagster import (
    AssetCheckExecutionContext,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    CodeReferencesMetadataValue,
    LocalFileCodeReference,
    MetadataValue,
    PartitionsDefinition,
    TableColumn,
    TableSchema,
    multi_asset,
    multi_asset_check,
)

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset, DbtCheck, DbtIndex
from etl.dbt.placing import PlacedTests, place_tests
from etl.dbt.project import TenantDbt, tenant_dbt
from etl.partitions.keys import moved
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.running import naming
from etl.running.check_results import stage_check_names
from etl.running.dbt_prepare import load_index
from etl.running.dbt_step import DbtEvent, DbtStep
from etl.running.metadata import Metadata
from etl.running.partition_definitions import definition_of, dependency
from etl.settings import Settings, load_settings

Times = TimeScheme | WholeTable
WHOLE = WholeTable()


class DbtFactory:
    """All dbt assets of one tenant."""

    def __init__(self, config: TenantConfig, settings: Settings | None = None) -> None:
        """Read the index. In dev, a missing or old index is made first."""
        self._config = config
        self._settings = settings or load_settings()
        self._project: TenantDbt = tenant_dbt(config, self._settings)
        self._index: DbtIndex = load_index(config, self._project, self._settings)
        self._by_key = {each.key: each for each in self._index.assets}
        self._groups: dict[Times, list[DbtAsset]] = {}
        for asset in self._index.assets:
            if asset.resource != "exposure":
                self._groups.setdefault(self._partitions_of(asset), []).append(asset)
        stages: dict[tuple[str, ...], int] = {
            (config.id, stage, name): place
            for name, pipeline in config.pipelines.items()
            for place, stage in enumerate(pipeline.stages)
        }
        self._tests = place_tests(self._groups, _with_own_names(self._index.checks, config), stages)

    def create_all_dbt_assets(self) -> list[AssetsDefinition | AssetSpec]:
        """One definition for models that are built whole, one for each set of partitions of incremental models."""
        names = self._names(self._groups)
        found: list[AssetsDefinition | AssetSpec] = [
            self._models(names[times], times, group, self._tests) for times, group in self._groups.items()
        ]
        return found + [self._spec(each, WHOLE) for each in self._index.assets if each.resource == "exposure"]

    def create_test_steps(self) -> list[AssetChecksDefinition]:
        """The tests that no step of models waits for long enough: those before the models, and those after them."""
        steps = {f"dbt_tests_of_stage_{stage + 1}": checks for stage, checks in self._tests.before.items()}
        for checks in self._tests.after:
            steps[re.sub(r"\W", "_", min(each.unique_id for each in checks).replace("test.", "dbt_test_", 1))] = checks
        return [self._test_step(f"{self._config.id}__{name}", checks) for name, checks in steps.items()]

    def _names(self, groups: Iterable[Times]) -> dict[Times, str]:
        """The step of each set of partitions, named by the first key, and where that is not enough by zone and end."""
        names: dict[Times, str] = {}
        for times in groups:
            name = f"{self._config.id}__dbt"
            if isinstance(times, TimeScheme):
                name += re.sub(r"\W", "_", f"_from_{times.start}")
                if name in names.values():
                    # Dagster's end, which is in the names that there are, is the first key that is no partition.
                    end = f"_to_{moved(times.end, 1)}" if times.end else ""
                    name = re.sub(r"\W", "_", f"{name}{end}_{times.timezone}")
            names[times] = name
        return names

    def _models(
        self, name: str, times: Times, group: Sequence[DbtAsset], tests: PlacedTests[Times]
    ) -> AssetsDefinition:
        config, checks = self._config, tests.with_models[times]
        keys = {each.key for each in group}
        partitions = definition_of(times)
        step = DbtStep(config, self._project, times, tuple(group), checks, tests.guards[times], self._index.relations)

        @multi_asset(
            name=name,
            specs=[self._spec(each, times) for each in group],
            check_specs=[_check_spec(each, partitions, is_own=each.asset in keys) for each in checks],
            partitions_def=partitions,
            backfill_policy=BackfillPolicy.single_run() if partitions else None,
            can_subset=True,
            pool=naming.warehouse_pool(config.id),
            required_resource_keys={naming.warehouse_resource(config.id)},
            allow_arbitrary_check_specs=True,  # tests of dbt's sources are checks of extracts
        )
        def dbt_models(context: AssetExecutionContext) -> Iterator[DbtEvent]:
            yield from step.run(context)

        return dbt_models

    def _test_step(self, name: str, checks: tuple[DbtCheck, ...]) -> AssetChecksDefinition:
        config = self._config
        step = DbtStep(config, self._project, WHOLE, (), checks, (), self._index.relations)

        @multi_asset_check(
            name=name,
            specs=[_check_spec(each, None, is_own=False, waits_for=each.reads) for each in checks],
            can_subset=True,
            pool=naming.warehouse_pool(config.id),
            required_resource_keys={naming.warehouse_resource(config.id)},
        )
        def dbt_tests(context: AssetCheckExecutionContext) -> Iterator[DbtEvent]:
            yield from step.run(context)

        return dbt_tests

    def _spec(self, asset: DbtAsset, times: Times) -> AssetSpec:
        config = self._config
        metadata: Metadata = {"dagster/code_references": self._code_references(asset)}
        if asset.table:
            metadata["dagster/table_name"] = MetadataValue.text(asset.table)
        if asset.columns:
            columns = [TableColumn(name, dtype, description=text or None) for name, dtype, text in asset.columns]
            metadata["dagster/column_schema"] = MetadataValue.table_schema(TableSchema(columns=columns))
        return AssetSpec(
            key=AssetKey(list(asset.key)),
            deps=[dependency(AssetKey(list(dep)), times, self._scheme_of(dep)) for dep in asset.deps],
            description=asset.description,
            group_name=config.group,
            owners=list(asset.owners),
            tags=asset.tags,
            kinds=naming.kinds(config, "dbt") if asset.resource != "exposure" else {"dashboard"},
            code_version=asset.code_version or None,
            metadata=metadata,
            partitions_def=definition_of(times),
            skippable=asset.resource != "exposure",
        )

    def _code_references(self, asset: DbtAsset) -> CodeReferencesMetadataValue:
        """Return the references to the model's source file and to the file that dbt compiled last."""
        source = self._settings.project_dir / asset.path
        places = [LocalFileCodeReference(file_path=str(source), line_number=1, label="dbt")]
        compiled: Path = self._project.build_path(days=asset.incremental) / asset.compiled
        if asset.compiled.endswith(".sql"):
            places.append(LocalFileCodeReference(file_path=str(compiled), line_number=1, label="compiled SQL"))
        return CodeReferencesMetadataValue(code_references=places)

    def _scheme_of(self, key: tuple[str, ...]) -> Times | StaticKeys:
        """The partitions of what a model reads: another model, or a pipeline."""
        if key in self._by_key:
            return self._partitions_of(self._by_key[key])
        pipeline = self._config.pipelines.get(key[-1])
        return pipeline.scheme if pipeline else WHOLE

    def _partitions_of(self, asset: DbtAsset) -> Times:
        """An incremental model has the partitions of the first extract by time that it is made of.

        All else is built whole, also a model of extracts by keys of a list.
        """
        if not asset.incremental:
            return WHOLE
        seen: set[tuple[str, ...]] = set()
        waiting = list(asset.deps)
        while waiting:
            key = waiting.pop(0)
            if key in seen:
                continue
            seen.add(key)
            pipeline = None if key in self._by_key else self._config.pipelines.get(key[-1])
            if pipeline and isinstance(pipeline.scheme, TimeScheme):
                return pipeline.scheme
            waiting += self._by_key[key].deps if key in self._by_key else ()
        return WHOLE


def _with_own_names(checks: Sequence[DbtCheck], config: TenantConfig) -> list[DbtCheck]:
    """Return the checks with names that Dagster accepts, each once for its asset: dbt allows any text as a name."""
    taken: dict[tuple[str, ...], set[str]] = {}
    for pipeline in config.pipelines.values():
        for stage in pipeline.stages:
            own = {*stage_check_names(naming.PipelineStage(config, pipeline, stage)), *naming.STANDING_CHECKS}
            taken[config.id, stage, pipeline.name] = {_identifier(each) for each in own}
    named = []
    for check in checks:
        others = taken.setdefault(check.asset, set())
        plain = re.sub(r"[^\w.-]", "_", check.name, flags=re.ASCII)
        name = next(each for each in _numbered(plain) if _identifier(each) not in others)
        others.add(_identifier(name))
        named.append(check if name == check.name else check.model_copy(update={"name": name}))
    return named


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{n}" for n in count(2))


def _identifier(name: str) -> str:
    """Return the name as Dagster writes it for the output of a step."""
    return re.sub(r"\W", "_", name)


def _check_spec(
    check: DbtCheck,
    partitions: PartitionsDefinition[str] | None,
    *,
    is_own: bool,
    waits_for: Sequence[tuple[str, ...]] = (),
) -> AssetCheckSpec:
    """Return the check. One of a model of its step (`is_own`) may block; dbt stops the models of a bad source."""
    return AssetCheckSpec(
        name=check.name,
        asset=AssetKey(list(check.asset)),
        description=check.description or None,
        additional_deps=[AssetKey(list(each)) for each in waits_for if each != check.asset],
        blocking=check.blocking and is_own,
        partitions_def=partitions if is_own else None,
    )
