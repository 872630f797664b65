"""A mistake in a file of unit tests is named with its line, and nothing runs."""

import pytest

from tests.cli.conftest import Etl

from .conftest import Write

GIVEN = "    given: [{input: orders, rows: [{order_id: 1, amount: 1}]}]\n"
EXPECT = "    expect: {verdict: passed}\n"
HEAD = "unit_tests:\n  - name: one\n"
# what stands in the file, the line that is named, a part of the message
MISTAKES = {
    "an unknown key": (HEAD + "    givn: []\n" + GIVEN + EXPECT, 3, "(unit_tests[0].givn), did you mean `given`?"),
    "another top": ("tests: []\n", 1, "unknown key `tests`"),
    "no list": ("unit_tests: {name: x}\n", 1, "a list"),
    "no test": ("unit_tests: []\n", 1, "no test in the list"),
    "no name": ("unit_tests:\n  -" + GIVEN[3:] + EXPECT, 2, "`name` is missing"),
    "no expect": (HEAD + GIVEN, 2, "`expect` is missing"),
    "nothing expected": (HEAD + GIVEN + "    expect: {ordered: true}\n", 4, "nothing is expected"),
    "an unknown input": (HEAD + GIVEN.replace("orders", "ordrs") + EXPECT, 3, "did you mean `orders`?"),
    "an input twice": (
        HEAD + GIVEN.replace("}]}]", "}]}, {input: orders, rows: []}]") + EXPECT,
        3,
        "the input `orders` is given twice",
    ),
    "no rows": (HEAD + "    given: [{input: orders}]\n" + EXPECT, 3, "the input has no rows"),
    "two kinds of rows": (HEAD + "    given: [{input: orders, rows: [], csv: a}]\n" + EXPECT, 3, "both give rows"),
    "an unknown verdict": (HEAD + GIVEN + "    expect: {verdict: green}\n", 4, "unknown verdict `green`"),
    "an unknown rule": (
        HEAD + "    skip_rules: [unique_order_id]\n" + GIVEN + EXPECT,
        3,
        "did you mean `unique__order_id`?",
    ),
    "a reject without rules": (
        HEAD + GIVEN + "    expect: {rejected: [{row: {order_id: 1}}]}\n",
        4,
        "`rules` is missing",
    ),
    "an unknown partition": (HEAD + "    partition: sunday\n" + GIVEN + EXPECT, 3, "sunday"),
    "no moment": (HEAD + "    now: later\n" + GIVEN + EXPECT, 3, "not a moment"),
    "a tolerance": (HEAD + GIVEN + "    expect: {rows: [], tolerance: -1}\n", 4, "not a tolerance"),
    "a name twice": (HEAD + GIVEN + EXPECT + HEAD.removeprefix("unit_tests:\n") + GIVEN + EXPECT, 5, "used twice"),
    "a file of others": (
        HEAD + "    given: [{input: orders, file: ../../config.yaml}]\n" + EXPECT,
        3,
        "no CSV file beside",
    ),
    "a missing file": (HEAD + "    given: [{input: orders, file: no.csv}]\n" + EXPECT, 3, "cannot be read"),
    "a CSV that is not even": (
        HEAD + '    given: [{input: orders, csv: "a,b\\n1"}]\n' + EXPECT,
        3,
        "has 1 cells, its header 2",
    ),
    "an error and rows": (HEAD + GIVEN + "    expect: {error: x, rows: []}\n", 4, "nothing else to compare"),
    "no YAML": ("unit_tests: [\n", 2, "not valid YAML"),
    "an empty file": ("\n", 1, "the file is empty"),
}
# the same for mistakes that only types or the pipeline can tell
LATER = {
    "a wrong value": (
        GIVEN.replace("rows:", "types: {amount: Int8}, rows:").replace("amount: 1", "amount: 300"),
        "does not fit",
    ),
    "a wrong type": (GIVEN.replace("rows:", "types: {amount: Int46}, rows:"), "did you mean `Int64`?"),
    "only nulls": (GIVEN.replace("amount: 1", "amount: null"), "no value of the column `amount` tells its type"),
    "an absent column": (GIVEN.replace("}]}]", "}, {order_id: 2}]}]"), "row 2 has no value for `amount`"),
    "no input": ("    given: []\n", "gives no rows of the extract of `orders`"),
    "an input that nothing reads": (
        GIVEN.replace("rows:", "stage: transfer, rows:"),
        "does not read the transfer of `orders`",
    ),
}


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(etl: Etl, write: Write, text: str, line: int, said: str) -> None:
    write(text)
    shown = etl("test", "acme")
    assert shown.code == 2, shown
    flat = " ".join(shown.out.split())
    assert said in flat
    assert f"tests/orders/cases.yaml:{line}:" in flat


@pytest.mark.parametrize(("given", "said"), LATER.values(), ids=LATER)
def test_wrong_rows_are_named_and_the_other_tests_run(etl: Etl, write: Write, given: str, said: str) -> None:
    write(HEAD + given + "    expect: {verdict: passed}\n")
    write(HEAD + GIVEN + EXPECT, "good.yaml")
    shown = etl("test", "acme")
    assert shown.code == 2, shown
    assert said in " ".join(shown.out.split())
    assert "1 passed" in shown.out


def test_an_expected_column_that_does_not_come_out_is_named(etl: Etl, write: Write) -> None:
    write(HEAD + GIVEN + "    expect: {rows: [{order_id: 1, cent: 100}]}\n")
    shown = etl("test", "acme")
    assert (shown.code, "did you mean `cents`?" in shown.out) == (2, True), shown


def test_a_folder_that_is_no_pipeline_and_a_file_without_one_are_named(etl: Etl, write: Write) -> None:
    write(HEAD + GIVEN + EXPECT, pipeline="ordrs")
    write(HEAD + GIVEN + EXPECT, pipeline="")
    shown = etl("test", "acme")
    flat = " ".join(shown.out.split())
    assert shown.code == 2
    assert "tests/ordrs is no pipeline of the tenant, did you mean `orders`?" in flat
    assert "belongs to no pipeline" in flat


def test_missing_columns_are_null_only_if_the_test_says_so(etl: Etl, write: Write) -> None:
    write(
        HEAD
        + GIVEN.replace("}]}]", "}, {order_id: 2}], missing_as_null: true}]")
        + "    expect: {rows: [{cents: 100}, {cents: null}]}\n"
    )
    assert etl("test", "acme").code == 0


def test_a_pipeline_that_does_not_exist_is_wrong_usage(etl: Etl) -> None:
    assert etl("test", "acme", "--pipeline", "ordrs").code == 2
    assert etl("test", "--pipeline", "orders").code == 2
    assert etl("test", "--record", "orders").code == 2
    assert etl("test", "acme", "--format", "html").code == 2
