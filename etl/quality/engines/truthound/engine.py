"""The Truthound engine: the vocabulary as one fused validator, other validators by name.

Belongs here: the engine's contract with `check()`. Not here: how the library runs (`library`), any semantics.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import polars as pl

from etl.quality.data import Readable, open_data
from etl.quality.engine import CheckContext, EngineReport
from etl.quality.engine_methods import EngineMethods
from etl.quality.engines.limits import CAPABILITIES
from etl.quality.engines.truthound.fused import check_all
from etl.quality.engines.truthound.library import missing_library
from etl.quality.results import ProfileResult
from etl.quality.rules import AnyRule

if TYPE_CHECKING:
    from etl.quality.engines.truthound.drift import DriftReport, Method
    from etl.quality.engines.truthound.pii import PiiScan

Data = pl.DataFrame | pl.LazyFrame


class TruthoundEngine(EngineMethods):
    """Judges the whole vocabulary, and the library's other validators by name."""

    name = "truthound"
    capabilities = CAPABILITIES["truthound"]

    def __init__(self) -> None:
        """Make sure that the library is installed, without importing it."""
        if find_spec("truthound") is None:
            raise missing_library()

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge all rules in one run of the library."""
        return check_all(data, rules, context)

    def profile(self, data: Readable, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns, with the quantiles that the library knows."""
        from etl.quality.engines.truthound.profile import profile  # noqa: PLC0415  only who profiles pays for it

        return profile(open_data(data), columns, self.name)

    def scan_pii(self, data: Data) -> "PiiScan":
        """Return which columns look like personal data; values are never shown."""
        from etl.quality.engines.truthound.pii import scan_pii  # noqa: PLC0415  only who scans pays for it

        return scan_pii(data)

    def compare_drift(
        self,
        base: Data,
        current: Data,
        columns: Sequence[str] | None = None,
        method: "Method" = "auto",
        *,
        threshold: float | None = None,
    ) -> "DriftReport":
        """Return which columns have another distribution than before."""
        from etl.quality.engines.truthound.drift import compare_drift  # noqa: PLC0415  only who compares pays for it

        return compare_drift(base, current, columns, method, threshold=threshold)
