"""The names of the library's validators and the arguments of each validator.

Belongs here: names, signatures, which columns arguments name. Not here: running a validator.
"""

import inspect
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.engines.truthound.library import library
from etl.quality.engines.truthound.refused import REFUSED
from etl.suggest import did_you_mean

_PICKERS = frozenset(f"_get_{kind}_columns" for kind in ("target", "numeric", "string", "datetime", "float"))
_COLUMN = re.compile(r"(^|_)columns?(_[ab])?$|^(subset|group_by)$")
# These name columns of another table, columns that may be missing, or no columns at all.
_NOT_HERE = re.compile(r"^(reference|parent|forbidden|required|ignore)_|^expected_order$|^max_|^min_")
# Arguments about how a validator works inside. A verdict about a sample or about a frame in a cache is no verdict.
_INTERNAL = frozenset(
    {
        "auto_sample",
        "batch_size",
        "cache_config",
        "cache_key",
        "cache_reference",
        "chunk_size",
        "config",
        "exclude_columns",
        "n_histogram_bins",
        "report_gap_locations",
        "sample_seed",
        "sample_size",
        "tables",
    }
)
_BOUND = re.compile(r"^(min|max|exact|expected|equals|threshold)_")
# Allowed texts that the signature does not list. The library ignores every other text.
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("column_ratio", "handle_zero_division"): ("skip", "fail", "allow"),
    ("distribution_shape", "expected_shape"): ("any", "uniform", "power_law"),
    ("unique_within_record", "strategy"): ("auto", "pairwise", "horizontal"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a validator."""

    name: str
    annotation: Any
    required: bool
    default: Any

    @property
    def is_table(self) -> bool:
        """Whether the argument is another table; a rule gives the table's name."""
        return any(each in (pl.LazyFrame, pl.DataFrame) for each in _flat(self.annotation))

    @property
    def names_columns(self) -> bool:
        """Whether the argument's value names columns of the data."""
        return bool(_COLUMN.search(self.name)) and not _NOT_HERE.search(self.name)


@dataclass(frozen=True, slots=True)
class Known:
    """A validator that can be run by name."""

    name: str
    category: str
    make: Any
    parameters: Mapping[str, Parameter]
    picks_columns: bool
    """Whether the validator selects columns by their type: all such columns, unless `columns` names some."""
    internal: frozenset[str]
    """Arguments that exist and are not for rules."""

    @property
    def table_parameters(self) -> tuple[str, ...]:
        """Arguments that take another table."""
        return tuple(name for name, each in self.parameters.items() if each.is_table)

    def columns(self, args: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the columns of the data that arguments name."""
        named: list[str] = []
        for name, value in args.items():
            if name in self.parameters and self.parameters[name].names_columns:
                named += [value] if isinstance(value, str) else [each for each in value or () if isinstance(each, str)]
        return tuple(dict.fromkeys(named))


def find(name: str) -> Known | str:
    """Return the validator of that name, or the reason why it cannot be run."""
    if name in REFUSED:
        return f"Truthound's `{name}` is not run: {REFUSED[name]}"
    found = _catalogue().get(name)
    return found if found is not None else f"Truthound has no validator `{name}`{did_you_mean(name, [*_catalogue()])}"


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Known]:
    library()
    try:
        from truthound.validators.base import Validator  # noqa: PLC0415  imported when first used
        from truthound.validators.registry import registry  # noqa: PLC0415
    except ImportError as missing:
        raise QualityError(f"Truthound's validators cannot be imported: {missing}") from missing
    found = {}
    for name, made in registry.list_all().items():
        usable = inspect.isclass(made) and issubclass(made, Validator) and not inspect.isabstract(made)
        if usable and name not in REFUSED:
            found[name] = _describe(name, made, Validator)
    return found


def _describe(name: str, made: Any, base: type) -> Known:  # noqa: ANN401
    """Collect the arguments of the class and of each base class that receives its `**kwargs`."""
    parameters: dict[str, Parameter] = {}
    picks = False
    for each in made.__mro__:
        # The base class and its mixins define these methods; only a validator that calls them selects columns.
        if each is not base and not {*vars(each)} & _PICKERS:
            picks = picks or any(_PICKERS & {*getattr(code, "co_names", ())} for code in _codes(each))
        init = vars(each).get("__init__")
        if init is None or each is object or each is base:
            continue
        hints = _hints(init)
        signature = inspect.signature(init).parameters.values()
        for given in [*signature][1:]:
            if given.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            required = given.default is inspect.Parameter.empty
            default = None if required else given.default
            annotation = hints.get(given.name, given.annotation)
            parameters.setdefault(given.name, Parameter(given.name, annotation, required, default))
        if not any(given.kind is inspect.Parameter.VAR_KEYWORD for given in signature):
            break
    if picks and "columns" not in parameters:
        parameters["columns"] = Parameter("columns", list[str], required=False, default=None)
    internal = frozenset(parameters) & _INTERNAL
    return Known(
        name=name,
        category=str(made.category),
        make=made,
        parameters={key: value for key, value in parameters.items() if key not in _INTERNAL},
        picks_columns=picks,
        internal=internal,
    )


def _codes(made: type) -> list[Any]:
    return [getattr(each, "__code__", None) for each in vars(made).values()]


def _hints(init: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        return typing.get_type_hints(init)
    except NameError:  # a type that the library imports for type checkers only
        return {}


def _flat(annotation: Any) -> list[Any]:  # noqa: ANN401
    inner = typing.get_args(annotation)
    return [annotation] if not inner else [each for one in inner for each in _flat(one)]


def idle_bounds(known: Known, args: Mapping[str, Any]) -> str | None:
    """Return which bounds are missing if a validator has no bound and would pass any data."""
    bounds = [each for name, each in known.parameters.items() if _BOUND.search(name) and not each.required]
    open_ones = [each.name for each in bounds if _says_nothing(each)]
    if not open_ones or len(open_ones) != len(bounds) or any(args.get(name) is not None for name in open_ones):
        return None
    # Instead of bounds, some validators take the name of a region, or a direction.
    named = [
        name
        for name, value in args.items()
        if isinstance(value, str) and not known.parameters[name].required and not known.parameters[name].names_columns
    ]
    return None if named else f"it passes everything without one of {', '.join(f'`{each}`' for each in open_ones)}"


def _says_nothing(bound: Parameter) -> bool:
    least, most = bound.name.startswith("min_"), bound.name.startswith("max_")
    whole = isinstance(bound.default, float) and bound.default == 1.0
    return bound.default is None or bound.default == "any" or (least and bound.default == 0) or (most and whole)
