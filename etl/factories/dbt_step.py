"""What happens when dbt assets are materialized: one dbt invocation, its results as Dagster's events.

Belongs here: selecting, the variables of a partition, the warehouse's lock, turning results into events. Does not:
specs (`dbt_factory`), dbt as a process for parsing (`etl.pipeline.dbt_project`).
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    DailyPartitionsDefinition,
    Failure,
    MaterializeResult,
    Output,
)

from etl.config.tenant_config import TenantConfig
from etl.factories import naming
from etl.factories.dbt_index import DbtAsset, DbtCheck
from etl.factories.partitions import partition_keys
from etl.faults import reach
from etl.pipeline.dbt_project import TenantDbt, dbt_executable
from etl.storage.duckdb import DuckDBWarehouse

DbtEvent = MaterializeResult | AssetCheckEvaluation | Output  # type: ignore[type-arg]


@dataclass(frozen=True)
class DbtStep:
    """The dbt assets that share one set of days, or that have none."""

    config: TenantConfig
    project: TenantDbt
    partitions: DailyPartitionsDefinition | None
    assets: tuple[DbtAsset, ...]
    checks: tuple[DbtCheck, ...]

    def run(self, context: AssetExecutionContext) -> Iterator[DbtEvent]:
        """Build the selected models; a range of days is one invocation."""
        keys = [key for key in partition_keys(context, self.partitions) if key]
        selected = [each for each in self.assets if AssetKey(list(each.key)) in context.selected_asset_keys]
        if not selected:
            return
        warehouse = getattr(context.resources, naming.warehouse_resource(self.config.id)).open(self.config)
        alone = warehouse.exclusive(context.run.run_id) if isinstance(warehouse, DuckDBWarehouse) else nullcontext()

        with alone:
            reach("dbt.start")
            events, failure = self._build(context, selected, keys)
            reach("dbt.done")
        made = {each.asset_key: each for each in events if isinstance(each, AssetMaterialization)}
        checks = [each for each in events if isinstance(each, AssetCheckEvaluation)]
        checks = [each for each in checks if each.asset_check_key in context.selected_asset_check_keys]
        partitions: list[str | None] = [*keys] or [None]
        for evaluation in checks:
            for partition in partitions:
                yield _of_partition(evaluation, partition)
        for asset_key, materialization in made.items():  # in the order in which dbt built them
            if asset_key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=asset_key, metadata=materialization.metadata)
        if failure:
            raise Failure(failure, allow_retries=False)
        # The evaluations above are events of their own; the step still owes Dagster one output per check.
        for name in {each.asset_check_key: _output_name(each) for each in checks}.values():
            yield Output(None, output_name=name)

    def _build(
        self, context: AssetExecutionContext, selected: list[DbtAsset], keys: list[str]
    ) -> tuple[list[AssetMaterialization | AssetCheckEvaluation], str | None]:
        from dagster_dbt import DbtCliResource  # noqa: PLC0415  takes seconds: only a run of dbt pays for it

        from etl.factories.dbt_translator import TenantDbtTranslator  # noqa: PLC0415

        manifest: Mapping[str, Any] = json.loads(self.project.manifest_path.read_bytes())
        window = {}
        if keys:
            end = date.fromisoformat(keys[-1]) + timedelta(days=1)
            window = {"partition_start": keys[0], "partition_end": end.isoformat()}
            context.log.info("dbt builds the days from %s up to %s, in one invocation", keys[0], keys[-1])
        # The tests are named one by one: dbt would otherwise also run those of models that another step builds.
        chosen = [each.fqn for each in selected] + [
            each.fqn for each in self.checks if AssetKey(list(each.asset)) in context.selected_asset_keys
        ]
        arguments = ["build", "--select", " ".join(f"fqn:{each}" for each in chosen), "--indirect-selection", "empty"]
        arguments += ["--vars", self.project.variables_with(**window)]
        # dbt starts from what it parsed last, if the variables are the same.
        with _environ({**self.project.environ, "DBT_TARGET_PATH": str(self.project.target_path)}):
            dbt = DbtCliResource(
                project_dir=str(self.project.folder),
                profiles_dir=str(self.project.profiles_dir),
                target=self.project.target,
                dbt_executable=dbt_executable(),
            )
            invocation = dbt.cli(
                arguments,
                raise_on_error=False,
                manifest=manifest,
                dagster_dbt_translator=TenantDbtTranslator(self.config),
                target_path=self.project.work_dir / "runs" / context.run.run_id,
            )
            stream = invocation.stream().fetch_row_counts().fetch_column_metadata()
            events = [each for each in stream if isinstance(each, AssetMaterialization | AssetCheckEvaluation)]
            if invocation.adapter is not None:  # it has read row counts and columns; DuckDB's file must be let go
                invocation.adapter.cleanup_connections()
                close = getattr(invocation.adapter.connections, "close_all_connections", None)
                if close is not None:
                    close()
        error = invocation.get_error()
        return events, _first_lines(str(error)) if error else None


@contextmanager
def _environ(more: Mapping[str, str]) -> Iterator[None]:
    """dagster-dbt gives dbt the process environment and nothing else: this tenant's places stand there meanwhile."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:30])


def _of_partition(event: AssetCheckEvaluation, partition: str | None) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=event.asset_key,
        check_name=event.check_name,
        passed=event.passed,
        metadata=event.metadata,
        severity=event.severity,
        description=event.description,
        # The step fails by itself afterwards; a blocking evaluation would fail it before the others are recorded.
        blocking=False,
        partition=partition,
    )


def _output_name(event: AssetCheckEvaluation) -> str:
    return f"{event.asset_key.to_python_identifier()}_{event.check_name}".replace(".", "_")
