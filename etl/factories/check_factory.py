"""Makes one asset check from each rule of a stage. The step of the asset evaluates the check.

Belongs here: the checks' definitions. Not here: the content of an evaluation (`etl.running.check_results`).
"""

from dagster import (
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    PartitionsDefinition,
)

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.quality.rules import AnyRule, check_names, wording
from etl.running import naming
from etl.running.check_results import (
    about_rule,
    checks_personal,
    checks_undated,
    checks_volume,
    rule_lines,
    see_rejected_rows,
)


def check_specs(
    config: TenantConfig,
    pipeline: PipelineConfig,
    stage: Stage,
    asset: AssetKey,
    partitions: PartitionsDefinition[str] | None,
) -> list[AssetCheckSpec]:
    """Return one spec for each rule of `stage`, and the checks `volume` and `undated` of an extract."""
    rules = pipeline.rules_for(stage)
    lines = rule_lines(config, pipeline, stage)
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
            asset=asset,
            description=_description(rule),
            metadata={
                "rule": MetadataValue.json(rule.model_dump(mode="json", exclude_none=True)),
                **about_rule(rule),
                **see_rejected_rows(config, pipeline, stage, rule),
                "severity": rule.severity,
                "yaml": f"{config.origin.path.parent.name}/{config.origin.path.name}:{line}",
            },
            partitions_def=partitions,
        )
        for name, rule, line in zip(check_names(rules), rules, lines, strict=True)
    ]
    if checks_volume(pipeline, stage):
        description = (
            "About as many rows as when the partition was extracted before, and as on the weekday in earlier weeks."
            " A warning: the rows are published nevertheless; `max_shrink` would stop them."
        )
        specs.append(
            AssetCheckSpec(naming.VOLUME_CHECK, asset=asset, description=description, partitions_def=partitions)
        )
    if checks_personal(pipeline, stage):
        description = "No column of text looks like personal data, except those in `pii_columns`. A warning."
        specs.append(AssetCheckSpec(naming.PII_CHECK, asset=asset, description=description, partitions_def=partitions))
    if checks_undated(pipeline, stage):
        after = "nothing is published" if pipeline.undated == "fail" else "the days are published nevertheless"
        description = (
            "Every row of the source belongs to a partition. Rows without a date, with text that is no date, or before"
            f" the first day are never extracted. Counted once for all days of a run; if there are any, {after}."
        )
        specs.append(AssetCheckSpec(naming.UNDATED_CHECK, asset=asset, description=description))
    return specs


def _description(rule: AnyRule) -> str:
    """Return the rule's own description, if there is one, and the rule in words, with its columns as written."""
    meaning = (type(rule).__doc__ or rule.type).strip().splitlines()[0]
    return f"{rule.description or meaning} {wording(rule)}"
