"""For those who test: programs that check data, and engines of their own.

    from etl.quality.testing import ScriptedEngine, known_cases

Belongs here: an engine that answers what it is told, data with known verdicts, the suite that an engine has to pass.
Not here: the engines of this package. Only the suite (`conformance`, `suite`) needs pytest.
"""

from etl.quality.testing.cases import KnownCase, KnownVerdict, differences, known_cases
from etl.quality.testing.scripted import Answer, ScriptedEngine

__all__ = ["Answer", "KnownCase", "KnownVerdict", "ScriptedEngine", "differences", "known_cases"]
