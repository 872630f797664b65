"""An engine that answers what it is told, to test programs that check data.

Belongs here: `ScriptedEngine`. Not here: data with known verdicts (`cases`).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from etl.quality.engine import Capabilities, CheckContext, EngineReport, Outcome
from etl.quality.engine_methods import EngineMethods
from etl.quality.frames import Data
from etl.quality.rules import RULE_TYPES, AnyRule, check_names

Answer = tuple[int, int] | str | Exception
"""Counts of failed and of all rows; or why the rule cannot be judged; or what the engine raises."""


class ScriptedEngine(EngineMethods):
    """Answers each rule as it was told, by the name of the check.

        engine = ScriptedEngine({"not_null__id": (2, 10), "unique__id": "the disk is full"})
        engine.check(frame, rules)

    A rule about which it was told nothing is an error, never a pass. The preflight of `check()` happens as for every
    engine, so the frame needs the columns of the rules. `judged` has the names of the rules of each call.
    """

    def __init__(self, answers: Mapping[str, Answer], *, name: str = "scripted") -> None:
        """Take the answers, and the name that results show."""
        self.name = name
        self.capabilities = Capabilities(rules=frozenset(RULE_TYPES))
        self.judged: list[tuple[str, ...]] = []
        self._answers = dict(answers)

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Return the answers. An answer that is an exception is raised."""
        del context
        names = check_names(rules)
        self.judged.append(names)
        outcomes = [self._outcome(place, name) for place, name in enumerate(names)]
        return EngineReport(outcomes, data.height if isinstance(data, pl.DataFrame) else None)

    def _outcome(self, place: int, name: str) -> Outcome:
        answer = self._answers.get(name, f"this engine was told nothing about {name}")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Outcome(place, error=answer)
        failed, total = answer
        return Outcome(place, failed, total)
