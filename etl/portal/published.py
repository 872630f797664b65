"""What was published once and what readers see now, and what a page may then not call good.

Belongs here: data that is damaged, or gone from the lake although the event log knows that it was published, and the
results, promises and comparisons that spoke about it. Not here: whether the data is complete (`completeness`).

A check that has passed, a kept promise and an agreeing comparison are about data. If the data is not there any more, or
if it is not known whether it is there, they say nothing about what readers see: they are not known.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from etl.partitions.scheme import PartitionScheme, StaticKeys, TimeScheme
from etl.portal.page import Check, Compared, PromiseEntry
from etl.portal.promised import ABOUT_DATA
from etl.promises.judge import PipelineHistory
from etl.running.promised_data import GONE, UNREADABLE

DAMAGED = "what was published is damaged: it cannot be read"


@dataclass(frozen=True)
class StageKeys:
    """The partitions of one stage; the empty key stands for a whole table."""

    keys: frozenset[str] | None
    """What readers of the lake see; None if it could not be read."""
    once: frozenset[str] = field(default_factory=frozenset)
    """What was published at some time, as far as is known."""
    damaged: frozenset[str] = field(default_factory=frozenset)
    """What has an object that cannot be read. It is not among `keys`."""
    is_by_time: bool = False

    @property
    def gone(self) -> frozenset[str]:
        """What was published and is not there any more."""
        return frozenset() if self.keys is None else self.once - self.keys - self.damaged

    @property
    def lost(self) -> frozenset[str]:
        """What nobody can read although it was published: it is gone or damaged."""
        return self.gone | self.damaged

    def has(self, partition: str) -> bool:
        """Whether what was said about a partition is about something that is there."""
        if not self.keys:
            return False
        return partition in self.keys if partition or "" in self.keys else not self.lost

    @property
    def has_newest(self) -> bool:
        """Whether the newest partition that was ever published is there; of a list, every key that was published."""
        if not self.is_by_time:
            return bool(self.keys) and not self.lost
        newest = max(self.once | self.damaged | (self.keys or frozenset()), default=None)
        return newest is not None and self.has(newest)


def published_once(
    scheme: PartitionScheme, materialized: Collection[str], history: PipelineHistory | None
) -> frozenset[str]:
    """Return the partitions of the scheme that the event log, or the excerpt of it, knows as published."""
    known = {*materialized}
    known |= {each.partition or "" for each in history.published.publishes} if history else set()
    if isinstance(scheme, TimeScheme):
        return frozenset(each for each in known if each and scheme.has(each))
    return frozenset(known.intersection(scheme.values if isinstance(scheme, StaticKeys) else ("",)))


def checks_of_what_is_there(checks: Iterable[Check], published: Mapping[str, StageKeys]) -> tuple[Check, ...]:
    """Return the checks. A good result about data that is not there any more is not known. `published` is by stage."""
    return tuple(
        each.model_copy(
            update={"status": "data damaged" if published[each.stage].damaged else "data gone", "level": "unknown"}
        )
        if each.level in ("good", "notice")
        and each.status != "running"
        and each.stage in published
        and not published[each.stage].has(each.partition)
        else each
        for each in checks
    )


def promises_of_what_is_there(promises: Iterable[PromiseEntry], published: StageKeys) -> tuple[PromiseEntry, ...]:
    """Return the promises. One about data is not kept by data that is not there any more."""
    if published.has_newest:
        return tuple(promises)
    why = UNREADABLE if published.keys is None else DAMAGED if published.damaged else GONE
    update = {"state": "not known", "level": "unknown", "message": why}
    return tuple(
        each.model_copy(update=update) if each.level == "good" and each.name in ABOUT_DATA else each
        for each in promises
    )


def compared_with_what_is_there(compared: Compared, published: StageKeys) -> Compared:
    """Return the comparison. One that agreed about data that is not there any more is not known."""
    if compared.level != "good" or (published.keys and not published.lost):
        return compared
    words = f"{compared.words} Since then, data has gone or was damaged, or the lake cannot be read."
    return compared.model_copy(update={"level": "unknown", "words": words})
