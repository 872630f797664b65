"""Erases one person's rows of a tenant: in the lake, among rejected rows, in the warehouse, and in Dagster's events.

Belongs here: the order, going on after an interruption, and what is told. Not here: objects (`subject_objects`), tables
(`etl.warehouse.subject_rows`), events (`previews`), erasing a whole tenant (`erase`).

While it works, the tenant's state is `changing`, so that no run brings rows back from an object that was not yet
rewritten. Afterwards the state is what it was. No value of the key is written anywhere: while an erasure is unfinished,
its journal has a salted hash of the values, so that only the same person's erasure goes on.
"""

import hashlib
import hmac
import json
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl.config.life import TenantLife
from etl.errors import EtlError, SourceError
from etl.faults import reach
from etl.lake.lake import Lake, ObjectRef, open_lake
from etl.lake.staging import sweep_dead
from etl.lifecycle.certificate import Certificate, LeftError, NotErased, product, write_certificate
from etl.lifecycle.erasable import Subject
from etl.lifecycle.going_on import refuse_going_on
from etl.lifecycle.journal import BegunErasure, read_journal
from etl.lifecycle.previews import remove_previews
from etl.lifecycle.subject_objects import Eraser, Objects
from etl.lifecycle.subject_search import Found, search
from etl.lifecycle.subject_versions import remove_versions
from etl.partitions.keys import kind_of
from etl.pipeline.extract import extract_request
from etl.pipeline.life import life_in, main_lake, now, refused, write_life, write_note
from etl.pipeline.load import load
from etl.pipeline.stage import StageRun, lake_place
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets.scrub import learn
from etl.source.reading import ExtractRequest, Part, count_rows
from etl.warehouse import subject_rows
from etl.warehouse.contents import Contents, Movable, contents, movable
from etl.warehouse.contract import Warehouse
from etl.warehouse.key_value import Family
from etl.warehouse.subject_rows import Spellings

NOTE = "subject"
_LONG = 6
"""A shorter value is a part of usual words and numbers, so it is not hidden in texts."""


class PersonErasure(BegunErasure):
    """The erasure of a person that was begun."""

    columns: tuple[str, ...]
    salt: str
    check: str
    """A salted hash of the values, which is deleted when the erasure has ended."""
    before: TenantLife | None
    families: tuple[Family, ...] = ()
    """The types of the key's columns in which rows were found: with the values, they give their spellings again."""


