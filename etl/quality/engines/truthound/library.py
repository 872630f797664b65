"""Imports the library Truthound once, silences its log, and calls its runtime directly.

Belongs here: how the library runs validators. Not here: what validators judge.

`th.check` itself is not used: it executes a LazyFrame up to eighteen times, writes `.truthound/` with failing values
into the nearest project folder, and spends milliseconds on both. The runtime that `th.check` calls does neither.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.extras import install
from etl.quality.failures import describe_failure

CATEGORY = "etl"


class BrokenValidatorError(Exception):
    """An error of a validator, described without values of the data; the runtime turns it into an execution issue."""


@dataclass(frozen=True, slots=True)
class ValidatorTask:
    """One validator for the runtime: a unique name, and what the validator does with the data."""

    name: str
    validate: Callable[[pl.LazyFrame], Sequence[Any]]
    columns: Sequence[str] = ()
    """Names that an error message may quote. Every other quoted text may be a value of the data."""


@dataclass(frozen=True, slots=True)
class ValidationRun:
    """What the runtime reported."""

    counts: dict[str, int]
    """Number of failing rows, by the name of the issue."""
    broken: dict[str, str]
    """The error that a validator raised, by the validator's name."""


@dataclass(frozen=True, slots=True)
class Library:
    """The parts of Truthound that the engine uses."""

    run: Callable[[pl.LazyFrame, Sequence[ValidatorTask]], ValidationRun]
    issue: Callable[[str, int], Any]
    """Makes an issue with a name and a number of failing rows."""


def missing_library() -> QualityError:
    """Make the error for an environment without Truthound, which is the default engine's library."""
    return QualityError(
        "the library Truthound cannot be imported",
        f"{install('truthound')}, or choose the engine `polars`, which needs no other library",
    )


@lru_cache(maxsize=1)
def library() -> Library:
    """Import Truthound, once, and keep it quiet."""
    _silence()
    try:
        from truthound.core.contracts import LazyFrameDataAsset  # noqa: PLC0415  imported when first used
        from truthound.core.planning import ScanPlanner  # noqa: PLC0415
        from truthound.core.runtime import ValidationRuntime  # noqa: PLC0415
        from truthound.core.suite import CheckSpec, ValidationSuite  # noqa: PLC0415
        from truthound.types import Severity  # noqa: PLC0415
        from truthound.validators.base import ValidationIssue, Validator, ValidatorConfig  # noqa: PLC0415
    except ImportError as missing:
        raise missing_library() from missing
    config = ValidatorConfig(max_retries=0, catch_exceptions=True, timeout_seconds=None)

    # The library has no types, hence the `type: ignore`.
    class Stamped(Validator):  # type: ignore[misc]
        """A validator with a unique name, so that no two validators of a run share issues."""

        category = CATEGORY

        def __init__(self, task: ValidatorTask) -> None:
            self.name = task.name
            self.task = task
            super().__init__(config)

        def validate(self, lf: pl.LazyFrame) -> list[Any]:
            try:
                return [*self.task.validate(lf)]
            except (Exception, pl.exceptions.PanicException) as raised:  # noqa: BLE001  becomes the verdict error
                raise BrokenValidatorError(describe_failure(raised, self.task.columns)) from None

    def run(data: pl.LazyFrame, tasks: Sequence[ValidatorTask]) -> ValidationRun:
        checks = tuple(CheckSpec(each.name, each.name, CATEGORY, lambda each=each: Stamped(each)) for each in tasks)
        asset = LazyFrameDataAsset(name="data", row_count=0, column_count=0, lazyframe=data)
        plan = ScanPlanner().plan(
            suite=ValidationSuite(name="etl", checks=checks), asset=asset, parallel=False, pushdown=False
        )
        result = ValidationRuntime().execute(asset=asset, plan=plan)
        broken = {each.check_name: each.message or str(each.exception_type) for each in result.execution_issues}
        counts = {each.validator_name: each.count for each in result.issues if each.issue_type == CATEGORY}
        return ValidationRun(counts, broken)

    def issue(name: str, count: int) -> Any:  # noqa: ANN401
        return ValidationIssue(
            column="*", issue_type=CATEGORY, count=count, severity=Severity.HIGH, validator_name=name
        )

    return Library(run, issue)


def _silence() -> None:
    """Silence the library's logger, whose messages quote values of the data. A level that is already set stays."""
    logger = logging.getLogger("truthound")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)
