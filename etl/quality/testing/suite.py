"""The tests that an engine has to pass: every known verdict, on a frame, a lazy frame and a file.

Belongs here: the tests. Not here: the engine that is tested, which is the fixture `quality_engine` (`conformance`).
"""

import pytest

from etl.errors import QualityError
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine
from etl.quality.testing.cases import KnownCase, differences, judged_types, known_cases

_SHOWN = 20


@pytest.mark.parametrize("form", ["frame", "lazy", "file"])
@pytest.mark.parametrize("case", known_cases(), ids=lambda case: case.name)
def test_the_engine_gives_the_known_verdicts(quality_engine: DataQualityEngine, case: KnownCase, form: str) -> None:
    """Each rule that the engine judges has the known status and the exact counts; each other one is an error."""
    forms: dict[str, Readable] = {"frame": case.frame, "lazy": case.frame.lazy(), "file": case.path}
    wrong = differences(quality_engine, case, forms[form])
    if wrong:
        more = f"\nand {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        pytest.fail(f"{len(wrong)} of {len(case.rules)} verdicts:\n" + "\n".join(wrong[:_SHOWN]) + more, pytrace=False)


def test_the_engine_judges_each_type_of_rule_that_it_claims(quality_engine: DataQualityEngine) -> None:
    """An engine that refuses all rules would pass the other tests, and so would have judged nothing."""
    claimed = set(quality_engine.capabilities.rules) - {"truthound"}
    if not claimed:
        pytest.fail("the engine claims no type of rule, so nothing was judged", pytrace=False)
    left = claimed - judged_types(quality_engine, known_cases())
    if left:
        pytest.fail(f"the engine refuses every rule of these types: {', '.join(sorted(left))}", pytrace=False)


def test_the_engine_says_what_it_cannot_judge_before_it_sees_data(quality_engine: DataQualityEngine) -> None:
    """A configuration is read without data: the engine is asked about a rule without a schema too."""
    for case in known_cases():
        for rule in case.rules:
            said = quality_engine.capabilities.refusal(rule)
            if said is not None and quality_engine.capabilities.refusal(rule, case.frame.schema) is None:
                raise QualityError(f"the engine refuses {rule.to_dict()} only where it does not know the schema")