@dataclass(frozen=True)
class Person:
    """One person of a tenant, by the values of some columns."""

    of: Subject
    key: Mapping[str, str]
    spellings: Spellings

    def find(self) -> Found:
        """Count the person's rows everywhere. Nothing is changed."""
        known = self.spellings.number
        found = self._search()
        has_texts_and_others = {Family.TEXT} < self.spellings.compared
        return self._search() if has_texts_and_others and self.spellings.number > known else found

    def _search(self) -> Found:
        warehouse = self._warehouse()
        return search(self.of, self.key, self._lakes(), warehouse[1] if warehouse else None, self.spellings)

    def erase(self, out: Path | None) -> tuple[Certificate, Path]:
        """Erase the person's rows, and write the certificate."""
        subject = self.of
        refuse_going_on(subject.records, subject.id, "changed")
        with main_lake(subject.config, subject.settings) as lake:
            begun = self._begin(lake)
            lake.close()
        refuse_going_on(subject.records, subject.id, "changed")
        reach("lifecycle.begun")
        sweep_dead(subject.settings.staging_dir, subject.settings.data_dir / "locks")
        done = [self._eraser(each, begun.id).erase() for each in self._lakes()]
        reach("lifecycle.objects_rewritten")
        changed = [line for each in done for line in each.rewritten]
        versions = {before: after for each in done for before, after in each.versions.items()}
        warehouse = self._warehouse()
        if warehouse is not None:
            changed += self._load_again(*warehouse, begun.id)
            reach("lifecycle.loaded_again")
            held = self._contents(warehouse[1])
            deleted = subject_rows.delete_rows(
                warehouse[1], held.tables, held.entries, self.key, versions, f"erase-subject-{begun.id}"
            )
            changed += [f"{table.target}: {rows} rows deleted" for table, rows in deleted]
            if not deleted and (changed or begun.interruptions):
                targets = [(each.schema_name, each.name) for each in held.tables if each.kind == "table"]
                warehouse[1].give_back_space(targets, f"erase-subject-{begun.id}")
        earlier = remove_versions(subject, self.key)
        changed += [f"bucket: {earlier} earlier versions of objects removed"] if earlier else []
        reach("lifecycle.versions_removed")
        events = remove_previews(subject.records)
        changed += [f"Dagster: previews and samples removed from {events} events"] if events else []
        reach("lifecycle.previews_removed")
        return self._end(begun, done, changed, out)

    def _begin(self, lake: Lake) -> PersonErasure:
        tenant = self.of.id
        found = read_journal(lake, tenant, NOTE, PersonErasure)
        if found is not None:
            if not hmac.compare_digest(found.check, _hash(self.key, found.salt)):
                raise EtlError(
                    f"tenant {tenant}: the erasure {found.id} of another person was not finished",
                    f"run it again with its own key ({', '.join(found.columns)}) first",
                )
            begun = found.model_copy(update={"interruptions": found.interruptions + 1})
            self.spellings.learn_families(begun.families)
        else:
            life = life_in(lake, tenant)
            if life is not None and life.state not in ("active", "retired"):
                raise refused(tenant, life)
            salt = secrets.token_hex(16)
            begun = PersonErasure(
                id=secrets.token_hex(8),
                begun=datetime.now(UTC),
                columns=tuple(self.key),
                salt=salt,
                check=_hash(self.key, salt),
                before=life,
                amounts=self.find().amounts,
                families=tuple(sorted(self.spellings.families)),
            )
        write_note(lake, tenant, NOTE, begun.model_dump_json())
        write_life(lake, tenant, now("changing"))
        return begun

    def _end(
        self, begun: PersonErasure, done: Sequence[Objects], changed: Sequence[str], out: Path | None
    ) -> tuple[Certificate, Path]:
        subject = self.of
        left = self.find()
        outdated = [ref for each in done for ref in each.outdated]
        state = now("active")
        certificate = Certificate(
            kind="subject",
            id=begun.id,
            tenant=subject.id,
            subject=", ".join(begun.columns),
            asked_by=state.by.partition("@")[0],
            host=socket.gethostname(),
            begun=begun.begun,
            ended=state.since,
            interruptions=begun.interruptions,
            product=product(),
            removed=begun.amounts,
            remaining=left.amounts,
            changed=tuple(changed),
            kept=("this certificate, and in the footers of the rewritten objects that rows were erased, and when",),
            not_erased=(*_not_examined(subject, left, outdated), *self._in_source(), *_elsewhere(subject)),
            not_examined=left.not_examined,
        )
        path = out or subject.settings.project_dir / "certificates" / f"subject-{subject.id}-{begun.id}.json"
        write_certificate(certificate, path)
        if not certificate.is_complete:
            raise LeftError(
                f"tenant {subject.id}: {left.rows} rows of the person are still there; {path} says where",
                "views show rows of other tables: run `etl run` for dbt; a bucket may lock earlier versions; then run"
                " the same command again",
            )
        reach("lifecycle.certified")
        with main_lake(subject.config, subject.settings) as lake:
            write_life(lake, subject.id, begun.before or now("active"))
            write_note(lake, subject.id, NOTE, None)
        return certificate, path

    def _lakes(self) -> Iterator[Lake]:
        with closing(open_lake(self.of.settings)) as lake:
            yield lake
        if self.of.config.storage.bucket is not None:
            with closing(open_lake(self.of.settings, lake_place(self.of.config))) as lake:
                yield lake

    def _eraser(self, lake: Lake, number: str) -> Eraser:
        return Eraser(lake, self.of.config, self.of.settings, self.key, number)

    def _warehouse(self) -> tuple[Warehouse, Movable] | None:
        config = self.of.config
        if not self.of.with_warehouse:
            return None
        warehouse = warehouse_of_tenant(config).open(config)
        moved = movable(warehouse, config.id, "erase a person's rows from")
        return None if config.warehouse.type == "duckdb" and not moved.files() else (warehouse, moved)

    def _contents(self, warehouse: Movable) -> Contents:
        return contents(warehouse, self.of.id, self.of.dbt)

    def _load_again(self, warehouse: Warehouse, moved: Movable, number: str) -> list[str]:
        """Load the objects that this erasure has rewritten, where the table holds the object as it was before."""
        changed = []
        loaded = {(each.pipeline, each.partition): each for each in self._contents(moved).entries}
        for (name, partition), entry in loaded.items():
            pipeline = self.of.config.pipelines.get(name)
            if pipeline is None or pipeline.trino_output is None:
                continue
            run = StageRun(
                config=self.of.config,
                pipeline=pipeline,
                partition=partition,
                run_id=f"erase-subject-{number}",
                settings=self.of.settings,
            )
            with closing(run):
                said = run.lake.find(run.ref(pipeline.published_stage))
                erased = said.provenance.erased if said else None
                if said is None or erased is None or erased.before != entry.version or said.version == entry.version:
                    continue
                if pipeline.trino_output.mode == "append" and partition is None:
                    continue  # its rows are deleted from the table, where all earlier objects are
                result = load(run, warehouse, reload=pipeline.trino_output.mode == "append")
                changed.append(f"{result.detail['table']}: {_shown(partition)} was loaded again")
                reach("lifecycle.partition_loaded")
        return changed

    def _in_source(self) -> Iterator[NotErased]:
        """Tell what the source still has, because an extract would bring it back."""
        config = self.of.config
        for name, pipeline in config.pipelines.items():
            what = f"the source of the pipeline {name}"
            try:
                rows = self._rows_in_source(name)
            except EtlError as error:
                yield NotErased(
                    what=f"{what} was not looked at",
                    why=error.problem,
                    do=f"see whether it has the person; an extract of {name} would bring the rows back",
                )
                continue
            if rows:
                days = "of the partitions with these rows " if pipeline.partitions else ""
                yield NotErased(
                    what=f"{what} has {rows} rows of the person",
                    why="it belongs to the tenant; the product only reads it",
                    do=f"delete them there: an extract {days}would bring them back, and needs this command again",
                )

    def _rows_in_source(self, name: str) -> int:
        run = StageRun(
            config=self.of.config,
            pipeline=self.of.config.pipelines[name],
            partition=None,
            run_id="erase-subject",
            settings=self.of.settings,
        )
        asked = extract_request(run)
        if len(self.key) != 1:
            raise SourceError("a key of several columns is not looked for in the source")
        ((column, value),) = self.key.items()
        demo = self.of.settings.demo_dir / f"{self.of.id}.sqlite"
        url = rdb_resource(self.of.config, str(demo)).url(self.of.config)
        part = Part(column=column, value=value, values=(value,))
        request: ExtractRequest = asked.model_copy(update={"window": None, "part": part, "sort_by": ()})
        return count_rows(url, request)


