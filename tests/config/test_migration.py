"""Files of other tools and of older spellings become tenants' files that load, with their comments."""

import re
from pathlib import Path

import pytest

from etl.config.config_loader import load_text
from etl.config.keys_from_elsewhere import SECTIONS
from etl.config.migration import migrate
from etl.config.model_keys import allowed_keys
from etl.config.schema import tenant_schema
from etl.config.tenant_config import TenantConfig
from etl.config.words_from_elsewhere import WORDS
from etl.errors import ConfigError
from etl.quality.rules import RULE_TYPES
from tests.config.conftest import Project

FOREIGN = Path(__file__).parents[1] / "fixtures" / "foreign"
FILES = sorted(path.stem for path in FOREIGN.glob("*.yaml"))
PLACES = {
    "tenant": (),
    "source_database": ("source_database",),
    "warehouse": ("warehouse",),
    "storage": ("storage",),
    "dbt": ("dbt",),
    "sla": ("sla",),
    "freshness": ("sla", "freshness"),
    "job": ("jobs", "a"),
    "schedule": ("jobs", "a", "schedule"),
    "pipeline": ("assets", "pipelines", "a"),
    **{each: ("assets", "pipelines", "a", each) for each in ("partitions", "trino_output", "dbt_transform", "quality")},
}


def foreign(name: str) -> str:
    return (FOREIGN / f"{name}.yaml").read_text()


def comments(text: str) -> list[str]:
    return [match[1].strip() for match in re.finditer(r"(?:^|\s)#(.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", FILES)
def test_a_foreign_file_becomes_a_tenant_that_loads(name: str, project: Project) -> None:
    path = project.write("id: acme")
    text = foreign(name)
    with pytest.raises(ConfigError):
        project.load(text)
    done = migrate(text, "acme")
    config = load_text("acme", done.text.encode(), path, project.settings(), {})
    assert config.pipelines
    assert done.changed
    assert all(each.line <= len(text.splitlines()) for each in (*done.changed, *done.left))


@pytest.mark.parametrize("name", FILES)
def test_a_comment_is_lost_only_with_its_key(name: str) -> None:
    done = migrate(foreign(name), "acme")
    gone = set(comments(foreign(name))) - set(comments(done.text))
    rows = foreign(name).splitlines()
    lines = [number for number, row in enumerate(rows, 1) if any(row.endswith(each) for each in gone)]
    assert [line for line in lines if line not in {each.line for each in (*done.changed, *done.left)}] == []


@pytest.mark.parametrize("name", FILES)
def test_what_was_migrated_is_not_changed_again(name: str) -> None:
    once = migrate(foreign(name), "acme")
    again = migrate(once.text, "acme")
    assert again.text == once.text
    assert (again.changed, again.left) == ([], [])


def test_what_the_values_become() -> None:
    text = migrate(foreign("dagster_tenants"), "acme").text
    for expected in (
        "{column: qty, type: in_range, min: 0, max: 100, mostly: 0.99}",
        "{column: status, type: in_set, values: [RUN, HOLD], severity: warning}",
        "mode: upsert",
        "host: ${ACME_DB_HOST}",
        "date_column: created_at",
        "max_failure_rate: 0.05",
    ):
        assert expected in text


def test_a_secret_in_clear_becomes_a_variable_and_is_never_shown() -> None:
    text = foreign("pipelinewise")
    assert "hunter22" in text
    done = migrate(text, "acme")
    shown = "\n".join([*done.difference(text), *(f"{each.where} {each.text}" for each in (*done.changed, *done.left))])
    assert "hunter22" not in done.text + shown
    assert "password: ${ACME_SOURCE_DATABASE_PASSWORD}" in done.text
    assert any("change the secret" in each.text for each in done.changed)


def test_what_has_no_one_meaning_is_left_with_the_reason() -> None:
    text = "id: acme\nsource: MY_PG\nalien: 1\nassets:\n  pipelines:\n    a: {source_table: a, materialization: {type: table}}\n"
    done = migrate(text, "acme")
    left = {each.where: (each.line, each.text) for each in done.left}
    assert left["alien"][0] == 3
    assert "trino_output" in left["assets.pipelines.a.materialization"][1]
    assert "alien: 1" in done.text
    assert "materialization: {type: table}" in done.text


def test_two_spellings_of_one_thing_are_left_to_a_person() -> None:
    done = migrate("id: acme\nname: Acme\ntenant_name: Acme Inc.\n", "acme")
    assert [each.where for each in done.left] == ["tenant_name"]
    assert "name: Acme\ntenant_name: Acme Inc." in done.text


def test_anchors_and_the_order_of_keys_stay() -> None:
    text = 'x-zone: &zone Asia/Seoul\ntenant:\n  display_name: Acme   # seen by people\n  jobs:\n    a: {cron: "0 6 * * *", timezone: *zone}\n'
    done = migrate(text, "acme").text
    assert re.match(r"x-zone: &zone Asia/Seoul\ntenant:\n  name: Acme +# seen by people\n", done)
    assert "*zone" in done


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "just a text\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        migrate(text, "acme")


def test_a_right_file_is_not_touched() -> None:
    text = (Path(__file__).parents[2] / "tenants" / "project_01" / "config.yaml").read_text()
    done = migrate(text, "project_01")
    assert (done.changed, done.left) == ([], [])


def test_each_key_from_elsewhere_leads_to_a_key_that_there_is_and_is_none_itself() -> None:
    """The table is held against the models: a renamed key would leave an answer that leads nowhere."""
    rules = {name for model in RULE_TYPES.values() for name in model.model_fields}
    targets = {
        key
        for name, part in tenant_schema()["definitions"].items()
        if name.endswith("Target")
        for key in part["properties"]
    }
    wrong = []
    for section, keys in SECTIONS.items():
        for key, known in keys.items():
            here = {"rule": rules, "notification": targets}.get(section)
            known_here = here if here is not None else set(allowed_keys(TenantConfig, PLACES[section]))
            if key in known_here and section not in ("rule", "notification"):  # a key of one type is foreign to others
                wrong.append(f"{section}.{key} is a key already")
            for length in range(1, len(known.to) + 1):
                around = (*PLACES.get(section, ()), *known.to[: length - 1])
                there = here if here is not None and length == 1 else set(allowed_keys(TenantConfig, around))
                if there and known.to[length - 1] not in there:
                    wrong.append(f"{section}.{key} leads to {'.'.join(known.to)}")
    assert wrong == []


def test_each_word_from_elsewhere_means_a_word_that_there_is() -> None:
    assert set(WORDS["rule", "type"].values()) <= set(RULE_TYPES)
    assert set(WORDS["trino_output", "mode"].values()) <= {"replace_partition", "replace", "upsert", "append"}
    assert set(WORDS["environments", ""].values()) <= {"dev", "staging", "prod"}
    assert not set(WORDS["rule", "type"]) & set(RULE_TYPES)
