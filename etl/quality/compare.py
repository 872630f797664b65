"""Several engines on the same rules: the first engine that can judge a rule, or all engines side by side.

Belongs here: `EngineChain` and `compare_engines`. Not here: what a single engine is (`engine`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.checking import check
from etl.quality.data import Readable, open_data
from etl.quality.engine import (
    Capabilities,
    CheckContext,
    DataQualityEngine,
    EngineReport,
    Outcome,
    Strictness,
    call_engine,
    get_engine,
)
from etl.quality.engine_methods import EngineMethods
from etl.quality.frames import Data
from etl.quality.results import CheckResult, LearnResult, ProfileResult, RuleResult
from etl.quality.rules import AnyRule, check_names, parse_rules


class EngineChain(EngineMethods):
    """Gives every rule to the first of several engines that can judge it; an engine like any other."""

    def __init__(self, engines: Sequence[str | DataQualityEngine]) -> None:
        """Take engines by name or as objects, the preferred one first."""
        if not engines:
            raise QualityError("a chain without engines judges nothing", "name at least one engine")
        self.engines = tuple(get_engine(each) for each in engines)
        self.name = " > ".join(each.name for each in self.engines)
        self.capabilities = Capabilities(
            rules=frozenset().union(*(each.capabilities.rules for each in self.engines)),
            lazy=True,
            profile=any(each.capabilities.profile for each in self.engines),
            learn=any(each.capabilities.learn for each in self.engines),
            unsupported=self._refusal,
        )

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Call each engine at most once, with the rules that no earlier engine can judge."""
        shares: dict[int, list[int]] = {}
        outcomes: list[Outcome] = []
        for position, rule in enumerate(rules):
            taker = self._taker(rule, context.schema)
            if taker is None:
                outcomes.append(Outcome(position, error="no engine of the chain can judge it"))
            else:
                shares.setdefault(taker, []).append(position)
        rows: int | None = None
        for taker, positions in shares.items():
            report, broken = call_engine(
                self.engines[taker], data, [rules[position] for position in positions], context
            )
            if broken is not None:
                outcomes.extend(Outcome(position, error=broken) for position in positions)
                continue
            rows = report.row_count if rows is None else rows
            outcomes.extend(
                replace(each, position=positions[each.position])
                for each in report.outcomes
                if 0 <= each.position < len(positions)
            )
        return EngineReport(outcomes, rows)

    def profile(self, data: Readable, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns with the first engine that profiles in a way of its own."""
        own = next((each for each in self.engines if each.capabilities.profile), None)
        return own.profile(data, columns) if own is not None else super().profile(data, columns)

    def learn(
        self, data: Readable, strictness: Strictness = "moderate", *, holdout: float | None = None
    ) -> LearnResult:
        """Derive rules with the first engine that learns in a way of its own."""
        own = next((each for each in self.engines if each.capabilities.learn), None)
        return own.learn(data, strictness) if own is not None else super().learn(data, strictness, holdout=holdout)

    def _taker(self, rule: AnyRule, schema: pl.Schema | None) -> int | None:
        for index, engine in enumerate(self.engines):
            if engine.capabilities.refusal(rule, schema) is None:
                return index
        return None

    def _refusal(self, rule: AnyRule, schema: pl.Schema | None) -> str | None:
        reasons = [f"{each.name}: {each.capabilities.refusal(rule, schema)}" for each in self.engines]
        return None if self._taker(rule, schema) is not None else "; ".join(reasons)


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule about which engines disagree."""

    check_name: str
    verdicts: Mapping[str, RuleResult]
    """Per engine."""

    def describe(self) -> str:
        """Describe what each engine returned for this rule."""
        found = "; ".join(
            f"{name}: {each.status}, {each.failed_count} of {each.total_count}"
            + (f" ({each.message})" if each.status == "error" else "")
            for name, each in self.verdicts.items()
        )
        return f"{self.check_name}: {found}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Results of several engines on the same data, and where they differ."""

    results: Mapping[str, CheckResult]
    differences: tuple[Difference, ...]

    @property
    def agree(self) -> bool:
        """Whether status, failed and total counts are the same everywhere."""
        return not self.differences


def compare_engines(
    data: Readable,
    rules: Sequence[AnyRule | Mapping[str, Any]],
    engines: Sequence[str | DataQualityEngine],
    **arguments: Any,  # noqa: ANN401  the keyword arguments of check()
) -> Comparison:
    """Check the same data with every engine; every rule whose status or counts differ is a difference.

    A rule that an engine does not support has the status `error`, so it is a difference too.
    """
    parsed = parse_rules(rules)
    found = [get_engine(each) for each in engines]
    if len({each.name for each in found}) != len(found) or len(found) < 2:  # noqa: PLR2004
        raise QualityError("a comparison needs two or more engines of different names")
    frame = open_data(data, storage_options=arguments.pop("storage_options", None))  # a stream can be read only once
    results = {each.name: check(frame, parsed, engine=each, **arguments) for each in found}
    differences = []
    for index, name in enumerate(check_names(parsed)):
        verdicts = {engine: result.results[index] for engine, result in results.items()}
        if len({(each.status, each.failed_count, each.total_count) for each in verdicts.values()}) > 1:
            differences.append(Difference(name, verdicts))
    return Comparison(results, tuple(differences))
