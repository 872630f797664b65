from tests.config.conftest import Project

TEXT = """\
id: acme
name: nobody
tags: {a: "1", b: "2"}
environments:
  staging: {tags: {b: "3"}, source_database: "${ACME_URL}"}
  prod: {name: Production, source_database: "${ACME_URL}"}
assets:
  pipelines:
    lots:
      source_table: lots
      date_column: day
      columns: [day, id]
      allow_empty: true
      max_shrink: 0.5
      partitions: {start: 2026-01-01, lookback_days: 1}
      environments:
        staging: {columns: [day], partitions: {lookback_days: 3}}
        prod: {allow_empty: null, sla: {min_row_count: 7}}
"""
URL = {"ACME_URL": "sqlite:///tenants/acme/x"}


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
