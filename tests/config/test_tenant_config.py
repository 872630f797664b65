import copy
import pickle
from pathlib import Path

import pydantic
import pytest

from etl.config import EnvTemplate, PipelineConfig, TenantConfig, fingerprint, list_tenants
from etl.config.config_loader import ConfigLoader
from etl.errors import ConfigError
from etl.quality.rules import NotNull, Unique
from etl.secrets.template import interpolate
from tests.config.conftest import Project

WHOLE = """\
# yaml-language-server: $schema=../tenant.schema.json
x-zone: &zone Asia/Seoul
tenant:
  id: acme
  name: Acme
  group: CD
  owners: ["team:planning", "data@example.com"]
  tags: {domain: manufacturing, year: 2026}
  environments: {prod: {enabled: true}}

  source_database:
    host: ${ACME_DB_HOST}
    port: ${ACME_DB_PORT:-5432}
    database: ${ACME_DB_NAME}
    username: ${ACME_DB_USER}
    password: ${ACME_DB_PASSWORD}
    schema: public
  storage: {bucket: "${S3_BUCKET_NAME:-}", base_path: acme}
  warehouse: {type: duckdb}

  assets:
    pipelines:
      lot_history:
        source_table: lot_history
        date_column: created_at
        partitions: {start: 2026-01-01, timezone: *zone, lookback_days: 1}
        columns: [lot_id, product_code, qty, process_step, created_at]
        has_transfer: true
        transfer_inputs: [lot_history]
        has_dbt_transform: false
        save_to_s3: true
        save_to_trino: true
        trino_output:
          target_table: aps_input_wip
          target_schema: aps
          key_columns: [lot_id]
          mode: replace_partition
        quality:
          engine: truthound
          on_failure: block
          rules:
            - {column: lot_id, type: not_null, stage: extract}
            - {columns: [lot_id, process_step], type: unique}
            - {column: qty, type: in_range, min: 0, severity: warning, mostly: 0.99}
        sla:
          freshness: {deadline: "0 9 * * *", timezone: *zone, max_age_hours: 26}
          max_failure_rate: 0.05
          min_row_count: 1
          max_execution_time_seconds: 300
          max_consecutive_failures: 3
        environments: {dev: {save_to_trino: true}}
      cfg_item:
        query: SELECT * FROM item
        save_to_trino: true
  dbt: {enabled: true, target: dev}
  jobs:
    daily_etl:
      description: Everything of this tenant, one day
      selection: "*"
      schedule: {cron: "0 6 * * *", timezone: *zone, auto_start: false}
  notifications:
    - {type: slack, url: "${ACME_SLACK_URL}", on: [sla, failure]}
"""
DATABASE = {"ACME_DB_HOST": "db", "ACME_DB_NAME": "mes", "ACME_DB_USER": "etl", "ACME_DB_PASSWORD": "p@ss/word"}


@pytest.fixture
def whole(project: Project) -> TenantConfig:
    project.transform("lot_history", "def lot_history(frame):\n    return frame\n")
    return project.load(WHOLE)


def test_the_file_of_the_design_loads(whole: TenantConfig) -> None:
    assert (whole.id, whole.name, whole.group, whole.owners) == (
        "acme",
        "Acme",
        "CD",
        ("team:planning", "data@example.com"),
    )
    assert whole.tags == {"domain": "manufacturing", "year": "2026"}
    pipeline = whole.pipelines["lot_history"]
    assert pipeline.name == "lot_history"
    assert pipeline.partitions is not None
    assert (pipeline.partitions.start, pipeline.partitions.timezone) == ("2026-01-01", "Asia/Seoul")
    assert pipeline.trino_output is not None
    assert (pipeline.trino_output.target_schema, pipeline.trino_output.key_columns) == ("aps", ("lot_id",))
    assert pipeline.sla is not None
    assert pipeline.sla.max_failure_rate == 0.05
    assert whole.notifications[0].on == ("sla", "failure")
    assert whole.jobs["daily_etl"].schedule is not None


