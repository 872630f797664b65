"""The model of one pipeline in a tenant's file.

Belongs here: `PipelineConfig` and its parts. Not here: rules that need more than one value of a pipeline
(`cross_checks`), and how a stage does its work (`etl.pipeline`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from etl.config.identifiers import ColumnName, Owner, PipelineName, SourceName, Tags, TargetName, Timezone
from etl.partitions.keys import STATIC_KEY, UNITS, Unit, kind_of
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable, boundary
from etl.quality.rules import AnyRule, Rule
from etl.quality.rules.table_rules import spell_out_truthound
from etl.settings import Environment
from etl.sla.config import PipelineSLA

Stage = Literal["extract", "transfer", "load"]
LoadMode = Literal["replace_partition", "replace", "upsert", "append"]
DEFAULT_START = "2024-01-01"
BY_TIME = UNITS


def _static_key(key: str) -> str:
    if kind_of(key) != "static":
        close = re.sub(r"[^A-Za-z0-9-]+", "_", key).strip("_")
        context = {"key": key, "allowed": STATIC_KEY, "suggestion": close if kind_of(close) == "static" else ""}
        raise PydanticCustomError("key", "`{key}` cannot be a partition's key", context)
    return key


class Partitions(BaseModel):
    """How the rows are cut: by a unit of time over the date column, or by the values of a column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: ColumnName = Field("day", description="hour, day, week or month; or the column that holds the `keys`.")
    keys: tuple[Annotated[str, AfterValidator(_static_key)], ...] = Field(
        (), description="The values of the column `by`, or of `:partition` in a `query`; only where it is no time."
    )
    timezone: Timezone = Field("UTC", description="The time zone in which a day begins and ends.")
    start: str = Field(
        DEFAULT_START,
        validate_default=True,
        description="The first day, hour (2026-01-05T06:00), week (2026-W02) or month (2026-01).",
    )
    end: str | None = Field(
        None, description="The last one, itself included. Without it: up to the newest complete one."
    )
    lookback_days: NonNegativeInt = Field(
        0, le=36_600, description="How many earlier days each run reads again, for late rows."
    )
    lookback: NonNegativeInt | None = Field(
        None, le=100_000, description="The same in partitions: hours, days, weeks or months."
    )
    in_flight: PositiveInt = Field(
        1, le=1000, description="How many partitions of a back-fill are worked on at one time."
    )
    naive_timezone: Timezone | None = Field(
        None, description="Zone of a date column without a zone. Default: the same as `timezone`."
    )

    @field_validator("start", "end", mode="before")
    @classmethod
    def _text_of_date(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value

    @field_validator("start", "end")
    @classmethod
    def _on_a_boundary(cls, text: str | None, info: ValidationInfo) -> str | None:
        unit, zone = info.data.get("by", "day"), info.data.get("timezone", "UTC")
        if text is None or unit not in BY_TIME:
            return text
        try:
            return boundary(unit, text, zone, is_last=info.field_name == "end")
        except ValueError as error:
            raise PydanticCustomError("boundary", "{problem}", {"problem": str(error)}) from None

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that came later are left out where nothing is said by them: equal meaning, equal fingerprint."""
        later: dict[str, Any] = {"by": "day", "keys": (), "lookback": None}
        return {
            key: value for key, value in write(self).items() if key not in later or getattr(self, key) != later[key]
        }

    @property
    def behind(self) -> int:
        """How many earlier partitions each run reads again."""
        return self.lookback_days if self.lookback is None else self.lookback

    @property
    def scheme(self) -> TimeScheme | StaticKeys:
        """The partitions themselves."""
        if self.by not in BY_TIME:
            return StaticKeys(self.by, self.keys)
        endless = TimeScheme(cast("Unit", self.by), self.start, None, self.timezone)
        return replace(endless, end=endless.key_at(endless.window(self.end)[0])) if self.end else endless


class TrinoOutput(BaseModel):
    """The table that a pipeline loads, in a warehouse of any type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_table: TargetName = Field(description="Default: the pipeline's name.")
    target_schema: TargetName = Field(description="Default: the tenant's id.")
    key_columns: tuple[ColumnName, ...] = Field((), description="The columns that identify a row; needed for `upsert`.")
    order_column: ColumnName | None = Field(None, description="Of rows with the same key, the last row by this column.")
    mode: LoadMode = Field(description="Default: replace_partition with a date column, else replace. See warehouse.md.")


class DbtTransform(BaseModel):
    """Which dbt models follow a pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dbt_select: str = Field("fqn:*", description="dbt's own selection syntax.")
    dbt_exclude: str = Field("", description="The models to leave out, in the same syntax.")


class StagedRule(BaseModel):
    """A rule and the stage whose rows it judges."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(description="One rule of the vocabulary.")
    stage: Stage | None = Field(None, description="Default: transfer if the pipeline has a transfer, else extract.")

    @model_validator(mode="before")
    @classmethod
    def _separate(cls, data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
        """Separate the stage from the rule's own keys, beside which it stands in the file."""
        if isinstance(data, Mapping) and not isinstance(data.get("rule"), Mapping | BaseModel):
            rule: dict[str, Any] = {key: value for key, value in data.items() if key != "stage"}
            if "truthound" in rule and "type" not in rule:
                rule = spell_out_truthound(rule)
            return {"rule": rule} | ({"stage": data["stage"]} if "stage" in data else {})
        return data


class PipelineQuality(BaseModel):
    """The checks before rows are published, and the effect of a failure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = Field("truthound", min_length=1, description="truthound, polars, great_expectations or pandera.")
    on_failure: Literal["block", "quarantine", "warn"] = Field(
        "block", description="block: nothing is published; quarantine: bad rows are set aside; warn: all is published."
    )
    rules: tuple[StagedRule, ...] = Field((), description="The rules that rows have to pass; see Rules.")
    max_quarantine_rate: float | None = Field(None, ge=0, le=1, description="A larger share of rejected rows blocks.")
    safe_columns: tuple[ColumnName, ...] = Field((), description="Columns whose values a report may show.")
    timeout_seconds: PositiveFloat | None = Field(None, description="A longer check ends as an error, never as a pass.")


class Volume(BaseModel):
    """The loss of rows at which the check `volume` of the extract warns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_shrink: float = Field(0.5, ge=0, le=1, description="Warn if more than this share of the rows is missing.")


class PipelineConfig(BaseModel):
    """One pipeline: an extract, and optionally a transfer and a load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: PipelineName = Field(description="The key of the pipeline.")
    description: str = Field("", description="For people; shown on the assets.")
    enabled: bool = Field(default=True, description="false: the pipeline is ignored.")
    owners: tuple[Owner, ...] = Field((), description="Email addresses or team:name. Default: the tenant's.")
    tags: Tags = Field({}, description="Tags of the assets, in addition to the tenant's.")

    source_table: SourceName | None = Field(None, description="The table to read; or `query`.")
    source_schema: SourceName | None = Field(None, description="Default: the schema of the source database.")
    query: str | None = Field(
        None, pattern=r"\S", description="SELECT with :window_start and :window_end, or :partition."
    )
    date_column: ColumnName | None = Field(
        None, description="Partitions by time, of a day by default; without it a whole-table snapshot."
    )
    partitions: Partitions | None = Field(
        None, description="The partitions there are; needs a `date_column`, or `by` a column with its `keys`."
    )
    columns: tuple[ColumnName, ...] = Field((), description="Which columns to read. Default: all.")
    extract_mode: Literal["exact", "fast"] = Field(
        "exact",
        description="Every value arrives intact or is refused in both. fast: PostgreSQL's pages are read in parallel "
        "however few they are; exact: only where that is quicker than one statement.",
    )
    sort_by: tuple[ColumnName, ...] = Field((), description="Order of rows in the object; scans can then skip parts.")
    pii_columns: tuple[ColumnName, ...] = Field((), description="Columns whose values are never shown.")
    pii: Literal["scan", "off"] = Field(
        "off",
        description="scan: the check `pii` of the extract warns of columns of text that look personal and are not in "
        "`pii_columns`. Needs Truthound.",
    )
    allow_empty: bool = Field(default=False, description="true: a partition that had rows may become empty.")
    max_shrink: float | None = Field(None, ge=0, le=1, description="Fail if a larger share of the rows is missing.")
    undated: Literal["warn", "fail", "ignore"] = Field(
        "warn",
        description="Rows of the source that belong to no partition (no date, or one outside of all days; no key) "
        "are counted by the check `undated` of the extract. fail: nothing is published if there are any. ignore: none.",
    )
    volume: Volume | Literal["off"] = Field(
        Volume(),
        description="Warns, and publishes, if a day has far fewer rows than when it was extracted before, or than its "
        "weekday in each of the last four weeks. off: no such check.",
    )
    schema_changes: Literal["evolve", "fail"] = Field(
        "evolve", description="evolve: a new nullable column is added; any other change fails."
    )

    has_transfer: bool = Field(default=False, description="transforms/<pipeline>.py holds a function of the same name.")
    transfer_inputs: tuple[PipelineName, ...] = Field((), description="Default: the pipeline itself.")
    column_lineage: dict[Literal["*"] | ColumnName, ColumnName | tuple[ColumnName, ...]] = Field(
        {},
        description="From which columns the transform makes a column: `column`, or `input.column`, or a list; `[]` for "
        "a column made from none. `*` names the input from whose column of the same name each other column is made.",
    )
    has_dbt_transform: bool = Field(default=False, description="Models of the tenant's dbt project follow.")
    dbt_transform: DbtTransform | None = Field(None, description="Which models.")

    save_to_s3: bool = Field(
        default=True, description="false: the objects stay in the local lake even if a bucket is configured."
    )
    save_to_trino: bool = Field(default=False, description="Load into the tenant's warehouse.")
    trino_output: TrinoOutput | None = Field(None, description="Which table is loaded, and how.")

    quality: PipelineQuality = Field(PipelineQuality(), description="The checks before rows are published.")
    sla: PipelineSLA | None = Field(None, description="The promises. Default: the tenant's `sla`.")
    environments: dict[Environment, dict[str, Any]] = Field({}, description="Other values for a DAGSTER_ENVIRONMENT.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
        """Fill in defaults that depend on other values of the same pipeline."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        for switch in ("volume", "pii"):
            if filled.get(switch) is False:  # YAML reads `off` as false
                filled[switch] = "off"
        dated = filled.get("date_column") is not None
        if dated and filled.get("partitions") is None:
            filled["partitions"] = {}
        cut = dated or (isinstance(said := filled.get("partitions"), Mapping) and bool(said.get("keys")))
        if filled.get("has_transfer") is True and not filled.get("transfer_inputs") and filled.get("name"):
            filled["transfer_inputs"] = [filled["name"]]
        output = filled.get("trino_output")
        if output is None and filled.get("save_to_trino") is True:
            output = {}
        if isinstance(output, Mapping):
            mode = "replace_partition" if cut else "replace"
            filled["trino_output"] = {
                "target_table": filled.get("name"),
                "target_schema": "main",
                "mode": mode,
                **output,
            }
        return filled

    @property
    def scheme(self) -> TimeScheme | StaticKeys | WholeTable:
        """How its rows are cut into partitions."""
        return self.partitions.scheme if self.partitions else WholeTable()

    @property
    def origins(self) -> dict[str, tuple[str, ...]]:
        """`column_lineage`, with a list for each column."""
        return {key: (each,) if isinstance(each, str) else each for key, each in self.column_lineage.items()}

    @property
    def published_stage(self) -> Literal["extract", "transfer"]:
        """The stage whose rows are audited by default and loaded."""
        return "transfer" if self.has_transfer else "extract"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the pipeline has, in order."""
        transfer: tuple[Stage, ...] = ("transfer",) if self.has_transfer else ()
        load: tuple[Stage, ...] = ("load",) if self.save_to_trino else ()
        return ("extract", *transfer, *load)

    def rules_for(self, stage: Stage) -> tuple[AnyRule, ...]:
        """The rules that judge the rows of `stage`."""
        return tuple(each.rule for each in self.quality.rules if (each.stage or self.published_stage) == stage)
