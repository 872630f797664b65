"""Judges an extract that has fewer rows than before: no rows, or a loss above a limit, is refused; else it is reported.

Belongs here: the comparison of row counts. Not here: where the counts come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import SourceError

USUAL_DAYS = 3
"""The number of earlier days that have to be known before they show what is usual."""


@dataclass(frozen=True)
class VolumeVerdict:
    """Whether an extract has about as many rows as before.

    `compared` is false if there was nothing to compare with; then `agrees` has no meaning.
    """

    rows: int
    agrees: bool
    compared: bool
    description: str


def judge_volume(now: int, previous: int | None, usual: Sequence[int], max_shrink: float) -> VolumeVerdict:
    """Compare `now` with the published rows of the same partition, and with the same weekday of earlier weeks.

    `usual` are the known numbers of rows of those days. The smallest number counts, so that neither a weekend nor a
    holiday is taken for a loss.
    """
    known = [(previous, "when it was extracted before")] if previous else []
    if len(usual) >= USUAL_DAYS and min(usual) > 0:
        known.append((min(usual), f"on this weekday in each of {len(usual)} earlier weeks, at the least"))
    if not known:
        before = "it had no rows when it was extracted before" if previous == 0 else "it was not extracted before"
        text = f"{now} rows, and nothing to compare them with: {before}, and what is usual on this weekday is not known"
        return VolumeVerdict(now, agrees=True, compared=False, description=text)
    lost = [(before, when) for before, when in known if 1 - now / before > max_shrink]
    told = "; ".join(f"{before} {when}" for before, when in lost or known)
    limit = f", more than {max_shrink:.0%} are gone" if lost else ""
    return VolumeVerdict(now, agrees=not lost, compared=True, description=f"{now} rows{limit}: {told}")


def guard_rows(
    previous: int | None, now: int, *, allow_empty: bool = False, max_shrink: float | None = None, name: str = "extract"
) -> None:
    """Raise an error if `now` is too small compared with `previous` (`None`: nothing is published yet).

    `max_shrink: 0.5` accepts a loss of up to half of the rows. Without a limit, only the loss of all rows is refused.
    """
    if not previous:
        return
    if now == 0:
        if allow_empty:
            return
        raise SourceError(
            f"{name}: the source returned no rows where {previous} are published",
            "look at the source; if it is right, set `allow_empty: true`",
        )
    lost = 1 - now / previous
    if max_shrink is not None and lost > max_shrink:
        raise SourceError(
            f"{name}: {now} rows where {previous} are published: {lost:.0%} fewer, {max_shrink:.0%} are allowed",
            "look at the source; if it is right, raise `max_shrink` or remove it",
        )
