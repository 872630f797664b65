from collections.abc import Callable

import pytest

from tests.config.conftest import Project

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning")  # dbt brings it along


def pipelines(text: str) -> str:
    return "id: acme\nassets:\n  pipelines:\n" + text


@pytest.mark.parametrize(
    ("text", "expected", "place"),
    [
        ("    a: {description: x}\n", "neither `source_table` nor `query`", "4:5"),
        ("    a: {query: SELECT 1, source_table: a}\n", "both `source_table` and `query`", "4:16"),
        ("    a: {query: select 1; drop table x}\n", "more than one statement", "4:16"),
        ("    a: {query: select 1, source_schema: s}\n", "`source_schema` has no effect on a `query`", "4:41"),
        ("    a: {source_table: a, partitions: {start: 2026-01-01}}\n", "`partitions` without a `date_column`", "4:26"),
        (
            "    a: {source_table: a, date_column: d, partitions: {start: 2026-01-02, end: 2026-01-01}}\n",
            "before the first",
            "4:79",
        ),
        (
            "    a: {source_table: a, date_column: day, columns: [dax, id]}\n",
            "column `day` is not among the pipeline's `columns`",
            "4:39",
        ),
        ("    a: {source_table: a, columns: [id, id]}\n", "`id` stands there twice", "4:40"),
        ("    a: {source_table: a, columns: [id], sort_by: [ix]}\n", "column `ix`", "4:51"),
        (
            "    a: {source_table: a, columns: [lot_id], quality: {rules: [{column: lotid, type: not_null}]}}\n",
            "did you mean `lot_id`?",
            "4:63",
        ),
        (
            "    a: {source_table: a, columns: [lot_id], quality: {rules: [{column: lot_id, type: not_null, where: qty > 0}]}}\n",
            "column `qty`",
            "4:63",
        ),
        (
            "    a: {source_table: a, quality: {rules: [{column: x, type: not_null, stage: transfer}]}}\n",
            "no transfer stage",
            "4:79",
        ),
        (
            "    a: {source_table: a, quality: {rules: [{column: x, type: not_null, stage: load}]}}\n",
            "no load stage",
            "4:79",
        ),
        (
            "    a: {source_table: a, save_to_trino: true, trino_output: {mode: upsert}}\n",
            "`upsert` without `key_columns`",
            "4:68",
        ),
        (
            "    a: {source_table: a, save_to_trino: true, trino_output: {mode: replace_partition}}\n",
            "`replace_partition` without a `date_column`",
            "4:68",
        ),
        (
            "    a: {source_table: a, date_column: d, save_to_trino: true, trino_output: {mode: replace}}\n",
            "would leave only the last day",
            "4:84",
        ),
        (
            "    a: {source_table: a, columns: [id], save_to_trino: true, trino_output: {key_columns: [ix]}}\n",
            "column `ix`",
            "4:91",
        ),
        ("    a: {source_table: a, transfer_inputs: [a]}\n", "`transfer_inputs` without a transfer", "4:26"),
        ("    a: {source_table: a, has_dbt_transform: true}\n", "the tenant has no dbt project", "4:45"),
        (
            "    a: {source_table: a, save_to_trino: true}\n    b: {source_table: b, save_to_trino: true, trino_output: {target_table: A}}\n",
            "`b` and `a` load the same table acme.a",
            "5:47",
        ),
    ],
)
def test_values_that_do_not_go_together_are_found(
    one_problem: Callable[..., str], text: str, expected: str, place: str
) -> None:
    problem = one_problem(pipelines(text))
    assert expected in problem
    assert f"config.yaml:{place} " in problem


def transfers(project: Project, **inputs: str) -> str:
    for name, needs in inputs.items():
        names = [each.strip() for each in needs.split(",")]
        parameters = ", ".join(names) if len(names) > 1 else "frame"
        project.transform(name, f"def {name}({parameters}):\n    return {names[0] if len(names) > 1 else 'frame'}\n")
    return pipelines(
        "".join(
            f"    {name}: {{source_table: x, has_transfer: true, transfer_inputs: [{needs}]}}\n"
            for name, needs in inputs.items()
        )
    )


def test_an_input_that_does_not_exist_is_named_with_the_nearest(project: Project) -> None:
    problems = project.problems(transfers(project, lots="lots, stepz", steps="steps"))
    assert len(problems) == 1
    assert "there is no pipeline `stepz` at tenants/acme/config.yaml:4:" in problems[0]
    assert "did you mean `steps`?" in problems[0]


@pytest.mark.parametrize(
    ("inputs", "circle"),
    [
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"a": "b", "b": "c", "c": "a"}, "a -> b -> c -> a"),
        ({"z": "a", "a": "a, b", "b": "b, a"}, "a -> b -> a"),
    ],
)
def test_transfers_that_wait_for_each_other_are_found(project: Project, inputs: dict[str, str], circle: str) -> None:
    problems = project.problems(transfers(project, **inputs))
    assert len(problems) == 1
    assert f"the transfers wait for each other: {circle} at" in problems[0]


