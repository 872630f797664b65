"""Makes a tenant's asset checks: one for each rule of a stage, and the checks that stand there without a rule.

Belongs here: the checks' definitions. Not here: what an evaluation says
(`etl.running.check_results`, `sla_result`, `reconcile_result`), when the check `sla` is written (`sla_watch`).

The step of an asset evaluates the checks of its rules. The sensor writes the check `sla`, which is one operation for
the whole tenant, so that no pipeline's step owes it. The check `reconciled` runs when somebody asks for it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    DagsterInstance,
    PartitionsDefinition,
    multi_asset_check,
)

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError
from etl.pipeline.verdict import Status
from etl.pipeline.verify import reconcile
from etl.promises.judge import PromiseVerdict
from etl.quality.rules import AnyRule, check_names, wording
from etl.running import naming
from etl.running.check_results import (
    checks_personal,
    checks_undated,
    checks_volume,
)
from etl.running.explain import Explanation
from etl.running.naming import SLA_CHECK, PipelineStage
from etl.running.reconcile_result import reconciliation_metadata, summary
from etl.running.sla_result import evaluation, promised
from etl.running.subjects import last_asset
from etl.running.surroundings import step_of
from etl.settings import load_settings


def check_specs(of: PipelineStage, partitions: PartitionsDefinition[str] | None) -> list[AssetCheckSpec]:
    """Return one spec for each rule of `stage`, and the checks `volume` and `undated` of an extract."""
    config, pipeline, rules, lines = of.config, of.pipeline, of.rules, of.rule_lines
    for name, line in zip(check_names(rules), lines, strict=True):
        if name in naming.STANDING_CHECKS:
            raise ConfigError(
                f"{config.origin.path}:{line}: a rule of `{pipeline.name}` is called `{name}`,"
                f" which is the name of another check of tenant {config.id}",
                "give the rule another `name`",
            )
    specs = [
        AssetCheckSpec(
            name=name,
            asset=of.asset,
            description=_description(rule),
            partitions_def=partitions,
        )
        for name, rule in zip(check_names(rules), rules, strict=True)
    ]
    if checks_volume(of):
        description = (
            "About as many rows as when the partition was extracted before, and as on the weekday in earlier weeks."
            " A warning: the rows are published nevertheless; `max_shrink` would stop them."
        )
        specs.append(
            AssetCheckSpec(naming.VOLUME_CHECK, asset=of.asset, description=description, partitions_def=partitions)
        )
    if checks_personal(of):
        description = "No column of text looks like personal data, except those in `pii_columns`. A warning."
        specs.append(
            AssetCheckSpec(naming.PII_CHECK, asset=of.asset, description=description, partitions_def=partitions)
        )
    if checks_undated(of):
        after = "nothing is published" if pipeline.undated == "fail" else "the days are published nevertheless"
        description = (
            "Every row of the source belongs to a partition. Rows without a date, with text that is no date, or before"
            f" the first day are never extracted. Counted once for all days of a run; if there are any, {after}."
        )
        specs.append(AssetCheckSpec(naming.UNDATED_CHECK, asset=of.asset, description=description))
    return specs


def _description(rule: AnyRule) -> str:
    """Return the rule's own description, if there is one, and the rule in words, with its columns as written."""
    meaning = (type(rule).__doc__ or rule.type).strip().splitlines()[0]
    return f"{rule.description or meaning} {wording(rule)}"


Judge = Callable[
    [DagsterInstance, datetime],
    tuple[dict[str, tuple[PromiseVerdict, ...]], dict[str, str], Callable[[str], Explanation]],
]


def sla_checks(config: TenantConfig, judge: Judge) -> list[AssetChecksDefinition]:
    """Return one operation with the checks of all pipelines that have promises."""
    assets = promised(config)
    if not assets:
        return []
    names = {key: name for name, key in assets.items()}

    @multi_asset_check(
        name=f"{config.id}__{SLA_CHECK}",
        specs=[
            AssetCheckSpec(SLA_CHECK, asset=key, description=f"Whether {name} keeps what it promises.")
            for name, key in assets.items()
        ],
        can_subset=True,
    )
    def sla(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        verdicts, unjudged, explained = judge(context.instance, datetime.now(UTC))
        selected_names = {selected: names[selected.asset_key] for selected in context.selected_asset_check_keys}
        for selected, name in sorted(selected_names.items()):
            if name in unjudged:
                continue
            found = evaluation(selected.asset_key, verdicts[name], explained(name))
            yield AssetCheckResult(
                passed=found.passed,
                asset_key=found.asset_key,
                check_name=found.check_name,
                metadata=found.metadata,
                severity=found.severity,
                description=found.description,
            )
        problems = [unjudged[name] for name in sorted(selected_names.values()) if name in unjudged]
        if problems:  # neither passed nor failed: the execution has failed
            raise EtlError("\n".join(problems), "the sensor reads on; execute the check again in some minutes")

    return [sla]


NAME = naming.RECONCILED_CHECK
SEVERITIES: dict[Status, AssetCheckSeverity] = {
    "agrees": AssetCheckSeverity.ERROR,
    "differs": AssetCheckSeverity.ERROR,
    "not_compared": AssetCheckSeverity.WARN,
}
"""Something that was not compared is neither a pass nor an error."""


def reconcile_checks(config: TenantConfig) -> list[AssetChecksDefinition]:
    """Return one operation with one check for each pipeline, of which any can be run alone."""
    pipelines = {last_asset(config, pipeline): pipeline for pipeline in config.pipelines.values()}
    if not pipelines:
        return []
    source_key, warehouse_key = naming.source_resource(config.id), naming.warehouse_resource(config.id)
    description = "The warehouse holds what the source holds, day by day. Run it with `etl verify`."

    @multi_asset_check(
        name=f"{config.id}__{NAME}",
        specs=[AssetCheckSpec(NAME, asset=key, description=description) for key in pipelines],
        can_subset=True,
        required_resource_keys={source_key, warehouse_key},
    )
    def reconciled(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        source = getattr(context.resources, source_key)
        warehouse = getattr(context.resources, warehouse_key)
        with step_of(config, context.log):
            problems: list[str] = []
            for selected in sorted(context.selected_asset_check_keys):
                pipeline = pipelines[selected.asset_key]
                try:
                    found = reconcile(config, pipeline, source.url(config), warehouse.open(config), load_settings())
                except Exception as error:  # noqa: BLE001  the other pipelines are compared all the same, then it is raised
                    problems.append(f"{config.id}/{pipeline.name}: {type(error).__name__}: {error}")
                    continue
                yield AssetCheckResult(
                    passed=found.status == "agrees",
                    asset_key=selected.asset_key,
                    check_name=NAME,
                    severity=SEVERITIES[found.status],
                    description=summary(found),
                    metadata=reconciliation_metadata(found, pipeline),
                )
            if problems:  # neither passed nor failed: the execution has failed
                raise EtlError("\n".join(problems), "the checks of the other pipelines were evaluated")

    return [reconciled]
