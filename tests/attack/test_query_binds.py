"""Attacks "refused when the configuration is read": a query whose binds are called otherwise than the product's."""

import pytest

from tests.attack.target import Target

SELECT = "SELECT order_id, name, amount, created_at FROM orders WHERE "


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("created_at >= :start AND created_at < :end", "`query` binds `:start`, which has no value"),
        ("created_at >= :window_strat AND created_at < :window_end", "did you mean `:window_start`"),
        ("created_at >= :window_start", "`query` binds only `:window_start`"),
        ("created_at >= :from", ":window_start and :window_end"),
    ],
)
def test_wrong_binds_are_refused_with_the_right_ones(target: Target, where: str, problem: str) -> None:
    target.project.write_pipeline({"source_table": None, "query": SELECT + where})
    said = target.etl("check", "acme")
    assert said.code != 0
    assert problem in said.text
    assert ":window_start" in said.text
    assert "config.yaml:" in said.text
