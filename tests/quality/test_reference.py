"""The page about rules says what the rules say, and names every one of them."""

from pathlib import Path

import pytest

from etl.errors import QualityError
from etl.quality import get_engine, parse_rules
from etl.quality.engines.tasks import GREAT_EXPECTATIONS_RULES, PANDERA_RULES
from etl.quality.rules import RULE_TYPES
from etl.quality.rules.reference import rule_page, rules_page
from tests.conformance import libraries

assert libraries  # imported for its effect
PAGE = Path(__file__).parents[2] / "docs" / "quality-rules.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), (
        "python -m etl.quality.rules.reference > docs/quality-rules.md"
    )


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


def test_a_misspelt_rule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QualityError, match="did you mean `in_range`"):
        rule_page("in_rnage")