def test_the_fragment_of_the_guide_loads_as_it_stands(project: Project) -> None:
    project.transform("wafer_log", "def wafer_log(frame):\n    return frame\n")
    text = """\
assets:
  pipelines:
    wafer_log:
      source_table: wafer_log
      date_column: created_at
      has_transfer: true       # Python transfer
      has_dbt_transform: false # dbt transform
      save_to_s3: true
      save_to_trino: true
      trino_output:
        target_table: aps_input_wafer
        target_schema: aps
"""
    config = project.load(text)
    assert (config.id, config.name, config.group) == ("acme", "acme", None)
    pipeline = config.pipelines["wafer_log"]
    assert pipeline.has_transfer
    assert pipeline.save_to_trino
    assert pipeline.trino_output is not None
    assert pipeline.trino_output.target_table == "aps_input_wafer"
    assert pipeline.trino_output.mode == "replace_partition"


def test_sections_may_stand_beside_the_tenant(project: Project) -> None:
    config = project.load("tenant: {id: acme, group: CD}\nassets: {pipelines: {a: {source_table: a}}}\n")
    assert (config.group, list(config.pipelines)) == ("CD", ["a"])


def test_what_follows_from_other_values_is_filled_in(whole: TenantConfig) -> None:
    item = whole.pipelines["cfg_item"]
    assert item.partitions is None
    assert item.transfer_inputs == ()
    assert item.published_stage == "extract"
    assert item.trino_output is not None
    output = item.trino_output
    assert (output.target_schema, output.target_table, output.mode) == ("acme", "cfg_item", "replace")


def test_a_rule_belongs_to_its_stage_or_to_the_published_one(whole: TenantConfig) -> None:
    pipeline = whole.pipelines["lot_history"]
    assert pipeline.rules_for("extract") == (NotNull(column="lot_id"),)
    assert pipeline.rules_for("transfer")[0] == Unique(columns=("lot_id", "process_step"))
    assert pipeline.rules_for("load") == ()


def test_a_tenants_promise_holds_where_a_pipeline_makes_none(project: Project) -> None:
    text = "sla: {min_row_count: 5}\nassets: {pipelines: {a: {source_table: a}, b: {source_table: b, sla: {min_row_count: 9}}}}"
    config = project.load(text)
    rows = [promise.min_row_count for promise in (config.sla_of("a"), config.sla_of("b")) if promise]
    assert rows == [5, 9]


def test_only_enabled_pipelines_count(project: Project) -> None:
    text = "assets: {pipelines: {a: {source_table: a, enabled: no}, b: {source_table: b}}}\nenvironments: {staging: {enabled: false}}"
    config = project.load(text)
    assert list(config.pipelines) == ["b"]
    assert list(config.assets.pipelines) == ["a", "b"]
    assert not project.load(environment="staging").pipelines


def test_models_are_frozen_and_refuse_unknown_keys(whole: TenantConfig) -> None:
    with pytest.raises(pydantic.ValidationError):
        whole.name = "other"  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError):
        PipelineConfig.model_validate({"name": "a", "source_tabel": "a"})


def test_lines_lead_back_into_the_file(whole: TenantConfig) -> None:
    rows = WHOLE.splitlines()
    assert rows[whole.line_of("assets", "pipelines", "lot_history") - 1].strip() == "lot_history:"
    assert "cfg_item" in rows[whole.line_of("assets", "pipelines", "cfg_item") - 1]
    assert "unique" in rows[whole.line_of("assets", "pipelines", "lot_history", "quality", "rules", 1) - 1]
    assert whole.line_of("assets", "pipelines", "cfg_item", "quality") == whole.line_of(
        "assets", "pipelines", "cfg_item"
    )
    assert whole.line_of("nothing") == 3


def test_the_origin_names_file_and_environment(whole: TenantConfig, project: Project) -> None:
    assert whole.origin.path == project.root / "tenants" / "acme" / "config.yaml"
    assert whole.origin.folder == whole.origin.path.parent
    assert whole.origin.environment == "dev"


def test_equal_settings_have_equal_fingerprints_whatever_the_comments(whole: TenantConfig, project: Project) -> None:
    commented = project.load(WHOLE.replace("group: CD", "group: CD   # planning"))
    assert commented.origin.config_hash == whole.origin.config_hash
    changed = project.load(WHOLE.replace("min_row_count: 1", "min_row_count: 2"))
    assert changed.origin.config_hash != whole.origin.config_hash
    assert fingerprint(changed.pipelines["cfg_item"]) == fingerprint(whole.pipelines["cfg_item"])
    assert fingerprint(changed.pipelines["lot_history"]) != fingerprint(whole.pipelines["lot_history"])
    elsewhere = project.load(WHOLE.replace("{prod: {enabled: true}}", "{prod: {enabled: false}}"))
    assert elsewhere.origin.config_hash == whole.origin.config_hash


