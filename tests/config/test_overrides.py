from etl.quality.rules import InSet
from tests.config.conftest import Project

TEXT = """\
id: acme
name: ${NAME:-nobody}
tags: {a: "1", b: "2"}
environments:
  staging: {tags: {b: "3"}, source_database: "${URL}"}
  prod: {name: Production, source_database: "${URL}"}
assets:
  pipelines:
    lots:
      source_table: lots
      date_column: day
      columns: [day, id]
      allow_empty: ${EMPTY_ALLOWED:-true}
      max_shrink: ${SHRINK:-0.5}
      partitions: {start: "${START:-2026-01-01}", lookback_days: 1}
      environments:
        staging: {columns: [day], partitions: {lookback_days: 3}}
        prod: {allow_empty: null, sla: {min_row_count: 7}}
"""
URL = {"URL": "sqlite:///x"}


def test_mappings_are_merged_and_lists_replaced(project: Project) -> None:
    staging = project.load(TEXT, environment="staging", environ=URL)
    lots = staging.pipelines["lots"]
    assert staging.tags == {"a": "1", "b": "3"}
    assert lots.columns == ("day",)
    assert lots.partitions is not None
    assert (lots.partitions.lookback_days, str(lots.partitions.start)) == (3, "2026-01-01")


def test_null_gives_the_default_back(project: Project) -> None:
    assert project.load(TEXT).pipelines["lots"].allow_empty
    prod = project.load(TEXT, environment="prod", environ=URL)
    assert not prod.pipelines["lots"].allow_empty
    assert prod.pipelines["lots"].sla is not None
    assert prod.name == "Production"


def test_other_environments_do_not_leak_into_this_one(project: Project) -> None:
    dev = project.load(TEXT)
    assert dev.tags == {"a": "1", "b": "2"}
    assert dev.source_database is None
    assert dev.pipelines["lots"].sla is None


def test_a_variable_gets_the_type_that_is_meant(project: Project) -> None:
    environ = {"NAME": "2026-01-01", "EMPTY_ALLOWED": "false", "SHRINK": "0.25", "START": "2026-03-01"}
    config = project.load(TEXT, environ=environ)
    lots = config.pipelines["lots"]
    assert config.name == "2026-01-01"
    assert (lots.allow_empty, lots.max_shrink) == (False, 0.25)
    assert lots.partitions is not None
    assert str(lots.partitions.start) == "2026-03-01"


def test_a_variable_without_quotes_is_a_number_where_anything_is_possible(project: Project) -> None:
    text = """\
assets:
  pipelines:
    lots:
      source_table: lots
      quality:
        rules:
          - type: in_set
            column: step
            values:
              - ${STEP:-3}
              - "${STEP:-3}"
"""
    rule = project.load(text).pipelines["lots"].rules_for("extract")[0]
    assert isinstance(rule, InSet)
    assert [type(each) for each in rule.values] == [int, str]


def test_a_mistake_in_another_environment_is_found_today(project: Project) -> None:
    problems = project.problems(TEXT.replace("{min_row_count: 7}", "{min_row_cuont: 7}"))
    assert len(problems) == 1
    assert problems[0].startswith("in environment prod: unknown key `min_row_cuont` at tenants/acme/config.yaml:18:")
    assert "did you mean `min_row_count`?" in problems[0]


def test_a_mistake_in_this_environment_is_told_once(project: Project) -> None:
    problems = project.problems(TEXT.replace("lookback_days: 1", "lookback_days: x"))
    assert len(problems) == 1


def test_an_unknown_environment_is_refused(project: Project) -> None:
    problems = project.problems(TEXT.replace("staging: {tags", "stagin: {tags"))
    assert len(problems) == 1
    assert "did you mean `staging`?" in problems[0]


def test_lines_of_overridden_values_lead_to_the_override(project: Project) -> None:
    staging = project.load(TEXT, environment="staging", environ=URL)
    assert staging.line_of("assets", "pipelines", "lots", "partitions", "lookback_days") == 17
    assert staging.line_of("assets", "pipelines", "lots", "partitions", "start") == 15
