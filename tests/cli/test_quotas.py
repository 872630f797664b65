"""`etl quotas`, and what `etl check`, `etl metrics` and `etl plan --simulate` say about quotas."""

import json

from tests.tiny_project import TinyProject

from .conftest import Etl


def write(project: TinyProject, text: str) -> None:
    (project.root / "tenants" / "quotas.yaml").write_text(text, encoding="utf-8")


def test_without_a_file_nothing_was_examined(project: TinyProject, etl: Etl) -> None:
    said = etl("quotas")
    assert said.code == 3
    assert "no tenant has a quota, and nothing is counted" in said.err


def test_a_limit_of_which_nothing_is_known_is_not_green(project: TinyProject, etl: Etl) -> None:
    write(project, "defaults: {rows_per_day: 100}")
    said = etl("quotas", "acme")
    assert said.code == 3
    assert "rows_per_day is unknown: no run was counted yet." in said.out


def test_what_is_used_up_is_a_finding(project: TinyProject, etl: Etl) -> None:
    write(project, "defaults: {rows_per_day: 40}")
    refused = etl("run", "acme", "--from", "2026-01-01", "--to", "2026-01-03", "--stage", "extract")
    assert refused.code == 1
    assert "40 rows (100%) are used of the 40 rows a day that acme may publish" in refused.out
    shown = etl("quotas", "acme")
    assert shown.code == 1
    assert "at least 40 rows" in shown.out
    assert "1 object(s) were refused and wait for room" in shown.out
    (found,) = json.loads(etl("quotas", "acme", "--format", "json").out).values()
    rows = {each["name"]: each for each in found}["rows_per_day"]
    assert (rows["used"], rows["limit"], rows["share"], rows["refused"]) == (40, 40, 1.0, 1)
    numbers = etl("metrics").out
    assert 'etl_quota_used_ratio{pipeline="",tenant="acme"} 1.0' in numbers
    assert 'etl_quota_rows_used{pipeline="",tenant="acme"} 40.0' in numbers
    assert "etl_quota_messages_used" not in numbers, "what is not known has no number"
    unknown = etl("plan", "acme", "--simulate", "2026-01-01/2026-01-03")
    assert unknown.code == 3
    assert "orders (transfer), orders (load) never ran here" in unknown.err.replace("\n", " ")


def test_a_tenant_that_is_not_there_is_named_with_its_line(project: TinyProject, etl: Etl) -> None:
    write(
        project, "defaults: {rows_per_day: 100}\ntenants:\n  acmee: {rows_per_day: 10}\n  retired: {rows_per_day: 1}\n"
    )
    said = etl("quotas")
    assert said.code == 2
    assert "there is no tenant `acmee`" in said.err
    assert "quotas.yaml:3:3; did you mean `acme`?" in said.err
    assert "rows_per_day is unknown: no run was counted yet." in said.out, "the others are shown all the same"
    checked = etl("check")
    assert checked.code == 2
    assert "quotas.yaml:4:3" in checked.out
    assert "there is no tenant `retired`" in checked.out


def test_a_mistake_in_the_entry_of_one_tenant_is_named_and_the_others_are_shown(project: TinyProject, etl: Etl) -> None:
    project.write_tenant(tenant="globex")
    write(project, "defaults: {rows_per_day: 100}\ntenants:\n  globex:\n    row_per_day: 10\n")
    assert etl("run", "acme", "--from", "2026-01-01", "--to", "2026-01-01", "--stage", "extract").code == 0
    said = etl("quotas")
    assert said.code == 2
    assert "unknown key `row_per_day`; did you mean `rows_per_day`?" in said.err
    assert "quotas.yaml:4:5" in said.err
    assert "at least 20 rows" in said.out
    assert "globex" not in said.out, "unknown is not shown as a number"
    assert list(json.loads(etl("quotas", "--format", "json").out)) == ["acme"]
    numbers = etl("metrics").out
    assert 'etl_quota_rows_used{pipeline="",tenant="acme"} 20.0' in numbers
    assert 'etl_quota_unknown{pipeline="",tenant="acme"} 0.0' in numbers
    assert 'etl_quota_unknown{pipeline="",tenant="globex"} 5.0' in numbers
    assert 'etl_quota_file_mistakes{pipeline="",tenant=""} 1.0' in numbers
    checked = etl("check", "globex")
    assert checked.code == 2
    assert "quotas.yaml:4:5" in checked.out
    assert "quotas.yaml" not in etl("check", "acme").out


def test_a_tenant_that_does_not_load_is_a_wrong_configuration(project: TinyProject, etl: Etl) -> None:
    project.write_tenant({"ownres": ["team:shop"]}, tenant="globex")
    write(project, "defaults: {messages_per_day: null}")
    said = etl("quotas")
    assert said.code == 2
    assert "ownres" in said.err
    assert "acme" in said.out


def test_what_a_tenant_does_not_use_is_not_counted_and_no_unknown(project: TinyProject, etl: Etl) -> None:
    project.write_pipeline({"save_to_trino": None, "trino_output": None})
    write(project, "defaults: {warehouse_bytes: 1 GB, messages_per_day: 10}")
    said = etl("quotas")
    assert said.code == 0, said.out
    assert said.out.count("not counted") == 4
    assert "0 bytes" not in said.out
    assert 'etl_quota_unknown{pipeline="",tenant="acme"} 0.0' in etl("metrics").out
    project.write_tenant({"notifications": [{"type": "log"}]})
    said = etl("quotas")
    assert said.code == 3
    assert "messages_per_day is unknown: the sensor of promises, which sends messages, never ran" in said.out
    assert "warehouse_bytes is unknown: it was not measured yet" in said.out


def test_a_simulation_is_told_what_is_wrong_and_shown_all_the_same(project: TinyProject, etl: Etl) -> None:
    assert etl("run", "acme", "--from", "2026-01-01", "--to", "2026-01-01").code == 0
    write(project, "defaults: {rows_per_day: 100}\ntenants:\n  acmee: {rows_per_day: 10}\n  other: {row: 1}\n")
    said = etl("plan", "acme", "--simulate", "2026-01-01/2026-01-03")
    assert said.code == 2
    assert "quotas.yaml:3:3; did you mean `acme`?" in said.err
    assert "quotas.yaml:4:11" in said.err
    assert "A back-fill of acme from 2026-01-01 to 2026-01-03: 3 partitions" in said.out


def test_a_simulation_is_about_one_tenant_and_a_range(project: TinyProject, etl: Etl) -> None:
    assert etl("plan", "--simulate", "2026-01-01/2026-01-03").code == 2
    said = etl("plan", "acme", "--simulate", "two years")
    assert said.code == 2
    assert "write the first and the last key" in said.err
