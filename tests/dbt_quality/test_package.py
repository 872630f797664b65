"""The package as its users meet it: generic tests, severities, stored failures, refusals; and its Unicode tables."""

import json
import re
from pathlib import Path

import polars as pl
import yaml

from tests.dbt_quality.judge import PACKAGE, Database, dbt, make_project, run_dbt

ROWS = pl.DataFrame({"id": [1, 2, 2, None], "qty": [5, -1, -2, 7], "name": ["a", "b", "", None]})


def schema_yml(tests: list[object]) -> str:
    table = {"name": "rows", "data_tests": tests}
    return yaml.safe_dump({"version": 2, "sources": [{"name": "cases", "schema": "cases", "tables": [table]}]})


def project(folder: Path, tests: list[object]) -> Database:
    database = Database("dev", {"ETL_DUCKDB_PATH": str(folder / "db.duckdb")})
    make_project(folder)
    (folder / "models" / "schema.yml").write_text(schema_yml(tests))
    with database.attach() as connection:
        connection.register("frame", ROWS)
        connection.execute("CREATE SCHEMA db.cases; CREATE TABLE db.cases.rows AS FROM frame")
    return database


def check(name: str, rules: list[dict[str, object]], **config: object) -> dict[str, object]:
    return {"quality.data_quality_check": {"name": name, "arguments": {"rules": rules}, "config": config}}


def rule(name: str, kind: str, arguments: dict[str, object], **config: object) -> dict[str, object]:
    return {f"quality.dq_{kind}": {"name": name, "arguments": arguments, "config": config}}


def test_statuses_counts_severities_and_stored_rows(tmp_path: Path) -> None:
    negative: dict[str, object] = {"column": "qty", "type": "non_negative"}
    database = project(
        tmp_path,
        [
            check("all_good", [{"column": "qty", "type": "not_null"}, {"type": "row_count", "min": 1}]),
            check("one_error", [negative, {"column": "id", "type": "positive"}]),
            check("only_a_warning", [{**negative, "severity": "warning"}]),
            check("only_info", [{**negative, "severity": "info"}]),
            check("error_and_warning", [negative, {"column": "id", "type": "unique", "severity": "warning"}]),
            check("as_a_warning", [negative], severity="warn"),
            check("no_such_column", [{"column": "quantity", "type": "not_null"}]),
            check("wrong_type", [{"column": "name", "type": "positive"}]),
            rule("rows_counted", "non_negative", {"column": "qty"}, store_failures=True),
            rule("two_are_tolerated", "non_negative", {"column": "qty"}, error_if="> 2", warn_if="> 1"),
            rule("half_may_be_bad", "non_negative", {"column": "qty", "mostly": 0.5}),
            rule("more_than_half_must_be_good", "non_negative", {"column": "qty", "mostly": 0.51}),
            rule("where_of_dbt", "non_negative", {"column": "qty"}, where="qty > -2"),
            rule("where_of_the_rule", "non_negative", {"column": "qty", "where": "qty > 0"}),
            rule("missing_under_where", "not_null", {"column": "quantity"}, where="qty > 0"),
            rule("nobody_has_this_column", "column_exists", {"column": "quantity"}),
            rule("keys", "unique", {"columns": ["id"]}),
        ],
    )
    results = run_dbt(["test"], tmp_path, database)
    found = {key.split(".")[2]: (each["status"], each["failures"]) for key, each in results.items()}
    assert found == {
        "all_good": ("pass", 0),
        "one_error": ("fail", 1),
        "only_a_warning": ("warn", 1),
        "only_info": ("pass", 0),
        "error_and_warning": ("fail", 2),
        "as_a_warning": ("warn", 1),
        "no_such_column": ("error", None),
        "wrong_type": ("error", None),
        "rows_counted": ("fail", 2),
        "two_are_tolerated": ("warn", 2),
        "half_may_be_bad": ("pass", 0),
        "more_than_half_must_be_good": ("fail", 2),
        "where_of_dbt": ("fail", 1),
        "where_of_the_rule": ("pass", 0),
        "missing_under_where": ("error", None),
        "nobody_has_this_column": ("fail", 1),
        "keys": ("fail", 2),
    }
    messages = {key.split(".")[2]: each["message"] for key, each in results.items()}
    assert "there is no column `quantity`" in messages["no_such_column"]
    with database.attach() as connection:
        stored = connection.execute("SELECT qty FROM db.cases_dbt_test__audit.rows_counted ORDER BY qty").fetchall()
    assert stored == [(-2,), (-1,)]


