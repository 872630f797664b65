"""`etl test`: what it shows, and how it ends."""

import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.conftest import Etl
from tests.pipeline.stages import run_stage
from tests.tiny_project import TRANSFORM, TinyProject

from .conftest import Write

GOOD = """\
unit_tests:
  - name: cents
    given:
      - input: orders
        rows:
          - {order_id: 2, amount: 0.5}
          - {order_id: 1, amount: 1.25}
    expect:
      rows:
        - {order_id: 1, cents: 125}
        - {order_id: 2, cents: 50}
"""
WARNED = {"quality": {"rules": [{"column": "order_id", "type": "unique", "severity": "warning"}]}}


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_good_rows_pass_and_nothing_is_left(
    project: TinyProject, etl: Etl, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD)
    scratch = tmp_path / "scratch"  # other tests write into the usual one at the same time
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    before = files_of(project.root) | files_of(project.data)
    said = etl("test", "acme")
    assert said.code == 0, said.err
    assert "1 passed" in said.out
    assert "2 as written" in said.out
    assert files_of(project.root) | files_of(project.data) == before
    assert files_of(scratch) == set()


def test_neither_source_nor_lake_nor_warehouse_is_opened(
    project: TinyProject, etl: Etl, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD)
    project.write_tenant({"storage": {"bucket": "no-such-bucket"}})
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:9")
    project.source.unlink()
    write(
        GOOD.replace(
            "        rows:\n          - {order_id: 2",
            "        types: {order_id: Int64, amount: Float64}\n        rows:\n          - {order_id: 2",
        )
    )
    said = etl("test", "acme")
    assert (said.code, "2 from `types`" in said.out) == (0, True), said


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (("cents: 125", "cents: 126"), ["changed", "126 -> 125"]),
        (("        - {order_id: 2, cents: 50}\n", ""), ["unexpected", "50"]),
        (("- {order_id: 2, cents: 50}", "- {order_id: 2, cents: 50}\n        - {order_id: 3, cents: 1}"), ["missing"]),
        (("    expect:\n", "    expect:\n      verdict: warned\n"), ["the verdict is passed, expected warned"]),
        (("    expect:\n", "    expect:\n      failed_rules: [unique__order_id]\n"), ["failed are none"]),
        (("amount: 1.25}", "amount: 1.25}\n          - {order_id: 1, amount: 3}"), ["verdict is blocked", "no rows"]),
    ],
)
def test_each_difference_is_shown(etl: Etl, write: Write, change: tuple[str, str], shown: list[str]) -> None:
    assert change[0] in GOOD
    write(GOOD.replace(*change))
    said = etl("test", "acme")
    assert said.code == 1, said
    assert [each for each in shown if each not in said.out] == [], said.out
    assert "tests/orders/cases.yaml:2" in said.out


def test_a_broken_transform_turns_it_red(project: TinyProject, etl: Etl, write: Write) -> None:
    write(GOOD)
    project.write_transform(TRANSFORM.replace("* 100", "* 10"))
    assert etl("test", "acme").code == 1
    project.write_transform(TRANSFORM.replace("return orders", "return orders.collect()"))
    said = etl("test", "acme")
    assert (said.code, "not a LazyFrame" in said.out) == (1, True), said
    write(GOOD.split("      rows:\n        - {order_id: 1, cents", maxsplit=1)[0] + "      error: not a LazyFrame\n")
    assert etl("test", "acme").code == 0


def test_the_order_counts_only_if_it_is_asked_for(etl: Etl, write: Write) -> None:
    turned = GOOD.replace("        - {order_id: 1, cents: 125}\n", "") + "        - {order_id: 1, cents: 125}\n"
    write(turned)
    assert etl("test", "acme").code == 0
    write(turned.replace("    expect:\n", "    expect:\n      ordered: true\n"))
    assert etl("test", "acme").code == 1
    write(GOOD.replace("    expect:\n", "    expect:\n      ordered: true\n"))
    assert etl("test", "acme").code == 0


def test_rejected_rows_are_compared_with_their_rules(project: TinyProject, etl: Etl, write: Write) -> None:
    project.write_pipeline({"quality": {"on_failure": "quarantine", "max_quarantine_rate": 0.01}})
    bad = GOOD.replace("{order_id: 2, amount: 0.5}", "{order_id: null, amount: 0.5}").replace(
        "        - {order_id: 2, cents: 50}\n", ""
    )
    write(bad)
    said = etl("test", "acme")
    assert (said.code, "unexpected" in said.out) == (1, True), said
    write(bad + "      rejected:\n        - {row: {cents: 50}, rules: [not_null__order_id]}\n")
    assert etl("test", "acme").code == 0
    write(bad + "      rejected:\n        - {row: {cents: 50}, rules: [unique__order_id]}\n")
    assert etl("test", "acme").code == 1


def test_a_warning_has_to_be_expected(project: TinyProject, etl: Etl, write: Write) -> None:
    project.write_pipeline(WARNED)
    twice = GOOD.replace("order_id: 1, amount", "order_id: 2, amount").replace(
        "order_id: 1, cents", "order_id: 2, cents"
    )
    write(twice)
    assert etl("test", "acme").code == 1
    write(
        twice.replace("    expect:\n", "    expect:\n      verdict: warned\n      failed_rules: [unique__order_id]\n")
    )
    assert etl("test", "acme").code == 0
    write(twice.replace("    given:\n", "    skip_rules: [unique__order_id]\n    given:\n"))
    said = etl("test", "acme")
    assert (said.code, "left out: unique__order_id" in said.out) == (0, True), said


