"""The models of a unit test: the rows that are given, and what is expected of them.

Belongs here: what a unit test says, before any type is known. Not here: reading the YAML (`reading`), types (`typed`),
running (`sandbox`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from etl.config.yaml_source import Mark, Node

TestVerdict = Literal["passed", "warned", "quarantined", "blocked"]
VERDICTS: tuple[TestVerdict, ...] = ("passed", "warned", "quarantined", "blocked")
GivenStage = Literal["extract", "transfer"]
WrittenRow = Mapping[str, Node]
"""One row as it stands in the file: a node for each column, with its place."""


@dataclass(frozen=True)
class GivenInput:
    """The rows of one pipeline, as its extract or its transfer has published them."""

    pipeline: str
    rows: tuple[WrittenRow, ...]
    mark: Mark
    stage: GivenStage | None = None
    """None: what the tested pipeline reads of this pipeline."""
    types: Mapping[str, Node] = field(default_factory=dict)
    missing_as_null: bool = False


@dataclass(frozen=True)
class ExpectedReject:
    """One rejected row, and the names of the rules that rejected it."""

    row: WrittenRow
    rules: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True)
class Expectation:
    """What has to come out. A part that is None is not compared."""

    rows: tuple[WrittenRow, ...] | None = None
    rejected: tuple[ExpectedReject, ...] | None = None
    verdict: TestVerdict | None = None
    failed_rules: tuple[str, ...] | None = None
    """The names of all rules that fail, at any severity."""
    error: str | None = None
    """A text that stands in the error of the transform."""
    ordered: bool = False
    tolerance: Mapping[str, float] = field(default_factory=dict)
    """By column; the empty name stands for all columns."""
    missing_as_null: bool = False


@dataclass(frozen=True)
class UnitTest:
    """One unit test of one pipeline."""

    name: str
    pipeline: str
    path: Path
    shown_path: str
    """The file's path for people, relative to the project."""
    mark: Mark
    given: tuple[GivenInput, ...]
    expect: Expectation
    description: str = ""
    partition: str | None = None
    now: datetime | None = None
    """The present moment for rules such as `not_future`. Default: the clock."""
    skip_rules: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The file and the line, for people."""
        return f"{self.shown_path}:{self.mark.line}"