REFUSALS: dict[str, dict[str, object]] = {
    "there is no data quality rule type `non_negativ`": {"column": "qty", "type": "non_negativ"},
    "it has no argument `minimum`": {"column": "qty", "type": "in_range", "minimum": 0},
    "it needs the argument `pattern`": {"column": "qty", "type": "regex"},
    "it needs `min`, `max` or both": {"column": "qty", "type": "in_range"},
    "nothing can pass": {"column": "qty", "type": "in_range", "min": 2, "max": 1},
    "SQL cannot judge it": {"type": "truthound", "validator": "outlier_iqr"},
    "rows of a table have no order in SQL": {"column": "qty", "type": "monotonic"},
    "is not a time zone": {"column": "qty", "type": "not_future", "timezone": "Mars"},
    "`mostly` is a share": {"column": "qty", "type": "positive", "mostly": 99},
    "`mostly` means nothing here": {"type": "row_count", "min": 1, "mostly": 0.5},
    "severity is error, warning or info": {"column": "qty", "type": "positive", "severity": "fatal"},
    "name either `column` or `columns`": {"type": "unique"},
    "the operator is one of": {"type": "compare_columns", "left": "id", "operator": "~", "right": "qty"},
    "null is not a value of a set": {"column": "qty", "type": "in_set", "values": [1, None]},
}


def test_every_rule_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    database = project(tmp_path, [])
    for index, rule_ in enumerate(REFUSALS.values()):
        body = f"{{% if execute %}}{{{{ quality.dq_rule({rule_!r}) }}}}{{% endif %}}"
        (tmp_path / "models" / f"bad_{index}.sql").write_text(body)
    results = run_dbt(["run"], tmp_path, database)
    for index, words in enumerate(REFUSALS):
        result = results[f"model.cases.bad_{index}"]
        assert result["status"] == "error"
        assert words in result["message"]


def test_a_test_with_a_rule_that_cannot_be_read_stops_dbt_while_it_parses(tmp_path: Path) -> None:
    database = project(tmp_path, [check("bad", [{"column": "qty", "type": "non_negativ"}])])
    code, out, _ = dbt(["parse"], tmp_path, database)
    assert code != 0
    assert "there is no data quality rule type `non_negativ`" in out


def macro_tables(name: str) -> dict[str, list[tuple[int, int]]]:
    text = (PACKAGE / "macros" / "adapters" / "unicode.sql").read_text()
    body = text[text.index(f"macro {name}()") :].split("{% endmacro %}")[0]
    tables = {}
    for key, rows in re.findall(r"'(\w+)': \((.*?)\),", body, re.DOTALL):
        spans = " ".join(re.findall(r"'([0-9A-F -]+) '", rows)).split()
        tables[key] = [(int(span.split("-")[0], 16), int(span.split("-")[-1], 16)) for span in spans]
    return tables


def test_the_unicode_tables_are_those_of_the_rules_own_patterns() -> None:
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point <= 0xDFFF]
    text = pl.Series([chr(point) for point in points])
    patterns = {"L": r"\p{L}", "M": r"\p{M}", "N": r"\p{N}", "Nd": r"\d", "w": r"\w", "s": r"\s"}
    tables = macro_tables("dq_unicode")
    assert tables.keys() == patterns.keys()
    for key, pattern in patterns.items():
        wanted = {point for point, hit in zip(points, text.str.contains(f"^{pattern}$"), strict=True) if hit}
        assert {point for low, high in tables[key] for point in range(low, high + 1)} == wanted, key


def test_the_arguments_are_those_of_the_rule_models() -> None:
    from etl.quality.rules import RULE_TYPES, RuleFields

    text = (PACKAGE / "macros" / "rules" / "arguments.sql").read_text()
    body = text.split("macro dq_arguments()")[1].split("{% endmacro %}")[0]
    here = {kind: set(json.loads(names.replace("'", '"'))) for kind, names in re.findall(r"'(\w+)': (\[.*?\]),", body)}
    common = {*RuleFields.model_fields, "type"}
    there = {kind: set(model.model_fields) - common for kind, model in RULE_TYPES.items() if kind != "truthound"}
    there["monotonic"].add("order_by")  # rows of a table have no order of their own
    assert here == there