def test_now_and_the_partition_are_those_of_the_test(project: TinyProject, etl: Etl, write: Write) -> None:
    project.write_pipeline({"quality": {"rules": [{"column": "created_at", "type": "not_future"}]}})
    text = GOOD.replace("amount: 0.5}", "amount: 0.5, created_at: 2026-01-02 00:00:00}").replace(
        "amount: 1.25}", "amount: 1.25, created_at: 2026-01-02 00:00:00}"
    )
    for now, code in (("2026-01-01", 1), ("2026-01-03T00:00:00Z", 0)):
        write(text.replace("    given:\n", f"    now: {now}\n    partition: 2026-01-02\n    given:\n"))
        assert etl("test", "acme").code == code, now


def test_a_rule_that_cannot_be_judged_is_never_green(project: TinyProject, etl: Etl, write: Write) -> None:
    project.write_pipeline({"quality": {"on_failure": "warn", "rules": [{"column": "gone", "type": "not_null"}]}})
    write(GOOD.replace("    expect:\n", "    expect:\n      verdict: warned\n"))
    said = etl("test", "acme")
    assert (said.code, "could not be judged" in said.out) == (3, True), said


def test_no_test_is_no_success(project: TinyProject, etl: Etl, write: Write) -> None:
    said = etl("test", "acme")
    assert said.code == 3
    assert "nothing was examined" in said.err
    assert "acme/orders" in said.err
    project.write_tenant({"assets": {"pipelines": {"other": {"source_table": "other"}}}})
    write(
        GOOD.replace("orders", "other").replace("cents: 125", "amount: 1.25").replace("cents: 50", "amount: 0.5"),
        pipeline="other",
    )
    said = etl("test")
    assert said.code == 0
    assert "no unit test examines the transform of acme/orders" in said.out


def test_the_types_come_from_what_is_published(project: TinyProject, etl: Etl, write: Write) -> None:
    run_stage(project, "extract")
    write(
        GOOD.replace("{order_id: 2, amount", "{order_id: 2, name: 007, amount")
        .replace("{order_id: 1, amount", "{order_id: 1, name: null, amount")
        .replace("cents: 50", "cents: 50, name: 007")
        .replace("cents: 125", "cents: 125, name: null")
    )
    said = etl("test", "acme")
    assert (said.code, "3 from the last published object" in said.out) == (0, True), said
    write(GOOD.replace("amount: 0.5", "amunt: 0.5").replace("amount: 1.25", "amunt: 1.25"))
    said = etl("test", "acme")
    assert (said.code, "did you mean `amount`" in said.out) == (2, True), said


def test_junit_has_each_result_and_each_gap(project: TinyProject, etl: Etl, write: Write, tmp_path: Path) -> None:
    transformed = {"source_table": "other", "has_transfer": True}
    project.write_tenant({"assets": {"pipelines": {"other": transformed}}})
    project.write_transform(
        "import polars as pl\n\n\ndef other(other: pl.LazyFrame) -> pl.LazyFrame:\n    return other\n", "other"
    )
    write(GOOD)
    write(GOOD.replace("cents: 125", "cents: 126").replace("name: cents", 'name: "<&\\x07>"'), "red.yaml")
    write(GOOD.replace("amount: 1.25", "amount: x"), "wrong.yaml")
    said = etl("test", "acme", "--format", "junit", "--output", str(tmp_path / "reports" / "junit.xml"))
    assert said.code == 2
    root = ET.parse(tmp_path / "reports" / "junit.xml").getroot()
    (suite,) = root
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {"cents": ["error"], "<&?>": ["failure"], "no unit test": ["skipped"]} or len(kinds) == 3
    text = etl("test", "acme", "--format", "junit").out
    assert len(ET.fromstring(text)) == 1


def test_many_tests_share_one_process(project: TinyProject, etl: Etl, write: Write) -> None:
    case = GOOD.removeprefix("unit_tests:\n")
    write("unit_tests:\n" + "".join(case.replace("name: cents", f"name: cents {number}") for number in range(30)))
    said = etl("test", "acme")
    assert (said.code, "30 passed" in said.out) == (0, True), said


def test_a_frame_without_rows_is_not_examined(etl: Etl, write: Write) -> None:
    text = (
        GOOD.split("        rows:\n", maxsplit=1)[0]
        + "        types: {order_id: Int64, amount: Float64}\n        rows: []\n    expect:\n      rows: []\n"
    )
    write(text)
    said = etl("test", "acme")
    assert (said.code, "nothing was examined" in said.out) == (3, True), said


def test_a_tenant_that_does_not_load_does_not_keep_the_others_from_their_tests(
    project: TinyProject, etl: Etl, write: Write
) -> None:
    write(GOOD)
    project.write_tenant({"group": "NOPE"}, tenant="broken")
    said = etl("test")
    assert said.code == 2
    assert "1 passed" in said.out
    assert "NOPE" in said.out
    assert etl("test", "acme").code == 0


def test_a_bucket_is_not_waited_for(
    project: TinyProject, etl: Etl, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_tenant({"storage": {"bucket": "no-such-bucket"}})
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("etl.unit_tests.running.newest_schema", None)  # a call would raise
    write(GOOD)
    said = etl("test", "acme")
    assert (said.code, "2 as written" in said.out) == (0, True), said
