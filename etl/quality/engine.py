"""What an engine is, and how an engine is found by its name.

Belongs here: the protocol between `check()` and engines, the registry. Not here: any engine, any rule's meaning.

`check()` hands an engine only rules that the preflight accepted (columns exist, types can be judged, the engine says
that it supports them) and turns counts into verdicts itself, so `mostly` and `severity` mean the same everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

import polars as pl

from etl.errors import QualityError
from etl.extras import install
from etl.quality.data import Readable
from etl.quality.failures import describe_failure
from etl.quality.frames import Data
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import AnyRule
from etl.suggest import did_you_mean

Strictness = Literal["strict", "moderate", "lenient"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an engine found out about one rule: counts, or the reason why there are no counts."""

    position: int
    """Index of the rule in the sequence that the engine was given."""
    failed: int = 0
    total: int = 0
    actual: Any = None
    """What was measured, for a rule that judges the table as a whole."""
    sample: tuple[dict[str, Any], ...] = ()
    rows: tuple[int, ...] = ()
    """Positions of the sample's rows in the data; the first row is 0. Empty if the engine does not know them."""
    message: str = ""
    error: str | None = None
    """Why the rule could not be judged. If this is set, the counts have no meaning."""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One outcome per rule, and the number of rows read."""

    outcomes: Sequence[Outcome]
    row_count: int | None = None


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What an engine may need besides data and rules."""

    schema: pl.Schema
    now: datetime
    """The moment that counts as now; it has a time zone."""
    tables: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    sample_size: int = 5
    sample_columns: tuple[str, ...] = ()
    """The only columns that a sample may show."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do."""

    rules: frozenset[str]
    """Rule types that the engine judges exactly."""
    lazy: bool = False
    """Whether the engine takes a LazyFrame; if not, the frame is collected first."""
    profile: bool = False
    """Whether the engine profiles in a way of its own; if not, the exact profile is the same for every engine."""
    learn: bool = False
    """Whether the engine learns in a way of its own."""
    unsupported: Callable[[AnyRule, pl.Schema | None], str | None] | None = None
    """Further limits: returns why the engine cannot judge a rule (on a schema, if it is known), or None."""

    def refusal(self, rule: AnyRule, schema: pl.Schema | None = None) -> str | None:
        """Return why the engine cannot judge this rule, or None. Without a schema, only the rule itself is examined."""
        if rule.type not in self.rules:
            return f"rules of type {rule.type} are not supported"
        return self.unsupported(rule, schema) if self.unsupported is not None else None


@runtime_checkable
class DataQualityEngine(Protocol):
    """Judges rules over data. An engine of your own needs `name`, `capabilities` and `judge`.

    The other methods are for those who use the engine: derive from `EngineMethods` to have them.
    """

    @property
    def name(self) -> str:
        """The engine's name, as results show it."""

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge preflighted rules for `etl.quality.check`; exactly one outcome per rule, in any order."""

    def check(
        self,
        data: Readable,
        rules: Sequence[AnyRule | Mapping[str, Any]] = (),
        **options: Any,  # noqa: ANN401  the keyword arguments of check()
    ) -> CheckResult:
        """Judge rules with this engine."""

    def profile(self, data: Readable, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns."""

    def learn(self, data: Readable, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""


def ask_engine(engine: DataQualityEngine, rule: AnyRule, schema: pl.Schema) -> str | None:
    """Ask the engine why it cannot judge a rule. If the engine raises an error, the error is the reason."""
    try:
        return engine.capabilities.refusal(rule, schema)
    except Exception as raised:  # noqa: BLE001  an engine is foreign code, and anything it raises is a verdict: error
        return f"it raised {describe_failure(raised, schema)}"


def call_engine(
    engine: DataQualityEngine, frame: Data, rules: Sequence[AnyRule], context: CheckContext
) -> tuple[EngineReport, str | None]:
    """Call the engine once. An error that the engine raises becomes the reason why its rules have no verdict."""
    if not rules:
        return EngineReport(()), None
    try:
        if isinstance(frame, pl.LazyFrame) and not engine.capabilities.lazy:
            frame = frame.collect(engine="streaming")
        # An engine that was written for release 0.2 judges in `check(data, rules, context)`.
        judge: Callable[..., object] = engine.judge if hasattr(engine, "judge") else engine.check
        report = judge(frame, rules, context)
    except Exception as raised:  # noqa: BLE001  an engine is foreign code, and anything it raises is a verdict: error
        return EngineReport(()), f"the engine raised {describe_failure(raised, context.schema)}"
    except pl.exceptions.PanicException as raised:
        return EngineReport(()), f"the engine raised {describe_failure(raised, context.schema)}"
    if not isinstance(report, EngineReport) or not all(isinstance(each, Outcome) for each in report.outcomes):
        return EngineReport(()), "the engine returned something else than a report of outcomes"
    return report, None


def engine_names() -> tuple[str, ...]:
    """Return the names under which engines are registered."""
    return (*BUILT_IN, *sorted({each.name for each in entry_points(group="etl.quality.engines")} - {*BUILT_IN}))


BUILT_IN = {
    "truthound": "etl.quality.engines.truthound:TruthoundEngine",
    "polars": "etl.quality.engines.polars:PolarsEngine",
    "great_expectations": "etl.quality.engines.great_expectations:GreatExpectationsEngine",
    "pandera": "etl.quality.engines.pandera:PanderaEngine",
}


def get_engine(name: "str | DataQualityEngine") -> DataQualityEngine:
    """Return the engine of that name, imported now; an engine object is returned as it is."""
    if isinstance(name, str):
        return _load_engine(name)
    _refuse_others(name, f"{type(name).__name__} is given as a quality engine, but it is not an engine")
    return name


def _refuse_others(made: object, problem: str) -> None:
    if not (hasattr(made, "name") and hasattr(made, "capabilities")) or not (
        callable(getattr(made, "judge", None)) or callable(getattr(made, "check", None))
    ):
        raise QualityError(
            problem,
            "it needs name, capabilities and judge; etl.quality.EngineMethods has the other methods",
        )


@lru_cache(maxsize=64)
def _load_engine(name: str) -> DataQualityEngine:
    found = [each for each in entry_points(group="etl.quality.engines") if each.name == name]
    try:
        made: Any = found[0].load()() if found else _load_built_in(name)
    except ImportError as missing:
        raise QualityError(
            f"the quality engine `{name}` cannot be imported: {missing}",
            install(name.replace("_", "-")),
        ) from missing
    _refuse_others(made, f"`{name}` is registered as a quality engine, but it is not an engine")
    engine: DataQualityEngine = made
    return engine


def _load_built_in(name: str) -> object:
    if name not in BUILT_IN:
        raise QualityError(f"there is no quality engine `{name}`{did_you_mean(name, engine_names())}")
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)()
