"""Tenants' files: what a migration writes and says, and that the schema never refuses a file that loads."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from etl.config.migration import Migration, migrate
from etl.config.schema import tenant_schema
from etl.config.schema_values import NUMBER
from etl.errors import ConfigError, SourceError
from etl.quality.rules import RULE_TYPES
from etl.source.database_url import parse as parse_url
from tests.config.conftest import Project
from tests.config.test_schema import as_json

ROOT = Path(__file__).parents[2]
SECRET = "hunter2pw"
HEAD = "tenant:\n  id: demo\n  group: CD\n"
CONNECTION = f"{HEAD}  source_database:\n    host: h\n    password: {{}}\n    database: d\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "tenants").mkdir()
    return Project(tmp_path)


def everything(done: Migration, before: str) -> str:
    notes = [f"{each.where} {each.text}" for each in (*done.changed, *done.left)]
    return "\n".join([done.text, *done.difference(before), *notes])


# 1. secrets


@pytest.mark.parametrize(
    "text",
    [
        CONNECTION.format('"hunter2pw"   # the secret hunter2pw'),
        CONNECTION.format("hunter2pw\n    # password: hunter2pw\n    # earlier: xhunter2pwx"),
        CONNECTION.format("hunter2pw") + "  name: the shop of hunter2pw\n",
        CONNECTION.format("hunter2pw") + "# hunter2pw is at the end\n",
        "x-common: &common hunter2pw\n" + CONNECTION.format("*common"),
        f"{HEAD}  # password: hunter2pw\n",
        f"{HEAD}  # url: postgresql://u:hunter2pw@h/d\n",
        f"{HEAD}  #source_database: {{host: h, password: hunter2pw}}\n",
        f"{HEAD}  # password = 'hunter2pw' (of the old server)\n",
        f"{HEAD}  # see https://hooks.slack.com/services/hunter2pw\n",
        f"{HEAD}  source_database: postgresql://u:hunter2pw@h/d  # hunter2pw\n",
        f"{HEAD}  db_password: hunter2pw\n",
        "other: {password: hunter2pw}\n" + HEAD,
        f"{HEAD}  plugins: [{{config: {{password: hunter2pw}}}}]\n",
        f"{HEAD}  storage: {{bucket: b, secret_key: hunter2pw}}  # hunter2pw\n",
    ],
)
def test_a_secret_stands_nowhere_in_what_is_written_and_is_told(text: str) -> None:
    done = migrate(text, "demo")
    assert SECRET not in everything(done, text)
    assert any("change the secret" in each.text for each in done.changed)


def test_a_password_of_digits_is_a_secret_too() -> None:
    done = migrate(CONNECTION.format("83920174"), "demo")
    assert "83920174" not in done.text


def test_each_secret_has_a_variable_of_its_own() -> None:
    targets = "".join(f"    - {{type: slack, url: 'https://hooks.slack.com/services/T/B/{each}'}}\n" for each in "ab")
    text = migrate(f"{HEAD}  notifications:\n{targets}", "demo").text
    assert "${DEMO_NOTIFICATIONS_URL}" in text
    assert "${DEMO_NOTIFICATIONS_URL_2}" in text


def test_a_secret_that_is_a_usual_word_is_hidden_in_comments_and_other_values_stay() -> None:
    done = migrate(CONNECTION.format("postgres # postgres") + "    username: postgres\n", "demo")
    assert "# ***" in done.text
    assert "username: postgres" in done.text
    assert [each.where for each in done.left] == ["tenant.source_database.username"]


def test_a_short_secret_does_not_damage_other_values() -> None:
    done = migrate(CONNECTION.format("p1 # p1, step1") + "    schema: step1\n", "demo")
    assert "# ***, step1" in done.text
    assert "schema: step1" in done.text


def test_a_comment_without_a_secret_and_a_variable_stay() -> None:
    text = CONNECTION.format("${DEMO_PW}  # password: ${DEMO_PW}, token: see the wiki") + "  # secret: nothing to see\n"
    done = migrate(text, "demo")
    assert (done.text, done.changed) == (text, [])


# 2. the schema

BASE: dict[str, Any] = {
    "id": "acme",
    "group": "CD",
    "sla": {"max_failure_rate": 0.05},
    "jobs": {"daily": {"selection": "*", "schedule": {"cron": "0 6 * * *"}}},
    "notifications": [{"type": "log"}],
    "source_database": {"host": "h", "database": "d"},
    "assets": {"pipelines": {"p": {"source_table": "orders", "date_column": "created_at"}}},
}
PIPELINE = ("assets", "pipelines", "p")
PLACES: dict[str, tuple[str | int, ...]] = {
    "Tenant": (),
    "PipelineConfig": PIPELINE,
    "Partitions": (*PIPELINE, "partitions"),
    "TrinoOutput": (*PIPELINE, "trino_output"),
    "DbtTransform": (*PIPELINE, "dbt_transform"),
    "PipelineQuality": (*PIPELINE, "quality"),
    "Volume": (*PIPELINE, "volume"),
    "PipelineSLA": ("sla",),
    "FreshnessPromise": ("sla", "freshness"),
    "JobConfig": ("jobs", "daily"),
    "ScheduleConfig": ("jobs", "daily", "schedule"),
    "Connection": ("source_database",),
    "WarehouseConfig": ("warehouse",),
    "LakeConfig": ("storage",),
    "DbtConfig": ("dbt",),
    "LogTarget": ("notifications", 0),
}
SPELLINGS = (
    '"1"', '"0.5"', "0", "1", "1.0", "0.5", "null", "false", "true", '"FALSE"', '"True"', '"no"', '"off"', '"T"', '"0"',
    '" 1 "', '"+1"', '"1_0"', '"1e0"', '"1."', '".5"', "2026-01-01", '""', "[]", "{}",
)  # fmt: skip
"""Values in JSON or YAML, in usual and unusual spellings."""


def placed(path: tuple[str | int, ...], key: str, value: str) -> str:
    """The base with one value, as YAML in one line."""
    tree = json.loads(json.dumps(BASE))
    node = tree
    for part in path:
        if isinstance(part, str) and part not in node:
            node[part] = {}
        node = node[part]
    node[key] = "VALUE"
    return json.dumps({"tenant": tree}).replace('"VALUE"', value)


def is_switch_for_number(value: str, takes: dict[str, Any]) -> bool:
    """`true` in the place of a number: the exception that docs/editors.md names."""
    return value in ("true", "false") and takes.get("pattern") == NUMBER


def spelled() -> Iterator[tuple[str, str]]:
    """Every key with its values."""
    parts = tenant_schema()["definitions"]
    for name, path in PLACES.items():
        for key, takes in parts[name]["properties"].items():
            for value in SPELLINGS:
                if not is_switch_for_number(value, takes):
                    yield f"{name}.{key}: {value}", placed(path, key, value)
    for model in RULE_TYPES.values():
        example = next(iter(parts[model.__name__]["examples"]))
        for key, takes in parts[model.__name__]["properties"].items():
            for value in SPELLINGS:
                if is_switch_for_number(value, takes):
                    continue
                rule = json.dumps({**example, key: "VALUE"}).replace('"VALUE"', value)
                yield f"{model.__name__}.{key}: {value}", placed((*PIPELINE, "quality"), "rules", f"[{rule}]")


NAMED = {
    "Tenant.enabled": ('"FALSE"', "0"),
    "PipelineSLA.max_failure_rate": ('"0.05"',),
    "PipelineConfig.volume": ("false",),
    "PipelineConfig.pii": ("false",),
    "PipelineConfig.max_shrink": ('"0.1"',),
    "Partitions.lookback_days": ('"1"',),
    "PipelineConfig.partitions": ("null",),
    "PipelineConfig.trino_output": ("null",),
}


def refused_though_it_loads(text: str, project: Project, validator: jsonschema.Draft7Validator) -> list[str]:
    try:
        project.load(text)
    except ConfigError:
        return []
    return [each.message[:200] for each in validator.iter_errors(as_json(text))]


RULES = (
    {"column": "name", "type": "not_null", "mostly": "0.9"},
    {"column": "name", "type": "length", "min": "1"},
    {"column": "name", "type": "length", "min": 1, "stage": None},
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(tenant_schema())


@pytest.mark.parametrize(("where", "value"), [(where, each) for where, values in NAMED.items() for each in values])
def test_these_spellings_load_and_the_schema_takes_them(
    where: str, value: str, project: Project, validator: jsonschema.Draft7Validator
) -> None:
    name, key = where.split(".")
    text = placed(PLACES[name], key, value)
    project.load(text)
    assert refused_though_it_loads(text, project, validator) == []


@pytest.mark.parametrize("rule", RULES)
def test_these_rules_load_and_the_schema_takes_them(
    rule: dict[str, Any], project: Project, validator: jsonschema.Draft7Validator
) -> None:
    text = placed((*PIPELINE, "quality"), "rules", json.dumps([rule]))
    project.load(text)
    assert refused_though_it_loads(text, project, validator) == []


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "enabled", '"maybe"'),
        ((), "enabled", "2"),
        (("sla",), "max_failure_rate", '"half"'),
        (PIPELINE, "volume", "true"),
        (PIPELINE, "pii", "true"),
        ((*PIPELINE, "partitions"), "lookback_days", '"one"'),
        ((*PIPELINE, "partitions"), "by", "true"),
    ],
)
def test_what_is_no_spelling_of_a_value_is_still_marked(
    path: tuple[str, ...], key: str, value: str, validator: jsonschema.Draft7Validator
) -> None:
    assert not validator.is_valid(as_json(placed(path, key, value)))


def test_the_schema_refuses_no_file_that_loads(project: Project, validator: jsonschema.Draft7Validator) -> None:
    """Every 23rd of all keys in all spellings; 23 and the number of spellings have no common divisor."""
    some = [*spelled()][::23]
    assert len({where.partition(":")[0] for where, _ in some}) > len(some) / 2
    found = {where: wrong for where, text in some if (wrong := refused_though_it_loads(text, project, validator))}
    assert found == {}


# 3. the files that the page names


def test_the_page_names_no_tool_whose_whole_file_is_not_rewritten() -> None:
    page = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
    whole = page.partition("a file of\n")[2].partition(".")[0]
    files = {each.stem for each in (ROOT / "tests" / "fixtures" / "foreign").glob("*.yaml")}
    assert {each.lower() for each in re.split(r", | or ", whole.strip())} <= files


def test_a_file_of_meltano_says_what_to_do_and_shows_no_secret() -> None:
    text = "plugins:\n  extractors:\n    - {name: tap-postgres, config: {host: h, password: hunter2pw}}\n"
    done = migrate(text, "demo")
    [left] = [each for each in done.left if each.where == "plugins"]
    assert "`source_database`" in left.text
    assert SECRET not in everything(done, text)


def test_variables_of_other_tools_are_spelled_as_here_at_every_depth_of_a_connection() -> None:
    text = CONNECTION.format("$PG_PW") + "    options: {sslmode: \"{{ env_var('DEMO_SSL') }}\"}\n"
    done = migrate(text, "demo").text
    assert "password: ${PG_PW}" in done
    assert 'sslmode: "${DEMO_SSL}"' in done


# 4. and 5. rules

RULES_ELSEWHERE = """\
tenant:
  id: demo
  group: CD
  assets:
    pipelines:
      orders:
        source_table: orders
        tests:
          - unique: {column_name: id}
          - expect_column_values_to_be_in_set: {column: c, value_set: [a, b]}
          - {column: q, check: greater_than, value: 5}
          - {column: q, check: not_nul}
          - {column: q, check: banana, value: 5}
        primary_key: [{name: id}]
        schedule: "0 6 * * *"
