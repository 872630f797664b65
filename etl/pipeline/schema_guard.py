"""Compares the columns of an extract with the published columns, so that no change of the source passes silently.

Belongs here: which columns an extract may have, which published partition says so, the comparison of two Parquet
schemas, and the columns that a person accepted. Not here: the warehouse's tables (`etl.warehouse.schema_change`), the
command (`etl.cli.schema`).

Accepted columns are stored as an object without rows beside the pipeline's other objects, so that the next extract
reads them on any host. The object's footer has the time of acceptance; an object that was published later replaces it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from etl.config.tenant_config import fingerprint
from etl.errors import SourceError
from etl.lake.lake import PLACEHOLDER_FOOTER, ObjectRef, Provenance
from etl.pipeline.stage import StageRun


def guard_schema(
    known: pa.Schema, now: pa.Schema, policy: Literal["evolve", "fail"], *, name: str, remedy: str = ""
) -> None:
    """Raise an error with all differences that `policy` refuses. `remedy` tells how to accept a wanted change."""
    problems = differences(known, now, policy)
    if problems:
        raise SourceError(
            f"{name}: the source's columns have changed: {'; '.join(problems)}", f"nothing was published; {remedy}"
        )


def differences(known: pa.Schema, now: pa.Schema, policy: Literal["evolve", "fail"]) -> list[str]:
    """Return the differences that `policy` refuses. `evolve` allows a new nullable column and no other difference."""
    problems = [f"column `{each.name}` ({each.type}) is gone" for each in known if each.name not in now.names]
    for each in now:
        if each.name not in known.names:
            if policy == "fail" or not each.nullable:
                problems.append(f"column `{each.name}` ({each.type}) is new")
        elif _kind(known.field(each.name).type) != _kind(each.type):
            problems.append(f"column `{each.name}` was {known.field(each.name).type} and is {each.type} now")
    return problems


def _kind(of: pa.DataType) -> pa.DataType:
    """Return the type without the width of its offsets, because the writer of the file decides the width."""
    if pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return pa.string()
    if pa.types.is_large_binary(of) or pa.types.is_binary_view(of):
        return pa.binary()
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return pa.list_(_kind(of.value_type))
    return of


STAGE = "schema"


class ExtractedKeys:
    """The published partitions of a pipeline's extract, listed once for all partitions of a range.

    Partitions that another run publishes meanwhile are not in it; a partition that was deleted is looked for in vain.
    """

    def __init__(self) -> None:
        """Nothing is listed before it is asked for."""
        self._keys: tuple[str, ...] | None = None
        self._lock = Lock()  # the partitions of a range may be extracted at the same time

    def newest_first(self, run: StageRun) -> Iterator[str]:
        """Return the keys from the newest to the oldest one."""
        with self._lock:
            if self._keys is None:
                self._keys = run.lake.partitions(run.config.id, "extract", run.pipeline.name)
            return reversed(self._keys)

    def add(self, key: str | None) -> None:
        """Add a partition that the range has published."""
        with self._lock:
            if key is not None and self._keys is not None and key not in self._keys:
                self._keys = tuple(sorted((*self._keys, key)))


def known_schema(run: StageRun, ref: ObjectRef, published: ExtractedKeys) -> pa.Schema | None:
    """Return the columns to compare with: those of this published partition, or else of the newest other partition.

    None if there is no published object that can be read.
    """
    known = run.lake.find_intact(ref)
    if known is None:
        refs = (run.ref("extract", run.pipeline.name, each) for each in published.newest_first(run))
        known = next((found for each in refs if (found := run.lake.find_intact(each))), None)
    if known is None:
        return None
    accepted = run.lake.find(_accepted(run))
    if accepted is not None and accepted.provenance.created_at > known.provenance.created_at:
        known = accepted
    return pq.read_schema(run.lake.local_copy(known.ref))


def wanted_change(run: StageRun, now: pa.Schema) -> list[str]:
    """Return the differences between the known columns and the columns that the source has now."""
    published = ExtractedKeys()
    newest = next(published.newest_first(run), None)
    known = known_schema(run, run.ref("extract", run.pipeline.name, newest), published)
    return [] if known is None else differences(known, now, run.pipeline.schema_changes)


def accept(run: StageRun, now: pa.Schema) -> None:
    """Let the next extract of any partition have these columns."""
    ref = _accepted(run)
    with run.lake.draft(ref, run.run_id) as draft:
        pq.write_table(now.with_metadata(PLACEHOLDER_FOOTER).empty_table(), draft)
        run.lake.publish(
            ref,
            draft,
            Provenance(
                tenant=ref.tenant,
                stage=ref.stage,
                pipeline=ref.pipeline,
                partition=None,
                run_id=run.run_id,
                config_hash=fingerprint(run.pipeline),
                rows=0,
                rows_read=0,
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def _accepted(run: StageRun) -> ObjectRef:
    return run.ref(STAGE, run.pipeline.name)
