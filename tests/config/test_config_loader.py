from collections.abc import Callable
from pathlib import Path

import pytest

from etl.config import load_tenant
from etl.errors import ConfigError
from tests.config.conftest import Project
from tests.effort import calls

MOST_CALLS = 26_000  # of a file with ten pipelines

HEAD = "tenant:\n  id: acme\n"
PIPELINE = HEAD + "  assets:\n    pipelines:\n      lots:\n        source_table: lots\n"


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_one(one_problem: Callable[..., str]) -> None:
    text = HEAD + "  assets:\n    pipelines:\n      lots:\n        source_tabel: lots\n"
    problem = one_problem(text)
    assert problem.startswith(
        "unknown key `source_tabel` at tenants/acme/config.yaml:6:9 (assets.pipelines.lots.source_tabel), "
        "did you mean `source_table`? allowed: allow_empty, column_lineage, columns, date_column"
    )


def test_everything_that_is_wrong_is_listed_at_once_in_the_order_of_the_file(project: Project) -> None:
    text = """\
tenant:
  id: acme
  gruop: CD
  owners: [somebody]
  tags: {"a b": c}
  source_database: {host: h, password: hunter2}
  warehouse: {type: oracle}
  assets:
    pipelines:
      Lots:
        source_table: "lots; drop table x"
      steps:
        source_table: steps
        date_column: day
        partitions: {start: 2026-02-30, timezone: Asia/Seol, lookback_days: -1}
        columns: [id]
        trino_output: {mode: upsrt}
        quality:
          on_failure: blok
          rules:
            - {column: id, type: uniqe}
            - {column: id, type: in_range, minimum: 3}
            - {type: not_null}
        sla: {freshness: {deadline: "0 25 * * *"}}
  jobs:
    daily: {schedule: {cron: "* * *"}}
  notifications:
    - {type: slak, url: "${X}"}
    - {type: webhook}
"""
    problems = project.problems(text)
    lines = [int(each.split("config.yaml:")[1].split(":")[0]) for each in problems]
    assert lines == sorted(lines)
    assert set(lines) == {3, 4, 5, 6, 7, 10, 11, 14, 15, 17, 19, 21, 22, 23, 24, 26, 28, 29}
    assert len([line for line in lines if line == 15]) == 3
    everything = "\n".join(problems)
    assert "hunter2" not in everything
    for suggestion in ("group", "Asia/Seoul", "upsert", "block", "unique", "slack"):
        assert f"did you mean `{suggestion}`?" in everything


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("        date_column: [a]\n", "a list; allowed: a text"),
        ("        has_transfer: maybe\n", "found `maybe`; allowed: true or false"),
        ("        columns: id\n", "found `id`; allowed: a list"),
        ("        columns: {id: 1}\n", "found a mapping; allowed: a list"),
        ("        max_shrink: 2\n", "allowed: a number less than or equal to 1"),
        ("        partitions: 2026-01-01\n", "allowed: a mapping"),
        ("        name: other\n", "`name` differs from the pipeline's key"),
        ("        quality: {engine: truthhound}\n", "did you mean `truthound`?"),
        ("        query: SELECT 1\n", "both `source_table` and `query`"),
        ("        tags: {a: b c}\n", "not a valid tag value"),
        ('        source_schema: "a\\tb"\n', "found `a?b`"),
    ],
)
def test_a_wrong_value_says_what_was_found_and_what_is_allowed(
    one_problem: Callable[..., str], lines: str, expected: str
) -> None:
    problem = one_problem(PIPELINE + lines)
    assert expected in problem
    assert "at tenants/acme/config.yaml:7:" in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n- b\n", "the file holds no mapping"),
        ("just a text\n", "the file holds no mapping"),
        ("tenant: [a]\n", "`tenant` is no mapping"),
        ("tenant: {id: other}\n", "`id` differs from the folder's name"),
        ("id: 2026-01-01\n", "found `2026-01-01`, did you mean `acme`?"),
        ("tenant: {jobs: {}}\njobs: {}\n", "`jobs` stands both inside and beside `tenant`"),
        ("id: acme\nid: acme\n", "duplicate key `id`, first written in line 1"),
        (b"id: acme\nname: \xff\n", "the file is not UTF-8"),
        ("id: acme\n\tname: x\n", "a tab"),
        ("id: acme\n---\nid: acme\n", "a second document begins"),
        (b"id: acme\n#" + b"x" * 10_000_000, "allowed: 1,000,000"),
        ("assets: {pipelines: {lots: }}\n", "found nothing; allowed: a mapping"),
    ],
)
def test_a_hazard_of_the_file_is_one_clear_error(project: Project, text: str | bytes, expected: str) -> None:
    problems = project.problems(text)
    assert any(expected in each for each in problems), problems


@pytest.mark.parametrize("word", ["no", "off", "No", "false", "n"])
def test_every_way_to_say_no_is_false_where_a_boolean_is_meant_and_a_text_elsewhere(
    project: Project, word: str
) -> None:
    config = project.load(
        f"name: '{word}'\ndescription: {word if word != 'false' else 'no'}\ndbt: {{enabled: {word}}}\n"
    )
    assert not config.dbt.enabled
    assert config.description == (word if word != "false" else "no")


def test_a_boolean_where_a_text_is_meant_asks_for_quotes(one_problem: Callable[..., str]) -> None:
    assert "found `true`; allowed: a text; write quotes around it" in one_problem("id: acme\nname: true\n")


def test_a_number_or_date_is_the_text_as_written_where_a_text_is_meant(project: Project) -> None:
    config = project.load("name: 0010\ndescription: 2026-01-01\ntags: {a: 1.10, b: 1e3, c: 0o17, d: 2026-01-01}\n")
    assert (config.name, config.description) == ("0010", "2026-01-01")
    assert config.tags == {"a": "1.10", "b": "1e3", "c": "0o17", "d": "2026-01-01"}