def test_a_configuration_can_be_copied_and_pickled(whole: TenantConfig) -> None:
    for twin in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        assert twin == whole
        assert twin.origin == whole.origin


def test_connections_stay_templates_until_they_are_opened(whole: TenantConfig) -> None:
    source = whole.source_database
    assert source is not None
    assert source.password == EnvTemplate("${ACME_DB_PASSWORD}")
    assert source.resolve_url(DATABASE) == "postgresql://etl:p%40ss%2Fword@db:5432/mes"
    assert "p@ss" not in repr(whole)
    with pytest.raises(ConfigError, match="ACME_DB_HOST, ACME_DB_NAME, ACME_DB_USER, ACME_DB_PASSWORD"):
        source.resolve_url({})


def test_loading_resolves_no_secret_even_if_it_is_set(project: Project) -> None:
    project.transform("lot_history", "def lot_history(frame):\n    return frame\n")
    secret = {**DATABASE, "ACME_SLACK_URL": "https://hooks.example/s3cr3t"}
    config = project.load(WHOLE, environ=secret)
    shown = repr(config) + str(config) + config.model_dump_json() + repr(config.origin)
    assert not any(value in shown for value in ("p@ss/word", "s3cr3t"))


def test_a_url_may_stand_for_the_whole_connection(project: Project) -> None:
    text = "source_database: ${ACME_URL}\nwarehouse: {type: postgres, url: '${ACME_WAREHOUSE_URL}', options: {sslmode: require}}\n"
    config = project.load(text)
    assert config.source_database is not None
    assert config.source_database.resolve_url({"ACME_URL": "sqlite:///x.db"}) == "sqlite:///x.db"
    assert (
        config.warehouse.resolve_url({"ACME_WAREHOUSE_URL": "postgresql://h/d"}) == "postgresql://h/d?sslmode=require"
    )


def test_the_demo_source_stands_in_only_in_dev(whole: TenantConfig, project: Project) -> None:
    assert whole.uses_demo_source({})
    assert not whole.uses_demo_source({**DATABASE, "ACME_DB_HOST": ""}), "the run says which one is not set"
    assert not whole.uses_demo_source(DATABASE)
    assert project.load("id: acme").uses_demo_source(DATABASE)
    staging = project.load(WHOLE, environment="staging", environ={**DATABASE, "ACME_SLACK_URL": "x"})
    assert not staging.uses_demo_source({})


def test_tenants_are_the_folders_with_a_file(project: Project) -> None:
    for name in ("beta", "acme", "_template", ".hidden"):
        project.write(f"id: {name}", name)
    (project.root / "tenants" / "empty").mkdir()
    assert list_tenants(project.settings()) == ("acme", "beta")
    assert ConfigLoader.load_tenant("acme", project.settings()).id == "acme"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a ${A} b", "a 1 b"),
        ("${B:-x}", "x"),
        ("${B:x}", "x"),
        ("${B:-}", ""),
        ("${A:-x}", "1"),
        ("${EMPTY:-x}", "x"),
        ("$$A $${A} $A $", "$A ${A} $A $"),
        ("${B:-http://h:1/a}", "http://h:1/a"),
        ("${A}${A}", "11"),
    ],
)
def test_a_template_is_resolved(text: str, result: str) -> None:
    environ = {"A": "1", "EMPTY": ""}
    assert interpolate(text, environ) == result
    assert EnvTemplate(text).resolve(environ) == result


@pytest.mark.parametrize("text", ["${B}", "${EMPTY}", "${", "${1}", "${A", "${A-x}"])
def test_a_template_without_a_value_or_without_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        interpolate(text, {"A": "1", "EMPTY": ""})


def test_a_template_shows_only_itself() -> None:
    template = EnvTemplate("${TOKEN}")
    assert repr(template) == "EnvTemplate('${TOKEN}')"
    assert str(template) == "${TOKEN}"
    assert template.variables == ("TOKEN",)
    assert template.missing({}) == ("TOKEN",)


def test_a_path_may_be_relative_to_nothing(tmp_path: Path) -> None:
    assert TenantConfig.model_validate({"id": "acme"}).origin.path == Path("config.yaml")