"""


def test_an_unknown_type_is_named_with_the_nearest_and_nothing_is_said_of_its_keys() -> None:
    done = migrate(RULES_ELSEWHERE, "demo")
    left = {each.where.rpartition(".rules")[2]: (each.line, each.text) for each in done.left}
    assert set(left) == {"[2].type", "[3].type", "[4].type"}
    assert left["[2].type"] == (
        11,
        "there is no type `greater_than`; write `type: in_range` with `min` and `min_inclusive: false`",
    )
    assert left["[3].type"] == (12, "there is no type `not_nul`; did you mean `not_null`?")
    assert left["[4].type"][1].startswith("there is no type `banana`; known: ")


def test_each_note_names_the_line_of_its_key() -> None:
    rows = RULES_ELSEWHERE.splitlines()
    for each in migrate(RULES_ELSEWHERE, "demo").changed:
        key = each.where.rpartition(".")[2].partition("[")[0].replace("key_columns", "primary_key")
        assert each.line >= 7, each
        assert key in ("rules", "orders") or key in rows[each.line - 1] or "check" in rows[each.line - 1], each


# 6. one source, and several

SOURCE = '{{name: pg, type: postgres, url: "postgresql://u:hunter2pw@{host}/d"{more}}}'
TABLES = ", tables: [{name: orders, schema: public}, {name: orders, schema: sales}]"


def test_one_source_is_the_database_of_the_tenant_and_no_table_is_lost(project: Project) -> None:
    text = f"id: demo\ngroup: CD\nsources: [{SOURCE.format(host='h', more=TABLES)}]\n"
    done = migrate(text, "demo")
    assert SECRET not in everything(done, text)
    config = project.load(done.text, tenant="demo", environ={"DEMO_SOURCE_DATABASE_URL": "postgresql://u@h/d"})
    found = {name: (each.source_schema, each.source_table) for name, each in config.pipelines.items()}
    assert found == {"orders": ("public", "orders"), "sales_orders": ("sales", "orders")}


def test_of_several_sources_no_answer_asks_for_the_password_in_clear(project: Project) -> None:
    several = ", ".join(SOURCE.format(host=host, more="") for host in "ab")
    done = migrate(f"id: demo\ngroup: CD\nsources: [{several}]\n", "demo")
    assert SECRET not in done.text
    with pytest.raises(ConfigError) as caught:
        project.load(done.text, tenant="demo")
    assert "the value itself" not in " ".join(caught.value.problems)
    assert any("no secret, neither here nor in clear" in each for each in caught.value.problems)


# 7. a password with signs of a URL


@pytest.mark.parametrize("password", ["p@ss", "a/b@c", "p#s@w:x"])
def test_the_answer_for_a_url_that_cannot_be_read_names_the_encoding(password: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_url(f"postgresql://u:{password}@h:5432/d")
    assert "%40" in str(caught.value)
    assert password not in str(caught.value)


def test_what_the_answer_says_is_true() -> None:
    read = parse_url("postgresql://u:%40%2F%23%3A%3F%25@h:5432/d")
    assert (read.password, read.host, read.port) == ("@/#:?%", "h", 5432)
