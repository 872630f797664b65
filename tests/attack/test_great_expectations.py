r"""The law "no false green", for the engine Great Expectations: signed zeros beside NaN, and patterns with `\w`."""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

EMAIL = r"^[\w\.-]+@[\w\.-]+\.[a-zA-Z]{2,}$"
TRANSFORM = '''"""orders, with the numbers that are hard to tell apart."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """A NaN, a zero with a sign, and mail addresses of several scripts."""
    row = pl.col("order_id") % 100
    number = pl.when(row == 0).then(float("nan")).when(row == 1).then(-0.0).otherwise(2.0)
    mail = pl.when(row < 10).then(pl.lit("a.b@c.example")).otherwise(pl.lit("한국어_e\\u0301@서버.kr"))
    return orders.with_columns(number.alias("number"), mail.alias("mail"))
'''


def rules(*given: dict[str, object]) -> dict[str, object]:
    return {"quality": {"engine": "great_expectations", "on_failure": "block", "rules": list(given)}}


@pytest.mark.slow
def test_a_signed_zero_beside_nan_is_found_and_the_specs_mail_pattern_is_judged(target: Target) -> None:
    mail = {"column": "mail", "type": "regex", "pattern": EMAIL}
    target.project.write_pipeline(rules({"column": "number", "type": "not_in_set", "values": [0, 1]}, mail))
    target.project.write_transform(TRANSFORM)
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
    assert said.code == 1, said.text
    text = " ".join(said.text.split())
    assert "not_in_set__number failed for 1 of 20 rows" in text
    assert "regex__mail" not in text, "the pattern is judged, and every address fits it"
    assert not target.object("transfer").exists()


def test_a_pattern_that_cannot_be_judged_exactly_is_refused_with_what_is_safe(target: Target) -> None:
    target.project.write_pipeline(rules({"column": "name", "type": "regex", "pattern": r"\bx"}))
    said = target.etl("check", "acme")
    assert said.code == 2
    text = " ".join(said.text.split())
    assert r"classes, also with \d, \w and \s" in text
    assert "engine: truthound, polars, pandera" in text
    target.project.write_pipeline(rules({"column": "name", "type": "regex", "pattern": EMAIL}))
    assert target.etl("check", "acme").code == 0
