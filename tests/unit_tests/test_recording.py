"""`etl test --record`: a partition becomes a unit test that passes and holds no personal value."""

import sqlite3

import pytest

from tests.cli.conftest import Etl
from tests.pipeline.stages import run_stage
from tests.tiny_project import DAYS, TinyProject

TRANSFORM = '''"""orders, with the customer."""

import polars as pl


def orders(orders: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    """Join by the name, which is personal, so that the join shows whether replaced names still fit."""
    return orders.join(customers, on="name", how="left").with_columns(
        pl.concat_str(pl.lit("for "), "name").alias("label")
    ).sort("order_id")
'''
CUSTOMERS = {"source_table": "customers", "pii_columns": ["name", "phone"], "quality": {"engine": "polars"}}


def published(project: TinyProject, **changes: object) -> None:
    """A pipeline that joins another one by a personal column, both with a published extract."""
    project.write_tenant(
        {
            "assets": {
                "pipelines": {
                    "orders": {"transfer_inputs": ["orders", "customers"], **changes},
                    "customers": CUSTOMERS,
                }
            }
        }
    )
    project.write_transform(TRANSFORM)
    with sqlite3.connect(project.source) as connection:
        connection.execute("CREATE TABLE customers (name TEXT, phone TEXT)")
        names = [name for (name,) in connection.execute("SELECT DISTINCT name FROM orders")]
        rows = [(name, f"010-1234-{number:04}") for number, name in enumerate(names)]
        connection.executemany("INSERT INTO customers VALUES (?, ?)", rows)
    connection.close()
    run_stage(project, "extract")
    run_stage(project, "extract", None, pipeline="customers")


def test_what_is_recorded_passes_and_holds_no_personal_value(project: TinyProject, etl: Etl) -> None:
    published(project)
    said = etl("test", "acme", "--record", "orders", "--partition", DAYS[0], "--rows", "4")
    assert said.code == 0, said
    assert "name, phone" in said.out
    path = project.root / "tenants" / "acme" / "tests" / "orders" / f"recorded_{DAYS[0]}.yaml"
    text = path.read_text(encoding="utf-8")
    assert "이름" not in text
    assert "1234" not in text
    assert text.count("order_id: 10") == 8  # four rows go in, the same four come out
    assert "phone: null" not in text  # every order has found its customer
    assert etl("test", "acme").code == 0
    again = etl("test", "acme", "--record", "orders", "--partition", DAYS[0])
    assert (again.code, "exists already" in again.err) == (2, True)
    assert path.read_text(encoding="utf-8") == text


def test_the_same_rows_give_the_same_file_on_one_installation_only(project: TinyProject, etl: Etl) -> None:
    published(project)
    path = project.root / "tenants" / "acme" / "tests" / "orders" / f"recorded_{DAYS[0]}.yaml"
    texts: list[str] = []
    for _ in range(2):
        assert etl("test", "acme", "--record", "orders", "--partition", DAYS[0]).code == 0
        texts.append(path.read_text(encoding="utf-8"))
        path.unlink()
    (project.data / "unit_tests" / "secret").unlink()
    assert etl("test", "acme", "--record", "orders", "--partition", DAYS[0]).code == 0
    assert texts[0] == texts[1] != path.read_text(encoding="utf-8")


def test_rejected_rows_and_rules_about_all_rows(project: TinyProject, etl: Etl) -> None:
    rules = [{"column": "order_id", "type": "in_range", "min": 102}, {"type": "row_count", "min": 15}]
    published(project, quality={"on_failure": "quarantine", "rules": rules})
    said = etl("test", "acme", "--record", "orders", "--partition", DAYS[0], "--rows", "4")
    assert said.code == 0, said
    text = (project.root / "tenants/acme/tests/orders" / f"recorded_{DAYS[0]}.yaml").read_text(encoding="utf-8")
    assert "verdict: quarantined" in text
    assert "skip_rules: [row_count]" in text
    assert text.count("}, rules: [in_range__order_id]") == 2
    assert etl("test", "acme").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--record", "ordrs"), "did you mean `orders`?"),
        (("--record", "orders"), "name one with --partition"),
        (("--record", "orders", "--partition", "2020-01-01"), "no partition `2020-01-01`"),
        (("--record", "orders", "--partition", DAYS[1]), "materialize"),
    ],
)
def test_what_cannot_be_recorded_is_said(project: TinyProject, etl: Etl, arguments: tuple[str, ...], said: str) -> None:
    published(project)
    shown = etl("test", "acme", *arguments)
    assert shown.code == 2
    assert said in " ".join(shown.err.split())


def test_a_personal_date_column_is_refused(project: TinyProject, etl: Etl) -> None:
    published(project, pii_columns=["created_at"])
    shown = etl("test", "acme", "--record", "orders", "--partition", DAYS[0])
    assert (shown.code, "is personal" in shown.err) == (2, True)
    assert not list((project.root / "tenants" / "acme").glob("tests/*/*"))


def test_rows_that_became_rejected_rows_are_among_the_recorded_ones(project: TinyProject, etl: Etl) -> None:
    late = [{"column": "order_id", "type": "in_range", "max": 117}]
    published(project, quality={"on_failure": "quarantine", "rules": late, "max_quarantine_rate": None})
    run_stage(project, "transfer")
    assert etl("test", "acme", "--record", "orders", "--partition", DAYS[0], "--rows", "5").code == 0
    text = (project.root / "tenants/acme/tests/orders" / f"recorded_{DAYS[0]}.yaml").read_text(encoding="utf-8")
    assert "verdict: quarantined" in text
    assert text.count("}, rules: [in_range__order_id]") == 2  # 118 and 119, at the end of the day
    assert text.count("order_id: 1") == 10
    assert etl("test", "acme").code == 0
