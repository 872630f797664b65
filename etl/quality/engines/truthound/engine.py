"""The Truthound engine: the vocabulary as one fused validator, other validators by name.

Belongs here: the engine's contract with `check()`. Does not: the library's ways (`library`), any semantics.
"""

from collections.abc import Sequence

import polars as pl

from etl.quality.engine import Capabilities, CheckContext, EngineReport, Strictness
from etl.quality.engines.truthound.fused import check_fused
from etl.quality.results import LearnResult, ProfileResult
from etl.quality.rules import RULE_TYPES, AnyRule

Data = pl.DataFrame | pl.LazyFrame


class TruthoundEngine:
    """Judges the whole vocabulary, and whatever else the library can."""

    name = "truthound"
    capabilities = Capabilities(rules=frozenset(RULE_TYPES) - {"truthound"}, lazy=True, profile=True, learn=True)

    def check(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge all rules in one run of the library."""
        return check_fused(data, rules, context)

    def profile(self, data: Data, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns."""
        from etl.quality.profile import profile_columns  # noqa: PLC0415  only who profiles pays for it

        return profile_columns(data, columns, self.name)

    def learn(self, data: Data, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""
        from etl.quality.profile import learn_rules  # noqa: PLC0415  only who learns pays for it

        return learn_rules(data, strictness, self.name)
