"""Materializes dbt assets: one dbt invocation, whose results become Dagster's events.

Belongs here: selecting, the variables of a partition, the warehouse's lock, turning results into events. Not here:
specs (`dbt_factory`), dbt as a process (`etl.dbt.build`), the metadata of a table (`dbt_metadata`).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    Failure,
    MaterializeResult,
    MetadataValue,
    Output,
)

from etl.config.tenant_config import TenantConfig
from etl.dbt.build import BuildResult, NodeResult, build, source_freshness
from etl.dbt.index import DbtAsset, DbtCheck
from etl.dbt.ownership import DbtRelation, refuse_known, refuse_loaded
from etl.dbt.project import TenantDbt
from etl.faults import reach
from etl.partitions.keys import begin_of, moved
from etl.partitions.scheme import TimeScheme, WholeTable
from etl.running import naming
from etl.running.dbt_metadata import (
    BuiltRelations,
    Columns,
    Manifest,
    column_lineage,
    materialization_metadata,
    row_counts,
)
from etl.running.json_log import working_for
from etl.running.metadata import Metadata
from etl.running.partition_keys import partition_keys
from etl.running.surroundings import step_of
from etl.warehouse.contract import Warehouse

DbtEvent = AssetMaterialization | MaterializeResult | AssetCheckEvaluation | Output  # type: ignore[type-arg]
Window = Mapping[str, str]

_NOTHING = BuildResult(nodes=(), problem=None)


@dataclass(frozen=True)
class Described:
    """The metadata of one model: common to all days, and for each day (None: for the whole table)."""

    asset: DbtAsset
    metadata: Metadata
    rows: Mapping[str | None, Metadata]
    problem: str | None = None

    @property
    def key(self) -> AssetKey:
        """The asset."""
        return AssetKey(list(self.asset.key))


@dataclass(frozen=True)
class DbtStep:
    """The dbt assets that share one set of partitions by time, or that have none; or tests without a model."""

    config: TenantConfig
    project: TenantDbt
    partitions: TimeScheme | WholeTable
    assets: tuple[DbtAsset, ...]
    checks: tuple[DbtCheck, ...]
    guards: tuple[DbtCheck, ...]
    """Tests of sources: dbt runs them here too, so that it builds no model over a source that fails."""
    relations: tuple[DbtRelation, ...]
    """All relations that the project may make or replace."""

    def run(self, context: AssetExecutionContext | AssetCheckExecutionContext) -> Iterator[DbtEvent]:
        """Build the selected models. A failure is reported without secrets."""
        run = context.run.run_id
        with step_of(self.config, context.log), working_for(tenant=self.config.id, run=run):
            yield from self._run(context)

    def _run(self, context: AssetExecutionContext | AssetCheckExecutionContext) -> Iterator[DbtEvent]:
        """Build the selected models; a range of partitions is one invocation."""
        days: list[str] = []
        assets: list[DbtAsset] = []
        if isinstance(context, AssetExecutionContext):  # not in a step of tests, which has no assets
            days += [key for key in partition_keys(context, self.partitions) if key]
            assets += [each for each in self.assets if AssetKey(list(each.key)) in context.selected_asset_keys]
        checks = [each for each in self.checks if check_key(each) in context.selected_asset_check_keys]
        window = _window(self.partitions, days)
        if days:
            context.log.info("dbt builds %s to %s, in one invocation", days[0], days[-1])
        warehouse: Warehouse = getattr(context.resources, naming.warehouse_resource(self.config.id)).open(self.config)
        with warehouse.exclusive(context.run.run_id):
            reach("dbt.start")
            refuse_known(self.config, self.project, self.relations)
            refuse_loaded(self.config, self.project, self.relations)
            tests = [each for each in checks if each.kind == "test"]
            guards = self._guards(assets, tests)
            names = [each.fqn for each in assets] + [each.fqn for each in (*tests, *guards)]
            result = build(self.project, names, window, context.run.run_id, _print_line) if names else _NOTHING
            reach("dbt.done")
            made = self._describe(assets, result, window, days, warehouse)
            promised = [each for each in checks if each.kind == "freshness"]
            sources = {each.unique_id: each.fqn for each in promised}
            ages = source_freshness(self.project, sources, context.run.run_id, _print_line) if sources else _NOTHING
        yield from _evaluations(tests, result, days)
        yield from _evaluations(promised, ages, ())
        problem = result.problem or _missing_results(assets, [*tests, *guards], result) or self._elsewhere(result)
        problem = problem or next((each.problem for each in made if each.problem), None)
        if problem:
            # Although the step fails, the tables that dbt built are in the warehouse: report each of them.
            yield from _materializations(made, days)
            raise Failure(f"dbt: {problem}", allow_retries=False)
        if isinstance(context, AssetExecutionContext):
            yield from self._results(context, made, days)
        # The evaluations above are events of their own; the step still owes Dagster one output per check.
        yield from _outputs(checks)

    def _guards(self, assets: Sequence[DbtAsset], tests: Sequence[DbtCheck]) -> list[DbtCheck]:
        """Return the tests of the sources that these models read, except tests that are run anyway."""
        inputs = {dep for each in assets for dep in each.deps}
        return [each for each in self.guards if each not in tests and inputs >= {*each.reads}]

    def _describe(
        self,
        assets: Sequence[DbtAsset],
        result: BuildResult,
        window: Window,
        days: Sequence[str],
        warehouse: Warehouse,
    ) -> list[Described]:
        """Describe the models that were built, in the order of their builds."""
        by_id = {each.unique_id: each for each in assets}
        built = [(by_id[node.unique_id], node) for node in result.nodes if node.is_good and node.unique_id in by_id]
        if not built:
            return []
        manifest: Manifest = json.loads(self.project.manifest_path.read_bytes())
        relations = BuiltRelations(manifest, [asset for asset, _ in built], window)
        # A project with its own profile writes into a database that this product cannot read.
        readable = not self.project.has_own_profile
        if readable and manifest["metadata"]["adapter_type"] == self.config.warehouse.type:
            relations.read(warehouse)
        return [
            Described(
                asset=asset,
                metadata=materialization_metadata(
                    asset,
                    node,
                    relations,
                    manifest,
                    column_lineage(self.config, self.project, relations, manifest, asset),
                ),
                rows=row_counts(asset, relations, days),
                problem=self._other_days(asset, relations.columns_of(manifest["nodes"][asset.unique_id]), days),
            )
            for asset, node in built
        ]

    def _elsewhere(self, result: BuildResult) -> str | None:
        """Return the problem if dbt made a relation under another name than the prepared name."""
        prepared = {each.unique_id: each for each in self.relations}
        for node in result.nodes:
            known, built = prepared.get(node.unique_id), (node.relation or "").replace('"', "").replace("`", "")
            if known and built and not f".{built}".casefold().endswith(".".join(("", *known.place))):
                return (
                    f"{node.name} was built as {built}, and was prepared as {known.schema_name}.{known.name}: its name"
                    " may not depend on a run's variables or on the time"
                )
        return None

    def _other_days(self, asset: DbtAsset, columns: Columns, days: Sequence[str]) -> str | None:
        """Return the problem if a microbatch model's days, which dbt counts in UTC, differ from the run's days."""
        scheme = self.partitions
        if isinstance(scheme, WholeTable) or scheme.unit == "hour":  # hours are those of UTC, as dbt's are
            return None
        zone = scheme.timezone
        dtype = next((each for name, each in columns.items() if name == asset.event_time), "")
        apart = any(scheme.window(day)[0].astimezone(ZoneInfo(zone)).utcoffset() for day in days)
        if "with time zone" not in dtype.lower() or not apart:
            return None
        return (
            f"{asset.key[-1]}: `event_time` is the column {asset.event_time}, which holds instants ({dtype}); dbt cuts"
            f" them into {scheme.word}s of UTC, and the run's {scheme.word}s are those of {zone}: name a column that"
            f" holds the day or the time in {zone}, such as cast({asset.event_time} at time zone '{zone}' as date)"
        )

    def _results(
        self, context: AssetExecutionContext, made: Sequence[Described], days: Sequence[str]
    ) -> Iterator[DbtEvent]:
        if days and not (context.has_partition_key or context.has_partition_key_range):
            # Dagster would record a materialization of no partition; the newest day is what was made.
            yield from _materializations(made, days)
        for each in made:
            if len(days) <= 1:
                counted = each.rows.get(days[0] if days else None, {})
                yield MaterializeResult(asset_key=each.key, metadata={**each.metadata, **counted})
                continue
            for day in days:
                metadata = {**each.metadata, **each.rows.get(day, {})}
                context.add_asset_metadata(metadata, asset_key=each.key, partition_key=day)
            yield MaterializeResult(asset_key=each.key)


def check_key(check: DbtCheck) -> AssetCheckKey:
    """Return Dagster's key of the check."""
    return AssetCheckKey(AssetKey(list(check.asset)), check.name)