def test_an_octal_looking_number_is_decimal_where_a_number_is_meant(project: Project) -> None:
    config = project.load(PIPELINE + "        date_column: d\n        partitions: {lookback_days: 010}\n")
    partitions = config.pipelines["lots"].partitions
    assert partitions is not None
    assert partitions.lookback_days == 10


def test_a_sexagesimal_number_is_no_number(one_problem: Callable[..., str]) -> None:
    assert "found `1:30`; allowed: a whole number" in one_problem(
        PIPELINE + "        date_column: d\n        partitions: {lookback_days: 1:30}\n"
    )


def test_keys_without_values_count_as_not_written(project: Project) -> None:
    config = project.load("name:\njobs:\nassets:\n  pipelines:\n")
    assert (config.name, config.jobs, config.pipelines) == ("acme", {}, {})


def test_in_prod_every_missing_variable_is_named_with_its_line(project: Project) -> None:
    text = """\
id: acme
name: acme
source_database:
  host: ${ACME_HOST}
  port: ${ACME_PORT:-5432}
  password: ${ACME_PASSWORD}
notifications:
  - {type: webhook, url: "https://x/${ACME_HOOK}"}
"""
    for environment in ("staging", "prod"):
        with pytest.raises(ConfigError, match="tenant `acme`") as caught:
            project.load(text, environment=environment, environ={"ACME_PASSWORD": "", "ACME_HOST": "h"})  # type: ignore[arg-type]
        places = [
            (each.split("variable ")[1].split(" ")[0], each.split("config.yaml:")[1].split(":")[0])
            for each in caught.value.problems
        ]
        assert places == [("ACME_PASSWORD", "6"), ("ACME_HOOK", "8")]
    assert project.load(text, environ={"ACME_HOST": "x"}).uses_demo_source({})


def test_a_missing_source_is_an_error_outside_dev(one_problem: Callable[..., str]) -> None:
    assert "`source_database` is missing; only dev has a demo source, this is prod" in one_problem(
        PIPELINE, environment="prod"
    )


def test_a_tenant_that_is_switched_off_needs_no_variables(project: Project) -> None:
    text = "id: acme\nenabled: false\nsource_database: ${ACME_URL}\n"
    assert not project.load(text, environment="prod").enabled


def test_a_broken_variable_is_named(one_problem: Callable[..., str]) -> None:
    assert "`name` is shown to people" in one_problem("id: acme\nname: a ${ b\n")
    assert "`${` does not begin a variable" in one_problem("id: acme\nsource_database: a ${ b\n")
    assert "`${` does not begin a variable" in one_problem(
        "id: acme\nnotifications: [{type: webhook, url: 'a ${ b'}]\n"
    )


@pytest.mark.parametrize("name", ["acmee", "../acme", "", "nobody", "acme/../acme", "a\x00b"])
def test_an_unknown_tenant_is_refused_and_the_nearest_named(project: Project, name: str) -> None:
    project.write("id: acme")
    with pytest.raises(ConfigError) as caught:
        load_tenant(name, project.settings())
    assert "acme" in caught.value.hint


def test_a_folder_without_a_file_says_so(project: Project) -> None:
    (project.root / "tenants" / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"config\.yaml is missing in tenants/empty"):
        project.load(tenant="empty")


def test_a_folder_named_like_the_file_is_no_tenant(project: Project) -> None:
    (project.root / "tenants" / "acme" / "config.yaml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        project.load()


def test_the_template_folder_can_be_loaded_by_name(project: Project) -> None:
    project.write("name: Template", "_template")
    with pytest.raises(ConfigError, match="not a valid tenant id"):
        project.load(tenant="_template")
    project.write("id: my_tenant", "_template")
    assert project.load(tenant="_template").id == "my_tenant"


def test_the_groups_come_from_the_project(project: Project, one_problem: Callable[..., str]) -> None:
    assert "unknown group `XX`" in one_problem("id: acme\ngroup: XX\n")
    (project.root / "pyproject.toml").write_text('[tool.etl.conventions]\ngroups = ["XX"]\n')
    assert project.load("id: acme\ngroup: XX\n").group == "XX"
    (project.root / "pyproject.toml").write_text('[tool.etl.conventions]\ngroups = "XX"\n')
    with pytest.raises(ConfigError, match=r"conventions\.groups"):
        project.load()


def test_loading_pipelines_costs_the_same_for_each(project: Project) -> None:
    def text(pipelines: int) -> str:
        one = """\
    lots_{n}:
      source_table: lots
      date_column: created_at
      columns: [lot_id, product_code, qty, process_step, created_at]
      save_to_trino: true
      trino_output: {{target_table: lots_{n}, target_schema: aps, key_columns: [lot_id]}}
      quality:
        rules:
          - {{column: lot_id, type: not_null}}
          - {{columns: [lot_id, process_step], type: unique}}
          - {{column: qty, type: in_range, min: 0, severity: warning, mostly: 0.99}}
      sla: {{freshness: {{deadline: "0 9 * * *", timezone: Asia/Seoul}}, min_row_count: 1}}
"""
        return "id: acme\nassets:\n  pipelines:\n" + "".join(one.format(n=n) for n in range(pipelines))

    def effort(pipelines: int) -> int:
        project.write(text(pipelines))
        return calls(project.load)

    project.load(text(1))
    ten, hundred = effort(10), effort(100)
    assert ten < MOST_CALLS
    assert hundred < 11 * ten


def test_a_file_that_cannot_be_read_is_a_clear_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project.write("id: acme")

    def refuse(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match="Permission denied"):
        project.load()
    assert path.name == "config.yaml"
