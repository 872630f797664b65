"""The law "nothing is green": a rule that can have no verdict is refused when the configuration is read, where it stands.

Each wrong value is refused by `etl check` and by the code location, with file, line and column.
"""

import re
from typing import Any

import pytest

from tests.attack.target import Target

PLACE = re.compile(r"tenants/acme/config\.yaml:(\d+):(\d+)")
ORDERS: dict[str, Any] = {"source_table": "orders", "has_transfer": True, "save_to_trino": True}
TRANSFORM = '''"""As it is."""

import polars as pl


def {name}(frame: pl.LazyFrame) -> pl.LazyFrame:
    """As it is."""
    return frame
'''


def quality(engine: str, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"quality": {"engine": engine, "rules": list(rules)}, **more}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "pandera, monotonic": (
        quality("pandera", {"column": "order_id", "type": "monotonic"}),
        "the engine pandera cannot judge this rule: rules of type monotonic are not supported",
    ),
    "pandera, recency": (
        quality("pandera", {"column": "created_at", "type": "recency", "max_age_hours": 1}),
        "rules of type recency are not supported",
    ),
    "great_expectations, monotonic": (
        quality("great_expectations", {"column": "order_id", "type": "monotonic"}),
        "the engine great_expectations cannot judge this rule",
    ),
    "great_expectations, email": (
        quality("great_expectations", {"column": "name", "type": "email"}),
        "rules of type email are not supported",
    ),
    "great_expectations, a pattern": (
        quality("great_expectations", {"column": "name", "type": "regex", "pattern": r"\bx"}),
        "pandas may read this pattern differently",
    ),
    "polars, truthound": (
        quality("polars", {"truthound": "outlier", "columns": ["amount"]}),
        "the engine polars cannot judge this rule: rules of type truthound are not supported",
    ),
    "an unknown validator": (
        quality("truthound", {"truthound": "banana"}),
        "Truthound has no validator `banana`",
    ),
    "a validator that can pass bad data": (
        quality("truthound", {"truthound": "unique_ratio", "columns": ["name"]}),
        "Truthound's `unique_ratio` is not run",
    ),
    "an unknown argument of a validator": (
        quality("truthound", {"truthound": "outlier", "columns": ["amount"], "threshhold": 3}),
        "it has no argument `threshhold`",
    ),
    "a missing argument of a validator": (quality("truthound", {"truthound": "outlier"}), "name the columns"),
    "a foreign key to no pipeline": (
        quality("polars", {"column": "order_id", "type": "foreign_key", "to": "ordrs", "to_column": "order_id"}),
        "there is no pipeline `ordrs`",
    ),
    "an unknown engine": (quality("polers", {"column": "order_id", "type": "unique"}), "unknown engine `polers`"),
    "a column that extract leaves out": (
        quality(
            "polars",
            {"column": "name", "type": "not_null", "stage": "extract"},
            columns=["order_id", "amount", "created_at"],
        ),
        "column `name` is not among the pipeline's `columns`",
    ),
    "a column of a condition that is left out, without a transfer": (
        quality(
            "polars",
            {"column": "amount", "type": "positive", "where": "name = 'x'"},
            columns=["order_id", "amount", "created_at"],
            has_transfer=False,
        ),
        "column `name` is not among the pipeline's `columns`",
    ),
    "a column of the load that is left out, without a transfer": (
        quality(
            "polars",
            {"column": "name", "type": "not_null", "stage": "load"},
            columns=["order_id", "amount", "created_at"],
            has_transfer=False,
        ),
        "column `name` is not among the pipeline's `columns`",
    ),
}


