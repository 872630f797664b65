"""Attack on the law "format": objects of the release before are read, those of a later one are refused with a remedy.

Nothing that was kept had a format number, and a footer with one new field was no object of this product any more.
"""

import shutil
from pathlib import Path

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

FORMAT_1 = Path(__file__).parents[1] / "fixtures" / "format_1" / "lake"
RULES = [
    {"column": "amount", "type": "in_range", "max": 15, "stage": "extract"},
    {"column": "cents", "type": "in_range", "max": 1300},
]


@pytest.fixture
def old(target: Target) -> Target:
    """A project whose lake the release before wrote: three days, of two of them rejected rows."""
    shutil.copytree(FORMAT_1, target.project.data / "lake")
    target.project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": RULES}})
    return target


def test_rejected_rows_of_the_release_before_are_listed(old: Target) -> None:
    said = old.etl("quarantine", "list", "acme")
    assert said.code == 0, said.text
    assert said.out.count("in_range__amount 5") == said.out.count("in_range__cents 2") == 2


def test_rejected_rows_of_the_release_before_are_discarded(old: Target) -> None:
    said = old.etl("quarantine", "discard", "acme", "orders", "--partition", DAYS[0], "--why", "old", "--yes")
    assert said.code == 0, said.text
    listed = old.etl("quarantine", "list", "acme")
    assert DAYS[0] not in listed.out
    assert DAYS[1] in listed.out


def test_an_object_of_a_later_release_says_what_to_do(old: Target) -> None:
    path = old.object("transfer")
    content = path.read_bytes()
    at = content.index(b'{"audit"') + 1
    content = content[:at] + b'"format":7,' + content[at:].replace(b" " * 11, b"", 1)
    path.write_bytes(content)
    said = old.etl("quarantine", "list", "acme")
    assert said.code != 0
    assert "has format 7; this release reads formats 1 to 3" in said.text
    assert "use that release or a later one" in said.text
    assert path.read_bytes() == content


@pytest.mark.slow
def test_the_release_before_is_gone_on_from(old: Target) -> None:
    old.run_days(DAYS[1], DAYS[1])
    listed = old.etl("quarantine", "list", "acme")
    assert listed.out.count("in_range__amount 5") == listed.out.count("in_range__cents 2") == 2
    for stage in ("extract", "transfer"):
        (kept,) = old.object(f"{stage}_quarantine", DAYS[1]).parent.iterdir()
        assert kept.name != "data.parquet"
        (untouched,) = old.object(f"{stage}_quarantine", DAYS[0]).parent.iterdir()
        assert untouched.name == "data.parquet"
    assert old.warehouse("SELECT count(*) FROM shop.orders") == [(13,)]


@pytest.mark.slow
def test_verify_compares_what_the_release_before_kept_and_says_the_rest(old: Target) -> None:
    pipeline = {"quality": {"on_failure": "quarantine", "rules": RULES}}
    old.project.write_pipeline({**pipeline, "save_to_trino": False, "trino_output": None})
    said = old.etl("verify", "acme")
    assert said.code == 3, said.text
    assert "an earlier release made the transfer object and did not say from what" in said.text
    assert "-> `etl run acme --pipeline orders --from" in said.text
    old.source("UPDATE orders SET amount = 7 WHERE order_id = 205")
    said = old.etl("verify", "acme")
    assert (said.code, "column `amount` differs between the source and its extract" in said.text) == (1, True), (
        said.text
    )
    old.project.write_pipeline(pipeline)
    old.run_days()
    said = old.etl("verify", "acme")
    assert (said.code, f"complete to {DAYS[-1]}" in said.text) == (0, True), said.text
