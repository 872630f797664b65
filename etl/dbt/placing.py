"""Decides in which step each dbt test runs: one that waits for all that the test reads.

Belongs here: models, tests and what they read, as keys. Not here: making Dagster's steps (`etl.factories.dbt_factory`).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from etl.dbt.index import DbtAsset, DbtCheck

Name = TypeVar("Name", bound=Hashable)
Key = tuple[str, ...]
Ancestors = Mapping[Key, frozenset[Key]]


@dataclass(frozen=True)
class PlacedTests(Generic[Name]):
    """The tests of each step of models, and those for which no step of models waits long enough."""

    with_models: Mapping[Name, tuple[DbtCheck, ...]]
    before: Mapping[int, tuple[DbtCheck, ...]]
    """Tests of sources alone, by the stage that makes the sources. Each stage is a step of tests."""
    after: tuple[tuple[DbtCheck, ...], ...]
    """Tests that read models of several steps, or nobody knows what. Tests with the same inputs are a step."""
    guards: Mapping[Name, tuple[DbtCheck, ...]]
    """Tests of sources that a step repeats before its models, so that dbt builds none over a source that fails."""


def place_tests(
    groups: Mapping[Name, Sequence[DbtAsset]], checks: Sequence[DbtCheck], stages: Mapping[Key, int]
) -> PlacedTests[Name]:
    """Place a test with its model, or with the models that read its source, if that step waits for all of its reads.

    Dagster starts a step when the inputs of the step's models are there. A test that reads anything else may run
    before that is made, and would judge what an earlier run left. `stages` has the place of each stage in its pipeline.

    All tests of a step of tests have the same place in the graph: Dagster may cut a step into parts, and numbers parts
    without assets in another order in each process.
    """
    above = _ancestors([each for group in groups.values() for each in group])
    steps = [_Step.of(name, group, above) for name, group in groups.items()]
    placed: dict[Name, list[DbtCheck]] = {name: [] for name in groups}
    before: dict[int, list[DbtCheck]] = {}
    after: dict[frozenset[Key], list[DbtCheck]] = {}
    for check in checks:
        where = [each for each in steps if check.asset in (each.keys if check.asset in above else each.inputs)]
        if not check.reads:  # dbt itself would run it at any time
            late = check.model_copy(update={"reads": tuple(above), "blocking": False})
            after.setdefault(frozenset(above), []).append(late)
        elif len(where) == 1 and where[0].waits_for(check, above):
            placed[where[0].name].append(check)
        elif above.keys().isdisjoint([check.asset, *check.reads]):
            stage = max(stages.get(each, 0) for each in check.reads)
            before.setdefault(stage, []).append(check.model_copy(update={"blocking": False}))
        else:  # what it would block may be what it reads
            key = frozenset([check.asset, *check.reads])
            after.setdefault(key, []).append(check.model_copy(update={"blocking": False}))
    of_sources = [
        each for each in checks if each.kind == "test" and each.blocking and above.keys().isdisjoint(each.reads)
    ]
    return PlacedTests(
        {name: tuple(each) for name, each in placed.items()},
        {stage: tuple(each) for stage, each in before.items()},
        tuple(tuple(each) for each in after.values()),
        {step.name: tuple(each for each in of_sources if step.inputs & {*each.reads}) for step in steps},
    )


@dataclass(frozen=True)
class _Step(Generic[Name]):
    name: Name
    keys: frozenset[Key]
    inputs: frozenset[Key]
    split: bool
    """Whether Dagster runs the step in parts, because a model of another step stands between two of its models."""

    @classmethod
    def of(cls, name: Name, group: Sequence[DbtAsset], above: Ancestors) -> "_Step[Name]":
        keys = frozenset(each.key for each in group)
        inputs = frozenset(dep for each in group for dep in each.deps) - keys
        return cls(name, keys, inputs, split=any(keys & above.get(each, frozenset()) for each in inputs))

    def waits_for(self, check: DbtCheck, above: Ancestors) -> bool:
        if not self.split:
            return self.keys | self.inputs >= set(check.reads)
        return check.asset in self.keys and {check.asset} | above[check.asset] >= set(check.reads)


def _ancestors(assets: Sequence[DbtAsset]) -> Ancestors:
    """Return all that each asset is made of, at any distance."""
    deps = {each.key: each.deps for each in assets}
    found: dict[Key, frozenset[Key]] = {}

    def of(key: Key) -> frozenset[Key]:
        if key not in found:
            above = deps[key]
            found[key] = frozenset(above).union(*(of(each) for each in above if each in deps))
        return found[key]

    for key in deps:
        of(key)
    return found
