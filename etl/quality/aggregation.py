"""Makes one result of the results that several engines have for the same rules on the same data.

    aggregate([check(frame, rules, engine=each) for each in ("truthound", "polars")], "all")

Belongs here: the strategies. Not here: running engines, or showing where they differ (`compare`).

The strategies decide rule by rule, and all keep one law: **a rule passes only if every engine has judged it**. An
engine that could not judge a rule does not become a vote: neither for the rule, nor an absent one that the others
outvote. The rule then failed if it would have failed whatever that engine had said, and is an `error` otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from etl.errors import QualityError
from etl.quality.results import CheckResult, RuleResult, RuleStatus
from etl.suggest import did_you_mean

Strategy = Literal["all", "any", "majority", "weighted"]
"""How the verdicts of several engines become one."""
Shares = tuple[Fraction, Fraction, Fraction]
"""The shares of the votes that passed, failed and could not judge; together 1."""


def aggregate(
    results: Sequence[CheckResult], strategy: Strategy = "all", *, weights: Mapping[str, float] | None = None
) -> CheckResult:
    """Return one result of the results of several engines over the same rules.

    Each rule passes if every engine judged it and

    - `all`: every engine passed it. One failure is a failure, also beside an error.
    - `any`: at least one engine passed it. It failed only if every engine failed it.
    - `majority`: more than half of the engines passed it; a tie is a failure.
    - `weighted`: the engines that passed it have more than half of the weight; `weights` has a positive number for each
      engine by its name, and a tie is a failure.

    If an engine could not judge a rule, the rule failed where it failed for certain, and is an error otherwise.
    Status and counts of a rule are those of an engine that says the same as the verdict; among several, the one with
    the most failed rows. The message says how each engine that says otherwise judged.
    """
    if strategy not in get_args(Strategy):
        raise QualityError(f"there is no strategy `{strategy}`{did_you_mean(strategy, get_args(Strategy))}")
    _refuse_strangers(results)
    shares = _shares([each.engine for each in results], strategy, weights)
    columns = zip(*(each.results for each in results), strict=True)
    rows = [each.row_count for each in results if each.row_count is not None]
    return CheckResult(
        results=tuple(_vote(dict(zip(shares, votes, strict=True)), shares, _STATUS[strategy]) for votes in columns),
        engine=f"{strategy}({', '.join(shares)})",
        row_count=rows[0] if rows else None,
        execution_time_ms=sum(each.execution_time_ms for each in results),
        timestamp=max((each.timestamp for each in results), default=datetime.now(UTC)),
    )


def _refuse_strangers(results: Sequence[CheckResult]) -> None:
    """Raise unless these are results of different engines for the same rules on data of the same size."""
    if not results:
        raise QualityError("there are no results to aggregate", "give the result of each engine")
    names = [each.engine for each in results]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QualityError(f"the engine {twice} has two results here", "give one result of each engine")
    first = [(each.check_name, each.rule) for each in results[0].results]
    for other in results[1:]:
        if [(each.check_name, each.rule) for each in other.results] != first:
            raise QualityError(
                f"{results[0].engine} and {other.engine} judged different rules",
                "aggregate results of one list of rules",
            )
    counts = {each.row_count for each in results if each.row_count is not None}
    if len(counts) > 1:
        raise QualityError(
            f"the engines judged different data: {', '.join(str(each) for each in sorted(counts))} rows",
            "aggregate results of the same data",
        )


def _shares(names: Sequence[str], strategy: str, weights: Mapping[str, float] | None) -> dict[str, Fraction]:
    """Return the share of all votes that each engine has."""
    if strategy != "weighted":
        if weights is not None:
            raise QualityError(f"the strategy `{strategy}` takes no weights", "use the strategy `weighted`")
        return dict.fromkeys(names, Fraction(1, len(names)))
    given = weights or {}
    for name in names:
        if name not in given:
            raise QualityError(f"the engine {name} has no weight", "give each engine a weight by its name")
    for name, weight in given.items():
        if name not in names:
            raise QualityError(f"there is a weight for {name}, but no result{did_you_mean(name, names)}")
        if isinstance(weight, bool) or not Decimal(str(weight)).is_finite() or weight <= 0:
            raise QualityError(f"the weight {weight} of {name} is not a positive number", "leave the engine out")
    exact = {name: Fraction(str(given[name])) for name in names}
    total = sum(exact.values())
    return {name: weight / total for name, weight in exact.items()}


def _all(passed: Fraction, failed: Fraction, unknown: Fraction) -> RuleStatus:
    del passed
    if failed:
        return "failed"
    return "error" if unknown else "passed"


def _any(passed: Fraction, failed: Fraction, unknown: Fraction) -> RuleStatus:
    del failed
    if unknown:
        return "error"
    return "passed" if passed else "failed"


def _most(passed: Fraction, failed: Fraction, unknown: Fraction) -> RuleStatus:
    if failed >= Fraction(1, 2):
        return "failed"
    if unknown:
        return "error"
    return "passed" if passed > Fraction(1, 2) else "failed"


_STATUS: Mapping[str, Callable[[Fraction, Fraction, Fraction], RuleStatus]] = {
    "all": _all,
    "any": _any,
    "majority": _most,
    "weighted": _most,
}


def _vote(
    votes: Mapping[str, RuleResult],
    shares: Mapping[str, Fraction],
    decide: Callable[[Fraction, Fraction, Fraction], RuleStatus],
) -> RuleResult:
    passed, failed, unknown = (
        sum((shares[name] for name, each in votes.items() if each.status == status), Fraction(0))
        for status in get_args(RuleStatus)
    )
    status = decide(passed, failed, unknown)
    shown = max((each for each in votes.values() if each.status == status), key=lambda each: each.failed_count)
    others = "; ".join(f"{name}: {_said(each)}" for name, each in votes.items() if each.status != status)
    message = f"{shown.message}; but {others}" if others else shown.message
    return shown.model_copy(update={"message": message})


def _said(vote: RuleResult) -> str:
    if vote.status == "error":
        return f"error ({vote.message})"
    return f"{vote.status}, {vote.failed_count} of {vote.total_count}"
