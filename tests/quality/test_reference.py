"""The page about rules says what the rules say, and names every one of them."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import check, get_engine, parse_rules
from etl.quality.engines.tasks import GREAT_EXPECTATIONS_RULES, PANDERA_RULES
from etl.quality.reference import rule_page, rules_page
from etl.quality.rules import RULE_TYPES
from tests.conformance import libraries

assert libraries  # imported for its effect
PAGE = Path(__file__).parents[2] / "docs" / "quality-rules.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "python -m etl.quality.reference > docs/quality-rules.md"


def test_every_rule_has_a_section_and_every_argument_a_meaning() -> None:
    for kind in RULE_TYPES:
        page = rule_page(kind)
        assert f"## {kind}\n" in rules_page()
        assert "|  |\n" not in page.replace("| default |", ""), page


def test_every_example_is_a_rule() -> None:
    import yaml

    for model in RULE_TYPES.values():
        (rule,) = parse_rules([yaml.safe_load(model.doc.example)])
        assert isinstance(rule, model)


def test_the_engines_judge_what_the_page_says() -> None:
    assert get_engine("pandera").capabilities.rules == PANDERA_RULES
    assert get_engine("great_expectations").capabilities.rules == GREAT_EXPECTATIONS_RULES
    for name in ("polars", "truthound"):
        assert get_engine(name).capabilities.rules >= set(RULE_TYPES) - {"truthound"}


LIMITS: list[tuple[str, dict[str, Any]]] = [
    ("on a column of another type", {"column": "text", "type": "in_range", "min": 1}),
    ("on a column of another type", {"column": "int", "type": "email"}),
    ("on a column of another type", {"column": "text", "type": "not_future"}),
    ("holds only null", {"column": "nothing", "type": "positive"}),
    ("a list or a struct", {"column": "list", "type": "unique"}),
    ("a list or a struct", {"column": "struct", "type": "unique"}),
    ("a list or a struct", {"column": "list", "type": "in_set", "values": [1]}),
    ("a set for a binary column", {"column": "binary", "type": "in_set", "values": ["a"]}),
    ("the sum or the mean of 128-bit integers", {"column": "wide", "type": "sum_between", "min": 0}),
    ("the sum or the mean of 128-bit integers", {"column": "wide", "type": "mean_between", "min": 0}),
    ("decimals whose sum may not fit", {"column": "decimal", "type": "sum_between", "min": 0}),
    ("a decimal compared with floats", {"type": "expression", "expression": "decimal > float"}),
    ("a 128-bit integer or a decimal compared with", {"type": "compare_columns", "left": "wide", "operator": "<", "right": "float"}),
    ("a moment with a time zone compared with", {"type": "compare_columns", "left": "zoned", "operator": "<", "right": "moment"}),
    ("more than 38 digits", {"type": "expression", "expression": "wide * wide > 1"}),
    ("`^...$`", {"column": "^int.*$", "type": "not_null"}),
    ("Python objects", {"column": "object", "type": "not_null"}),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["polars", "truthound"])
@pytest.mark.parametrize(("words", "rule"), LIMITS)
def test_what_nobody_judges_exactly_is_on_the_page_and_an_error(words: str, rule: dict[str, Any], engine: str) -> None:
    moment = datetime(2026, 1, 1)  # noqa: DTZ001  without a zone on purpose
    frame = pl.DataFrame(
        {
            "int": [1, 2],
            "float": [1.5, 2.5],
            "text": ["a", "b"],
            "list": [[1], [2]],
            "struct": [{"a": 1}, {"a": 2}],
            "binary": [b"a", b"b"],
            "wide": pl.Series([2**126, 1], dtype=pl.Int128),
            "decimal": pl.Series([Decimal(10**38 - 1), Decimal(10**38 - 1)], dtype=pl.Decimal(38, 0)),
            "moment": [moment, moment],
            "zoned": pl.Series([moment, moment]).dt.replace_time_zone("UTC"),
            "nothing": [None, None],
            "object": pl.Series([object(), object()], dtype=pl.Object),
            "^int.*$": [1, 2],
        }
    )
    assert words in " ".join(rules_page().split())
    assert check(frame, [rule], engine=engine).results[0].status == "error"


def test_only_truthound_reaches_its_library_and_not_all_of_it() -> None:
    assert "only `truthound` also judges `truthound: <validator>`" in " ".join(rules_page().split())
    assert "are refused, and the message says what to write instead" in " ".join(rules_page().split())
    named, refused = parse_rules([{"truthound": "null", "columns": ["a"]}, {"truthound": "email", "columns": ["a"]}])
    assert get_engine("truthound").capabilities.refusal(named) is None
    assert "the rule `email`" in str(get_engine("truthound").capabilities.refusal(refused))
    assert "not supported" in str(get_engine("polars").capabilities.refusal(named))


def test_a_misspelt_rule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QualityError, match="did you mean `in_range`"):
        rule_page("in_rnage")
