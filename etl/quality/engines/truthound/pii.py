"""Which columns look like personal data: the library's patterns, counted over every value.

Belongs here: the scan. Not here: masking, or showing a value; a finding names the column, the kind and counts.

The library itself looks at the first 1,000 values and extrapolates, and its scan of frames does not run on Polars 2.
"""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.engines.truthound.library import library
from etl.quality.expressions.exact import as_text, is_text
from etl.quality.frames import collect

Data = pl.DataFrame | pl.LazyFrame
# The library's weights for a column's name and for the share of its values that match.
_NAME_BONUS, _MANY_BONUS, _FEW_MALUS = 10, 5, 20
_MANY, _FEW = 0.8, 0.3
_MOST, _LEAST = 99, 50


@dataclass(frozen=True, slots=True)
class PiiFinding:
    """Values of one column that look like one kind of personal data."""

    column: str
    kind: str
    matches: int
    values: int
    """Non-null values of the column."""
    confidence: int
    """0 to 99; computed from the pattern's own weight, the column's name and the share of matches."""

    @property
    def rate(self) -> float:
        """Share of the non-null values that match."""
        return self.matches / self.values


@dataclass(frozen=True, slots=True)
class PiiScan:
    """The findings, and the columns that were not scanned."""

    findings: tuple[PiiFinding, ...]
    """The most confident first."""
    scanned: tuple[str, ...]
    skipped: dict[str, str]
    """Column -> why it was not scanned."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns with a finding."""
        return tuple(dict.fromkeys(each.column for each in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def scan_pii(data: Data) -> PiiScan:
    """Count, in every text column and for every pattern, the values that match as a whole."""
    library()
    try:
        from truthound.scanners import COLUMN_HINTS, PII_PATTERNS  # noqa: PLC0415  imported when first used
    except ImportError as missing:
        raise QualityError(f"Truthound's PII patterns cannot be imported: {missing}") from missing
    lazy = data.lazy()
    schema = lazy.collect_schema()
    scanned = tuple(name for name, dtype in schema.items() if is_text(dtype))
    skipped = {name: f"{dtype} is not text" for name, dtype in schema.items() if not is_text(dtype)}
    if not scanned:
        return PiiScan((), (), skipped)
    texts = [as_text(pl.col(name), schema[name]) for name in scanned]
    numbers = [text.count().alias(f"{index}") for index, text in enumerate(texts)]
    numbers += [
        text.str.contains(each.pattern.pattern).sum().alias(f"{index} {kind}")
        for index, text in enumerate(texts)
        for kind, each in enumerate(PII_PATTERNS)
    ]
    row = collect(lazy.select(numbers)).row(0, named=True)
    skipped |= {name: "it has no value" for index, name in enumerate(scanned) if not row[f"{index}"]}
    found = []
    for index, column in enumerate(scanned):
        for kind, each in enumerate(PII_PATTERNS):
            matches, values = int(row[f"{index} {kind}"] or 0), int(row[f"{index}"])
            if matches:
                named = any(hint in column.lower() for hint in COLUMN_HINTS.get(each.pii_type, ()))
                confidence = _confidence(int(each.confidence_base), matches / values, named=named)
                found.append(PiiFinding(column, str(each.pii_type.value), matches, values, confidence))
    found.sort(key=lambda each: (-each.confidence, -each.matches, each.column, each.kind))
    return PiiScan(tuple(found), tuple(name for name in scanned if name not in skipped), skipped)


def _confidence(weight: int, rate: float, *, named: bool) -> int:
    weight = min(_MOST, weight + _NAME_BONUS) if named else weight
    if rate > _MANY:
        return min(_MOST, weight + _MANY_BONUS)
    return max(_LEAST, weight - _FEW_MALUS) if rate < _FEW else weight