def test_inputs_without_a_circle_are_fine(project: Project) -> None:
    config = project.load(transfers(project, a="a", b="a, b", c="a, b, c", d="b, c"))
    assert config.pipelines["d"].transfer_inputs == ("b", "c")


def test_an_input_that_is_switched_off_is_refused(project: Project) -> None:
    text = (
        transfers(project, a="a, b", b="b")
        + "environments: {prod: {assets: {pipelines: {b: {enabled: false}}}}, staging: {assets: {pipelines: {a: {enabled: false}}}}}"
    )
    problems = project.problems(text)
    assert len(problems) == 1
    assert problems[0].startswith("in environment prod: the pipeline `b` is switched off")


def test_a_pipeline_that_is_switched_off_takes_no_table(project: Project) -> None:
    text = "    a: {source_table: a, save_to_trino: true, enabled: false}\n    b: {source_table: b, save_to_trino: true, trino_output: {target_table: a}}\n"
    assert list(project.load(pipelines(text)).pipelines) == ["b"]


def test_a_mistyped_key_is_not_reported_as_a_missing_one_too(project: Project) -> None:
    assert len(project.problems(pipelines("    a: {source_tabel: a}\n"))) == 1


def test_a_mistake_in_one_pipeline_does_not_hide_a_conflict_in_another(project: Project) -> None:
    problems = project.problems(pipelines("    a: {source_table: a, colums: [x]}\n    b: {description: x}\n"))
    assert len(problems) == 2


def test_a_rule_about_a_transfer_may_name_columns_that_the_transform_makes(project: Project) -> None:
    project.transform("a", "def a(frame):\n    return frame\n")
    rule = "quality: {rules: [{column: made, type: not_null}]}"
    assert project.load(pipelines(f"    a: {{source_table: a, columns: [id], has_transfer: true, {rule}}}\n"))


def test_a_rule_that_asks_whether_a_column_exists_may_name_any(project: Project) -> None:
    rule = "quality: {rules: [{column: other, type: column_exists}]}"
    assert project.load(pipelines(f"    a: {{source_table: a, columns: [id], {rule}}}\n"))


def test_a_route_to_a_pipeline_that_does_not_exist_is_found(one_problem: Callable[..., str]) -> None:
    text = pipelines("    lots: {source_table: a}\n") + "notifications: [{type: log, pipelines: [lost, 'lot*']}]\n"
    assert "there is no pipeline `lost`" in one_problem(text)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "example.com/hook", "mailto:a@b.c"])
def test_an_address_that_nothing_can_be_sent_to_is_found(one_problem: Callable[..., str], url: str) -> None:
    said = one_problem(
        pipelines("    lots: {source_table: a}\n") + f"notifications: [{{type: webhook, url: '{url}'}}]\n"
    )
    assert "nothing can be sent to this address at" in said
    assert ":5:38 (notifications[0].url); allowed: one that begins with https:// or http://" in said


@pytest.mark.parametrize("url", ["https://example.com/x", "HTTP://h/x", "${ACME_HOOK}", "https://${ACME_HOST}/x"])
def test_an_address_of_the_web_or_of_a_variable_is_right(project: Project, url: str) -> None:
    text = pipelines("    lots: {source_table: a}\n") + f"notifications: [{{type: webhook, url: '{url}'}}]\n"
    assert project.load(text)


def test_a_route_to_pipelines_of_which_there_is_none_is_found(one_problem: Callable[..., str]) -> None:
    text = pipelines("    lots: {source_table: a}\n") + "notifications: [{type: log, pipelines: ['lot*', 'nosuch*']}]\n"
    assert "no pipeline is called like `nosuch*`" in one_problem(text)


def test_a_tag_that_dagster_sets_itself_is_found(one_problem: Callable[..., str], project: Project) -> None:
    text = pipelines("    lots: {source_table: a}\n") + "jobs: {daily: {tags: {%s: '3'}}}\n"
    said = one_problem(text % "dagster/run_id")
    assert "not a valid tag key" in said
    assert "only dagster/priority and dagster/max_runtime" in said
    assert project.load(text % "dagster/max_runtime")


@pytest.mark.parametrize(
    ("text", "expected", "place"),
    [
        ("    a: {source_table: a}\njobs: {all: {}}\n", "the name of the job that every tenant has: acme_all", "5:8"),
        ("    a: {source_table: a}\njobs: {acme_all: {}}\n", "the job that every tenant has: acme_all", "5:8"),
        ("    a: {source_table: a}\njobs: {x: {}, acme_x: {}}\n", "the name of the job `x`: acme_x", "5:15"),
    ],
)
def test_no_job_takes_the_place_of_another(
    one_problem: Callable[..., str], text: str, expected: str, place: str
) -> None:
    found = one_problem(pipelines(text))
    assert expected in found
    assert f"config.yaml:{place}" in found


def test_a_job_may_have_the_name_of_a_pipeline(project: Project) -> None:
    assert project.load(pipelines("    a: {source_table: a}\njobs: {a: {description: mine}}\n")).jobs.keys() == {"a"}
    assert project.load(pipelines("    all: {source_table: a}\n    acme_all: {source_table: a}\n")).pipelines
