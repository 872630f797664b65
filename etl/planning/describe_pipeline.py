"""Describes one pipeline: its settings, its table, the checks of its rules, its promises.

Belongs here: the things that the YAML says of one pipeline. Not here: the assets that are made from it (`describe`).
"""

from collections.abc import Iterator
from enum import Enum

from pydantic import BaseModel, JsonValue

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.planning.code import code_of
from etl.planning.description import Thing
from etl.quality.rules import check_names, wording
from etl.running.naming import PipelineStage, asset_key
from etl.warehouse.contract import PARTITION_COLUMN

_ELSEWHERE = {"environments", "enabled", "name", "partitions", "quality", "save_to_trino", "sla", "trino_output"}
"""What has a thing of its own, or is no setting of the pipeline."""


def pipeline_things(config: TenantConfig, pipeline: PipelineConfig) -> Iterator[Thing]:
    """Yield everything that the YAML says of the pipeline."""
    yield _settings(config, pipeline)
    if pipeline.save_to_trino and pipeline.trino_output is not None:
        yield _table(config, pipeline)
    for stage in pipeline.stages:
        yield from _checks(config, pipeline, stage)
    yield from _promises(config, pipeline)


def _settings(config: TenantConfig, pipeline: PipelineConfig) -> Thing:
    place = ("assets", "pipelines", pipeline.name)
    values: dict[str, JsonValue] = pipeline.model_dump(mode="json", exclude=_ELSEWHERE)
    lines = {key: config.line_of(*place, key) for key in values}
    if pipeline.partitions is not None:  # the model leaves out what is as usual
        values |= {f"partitions.{name}": _json(getattr(pipeline.partitions, name)) for name in ("by", "lookback")}
        values["partitions.keys"] = list(pipeline.partitions.keys)
    for part, model in (("partitions", pipeline.partitions), ("quality", pipeline.quality)):
        said = model.model_dump(mode="json", exclude={"rules"}) if isinstance(model, BaseModel) else {}
        values |= {f"{part}.{key}": value for key, value in said.items()}
        lines |= {f"{part}.{key}": config.line_of(*place, part, key) for key in said}
    if pipeline.has_transfer:
        values["transform"] = code_of(config, pipeline.name)
        lines["transform"] = config.line_of(*place, "has_transfer")
    lines[""] = config.line_of(*place)
    return Thing(kind="pipeline", name=pipeline.name, pipeline=pipeline.name, values=values, lines=lines)


def _table(config: TenantConfig, pipeline: PipelineConfig) -> Thing:
    place = ("assets", "pipelines", pipeline.name, "trino_output")
    output = pipeline.trino_output
    if output is None:
        raise ValueError(f"{pipeline.name} has no table")
    values: dict[str, JsonValue] = {
        "key_columns": list(output.key_columns),
        "mode": output.mode,
        "order_column": output.order_column,
        "partition_column": PARTITION_COLUMN if pipeline.partitions else None,
        "target": f"{output.target_schema}.{output.target_table}",
    }
    lines = {key: config.line_of(*place, key) for key in values}
    lines["target"] = config.line_of(*place, "target_table")
    lines[""] = config.line_of(*place)
    return Thing(kind="table", name=pipeline.name, pipeline=pipeline.name, values=values, lines=lines)


def _checks(config: TenantConfig, pipeline: PipelineConfig, stage: Stage) -> Iterator[Thing]:
    of = PipelineStage(config, pipeline, stage)
    key = asset_key(config.id, stage, pipeline.name).to_user_string()
    for name, rule, line in zip(check_names(of.rules), of.rules, of.rule_lines, strict=True):
        stops = rule.severity == "error" and pipeline.quality.on_failure != "warn"
        values: dict[str, JsonValue] = {
            "rule": wording(rule),
            "severity": rule.severity,
            "stops_publishing": stops,
        }
        yield Thing(kind="check", name=f"{key}:{name}", pipeline=pipeline.name, values=values, lines={"": line})


def _promises(config: TenantConfig, pipeline: PipelineConfig) -> Iterator[Thing]:
    sla = config.sla_of(pipeline.name)
    if sla is None or not sla.says_something:
        return
    own = pipeline.sla is not None
    place = ("assets", "pipelines", pipeline.name, "sla") if own else ("sla",)
    said = {name: getattr(sla, name) for name in type(sla).model_fields if name not in ("enabled", "alert_level")}
    freshness = said.pop("freshness")
    found = {name: (value, (*place, name)) for name, value in said.items() if value not in (None, False)}
    if freshness is not None:
        for name in ("deadline", "max_age_hours"):
            if (value := getattr(freshness, name)) is not None:
                found[name] = (value, (*place, "freshness", name))
    for name, (value, at) in found.items():
        values: dict[str, JsonValue] = {"alert_level": sla.alert_level.value, "limit": _json(value)}
        if name == "deadline" and freshness is not None:
            values |= {"business_days": freshness.business_days, "timezone": freshness.timezone}
        yield Thing(
            kind="promise",
            name=f"{pipeline.name}: {name}",
            pipeline=pipeline.name,
            values=values,
            lines={"": config.line_of(*at)},
        )


def _json(value: object) -> JsonValue:
    if isinstance(value, Enum):
        return str(value.value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
