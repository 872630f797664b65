"""Refusing an extract that lost rows: none at all, or far fewer than before.

Belongs here: the comparison of two row counts. Does not: where they come from.
"""

from etl.errors import SourceError


def guard_rows(
    previous: int | None, now: int, *, allow_empty: bool = False, max_shrink: float | None = None, name: str = "extract"
) -> None:
    """Raise where `now` rows are too few beside the `previous` ones (`None`: nothing is published yet).

    `max_shrink: 0.5` accepts a loss of up to half of the rows; without it any loss but that of all rows is accepted.
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
