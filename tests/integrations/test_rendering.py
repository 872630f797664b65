"""A verdict as text: the worst rules first, and never more than a person reads."""

import polars as pl

from etl.integrations.contract import RuleVerdict, read_verdict, verdict
from etl.integrations.rendering import SHOWN, as_line, as_markdown, as_table, exit_code
from etl.quality import check

FRAME = pl.DataFrame({f"c{place}": [1, 2, -1 if place == 150 else 3] for place in range(SHOWN + 60)})
RULES = [{"column": column, "type": "positive"} for column in FRAME.columns]


def test_a_table_shows_the_worst_rules_and_says_how_many_it_leaves_out() -> None:
    found = read_verdict(verdict(check(FRAME, [*RULES, {"column": "gone", "type": "not_null"}], engine="polars")))
    assert all(isinstance(each, RuleVerdict) for each in found.results)
    rows = as_table(found)
    assert len(rows) == SHOWN
    assert [(row["Rule"], row["Status"]) for row in rows[:2]] == [
        ("not_null__gone", "error"),
        ("positive__c150", "failed"),
    ]
    assert f"{len(RULES) + 1 - SHOWN} more rules are not listed here." in as_markdown(found)
    assert "1 had no verdict" in as_line(found)
    assert exit_code(found) == 3