def test_a_rule_that_can_have_no_verdict_is_refused_where_it_stands(target: Target) -> None:
    """Each wrong rule in a pipeline of its own; one reading finds them all."""
    names = {name: f"p{n}" for n, name in enumerate(WRONG)}
    pipelines = {
        names[name]: {**ORDERS, "trino_output": {"target_table": names[name]}, **pipeline}
        for name, (pipeline, _) in WRONG.items()
    }
    path = target.project.write_tenant({"assets": {"pipelines": pipelines}})
    for name in names.values():
        target.project.write_transform(TRANSFORM.format(name=name), name)
    said = target.checked("acme")
    assert said.code == 2, said.text
    assert "Traceback" not in said.text
    written = path.read_text(encoding="utf-8").splitlines()
    for name, (_, says) in WRONG.items():
        found = [line for line in said.text.splitlines() if f"assets.pipelines.{names[name]}." in line]
        assert len(found) == 1, (name, found or said.text)
        assert says in found[0], name
        line = int(PLACE.findall(found[0])[0][0])
        assert written[line - 1].strip().startswith(("- column:", "- truthound:", "engine:", "to:")), (name, line)


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ("ordrs*", "the selection `ordrs*` cannot be read"),
        ("tag:domain=platinum", "selects nothing of tenant acme"),
    ],
)
def test_a_selection_of_nothing_shows_its_place_and_no_raw_error(target: Target, selection: str, says: str) -> None:
    path = target.project.write_tenant({"jobs": {"daily_etl": {"selection": selection}}})
    said = target.etl("check", "acme")
    assert said.code == 2, said.text
    text = " ".join(said.text.split())
    assert says in text
    assert "Traceback" not in said.text
    line, _ = map(int, PLACE.findall(text)[0])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].strip().startswith("selection:")


@pytest.mark.slow
def test_a_run_says_problem_and_remedy_of_a_selection_of_nothing_and_no_source_line(target: Target) -> None:
    target.project.write_tenant({"jobs": {"daily_etl": {"selection": "tag:domain=platinum"}}})
    said = target.etl("run", "acme")
    assert said.code == 2, said.text
    assert "selects nothing of tenant acme" in " ".join(said.text.split())
    assert "a selection looks like" in said.text
    assert [each for each in ('File "', "job_factory.py", "raise ", "^^^") if each in said.text] == [], said.text


def test_what_can_never_be_told_or_tagged_is_refused_where_it_stands(target: Target) -> None:
    wrong = [{"type": "webhook", "url": "file:///tmp/x"}, {"type": "log", "pipelines": ["nosuch*"]}]
    jobs = {"daily_etl": {"tags": {"dagster/run_id": "x"}}}
    path = target.project.write_tenant({"notifications": wrong, "jobs": jobs})
    said = target.checked("acme")
    assert said.code == 2, said.text
    written = path.read_text(encoding="utf-8").splitlines()
    for says, begins in (
        ("nothing can be sent to this address", "url:"),
        ("no pipeline is called like `nosuch*`", "- nosuch*"),
        ("not a valid tag key", "dagster/run_id:"),
    ):
        (line,) = [each for each in said.text.splitlines() if says in each]
        assert begins in written[int(PLACE.findall(line)[0][0]) - 1], line


@pytest.mark.slow
def test_the_code_location_says_the_same(target: Target) -> None:
    target.project.write_pipeline(quality("polars", {"truthound": "outlier", "columns": ["amount"]}))
    said = target.dagster("definitions", "validate", "-m", "tenants.acme.definitions")
    assert said.code != 0
    assert "the engine polars cannot judge this rule" in said.text
    assert PLACE.search(said.text)


def test_what_can_be_judged_is_not_refused(target: Target) -> None:
    target.project.write_pipeline(
        quality(
            "truthound",
            {"truthound": "outlier", "columns": ["amount"]},
            {"column": "order_id", "type": "foreign_key", "to": "orders"},
            {"column": "cents", "type": "positive"},
            columns=["order_id", "amount", "created_at"],
        )
    )
    said = target.etl("check", "acme")
    assert said.code == 0, said.text


def test_reading_rules_of_the_vocabulary_imports_no_library_of_an_engine(target: Target) -> None:
    engines = ("polars", "truthound", "pandera", "great_expectations")
    rule = {"column": "order_id", "type": "unique"}
    target.project.write_tenant(
        {"assets": {"pipelines": {f"p{n}": {**ORDERS, **quality(each, rule)} for n, each in enumerate(engines)}}}
    )
    for n in range(len(engines)):
        target.project.write_transform(TRANSFORM.format(name=f"p{n}"), f"p{n}")
    code = (
        "import sys; from etl.config import load_tenant; load_tenant('acme');"
        "print({'truthound', 'great_expectations', 'pandera', 'pandas', 'numpy', 'scipy'} & {*sys.modules})"
    )
    said = target.command(["python", "-c", code])
    assert (said.code, said.out) == (0, "set()\n"), said.text
