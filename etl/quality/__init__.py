"""Data quality by itself: one vocabulary of rules, exact verdicts, several engines, no false green.

    from etl.quality import check
    result = check(frame, [{"column": "lot_id", "type": "not_null"}])

Belongs here: the public names. They are imported when they are first used, so importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from etl.errors import QualityError
from etl.extras import install

if TYPE_CHECKING:
    from etl.quality.aggregation import Strategy as Strategy, aggregate as aggregate
    from etl.quality.asynchronous import AsyncEngine as AsyncEngine, acheck as acheck
    from etl.quality.baseline import (
        Baseline as Baseline,
        learn_baseline as learn_baseline,
        load_baseline as load_baseline,
    )
    from etl.quality.batches import check_batches as check_batches
    from etl.quality.checking import check as check
    from etl.quality.compare import EngineChain as EngineChain, compare_engines as compare_engines
    from etl.quality.data import open_data as open_data
    from etl.quality.engine import (
        Capabilities as Capabilities,
        CheckContext as CheckContext,
        DataQualityEngine as DataQualityEngine,
        EngineReport as EngineReport,
        Outcome as Outcome,
        engine_names as engine_names,
        get_engine as get_engine,
    )
    from etl.quality.engine_methods import EngineMethods as EngineMethods
    from etl.quality.engines.great_expectations import GreatExpectationsEngine as GreatExpectationsEngine
    from etl.quality.engines.pandera import PanderaEngine as PanderaEngine
    from etl.quality.engines.polars import PolarsEngine as PolarsEngine
    from etl.quality.engines.truthound import TruthoundEngine as TruthoundEngine
    from etl.quality.events import (
        CheckEnded as CheckEnded,
        CheckListener as CheckListener,
        CheckStarted as CheckStarted,
        RuleJudged as RuleJudged,
    )
    from etl.quality.files import UnreadableData as UnreadableData
    from etl.quality.listeners.log import LogListener as LogListener
    from etl.quality.listeners.opentelemetry import OpenTelemetryListener as OpenTelemetryListener
    from etl.quality.listeners.prometheus import PrometheusListener as PrometheusListener
    from etl.quality.quarantine import Split as Split, split as split
    from etl.quality.results import (
        CheckResult as CheckResult,
        CheckStatus as CheckStatus,
        DataQualityError as DataQualityError,
        LearnOutput as LearnOutput,
        LearnResult as LearnResult,
        ProfileOutput as ProfileOutput,
        ProfileResult as ProfileResult,
        QualityCounts as QualityCounts,
        RuleResult as RuleResult,
        ValidationFailure as ValidationFailure,
    )
    from etl.quality.rules import (
        AnyRule as AnyRule,
        Rule as Rule,
        RuleError as RuleError,
        check_names as check_names,
        describe_rules as describe_rules,
        parse_rules as parse_rules,
        rule_json_schema as rule_json_schema,
    )
    from etl.quality.versions import engine_version as engine_version, require_engine as require_engine

    GreatExpectationsAdapter = GreatExpectationsEngine
    PanderaAdapter = PanderaEngine

_HOMES = {
    "asynchronous": ("AsyncEngine", "acheck"),
    "baseline": ("Baseline", "learn_baseline", "load_baseline"),
    "batches": ("check_batches",),
    "aggregation": ("Strategy", "aggregate"),
    "checking": ("check",),
    "compare": ("EngineChain", "compare_engines"),
    "data": ("open_data",),
    "engine": (
        "Capabilities",
        "CheckContext",
        "DataQualityEngine",
        "EngineReport",
        "Outcome",
        "engine_names",
        "get_engine",
    ),
    "engine_methods": ("EngineMethods",),
    "engines.great_expectations": ("GreatExpectationsEngine",),
    "engines.pandera": ("PanderaEngine",),
    "engines.polars": ("PolarsEngine",),
    "engines.truthound": ("TruthoundEngine",),
    "events": ("CheckEnded", "CheckListener", "CheckStarted", "RuleJudged"),
    "listeners.log": ("LogListener",),
    "listeners.opentelemetry": ("OpenTelemetryListener",),
    "listeners.prometheus": ("PrometheusListener",),
    "files": ("UnreadableData",),
    "quarantine": ("Split", "split"),
    "results": (
        "CheckResult",
        "CheckStatus",
        "DataQualityError",
        "LearnOutput",
        "LearnResult",
        "ProfileOutput",
        "ProfileResult",
        "QualityCounts",
        "RuleResult",
        "ValidationFailure",
    ),
    "rules": ("AnyRule", "Rule", "RuleError", "check_names", "describe_rules", "parse_rules", "rule_json_schema"),
    "versions": ("engine_version", "require_engine"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_ALIASES = {"GreatExpectationsAdapter": "GreatExpectationsEngine", "PanderaAdapter": "PanderaEngine"}
"""Names that others use for the same thing."""
_EXTRAS = {
    "great_expectations": "great-expectations",
    "pandas": "great-expectations",
    "pandera": "pandera",
    "pyarrow": "dagster",  # `split` writes with it
}
"""Libraries that a core alone does not have, with the extra that brings them."""

__all__ = sorted([*_HOME, *_ALIASES])  # noqa: PLE0605  one list, kept with the modules above


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the module in which a public name lives."""
    own = _ALIASES.get(name, name)
    if own not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"{__name__}.{_HOME[own]}"), own)
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library not in _EXTRAS:
            raise
        raise QualityError(f"etl.quality.{name} needs {library}", install(_EXTRAS[library])) from missing
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
