"""Takes the rows of one person out of the objects of a tenant's lake.

Belongs here: rewriting objects, published and rejected rows alike, and the footers that name them. Not here: tables of
the warehouse (`etl.warehouse.subject_rows`), the order of the whole (`subject`).

A rewritten object has a new version, and its footer keeps its origin and says that rows were erased. A footer that
names a rewritten object as its input, or as its rejected rows, is written again too: otherwise the next reconciliation
would take the object for outdated, and the rejected rows for lost. Objects whose inputs lost rows, but which have no
key column themselves, keep the old footer: they are outdated indeed, and are named so that a person runs them again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError
from etl.faults import reach
from etl.lake.lake import PLACEHOLDER_FOOTER, Inputs, Lake, ObjectRef, Pinned, Provenance
from etl.lake.objects import DATA, SUFFIX, WITH_ERASED, Erased, Partner
from etl.lake.pairs import attempt, quarantine_stage
from etl.lake.republish import replace_provenance
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.key_in_objects import ObjectKey, count_in, own_names
from etl.partitions.keys import key_in, kind_of
from etl.pipeline.life import STAGE as LIFE
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import present_inputs
from etl.settings import Settings
from etl.warehouse.subject_rows import Spellings

_STAGES = ("extract", "transfer")
NO_DATA = (LIFE, "plan")


@dataclass
class Objects:
    """What was found in the objects of a lake, and what was done."""

    examined: int = 0
    rows: int = 0
    rewritten: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    """The version of each rewritten object before, and the version now."""
    without_key: list[ObjectRef] = field(default_factory=list)
    """Objects that lack a key column, so that nothing tells whether they hold something of the person."""
    outdated: list[ObjectRef] = field(default_factory=list)
    """Those of them whose inputs have lost rows."""
    unclear: list[tuple[ObjectRef, str]] = field(default_factory=list)
    """Objects with a key column that cannot be compared with the value, and why."""
    otherwise: list[tuple[ObjectRef, int, bool]] = field(default_factory=list)
    """Objects with rows that have the value in another spelling, how many, and whether the column is a text."""
    columns: set[str] = field(default_factory=set)
    """The names of all columns."""


@dataclass(frozen=True)
class Eraser:
    """Takes the rows with these values out of the objects of one lake."""

    lake: Lake
    config: TenantConfig
    settings: Settings
    key: Mapping[str, str]
    id: str

    def count(self, spellings: Spellings) -> Objects:
        """Count the person's rows, and change nothing. `spellings` learns how the rows that are found are written."""
        found = Objects()
        for ref in self._refs():
            try:
                found.examined += 1
                counted = count_in(self.lake.pin(ref).path, self.key, spellings)
            finally:
                self.lake.close()
            found.columns.update(counted.columns)
            found.rows += counted.rows or 0
            if counted.why:
                found.unclear.append((ref, counted.why))
            elif counted.rows is None:
                found.without_key.append(ref)
            elif counted.rows:
                found.rewritten.append(ref.key)
            if counted.otherwise:
                found.otherwise.append((ref, counted.otherwise, counted.is_text))
        return found

    def erase(self) -> Objects:
        """Rewrite every object with rows of the person: extracts first, because transfers name them as inputs."""
        found = Objects()
        current = {ref: self._is_current(ref) for ref in self._refs() if ref.stage == "transfer"}
        for stage in _STAGES:
            for ref in self._refs():
                if ref.stage == stage and ref.attempt == DATA:
                    try:
                        self._object(ref, found, is_current=current.get(ref, False))
                    finally:
                        self.lake.close()
        self._unnamed(found)
        return found

    def _refs(self) -> Iterator[ObjectRef]:
        """Yield every object with rows, also of pipelines that the tenant's file does not have any more."""
        folder = TenantFolder(self.lake, self.config.id)
        for key, _ in folder.everything():
            _, stage, pipeline, *rest = key.split("/")
            if stage in NO_DATA:
                continue
            partition = key_in(rest[0]) if len(rest) > 1 else None
            if not key.endswith(SUFFIX) or not rest or len(rest) > 2 or (len(rest) > 1 and partition is None):  # noqa: PLR2004
                raise LakeError(
                    f"{folder.address}: `{key}` is no object, so nothing tells what is in it",
                    "look at it and take it away; then run the command again",
                )
            name = rest[-1].removesuffix(SUFFIX)
            yield ObjectRef(tenant=self.config.id, stage=stage, pipeline=pipeline, partition=partition, attempt=name)

    def _object(self, ref: ObjectRef, found: Objects, *, is_current: bool) -> None:
        """Rewrite one published object and its rejected rows, if the person is in either, or if its inputs are new."""
        good = self.lake.pin(ref)
        said = good.provenance
        found.examined += 1
        if said.erased is not None and said.erased.by == self.id:  # before an interruption
            found.versions[said.erased.before] = good.version
        rows = count_in(good.path, self.key).rows
        if rows is None:
            found.without_key.append(ref)
            if _names_any(said, found.versions):
                found.outdated.append(ref)
        rejected, lost = self._rejected(good)
        if lost is None and rejected is not None:
            found.without_key.append(rejected.ref)
        partner = said.rejected
        if rejected is not None and lost:
            partner = self._rewrite_rejected(good, rejected, lost, found)
        inputs = said.inputs if rows is None else self._inputs(ref, said, found.versions, is_current=is_current)
        gone = (rows or 0) + (lost or 0)
        if not gone and inputs == said.inputs:
            return
        changes: dict[str, object] = {"rejected": partner, "inputs": inputs}
        if gone:
            changes |= self._said(good, rows or 0, lost or 0)
        new = said.model_copy(update=changes)
        if rows:
            with self.lake.draft(ref, said.run_id) as draft:
                self._write(good.path, draft)
                version = self.lake.publish(ref, draft, new).version
            found.versions[good.version] = version
            found.rewritten.append(f"{_label(ref)}: {good.version[:16]} -> {version[:16]}")
        else:
            replace_provenance(self.lake, ref, new)
        reach("lifecycle.object_rewritten")
        if rejected is not None and lost:
            self.lake.delete(rejected.ref)
        found.rows += gone

    def _rejected(self, good: Pinned) -> tuple[Pinned | None, int | None]:
        """Return the rejected rows of an object, and how many are the person's."""
        partner = good.provenance.rejected
        if partner is None and not (good.provenance.format == 1 and good.provenance.rows_quarantined):
            return None, 0
        stage = quarantine_stage(good.ref.stage)
        ref = good.ref.model_copy(update={"stage": stage, "attempt": partner.name if partner else DATA})
        if self.lake.tag(ref) is None:
            return None, 0
        rejected = self.lake.pin(ref)
        return rejected, count_in(rejected.path, self.key).rows

    def _rewrite_rejected(self, good: Pinned, rejected: Pinned, lost: int, found: Objects) -> Partner:
        """Publish the rejected rows without the person under a new name, which the published object will name."""
        ref = attempt(good.ref, self.id)
        said = rejected.provenance.model_copy(
            update=self._said(rejected, lost, 0)
            | {"rows_quarantined": rejected.rows - lost, "replaces": self.lake.tag(good.ref)}
        )
        with self.lake.draft(ref, said.run_id) as draft:
            self._write(rejected.path, draft)
            kept = self.lake.publish(ref, draft, said)
        found.rewritten.append(f"{_label(rejected.ref)}: {rejected.version[:16]} -> {kept.version[:16]}")
        reach("lifecycle.rejected_rewritten")
        return Partner(name=ref.attempt, version=kept.version, rows=kept.rows)

    def _said(self, pinned: Pinned, rows: int, lost: int) -> dict[str, object]:
        said = pinned.provenance
        before = said.erased.rows if said.erased else 0
        return {
            "format": WITH_ERASED,
            "rows": said.rows - rows,
            "rows_read": said.rows_read - rows - lost,
            "rows_quarantined": said.rows_quarantined - lost,
            "erased": Erased(by=self.id, at=datetime.now(UTC), before=pinned.version, rows=before + rows + lost),
        }

    def _unnamed(self, found: Objects) -> None:
        """Delete rejected rows of killed runs, which no published object names, if the person is among them."""
        for ref in list(self._refs()):
            if ref.stage in map(quarantine_stage, _STAGES):
                rows = count_in(self.lake.pin(ref).path, self.key).rows
                self.lake.close()
                if rows:
                    self.lake.delete(ref)
                    found.rows += rows
                    found.rewritten.append(f"{_label(ref)}: deleted, no published object names it")

    def _inputs(
        self, ref: ObjectRef, said: Provenance, versions: Mapping[str, str], *, is_current: bool
    ) -> Inputs | None:
        """Return the inputs with their versions now, if the object was made from what stood there before."""
        if said.inputs is None or not said.inputs.count or not versions:
            return said.inputs
        if said.inputs.listed:
            changed = [
                each.model_copy(update={"version": versions.get(each.version, each.version)})
                for each in said.inputs.listed
            ]
            return Inputs.of(changed)
        return present_inputs(self._run(ref)) if is_current else said.inputs

    def _is_current(self, ref: ObjectRef) -> bool:
        """Whether a transfer with many inputs was made from those that stand there now."""
        said = self.lake.find(ref)
        if said is None or ref.pipeline not in self.config.pipelines:
            return False
        inputs = said.provenance.inputs
        if inputs is None or inputs.listed or not inputs.count:
            return False
        try:
            return inputs.digest == present_inputs(self._run(ref)).digest
        except EtlError:  # an input is gone, so the object is not made from what stands there
            return False

    def _run(self, ref: ObjectRef) -> StageRun:
        return StageRun(
            config=self.config,
            pipeline=self.config.pipelines[ref.pipeline],
            partition=ref.partition,
            run_id=self.id,
            settings=self.settings,
        )

    def _write(self, source: Path, target: Path) -> None:
        """Write the rows of all others, with the same columns and types."""
        file = pq.ParquetFile(source)
        schema = file.schema_arrow.remove_metadata()
        person = ObjectKey(file.schema_arrow, own_names(file.schema_arrow, self.key) or [], self.key)
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in file.iter_batches():
                kept = batch.filter(pc.invert(person.is_person(batch)))
                writer.write_batch(kept.replace_schema_metadata(None))
            writer.add_key_value_metadata(dict(PLACEHOLDER_FOOTER))


def _label(ref: ObjectRef) -> str:
    """Return the object's name without the key of a list, which may be a value that tells who the person is."""
    return f"{ref.folder} (a key of a list)" if ref.partition and kind_of(ref.partition) == "static" else str(ref)


def _names_any(said: Provenance, versions: Mapping[str, str]) -> bool:
    return said.inputs is not None and any(each.version in versions for each in said.inputs.listed)
