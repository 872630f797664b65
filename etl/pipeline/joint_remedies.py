"""Joins the findings of a reconciliation that have one remedy: the same command, or one command for a range of days.

Belongs here: which findings belong together. Not here: the findings (`verify`), the commands (`remedies`), showing
them (`etl.cli.verify`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from etl.partitions.scheme import PartitionScheme
from etl.pipeline.verdict import Finding

_RANGE = " --from {} --to {}"


@dataclass(frozen=True)
class Joint:
    """Problems with their one remedy."""

    problems: tuple[str, ...]
    """The same problem of days that follow each other is one text."""
    remedy: str


@dataclass(frozen=True)
class _Placed:
    """A finding, its partition if it is about one, and its remedy without the partition."""

    finding: Finding
    partition: str | None
    place: str
    what: str

    @property
    def template(self) -> str:
        day = self.partition
        return self.finding.remedy.replace(_RANGE.format(day, day), _RANGE) if day else self.finding.remedy


def joint(scheme: PartitionScheme, findings: Iterable[tuple[str, str, Finding]]) -> Iterator[Joint]:
    """Yield the findings, in the order of the first of those that have one remedy.

    Each has its place, which may be a partition, and words that stand behind the place, such as `not compared`.
    """
    placed = [_Placed(each, place if scheme.has(place) else None, place, what) for place, what, each in findings]
    by_remedy: dict[str, list[_Placed]] = {}
    for each in placed:
        by_remedy.setdefault(each.template, []).append(each)
    for template, found in by_remedy.items():
        alike = sorted(found, key=lambda each: _order(scheme, each.partition)) if _RANGE in template else found
        for series in _series(scheme, alike) if _RANGE in template else (alike,):
            first, last = series[0].partition, series[-1].partition
            remedy = template.replace(_RANGE, _RANGE.format(first, last)) if first else template
            yield Joint(tuple(_problems(scheme, series)), remedy)


def _series(scheme: PartitionScheme, alike: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Yield findings of one partition, or of partitions that follow each other."""
    series: list[_Placed] = []
    for each in alike:
        if series and not _follows(scheme, series[-1].partition, each.partition):
            yield series
            series = []
        series.append(each)
    yield series


def _order(scheme: PartitionScheme, partition: str | None) -> int:
    return scheme.count(scheme.first, partition) if scheme.first is not None and partition is not None else 0


def _follows(scheme: PartitionScheme, before: str | None, after: str | None) -> bool:
    return before is not None and after is not None and scheme.count(before, after) in (1, 2)


def _problems(scheme: PartitionScheme, series: Sequence[_Placed]) -> Iterator[str]:
    """Yield the problems with their places; the same problem of partitions that follow each other only once."""
    for (what, problem), group in groupby(series, key=lambda each: (each.what, each.finding.problem)):
        for together in _series(scheme, list(group)):
            first, last = together[0].place, together[-1].place
            place = f"{first} {what}" if first == last else f"{first} to {last} {what}"
            yield f"{place.strip()}: {problem}" if place.strip() else problem