def _shown(partition: str | None) -> str:
    """Return the partition's name, if it is a time; a key of a list may tell who the person is."""
    return (
        "the whole table" if partition is None else "a key of a list" if kind_of(partition) == "static" else partition
    )


def _not_examined(subject: Subject, found: Found, outdated: Sequence[ObjectRef]) -> Iterator[NotErased]:
    columns = "the key columns"
    for pipeline in sorted({(each.stage, each.pipeline) for each in found.without_key}):
        stage, name = pipeline
        number = sum((each.stage, each.pipeline) == pipeline for each in found.without_key)
        stale = sorted(each.partition or "" for each in outdated if (each.stage, each.pipeline) == pipeline)
        again = f"`etl run {subject.id} --pipeline {name} --stage transfer`, then `--stage load`"
        if stale and stale[0] and kind_of(stale[0]) != "static":
            again = f"`etl run {subject.id} --pipeline {name} --from {stale[0]} --to {stale[-1]}`"
        yield NotErased(
            what=f"{stage} of the pipeline {name}: {number} objects were not examined",
            why=f"they do not have {columns}, so nothing tells which rows are about the person",
            do=f"make them again from the rewritten extracts: {again}"
            if stale
            else "look whether rows are about persons",
        )
    if found.tables_without_key:
        yield NotErased(
            what=f"tables that were not examined: {', '.join(found.tables_without_key)}",
            why=f"they do not have {columns}",
            do=f"build dbt's models again with `etl run {subject.id} --stage dbt`; look at the others",
        )
    if found.views:
        yield NotErased(
            what=f"views that still show the person: {', '.join(found.views)}",
            why="they read tables that are not the tenant's",
            do="look at what they read",
        )


def _elsewhere(subject: Subject) -> Iterator[NotErased]:
    if subject.config.warehouse.type == "postgres":
        yield NotErased(
            what="the write-ahead log, replicas and backups of the database server",
            why="they belong to the server",
            do="wait until they have expired, by the server's own rules",
        )
    yield NotErased(
        what="texts of errors in Dagster's log, recordings for unit tests, and the tenant's own files",
        why="they are texts in which a person cannot be found with certainty",
        do="search them for the person's name and number",
    )
    yield NotErased(
        what="backups, exports of the tenant, messages that were sent, and copies that others made downstream",
        why="the product does not know them",
        do="let backups expire, delete exports, and tell those who read the tenant's tables",
    )


def _hash(key: Mapping[str, str], salt: str) -> str:
    return hashlib.scrypt(json.dumps(dict(key)).encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()


def person_of(subject: Subject, key: Mapping[str, str]) -> Person:
    """Return a person. The values are hidden in everything that this process says."""
    if not key or not all(key.values()):
        raise EtlError("no key names the person", "give --key customer_id=-, and the value on the standard input")
    learn(*(each for each in key.values() if len(each) >= _LONG))
    return Person(subject, key, Spellings(key))