def _window(scheme: TimeScheme | WholeTable, keys: Sequence[str]) -> Window:
    """The variables of a range: the first day, and the first that is none of them any more; of hours moments in UTC."""
    if not keys or isinstance(scheme, WholeTable):
        return {}
    start, end = (begin_of(each).isoformat()[:19].replace("T", " ") for each in (keys[0], moved(keys[-1], 1)))
    return {"partition_start": start, "partition_end": end}


def _each(days: Sequence[str]) -> list[str | None]:
    """Return the days, or None for the table as a whole."""
    return [*days] or [None]


def _print_line(line: str) -> None:
    """Print a line of dbt to the output that Dagster keeps for a step."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _evaluations(
    checks: Sequence[DbtCheck], result: BuildResult, days: Sequence[str]
) -> Iterator[AssetCheckEvaluation]:
    """Yield one evaluation of each test that ran, for each day of the run."""
    nodes = {each.unique_id: each for each in result.nodes}
    for check in checks:
        node = nodes.get(check.unique_id)
        if node is None or node.status == "skipped":  # its model was not built, so there is no result
            continue
        for day in _each(days):
            yield _evaluation(check, node, day)


def _outputs(checks: Sequence[DbtCheck]) -> Iterator[DbtEvent]:
    for check in checks:
        spec = AssetCheckSpec(name=check.name, asset=AssetKey(list(check.asset)))
        yield Output(None, output_name=spec.get_python_identifier())


def _evaluation(check: DbtCheck, node: NodeResult, day: str | None) -> AssetCheckEvaluation:
    metadata: Metadata = {
        "status": MetadataValue.text(node.status),
        "seconds": MetadataValue.float(round(node.seconds, 3)),
        "unique_id": MetadataValue.text(check.unique_id),
    }
    if node.failures is not None:
        metadata["failed_count"] = MetadataValue.int(node.failures)
    return AssetCheckEvaluation(
        asset_key=AssetKey(list(check.asset)),
        check_name=check.name,
        passed=node.is_good,
        metadata=metadata,
        severity=AssetCheckSeverity.WARN if node.status == "warn" else AssetCheckSeverity.ERROR,
        description=node.message.strip() or None,
        # The step fails by itself afterwards; a blocking evaluation would fail it before the others are recorded.
        blocking=False,
        partition=day,
    )


def _materializations(made: Sequence[Described], days: Sequence[str]) -> Iterator[AssetMaterialization]:
    for each in made:
        for day in _each(days):
            metadata = {**each.metadata, **each.rows.get(day, {})}
            yield AssetMaterialization(asset_key=each.key, partition=day, metadata=metadata)


def _missing_results(assets: Sequence[DbtAsset], checks: Sequence[DbtCheck], result: BuildResult) -> str | None:
    """Return the problem if dbt gave no result for a selected node: a missing result is not a success."""
    said = {each.unique_id for each in result.nodes if each.status != "skipped"}
    asked = {each.unique_id for each in assets} | {each.unique_id for each in checks}
    silent = sorted(asked - said)
    return f"it ended without an error, but gave no result for {', '.join(silent)}" if silent else None
